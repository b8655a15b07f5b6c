"""Explanations: what a score would be without a term, what is still missing for the next phase, who is to blame, what to do."""

from dataclasses import replace
from datetime import timedelta
from math import log
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.blame import Cell, blame, p_higher, score_without
from julia_warmer.core.decide import decide
from julia_warmer.core.evidence import Lag, Prior, Rate, gate_ceiling, gate_floor, learn_lag, sends_to_ceiling, sends_to_floor
from julia_warmer.core.explain import explain, waterfall
from julia_warmer.core.model import Checklist, ChipStatus, Counts, Pause, Phase, Snapshot, Verdict
from tests.core.some import AT, GOOD, STANDARD, chip, of, rows, snapshots

SURE: dict[str, Any] = {"people_min": 20, "pass_at": 0.8}
SKEPTICAL = Prior.skeptical(0.01, 50)


@given(snapshots())
@settings(max_examples=200, deadline=None)
def test_the_waterfall_ends_at_the_score_and_each_term_says_what_would_be_without_it(snapshot: Snapshot) -> None:
    health = decide(snapshot, STANDARD).health
    bars = waterfall(health, STANDARD.health.base)
    assert int(min(100, max(0, bars[-1].stands_at)) + 0.5) == health.score
    for bar in bars:
        assert (bar.without >= health.score) if bar.points < 0 else (bar.without <= health.score)


NEEDED = """
    gate       events   bound  ->  sends
    replies    14 / 40   0.20  ->  0
    replies    10 / 40   0.20  ->  0
    replies     9 / 40   0.20  ->  115
    replies     8 / 40   0.20  ->  never
    replies     7 / 32   0.20  ->  256
    replies     0 /  0   0.20  ->  20
    replies    10 / 12   0.20  ->  8
    opt-outs    0 / 30   0.03  ->  0
    opt-outs    2 / 72   0.03  ->  0
    opt-outs    3 / 74   0.05  ->  0
    opt-outs    4 / 74   0.04  ->  never
    opt-outs    9 / 60   0.03  ->  never
"""


@pytest.mark.parametrize(("gate", "events", "bound", "expected"), rows(NEEDED))
def test_a_gate_says_how_many_sends_it_still_needs(gate: str, events: str, bound: str, expected: str) -> None:
    if gate == "replies":
        sends = sends_to_floor(*of(events), float(bound), **SURE)
    else:
        sends = sends_to_ceiling(*of(events), float(bound), prior=SKEPTICAL, **SURE)
    assert ("never" if sends is None else str(sends)) == expected


@given(st.integers(0, 120), st.integers(1, 120), st.floats(0.02, 0.4))
@settings(max_examples=200, deadline=None)
def test_with_so_many_sends_more_at_that_rate_the_gate_passes(events: int, people: int, bound: float) -> None:
    """Checked with whole people: three more answers than the rate would bring are enough for what rounding takes."""
    events = min(events, people)
    sends = sends_to_floor(events, people, bound, **SURE)
    if sends is not None:
        total = people + sends
        assert (
            gate_floor("replies", min(total, int(events * total / people) + 3), total, bound, fail_at=0.05, **SURE).verdict is Verdict.PASS
        )
    harm = sends_to_ceiling(events, people, bound, prior=SKEPTICAL, **SURE)
    if harm is not None:
        total = people + harm
        seen = max(0, int(events * total / people) - 1)
        assert gate_ceiling("opt-outs", seen, total, bound, prior=SKEPTICAL, fail_at=0.05, **SURE).verdict is Verdict.PASS


PATHS = """
    what            gate       missing
    few answers     replies    needs 166 more matured sends at this rate: 12 of 60 replied: 20.0 % (13.1-29.9 %)
    no answers      replies    would not pass at this rate: 6 of 60 replied: 10.0 % (5.5-18.5 %)
    six days        days       needs 1 more sending days
    sick            health     needs
    unused          used       needs 20 more sends within the days so far, or fuller days to come
"""
SEEN = {
    "few answers": chip(phase_matured=Counts(accepted=60, reached=60, delivered=60, replied=12)),
    "no answers": chip(phase_matured=Counts(accepted=60, reached=60, delivered=60, replied=6)),
    "six days": chip(sending_days_in_phase=6),
    "sick": chip(platform_warnings_7d=6, health_max_1h=None, health_max_24h=None),
    "unused": chip(reachable_in_phase=200, accepted_in_phase=140),
}


@pytest.mark.parametrize(("what", "gate", "missing"), rows(PATHS))
def test_the_way_to_the_next_phase_names_what_is_missing(what: str, gate: str, missing: str) -> None:
    told = explain(SEEN[what], STANDARD)
    (step,) = [step for step in told.path if step.gate == gate]
    assert step.missing.startswith(missing)
    assert told.next_phase is Phase.PRE_OPERATION or what == "no answers"


BY_HAND = (Pause(reason="ana", since=AT, hard=True),)
TODOS = {
    "retire": chip(phone_status="BANNED"),
    "release_stop": chip(stops=("everything: a person",)),
    "resume": chip(
        state={"status": ChipStatus.PAUSED, "paused_from": ChipStatus.WARMING, "pauses": (Pause(reason="ana", since=AT, hard=True),)}
    ),
    "complete_checklist": chip(checklist=replace(chip().checklist, route_set=False)),
    "change_message": SEEN["no answers"],
    "add_people": chip(eligible_people=0),
    "look": chip(webhook_at=AT - timedelta(hours=60)),
    "wait": SEEN["few answers"],
    "start": chip(state={"status": ChipStatus.PENDING}, checklist=Checklist()),
}


