"""Which alarm fires on what, and what it says."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer import policies
from julia_warmer.core.alarms import RATES, STRENGTH, Turns, edge_of, ring, rings
from julia_warmer.core.evidence import Prior, e_value
from julia_warmer.core.model import Action, Alarm, ChipStatus, Counts, Health, Phase, Snapshot
from julia_warmer.core.pauses import ends_at, settle
from julia_warmer.core.policy import AlarmRule
from tests.core.some import AT, GOOD, STANDARD, chip, counts, rows, snapshots

WELL = Health(95, ())


def _all(fields: str) -> Counts:
    """`accepted 12, failed 7` as Counts; delivered and reached are what was accepted, unless said."""
    told = {name: int(number) for name, number in (pair.split() for pair in fields.split(","))}
    accepted = told["accepted"]
    return Counts(**{"delivered": accepted, "reached": accepted, "read": accepted, "replied": accepted // 2, **told})


RINGS = """
    window          counts                          ->  rule                        action
    last_hours      accepted 4, failed 4            ->  -                           -
    last_hours      accepted 6, failed 3            ->  -                           -
    last_hours      accepted 6, failed 5            ->  errors                      pause
    last_hours      accepted 12, undeliverable 9    ->  errors                      pause
    last_hours      accepted 6, held 1              ->  held                        notify
    recent_matured  accepted 19, replied 0          ->  -                           -
    recent_matured  accepted 60, replied 9          ->  -                           -
    recent_matured  accepted 60, replied 3          ->  replies_early               slow
    recent_matured  accepted 100, replied 9         ->  replies_lately              slow
    recent_matured  accepted 100, replied 3         ->  replies_low_lately          pause
    phase_matured   accepted 200, replied 16        ->  replies_low                 pause
    recent_matured  accepted 100, read 20           ->  reads                       notify
    recent_fresh    accepted 100, opted_out 5       ->  -                           -
    recent_fresh    accepted 9, opted_out 3         ->  -                           -
    recent_fresh    accepted 19, opted_out 2        ->  -                           -
    recent_fresh    accepted 19, opted_out 3        ->  opt_outs_raised_early       slow
    recent_fresh    accepted 90, opted_out 5        ->  opt_outs_raised_early       slow
    recent_fresh    accepted 100, opted_out 6       ->  opt_outs_raised_lately      slow
    recent_fresh    accepted 100, opted_out 8       ->  opt_outs_high_lately        pause
    phase_matured   accepted 350, opted_out 11      ->  -                           -
    phase_matured   accepted 350, opted_out 12      ->  opt_outs_raised             slow
    phase_matured   accepted 350, opted_out 14      ->  opt_outs_high               pause
    recent_fresh    accepted 100, undeliverable 5   ->  -                           -
    recent_fresh    accepted 100, undeliverable 8   ->  undeliverable_raised_lately  slow
    recent_fresh    accepted 100, undeliverable 10  ->  undeliverable_high_lately   pause
    recent_fresh    accepted 100, limited 5         ->  -                           -
    recent_fresh    accepted 100, limited 10        ->  limited_raised_lately       slow
    recent_fresh    accepted 100, limited 14        ->  limited_high_lately         pause
"""


@pytest.mark.parametrize(("window", "told", "rule", "action"), rows(RINGS))
def test_a_rule_fires_when_its_rate_is_surely_beyond(window: str, told: str, rule: str, action: str) -> None:
    """Where a pause rings, its slow-down would ring too: only the strongest of a signal is told."""
    fired = ring(chip(**{window: _all(told)}), WELL, STANDARD)
    assert [(alarm.rule, alarm.action) for alarm in fired] == ([] if rule == "-" else [(rule, Action(action))])


FALLS = """
    an hour ago  a day ago  now  ->  rules
    90           95         86   ->  -
    90           95         85   ->  health_fall
    90           90         71   ->  health_fall
    90           90         70   ->  health_crash
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


def test_an_alarm_says_what_it_saw_with_its_interval_and_its_bound() -> None:
    (alarm,) = ring(chip(recent_fresh=_all("accepted 100, opted_out 6")), WELL, STANDARD)
    assert alarm == Alarm("opt_outs_raised_lately", Action.SLOW, "6 of 100 opted out: 6.0 % (3.3-11.4 %), above 1.2 %", 24.0)


@pytest.mark.parametrize("status", [ChipStatus.PENDING, ChipStatus.PAUSED, ChipStatus.BANNED, ChipStatus.RETIRED])
def test_a_chip_that_is_not_sending_is_not_listened_to(status: ChipStatus) -> None:
    assert ring(chip(state={"status": status}, unanswered_run=99), WELL, STANDARD) == ()


