"""The world: lives keyed by seed, people whose rates are those of their lists, and Meta's rules as its pages state them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from julia_warmer.core.events import (
    Event,
    LimitChanged,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    MessageSent,
    OptOutRequested,
    TemplateStatusChanged,
)
from julia_warmer.sim.constants import Constants, standard, vary
from julia_warmer.sim.state import Button, Message, Refused, Taken
from julia_warmer.sim.views import account_view, phone_view, template_view
from julia_warmer.sim.world import World

AT = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
BUTTONS = (Button("Tenho interesse"), Button("Parar mensagens", opt_out=True))


def calm(**changes: float) -> Constants:
    """A world without accidents: everybody is reachable, nobody is harmed; then what the test wants."""
    c = standard()
    quiet = {f.name: 0.0 for f in fields(c.lists["good"]) if f.name not in {"reply_low", "reply_high", "read"}}
    lists = {name: replace(row, **quiet) for name, row in c.lists.items()}
    c = replace(c, lists=lists, people=replace(c.people, experiment=0.0), delivery=replace(c.delivery, online=1.0))
    for name, value in changes.items():
        section, field = name.split("__")
        c = replace(c, **{section: replace(getattr(c, section), **{field: value})})
    return c


def world_of(
    constants: Constants | None = None, *, seed: int = 7, chips: int = 1, people: int = 0, limit: int = -1, **portfolio: object
) -> World:
    world = World(constants or standard(), seed=seed, at=AT)
    world.add_portfolio("p", limit=limit, **portfolio)
    world.add_account("a", "p")
    for i in range(chips):
        world.add_chip(f"c{i}", "a", display_phone=f"551195500000{i}")
    world.add_template("1", "a", name="ola", buttons=BUTTONS)
    for i in range(people):
        world.add_person(phone(i))
    return world


def phone(i: int) -> str:
    return f"55119{80000000 + i}"


def send(world: World, i: int, at: datetime, *, chip: str = "c0", **changes: object) -> Taken | Refused:
    return world.accept(Message(**{"phone_number_id": chip, "to": phone(i), "template": "ola", **changes}), at=at)


def spread(world: World, people: Iterable[int], start: datetime = AT, *, every_s: float = 20.0, **changes: object) -> list[Event]:
    """Send to each, one after the other, and let the world go on; all facts."""
    facts: list[Event] = []
    at = start
    for i in people:
        at += timedelta(seconds=every_s)
        facts += world.advance(at)
        send(world, i, at, **changes)
    return facts


def of(kind: type, facts: Iterable[Event]) -> list:
    return [fact for fact in facts if isinstance(fact, kind)]


def codes(facts: Iterable[Event]) -> Counter:
    return Counter(fact.code for fact in facts if isinstance(fact, MessageFailed))


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


# --- what Meta refuses -------------------------------------------------------------------------------------------------------


def test_what_meta_refuses_at_once():
    world = world_of(calm(), people=5)
    world.add_template("2", "a", name="dois", parameters=2)
    world.add_template("3", "a", name="nova", status="PENDING")
    world.add_template("4", "a", name="velha", status="DISABLED")
    cases = [
        ({"chip": "nobody"}, 100),
        ({"template": "none"}, 132001),
        ({"template": "nova"}, 132001),
        ({"template": "velha"}, 132016),
        ({"template": "dois", "parameters": 1}, 132000),
        ({"kind": "text", "template": None}, 131047),
        ({"to": "5511955000000"}, 131021),
    ]
    for changes, code in cases:
        refused = send(world, 0, AT, **changes)
        assert isinstance(refused, Refused), changes
        assert refused.code == code
    assert world.advance(AT + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda w: setattr(w.chips["c0"], "registered", False), 133010),
        (lambda w: w.lock_account("a", at=AT), 131031),
        (lambda w: setattr(w.chips["c0"], "status", "BANNED"), 131031),
        (lambda w: w.restrict_account("a", at=AT, until=AT + timedelta(days=1)), 368),
        (lambda w: w.pause_template("1", at=AT, until=None), 132015),
    ],
)
def test_what_meta_refuses_after_it_acted(prepare, code: int):
    world = world_of(calm(), people=1)
    prepare(world)
    refused = send(world, 0, AT)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_eighty_messages_a_second_and_no_more():
    world = world_of(calm(), people=200)
    answers = [send(world, i, AT) for i in range(100)]
    assert sum(isinstance(a, Taken) for a in answers) == 80
    assert {a.code for a in answers if isinstance(a, Refused)} == {130429}
    assert isinstance(send(world, 150, AT + timedelta(seconds=1)), Taken)


def test_a_burst_to_one_person_is_paid_back_at_one_message_in_six_seconds():
    world = world_of(calm(), people=1)
    world.say("c0", phone(0), "Oi", at=AT)
    burst = [send(world, 0, AT, kind="text", template=None) for _ in range(46)]
    assert [isinstance(a, Taken) for a in burst] == [True] * 45 + [False]
    assert burst[-1].code == 131056
    assert isinstance(send(world, 0, AT + timedelta(seconds=45 * 6 - 1), kind="text", template=None), Refused)
    assert isinstance(send(world, 0, AT + timedelta(seconds=45 * 6), kind="text", template=None), Taken)


def test_the_service_window_is_24_hours_from_the_last_message():
    world = world_of(calm(), people=1)
    world.say("c0", phone(0), "Oi", at=AT)
    assert isinstance(send(world, 0, AT + timedelta(hours=23, minutes=59), kind="text", template=None), Taken)
    assert isinstance(send(world, 0, AT + timedelta(hours=24), kind="text", template=None), Refused)


# --- what Meta fails ---------------------------------------------------------------------------------------------------------


def test_nobody_and_the_united_states_fail_each_with_its_code():
    world = world_of(calm())
    world.add_person("16505551234")
    world.accept(Message(phone_number_id="c0", to="16505551234", template="ola"), at=AT)
    send(world, 99, AT)
    assert codes(world.advance(AT + timedelta(hours=1))) == {131049: 1, 131026: 1}


def test_who_is_limited_stays_so_for_a_day_and_longer_for_each_retry():
    world = world_of(calm(), people=1)
    world.people[phone(0)].limited_until = (AT + timedelta(hours=24)).timestamp()
    for hours, fails in ((1, True), (24, True), (47, True), (72, False)):  # each retry adds a day
        send(world, 0, AT + timedelta(hours=hours))
        assert bool(codes(world.advance(AT + timedelta(hours=hours, minutes=30)))) == fails, hours


def test_unpaid_accounts_fail_templates():
    world = world_of(calm(), people=1)
    world.accounts["a"].paid = False
    send(world, 0, AT)
    assert codes(world.advance(AT + timedelta(hours=1))) == {131042: 1}


def test_a_number_that_is_red_for_long_meets_131048():
    world = world_of(calm(spam__red_chance=1.0), people=3)
    world.set_quality("c0", "RED", at=AT)
    send(world, 0, AT + timedelta(hours=1))
    assert not codes(world.advance(AT + timedelta(hours=2)))
    send(world, 1, AT + timedelta(hours=13))
    assert codes(world.advance(AT + timedelta(hours=14))) == {131048: 1}


def test_reports_in_one_day_restrict_the_number():
    c = calm()
    c = replace(c, lists={**c.lists, "good": replace(c.lists["good"], report=1.0)})
    world = world_of(c, people=40)
    spread(world, range(20), every_s=1)
    world.advance(AT + timedelta(hours=20))
    assert phone_view(world, "c0").quality == "UNKNOWN"
    send(world, 30, AT + timedelta(hours=21))
    assert codes(world.advance(AT + timedelta(hours=22))) == {131048: 1}


# --- quality, limits, pacing -------------------------------------------------------------------------------------------------


def test_blocks_turn_a_number_red_and_a_week_heals_it_without_a_word():
    c = calm()
    c = replace(c, lists={**c.lists, "good": replace(c.lists["good"], block=0.3)})
    world = world_of(c, people=150)
    facts = spread(world, range(150), every_s=60) + world.advance(AT + timedelta(days=1))
    assert phone_view(world, "c0").quality == "RED"
    assert not [fact for fact in facts if "quality_rating" in repr(fact) or type(fact).__name__ == "QualityChanged"]
    world.advance(AT + timedelta(days=9))
    assert phone_view(world, "c0").quality == "GREEN"


def test_the_limit_counts_unique_people_outside_windows_in_a_moving_day():
    world = world_of(calm(), people=300, limit=250, verified=True)
    world.add_template("2", "a", name="outra")
    facts = spread(world, range(260), every_s=1)
    facts += spread(world, range(20), AT + timedelta(hours=1), every_s=1, template="outra")  # known people cost nothing
    facts += world.advance(AT + timedelta(hours=2))
    assert codes(facts) == {131049: 10}
    assert world.portfolios["p"].over_limit == 10
    facts = spread(world, range(260, 270), AT + timedelta(hours=26), every_s=1) + world.advance(AT + timedelta(hours=27))
    assert not codes(facts)


def test_two_thousand_delivered_in_thirty_days_earn_the_next_limit():
    world = world_of(calm(limits__earn_unique=60), chips=2, people=100, limit=250)
    facts = spread(world, range(70), every_s=30) + world.advance(AT + timedelta(hours=3))
    changed = of(LimitChanged, facts)
    assert [(c.account_id, c.limit, c.value) for c in changed] == [("a", 2000, "TIER_2K")]
    assert account_view(world, "a").limit == 2000


def test_half_of_the_limit_in_seven_days_raises_it_within_six_hours():
    world = world_of(calm(limits__grow_share=0.05), people=200, limit=2000)
    facts = spread(world, range(120), every_s=30) + world.advance(AT + timedelta(hours=8))
    assert [fact.limit for fact in of(LimitChanged, facts)] == [10000]


def test_low_quality_defers_the_growth():
    world = world_of(calm(limits__earn_unique=20), people=100, limit=250)
    world.set_quality("c0", "YELLOW", at=AT)
    facts = spread(world, range(40), every_s=30) + world.advance(AT + timedelta(hours=3))
    assert [type(f).__name__ for f in facts if f.account_id and f.phone_number_id is None] == ["AccountChanged"]
    world.set_quality("c0", "GREEN", at=AT + timedelta(hours=4))
    assert of(LimitChanged, world.advance(AT + timedelta(hours=30)))


def test_a_burst_is_held_and_released_within_the_hour():
    world = world_of(calm(), people=300, chips=4)
    answers = [send(world, i, AT, chip=f"c{i % 4}") for i in range(250)]
    held = [a for a in answers if isinstance(a, Taken) and a.held]
    assert len(held) == 50
    facts = world.advance(AT + timedelta(hours=1, minutes=1))
    assert {a.message_id for a in held} <= {f.message_id for f in of(MessageSent, facts)}


def test_a_burst_with_bad_feedback_is_dropped_and_the_portfolio_reviewed():
    world = world_of(calm(), people=400, chips=4)
    for i in range(250):
        send(world, i, AT, chip=f"c{i % 4}")
    world.chips["c0"].feedback.add(AT.timestamp(), negative=50.0)
    facts = world.advance(AT + timedelta(hours=1, minutes=1))
    assert codes(facts) == {135000: 50}
    assert send(world, 300, AT + timedelta(hours=2)).code == 368
    assert isinstance(send(world, 300, AT + timedelta(hours=26)), Taken)


def test_a_burst_of_an_unproven_template_with_bad_feedback_pauses_it_by_hand():
    world = world_of(calm(), people=500, chips=4, sent_365d=500_000)
    for i in range(310):
        send(world, i, AT, chip=f"c{i % 4}")
    world.templates["1"].feedback.add(AT.timestamp(), negative=50.0)
    facts = world.advance(AT + timedelta(hours=1, minutes=1))
    assert codes(facts) == {132015: 10}
    assert [(f.value, f.title) for f in of(TemplateStatusChanged, facts)] == [("PAUSED", "RATE_LIMITING_PAUSE")]
    world.advance(AT + timedelta(days=2))
    assert template_view(world, "1").status == "PAUSED"
    assert world.unpause_template("1", at=AT + timedelta(days=2))
    assert template_view(world, "1").status == "APPROVED"


def test_a_template_that_turns_red_pauses_three_hours_then_six_then_for_good():
    world = world_of(calm(), people=1)
    template, meta = world.templates["1"], world.lives.meta
    at = AT
    told: list[tuple[str, str | None]] = []
    for hours in (3, 6, None):
        template.feedback.add(at.timestamp(), delivered=100, negative=30.0)
        meta.look_at_template(template, at.timestamp())
        facts = world.advance(at)
        if hours:
            facts += world.advance(at + timedelta(hours=hours) - timedelta(seconds=1))
            assert template.status == "PAUSED"
            facts += world.advance(at + timedelta(hours=hours))
            assert template.status == "APPROVED"
        told += [(f.value, f.title) for f in of(TemplateStatusChanged, facts)]
        at += timedelta(hours=10)
    assert template.status == "DISABLED"
    assert told == [
        ("PAUSED", "FIRST_PAUSE"),
        ("APPROVED", "UNPAUSE"),
        ("PAUSED", "SECOND_PAUSE"),
        ("APPROVED", "UNPAUSE"),
        ("DISABLED", "DISABLED"),
    ]


def test_a_template_that_nobody_reads_turns_red():
    world = world_of(calm(), people=0)
    template = world.templates["1"]
    template.feedback.add(AT.timestamp(), delivered=100)
    template.feedback.add(AT.timestamp(), read=20)
    world.lives.meta.look_at_template(template, (AT + timedelta(hours=2)).timestamp())
    assert template.rating == "GREEN"  # too early to say that they will not
    world.lives.meta.look_at_template(template, (AT + timedelta(hours=40)).timestamp())
    assert template.rating == "RED"
