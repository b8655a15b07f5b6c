"""Which alarm fires on what, and what it says."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from julia_warmer import policies
from julia_warmer.core.alarms import ring
from julia_warmer.core.model import Action, Alarm, ChipStatus, Counts, Health, Phase
from tests.core.some import GOOD, STANDARD, chip, counts, rows

WELL = Health(95, ())


def _all(fields: str) -> Counts:
    """`accepted 12, failed 7` as Counts; delivered and reached are what was accepted, unless said."""
    told = {name: int(number) for name, number in (pair.split() for pair in fields.split(","))}
    accepted = told["accepted"]
    return Counts(**{"delivered": accepted, "reached": accepted, "read": accepted, "replied": accepted // 2, **told})


RINGS = """
    window          counts                          ->  rule                   action
    last_hours      accepted 4, failed 4            ->  -                      -
    last_hours      accepted 6, failed 3            ->  -                      -
    last_hours      accepted 6, failed 5            ->  errors                 pause
    last_hours      accepted 12, undeliverable 9    ->  errors                 pause
    last_hours      accepted 6, held 1              ->  held                   notify
    recent_matured  accepted 19, replied 0          ->  -                      -
    recent_matured  accepted 60, replied 9          ->  -                      -
    recent_matured  accepted 60, replied 3          ->  replies                slow
    recent_matured  accepted 100, read 20           ->  reads                  notify
    recent_fresh    accepted 100, opted_out 5       ->  -                      -
    recent_fresh    accepted 19, opted_out 3        ->  -                      -
    recent_fresh    accepted 20, opted_out 3        ->  opt_outs_raised        slow
    recent_fresh    accepted 100, opted_out 6       ->  opt_outs_raised        slow
    recent_fresh    accepted 100, opted_out 8       ->  opt_outs_high          pause
    recent_fresh    accepted 100, undeliverable 5   ->  -                      -
    recent_fresh    accepted 100, undeliverable 10  ->  undeliverable_raised   slow
    recent_fresh    accepted 100, undeliverable 19  ->  undeliverable_high     pause
    recent_fresh    accepted 100, limited 5         ->  -                      -
    recent_fresh    accepted 100, limited 14        ->  limited                slow
"""


@pytest.mark.parametrize(("window", "told", "rule", "action"), rows(RINGS))
def test_a_rule_fires_when_its_rate_is_surely_beyond(window: str, told: str, rule: str, action: str) -> None:
    """The last to fire is shown: where pause fires, slow fires too, and the pause is what acts."""
    fired = ring(chip(**{window: _all(told)}), WELL, STANDARD)
    assert [(alarm.rule, alarm.action) for alarm in fired[-1:]] == ([] if rule == "-" else [(rule, Action(action))])


FALLS = """
    an hour ago  a day ago  now  ->  rules
    90           95         86   ->  -
    90           95         85   ->  health_fall
    90           90         71   ->  health_fall
    90           90         70   ->  health_crash health_fall
    -            -          5    ->  -
"""


@pytest.mark.parametrize(("hour", "day", "now", "expected"), rows(FALLS))
def test_a_falling_score_slows_and_a_crash_pauses(hour: str, day: str, now: str, expected: str) -> None:
    best = {"health_max_1h": None if hour == "-" else int(hour), "health_max_24h": None if day == "-" else int(day)}
    fired = ring(chip(**best), Health(int(now), ()), STANDARD)
    assert " ".join(alarm.rule for alarm in fired) == expected.replace("-", "")


RUNS = """
    phase           in a row  ->  fires
    first_contacts  30        ->  no
    first_contacts  31        ->  yes
    expansion       34        ->  no
    expansion       35        ->  yes
    pre_operation   42        ->  no
    pre_operation   43        ->  yes
    setup           999       ->  no
"""


@pytest.mark.parametrize(("phase", "run", "fires"), rows(RUNS))
def test_a_run_without_answers_rings_when_the_floor_makes_it_one_in_a_thousand(phase: str, run: str, fires: str) -> None:
    fired = ring(chip(state={"phase": Phase(phase)}, unanswered_run=int(run)), WELL, STANDARD)
    assert [alarm.rule for alarm in fired] == (["unanswered"] if fires == "yes" else [])


def test_the_sprint_rings_at_five_in_a_row_which_happens_to_every_healthy_chip() -> None:
    sprint = policies.load("sprint")
    assert [alarm.rule for alarm in ring(chip(unanswered_run=5), WELL, sprint)] == ["unanswered"]
    assert ring(chip(unanswered_run=4), WELL, sprint) == ()


def test_an_alarm_says_what_it_saw_and_how_sure_it_is() -> None:
    (alarm,) = ring(chip(recent_fresh=_all("accepted 100, opted_out 6")), WELL, STANDARD)
    assert alarm == Alarm("opt_outs_raised", Action.SLOW, "opt-outs 6 of 100: P(opt-outs >= 2 %) = 0.95", 24.0)


@pytest.mark.parametrize("status", [ChipStatus.PENDING, ChipStatus.PAUSED, ChipStatus.BANNED, ChipStatus.RETIRED])
def test_a_chip_that_is_not_sending_is_not_listened_to(status: ChipStatus) -> None:
    assert ring(chip(state={"status": status}, unanswered_run=99), WELL, STANDARD) == ()


@given(counts())
@settings(max_examples=100, deadline=None)
def test_no_sends_never_ring(seen: Counts) -> None:
    """Whatever the other windows hold, an empty one is silent."""
    empty: dict[str, Any] = {"last_hours": Counts(), "recent_fresh": Counts(), "recent_matured": Counts()}
    assert ring(chip(phase_matured=seen, **empty), WELL, STANDARD) == ()


def test_a_good_chip_is_not_disturbed() -> None:
    fine = replace(GOOD, opted_out=1, undeliverable=1, limited=2, failed=1)
    hours = _all("accepted 9, failed 1")
    assert ring(chip(recent_fresh=fine, recent_matured=fine, last_hours=hours, unanswered_run=20), WELL, STANDARD) == ()