WINDOWS = {"last_hours", "recent_fresh", "recent_matured", "phase_matured"}


@given(counts(), st.sampled_from(sorted(WINDOWS)))
@settings(max_examples=500, deadline=None)
def test_a_window_without_sends_is_silent_whatever_the_others_hold(seen: Counts, full: str) -> None:
    windows: dict[str, Any] = {name: seen if name == full else Counts() for name in WINDOWS}
    window_of = {rule.name: rule.window.value for rule in STANDARD.alarms}
    assert {window_of[alarm.rule] for alarm in ring(chip(**windows), WELL, STANDARD)} <= {full}


@given(snapshots(), st.integers(0, 100))
@settings(max_examples=500, deadline=None)
def test_no_signal_rings_twice_and_the_strongest_is_what_rings(snapshot: Snapshot, health: int) -> None:
    signal_of = {rule.name: rule.signal for rule in STANDARD.alarms}
    fired = ring(snapshot, Health(health, ()), STANDARD)
    signals = [signal_of[alarm.rule] for alarm in fired]
    assert len(signals) == len(set(signals))
    for rule in STANDARD.alarms:
        alone = ring(snapshot, Health(health, ()), replace(STANDARD, alarms=(rule,)))
        if alone:
            told = fired[signals.index(rule.signal)]
            assert STRENGTH[told.action] >= STRENGTH[rule.action]


alarm_lists = st.lists(
    st.builds(
        Alarm,
        rule=st.sampled_from(["one", "other", "third"]),
        action=st.sampled_from(list(Action)),
        sentence=st.just("it rang"),
        hours=st.sampled_from([None, 6.0, 24.0, 48.0]),
    ),
    max_size=3,
).map(tuple)


@given(snapshots(), alarm_lists, alarm_lists)
@settings(max_examples=500, deadline=None)
def test_no_alarm_undoes_another(snapshot: Snapshot, some: tuple[Alarm, ...], more: tuple[Alarm, ...]) -> None:
    """With more alarms a chip is as much paused or slowed, and as long, as with fewer; never less."""
    few, many = settle(snapshot, some, STANDARD), settle(snapshot, some + more, STANDARD)
    assert many.status is few.status or many.status is ChipStatus.PAUSED
    assert {pause.reason for pause in few.pauses} <= {pause.reason for pause in many.pauses}
    assert many.speed <= few.speed
    if few.slow_until is not None:
        assert many.slow_until is not None
        assert many.slow_until >= few.slow_until
    if few.status is ChipStatus.PAUSED and (end := ends_at(many)) is not None:
        assert (ends_at(few) or AT) <= end


def test_a_good_chip_is_not_disturbed() -> None:
    fine = replace(GOOD, opted_out=1, undeliverable=1, limited=2, failed=1)
    hours = _all("accepted 9, failed 1")
    assert ring(chip(recent_fresh=fine, recent_matured=fine, last_hours=hours, unanswered_run=20), WELL, STANDARD) == ()


@given(
    rule=st.sampled_from([rule for name in policies.shipped() for rule in policies.load(name).alarms if rule.signal in RATES]),
    people=st.integers(0, 700),
    share=st.floats(0, 1.1),
    floor=st.sampled_from([0.15, 0.18, 0.20]),
)
@settings(max_examples=500, deadline=None)
def test_a_rule_turns_once_as_events_grow_and_where_its_table_says(rule: AlarmRule, people: int, share: float, floor: float) -> None:
    plain, is_low = replace(rule, sends_min=0, events_min=0), RATES[rule.signal][2]
    edge = edge_of(plain, people, floor=floor)
    for events in {0, people, int(share * people), max(edge - 1, 0), max(edge, 0), edge + 1}:
        assert rings(plain, events, people, floor=floor) == ((min(events, people) <= edge) if is_low else (min(events, people) >= edge))


@given(st.lists(st.integers(0, 700), min_size=1, max_size=30), st.booleans(), st.data())
@settings(max_examples=500, deadline=None)
def test_the_turning_points_do_not_depend_on_what_was_asked_before(asked: list[int], is_low: bool, data: st.DataObject) -> None:
    """Each is looked for between those of the nearest numbers of people; alone, among all counts of events."""
    bound, prior = data.draw(st.sampled_from([0.012, 0.03, 0.15, 0.2])), Prior.skeptical(data.draw(st.sampled_from([0.08, 0.12])), 20)
    level = data.draw(st.sampled_from([0.5, 0.82, 0.95, 0.998]))

    def beyond(events: int, people: int) -> bool:
        return e_value(events, people, bound, prior, is_low=is_low) >= 1 / (1 - level)

    turns = Turns(beyond, is_low)
    for people in asked:
        assert turns[people] == Turns(beyond, is_low)[people]