@pytest.mark.parametrize("name", TODOS)
def test_a_person_is_told_the_one_thing_that_helps_most(name: str) -> None:
    todo = explain(TODOS[name], STANDARD).todo
    assert todo.name == name
    assert todo.sentence


def test_waiting_is_told_in_sends_and_days() -> None:
    todo = explain(replace(SEEN["few answers"], phase_matured=Counts(accepted=60, reached=60, delivered=60, replied=12)), STANDARD).todo
    assert todo.sentence.startswith("wait: ")
    assert " more matured sends, about " in todo.sentence


def _cell(audience: str, template: str, people: int, opted_out: int, chip_name: str = "one") -> Cell:
    return Cell(chip_name, audience, template, Counts(accepted=people, reached=people, delivered=people, opted_out=opted_out))


def test_a_bad_template_is_found_among_lists_and_chips_that_do_alike() -> None:
    cells = [
        _cell("may", "promo_7", 60, 7),
        _cell("may", "shifts", 80, 1),
        _cell("june", "promo_7", 50, 6, "two"),
        _cell("june", "shifts", 70, 0, "two"),
    ]
    found = blame(cells, "opt-outs", STANDARD.evidence)
    assert (found.suspects[0].kind, found.suspects[0].name) == ("template", "promo_7")
    assert found.suspects[0].sure > 0.99
    assert found.unknown == ()


def test_what_cannot_be_told_apart_is_said() -> None:
    found = blame([_cell("may", "promo_7", 60, 7), _cell("june", "shifts", 80, 1)], "opt-outs", STANDARD.evidence)
    assert found.unknown == (
        "chip: only one was used, nothing to compare with",
        "list and template cannot be told apart: each list was written to with one template of its own",
    )
    few = blame([_cell("may", "promo_7", 60, 7), _cell("may", "shifts", 5, 1)], "opt-outs", STANDARD.evidence)
    assert "template: no two with 20 people or more" in few.unknown
    assert few.suspects == ()


def test_of_two_rates_the_likelier_one_is_higher() -> None:
    assert p_higher(Rate(5, 50), Rate(5, 50)) == pytest.approx(0.5, abs=0.01)
    assert p_higher(Rate(15, 50), Rate(5, 50)) > 0.98


def test_without_a_bad_template_the_score_would_be_higher() -> None:
    bad = Counts(accepted=40, reached=40, delivered=40, replied=4, opted_out=7)
    both = Counts(
        **{name: getattr(GOOD, name) + getattr(bad, name) for name in ("accepted", "reached", "delivered", "read", "replied", "opted_out")}
    )
    snapshot = chip(recent_fresh=both, recent_matured=both, received_30d=0, conversations_7d=0)
    now = decide(snapshot, STANDARD).health.score
    assert score_without(snapshot, fresh=bad, matured=bad, policy=STANDARD) > now


@given(st.floats(0.3, 2), st.floats(0.2, 20), st.floats(0.01, 200), st.floats(0.01, 200))
@settings(max_examples=200, deadline=None)
def test_what_has_come_in_only_grows_with_time(shape: float, scale_h: float, hours: float, more: float) -> None:
    lag = Lag(shape, scale_h)
    assert 0 <= lag.share_in(hours) <= lag.share_in(hours + more) <= 1


def test_a_rate_read_early_is_right_when_corrected_for_what_is_still_to_come() -> None:
    """A thousand people at each age, 30 % of whom will answer: so far fewer did, and the corrected rate is 30 % all the same."""
    lag = Lag(0.6, 3.0)
    ages = [(hours, 1000) for hours in (0.5, 2.0, 6.0, 20.0)]
    so_far = sum(0.30 * people * lag.share_in(hours) for hours, people in ages)
    assert so_far / 4000 < 0.22
    assert so_far / lag.people_in(ages) == pytest.approx(0.30)


def test_a_delay_is_learned_from_what_has_matured() -> None:
    lag = Lag(0.6, 3.0)
    inverse = [3.0 * (-log(1 - (n + 0.5) / 400)) ** (1 / 0.6) for n in range(400)]
    learned = learn_lag(inverse)
    assert learned is not None
    assert learned.share_in(6) == pytest.approx(lag.share_in(6), abs=0.02)
    assert learn_lag(inverse[:10]) is None


def test_rates_of_young_sends_are_told_with_what_is_still_to_come() -> None:
    """Sixty matured, forty between 2 and 4 hours old: the forty count by the share of their answers that is in."""
    fresh = Counts(accepted=100, reached=100, delivered=100, replied=24, opted_out=2)
    told = explain(chip(recent_fresh=fresh, young_reached=(40, 0, 0, 0)), STANDARD).so_far
    assert told == (
        "24 of 100 replied so far; 81 % of such answers are in: 29.5 %",
        "2 of 100 opted out so far; 94 % of such answers are in: 2.1 %",
    )
    assert explain(chip(recent_fresh=Counts()), STANDARD).so_far == ()
