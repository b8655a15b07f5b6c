"""What Meta does in the world: what it refuses and fails, how it rates, limits, holds and pauses."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.sim.small_world import AT, calm, codes, of, phone, send, spread, world_of

from julia_warmer.core.events import (
    LimitChanged,
    MessageSent,
    TemplateStatusChanged,
)
from julia_warmer.sim.state import Message, Refused, Taken
from julia_warmer.sim.views import account_view, phone_view, template_view

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
