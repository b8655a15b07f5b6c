"""The world: lives keyed by seed, people whose rates are those of their lists, and Meta's rules as its pages state them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.sim.small_world import AT, calm, codes, of, phone, send, spread, world_of

from julia_warmer.core.events import (
    Event,
    MessageDelivered,
    MessageRead,
    MessageReceived,
    MessageSent,
    OptOutRequested,
)
from julia_warmer.sim.constants import standard, vary
from julia_warmer.sim.state import Message, Taken
from julia_warmer.sim.views import phone_view

# --- determinism -------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_lives_and_another_seed_others():
    def run(seed: int) -> list[Event]:
        world = world_of(seed=seed, people=200)
        return spread(world, range(200)) + world.advance(AT + timedelta(days=4))

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_lives_do_not_depend_on_the_order_of_requests():
    def run(order: list[int]) -> list[Event]:
        world = world_of(calm(), people=60)
        for i in order:
            send(world, i, AT)
        return sorted(world.advance(AT + timedelta(days=4)), key=repr)

    assert run(list(range(60))) == run(list(reversed(range(60))))


def test_one_message_more_shifts_no_other_life():
    def run(people: list[int]) -> list[Event]:
        world = world_of(calm(), people=60)
        return spread(world, people, every_s=0) + world.advance(AT + timedelta(days=4))

    with_it, without = run(list(range(60))), run([i for i in range(60) if i != 30])
    assert [fact for fact in with_it if _who(fact) != phone(30)] == without


def _who(fact: Event) -> str | None:
    return getattr(fact, "to", None) or getattr(fact, "phone", None)


def test_advancing_in_many_steps_tells_the_same_as_advancing_in_one():
    one, many = world_of(people=80), world_of(people=80)
    for world in (one, many):
        for i in range(80):
            send(world, i, AT)
    facts = [fact for h in range(96) for fact in many.advance(AT + timedelta(hours=h + 1))]
    assert facts == one.advance(AT + timedelta(hours=96))
    assert facts == sorted(facts, key=lambda fact: fact.at)


# --- people ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "low", "high"), [("good", 0.32, 0.42), ("tired", 0.15, 0.22), ("poor", 0.03, 0.10)])
def test_people_reply_at_the_rate_of_their_list(kind: str, low: float, high: float):
    world = world_of(people=0, sent_365d=10**6)
    for i in range(3000):
        world.add_person(phone(i), kind=kind)
    facts = []
    for i in range(3000):
        send(world, i, AT + timedelta(seconds=i * 15))
        facts += world.advance(AT + timedelta(seconds=i * 15))
    facts += world.advance(AT + timedelta(days=7))
    reached = {f.message_id for f in of(MessageDelivered, facts)} | {f.message_id for f in of(MessageRead, facts)}
    stops = [truth for truth in world.take_truths() if truth.what == "asked_to_stop" and truth.how != "switch"]
    replied = {f.phone for f in of(MessageReceived, facts)} - {truth.person for truth in stops}
    assert low <= len(replied) / len(reached) <= high


def test_most_replies_come_within_a_day_and_none_before_the_read():
    world = world_of(calm(), people=800)
    facts = spread(world, range(800)) + world.advance(AT + timedelta(days=8))
    delivered = {f.to: f.at for f in of(MessageDelivered, facts)}
    read = {f.to: f.at for f in of(MessageRead, facts)}
    replied: dict[str, datetime] = {}
    for f in of(MessageReceived, facts):
        replied.setdefault(f.phone, f.at)
    assert all(read[who] <= at for who, at in replied.items() if who in read)
    waits = [at - delivered[who] for who, at in replied.items() if who in delivered]
    assert sum(wait < timedelta(days=1) for wait in waits) / len(waits) > 0.9


def test_people_sleep_except_some():
    world = world_of(calm(), people=1000)
    facts = spread(world, range(1000)) + world.advance(AT + timedelta(days=8))
    at_night = [f for f in of(MessageRead, facts) if 2 <= (f.at.hour - 3) % 24 < 6]
    assert len(at_night) < 0.05 * len(of(MessageRead, facts))


def test_a_bad_template_is_read_less_and_harms_more():
    def run(effects: str) -> tuple[int, int]:
        world = world_of(people=0, sent_365d=10**6)
        world.templates["1"].effects = world.c.templates[effects]
        for i in range(1500):
            world.add_person(phone(i))
            send(world, i, AT)
            world.templates["1"].status = "APPROVED"
        facts = world.advance(AT + timedelta(days=5))
        return len(of(MessageRead, facts)), len(world.take_truths())

    constants = standard()
    assert constants.templates["bad"].harm > 1
    (good_reads, good_harm), (bad_reads, bad_harm) = run("good"), run("bad")
    assert bad_reads < 0.6 * good_reads
    assert bad_harm > 3 * good_harm


def test_fatigue_lowers_replies_and_rest_brings_them_back():
    def replies(gap_d: float) -> int:
        world = world_of(vary(calm(), "people.fatigue_reply", 8), people=600, sent_365d=10**6)
        spread(world, range(600), every_s=1)
        world.advance(AT + timedelta(days=gap_d))
        facts = spread(world, range(600), AT + timedelta(days=gap_d), every_s=1) + world.advance(AT + timedelta(days=gap_d + 20))
        return len({f.phone for f in of(MessageReceived, facts) if f.at > AT + timedelta(days=gap_d)})

    assert replies(8) < replies(40)


def test_a_conversation_goes_on_when_we_answer_inside_the_window():
    world = world_of(calm(people__follow_up=1.0, people__follow_up_fading=1.0), people=1)
    world.say("c0", phone(0), "Oi", at=AT)
    taken = send(world, 0, AT + timedelta(minutes=1), kind="text", template=None)
    facts = world.advance(AT + timedelta(days=1))
    assert isinstance(taken, Taken)
    assert not taken.initiated
    assert len(of(MessageReceived, facts)) >= 2


@pytest.mark.parametrize(
    ("number", "drops"),
    [("5531987654321", True), ("5511987654321", False), ("5531923456789", False), ("553134567890", False), ("16505551234", False)],
)
def test_the_ninth_digit_is_dropped_for_old_mobiles_outside_the_first_states(number: str, drops: bool):
    world = world_of(calm(people__ninth_digit_dropped=1.0))
    person = world.add_person(number)
    assert (person.wa_id != number) == drops
    taken = world.accept(Message(phone_number_id="c0", to=number, template="ola"), at=AT)
    assert isinstance(taken, Taken)
    assert len(taken.wa_id) == len(number) - drops


@pytest.mark.parametrize(
    ("field", "how", "kind"),
    [("stop_word", "word", MessageReceived), ("stop_button", "button", MessageReceived), ("stop_switch", "switch", OptOutRequested)],
)
def test_each_way_to_stop_is_told_as_it_would_be(field: str, how: str, kind: type):
    c = calm(people__switch_bsuid_only=0.0)
    c = replace(c, lists={**c.lists, "good": replace(c.lists["good"], **{field: 1.0})})
    world = world_of(c, people=1)
    send(world, 0, AT)
    facts = world.advance(AT + timedelta(days=9))
    truth = world.take_truths()[0]
    assert (truth.what, truth.how) == ("asked_to_stop", how)
    told = of(kind, facts)[-1]
    assert told.phone == phone(0)
    if how == "button":
        assert (told.text, told.message_type) == ("Parar mensagens", "button")


def test_after_the_switch_marketing_fails_and_utility_does_not():
    world = world_of(calm(), people=1)
    world.add_template("2", "a", name="aviso", category="utility")
    world.switch_off("c0", phone(0), at=AT)
    send(world, 0, AT + timedelta(hours=1))
    send(world, 0, AT + timedelta(hours=2), template="aviso")
    facts = world.advance(AT + timedelta(hours=3))
    assert codes(facts) == {131050: 1}
    assert len(of(MessageSent, facts)) == 1


def test_who_blocked_gets_nothing_more_and_nobody_says_so():
    c = calm()
    world = world_of(replace(c, lists={**c.lists, "good": replace(c.lists["good"], block=1.0)}), people=1)
    send(world, 0, AT)
    world.advance(AT + timedelta(days=3))
    send(world, 0, AT + timedelta(days=8))
    facts = world.advance(AT + timedelta(days=60))
    assert [type(fact) for fact in facts] == [MessageSent]
    assert phone_view(world, "c0").quality == "UNKNOWN"  # one person is not enough for a rating
