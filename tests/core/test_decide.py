"""The laws of a decision, for any snapshot, and a table of what one looks like."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.decide import decide
from julia_warmer.core.model import PHASES, Action, Change, Checklist, ChipState, ChipStatus, Counts, Phase, Quality, Snapshot
from julia_warmer.core.pauses import SENDING
from tests.core.life import BORN, Life, People
from tests.core.some import AT, DONE, GOOD, STANDARD, chip, counts, rows, snapshots, states

MANY = settings(max_examples=100, deadline=None)


@given(snapshots())
@MANY
def test_the_same_snapshot_gives_the_same_decision(snapshot: Snapshot) -> None:
    assert decide(snapshot, STANDARD) == decide(replace(snapshot), STANDARD)


@given(snapshots())
@MANY
def test_a_decision_is_whole(snapshot: Snapshot) -> None:
    decision = decide(snapshot, STANDARD)
    state, budget = decision.state, decision.budget
    assert 0 <= decision.health.score <= 100
    assert snapshot.at < decision.look_again_at <= snapshot.at + timedelta(hours=25)
    assert budget.day_max >= 0
    assert budget.binding
    assert not budget.parts or budget.day_max == max(0, min(number for _, number in budget.parts))
    assert (state.status is ChipStatus.PAUSED) == bool(state.pauses)
    assert state.status is not ChipStatus.READY or state.phase is Phase.OPERATION
    assert budget.day_max == 0 or state.status in SENDING
    assert abs(PHASES.index(state.phase) - PHASES.index(snapshot.state.phase)) <= 1


Worse = Callable[[Snapshot, st.DrawFn], Snapshot]


def _cohorts(change: Callable[[Counts, st.DrawFn], Counts]) -> Worse:
    """The same change to every cohort."""

    def worse(snapshot: Snapshot, draw: st.DrawFn) -> Snapshot:
        names = ("phase_matured", "recent_matured", "recent_fresh", "last_hours")
        return replace(snapshot, **{name: change(getattr(snapshot, name), draw) for name in names})

    return worse


def _more(field: str, most: int = 20) -> Worse:
    return lambda snapshot, draw: replace(snapshot, **{field: getattr(snapshot, field) + draw(st.integers(0, most))})


def _less(field: str) -> Worse:
    return lambda snapshot, draw: replace(snapshot, **{field: draw(st.integers(0, getattr(snapshot, field)))})


def _less_left(field: str) -> Worse:
    """A limit that may be absent."""

    def worse(snapshot: Snapshot, draw: st.DrawFn) -> Snapshot:
        now = getattr(snapshot, field)
        return replace(snapshot, **{field: draw(st.integers(0, 200 if now is None else now))})

    return worse


def _older(field: str) -> Worse:
    def worse(snapshot: Snapshot, draw: st.DrawFn) -> Snapshot:
        now: datetime | None = getattr(snapshot, field)
        hours = draw(st.none() | st.integers(0, 99))
        return replace(snapshot, **{field: None if now is None or hours is None else now - timedelta(hours=hours)})

    return worse


def _worse_quality(snapshot: Snapshot, draw: st.DrawFn) -> Snapshot:
    order = [Quality.GREEN, Quality.UNKNOWN, Quality.YELLOW, Quality.RED]
    return replace(snapshot, quality=draw(st.sampled_from(order[order.index(snapshot.quality) :])))


def _lost_checklist(snapshot: Snapshot, draw: st.DrawFn) -> Snapshot:
    lost = draw(st.sampled_from(["name_approved", "profile_filled", "pin_set", "route_set"]))
    return replace(snapshot, checklist=replace(snapshot.checklist, **{lost: False}))


# the order "worse": the same chip, state and volume, with this field moved the wrong way
WORSE: dict[str, Worse] = {
    "fewer replies": _cohorts(lambda c, draw: replace(c, replied=draw(st.integers(0, c.replied)))),
    "fewer reads": _cohorts(lambda c, draw: replace(c, read=draw(st.integers(0, c.read)))),
    "more opt-outs": _cohorts(lambda c, draw: replace(c, opted_out=c.opted_out + draw(st.integers(0, 9)))),
    "more undeliverable": _cohorts(lambda c, draw: replace(c, undeliverable=c.undeliverable + draw(st.integers(0, 9)))),
    "more limited": _cohorts(lambda c, draw: replace(c, limited=c.limited + draw(st.integers(0, 9)))),
    "more held": _cohorts(lambda c, draw: replace(c, held=c.held + draw(st.integers(0, 9)))),
    "more failed": _cohorts(lambda c, draw: replace(c, failed=c.failed + draw(st.integers(0, 9)))),
    "longer without an answer": _more("unanswered_run", 60),
    "quality": _worse_quality,
    "checklist lost": _lost_checklist,
    "spam errors": _more("spam_errors_7d", 2),
    "spam errors since re-arming": _more("spam_errors_rearmed", 1),
    "warnings": _more("platform_warnings_7d", 3),
    "paused templates": _more("templates_paused", 3),
    "idle": _more("idle_days", 5),
    "health was higher": lambda s, draw: replace(s, health_max_1h=max(s.health_max_1h or 0, draw(st.integers(0, 100)))),
    "not connected": lambda s, draw: replace(s, phone_status=draw(st.sampled_from([s.phone_status, "RESTRICTED"]))),
    "stopped": lambda s, draw: replace(s, stops=(*s.stops, "everything: a person")),
    "webhooks silent": _older("webhook_at"),
    "quality stale": _older("quality_at"),
    "younger": lambda s, draw: replace(s, registered_at=s.registered_at + (s.at - s.registered_at) / draw(st.integers(1, 9))),
    "fewer sending days": _less("sending_days_in_phase"),
    "less used": _less("accepted_in_phase"),
    "smaller best day": lambda s, draw: replace(s, best_day_7d=draw(st.integers(max(1, s.accepted_last_day), s.best_day_7d))),
    "smaller last day": lambda s, draw: replace(s, accepted_last_day=draw(st.integers(min(1, s.accepted_last_day), s.accepted_last_day))),
    "fewer received": _less("received_30d"),
    "fewer conversations": _less("conversations_7d"),
    "fewer green templates": _less("templates_green"),
    "fewer people": _less("eligible_people"),
    "smaller share": lambda s, draw: s if s.portfolio_share is None else _less("portfolio_share")(s, draw),
    "less to spend": _less_left("spend_left"),
    "smaller clamp": _less_left("clamp"),
}


@pytest.mark.parametrize("name", WORSE)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_worse_snapshot_never_gets_a_larger_budget(name: str, data: st.DataObject) -> None:
    snapshot = data.draw(snapshots())
    worse = WORSE[name](snapshot, data.draw)
    assert decide(worse, STANDARD).budget.day_max <= decide(snapshot, STANDARD).budget.day_max


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_a_snapshot_that_is_worse_in_many_ways_never_gets_a_larger_budget(data: st.DataObject) -> None:
    snapshot = worse = data.draw(snapshots())
    for name in data.draw(st.lists(st.sampled_from(sorted(WORSE)), max_size=6)):
        worse = WORSE[name](worse, data.draw)
    assert decide(worse, STANDARD).budget.day_max <= decide(snapshot, STANDARD).budget.day_max


@given(snapshots(), st.sampled_from(["portfolio_share", "spend_left", "eligible_people", "clamp"]))
@MANY
def test_zero_means_none(snapshot: Snapshot, field: str) -> None:
    decision = decide(replace(snapshot, accepted_today=0, **{field: 0}), STANDARD)
    assert decision.budget.day_max == 0


HARMS = {
    "quality YELLOW": {"quality": Quality.YELLOW},
    "quality RED": {"quality": Quality.RED},
    "131048": {"spam_errors_rearmed": 1},
    "held": {"last_hours": replace(GOOD, held=1)},
    "opt-outs": {"recent_fresh": replace(GOOD, opted_out=9)},
    "undeliverable": {"recent_fresh": replace(GOOD, undeliverable=14)},
    "health fell": {"health_max_24h": 100, "registered_at": AT, "accepted_30d": 0, "received_30d": 0},
}


@pytest.mark.parametrize("harm", HARMS)
@given(snapshot=snapshots())
@settings(max_examples=40, deadline=None)
def test_there_is_no_growth_right_after_harm(harm: str, snapshot: Snapshot) -> None:
    """Not in the decision that sees the harm, nor in those of the calm hours after it, however well everything looks again."""
    snapshot = replace(snapshot, state=replace(snapshot.state, rearmed_at=None), **HARMS[harm])
    decision = decide(snapshot, STANDARD)
    if snapshot.state.status not in SENDING:
        return
    proved = max(snapshot.accepted_last_day, snapshot.accepted_today) or 5  # half a first day, after a week's rest
    assert decision.budget.day_max <= proved
    assert Change.ADVANCED not in decision.changes
    at = AT + timedelta(hours=12)
    well_again = chip(
        at=at, quality_at=at, webhook_at=at, accepted_last_day=snapshot.accepted_last_day, accepted_today=snapshot.accepted_today
    )
    after = decide(replace(well_again, state=decision.state), STANDARD)
    assert after.budget.day_max <= proved
    assert Change.ADVANCED not in after.changes


@given(states(), st.sampled_from(PHASES[1:4]), st.integers(0, 19), st.integers(0, 12))
@MANY
def test_no_evidence_never_promotes_and_never_punishes(state: ChipState, phase: Phase, people: int, days: int) -> None:
    """Fewer people than the policy asks for: whatever they did, a chip with sends neither rises nor falls, slows or stops."""
    few = Counts(accepted=people, reached=people, delivered=people)
    state = replace(state, status=ChipStatus.WARMING, phase=phase, paused_from=None, pauses=(), speed=1.0, slow_until=None)
    seen = chip(sending_days_in_phase=days, phase_matured=few, recent_matured=few, recent_fresh=few, unanswered_run=people)
    decision = decide(replace(seen, state=state, health_max_1h=None, health_max_24h=None), STANDARD)
    assert decision.changes == ()
    assert (decision.state.status, decision.state.phase, decision.state.speed) == (state.status, state.phase, state.speed)
    assert all(alarm.action is Action.NOTIFY for alarm in decision.alarms)


@given(counts())
@MANY
def test_our_own_alarms_never_feed_the_score(seen: Counts) -> None:
    """Slowed, paused in a row, just demoted: the score asks only what people and the platform did."""
    snapshot = chip(recent_matured=seen, recent_fresh=seen)
    marked = chip(
        snapshot, state={"speed": 0.5, "slow_until": AT + timedelta(hours=9), "pauses_in_row": 3, "demoted_on": AT.date(), "harm_at": AT}
    )
    assert decide(snapshot, STANDARD).health == decide(marked, STANDARD).health


@pytest.mark.parametrize("seed", range(5))
def test_a_new_chip_with_a_good_list_leaves_setup(seed: int) -> None:
    life = Life(STANDARD, People(reply=0.35), seed=f"new {seed}").run(5)
    assert life.state.phase is Phase.FIRST_CONTACTS
    left = next(d.at for d in life.decisions if Change.ADVANCED in d.changes)
    assert timedelta(days=2) < left - BORN < timedelta(days=3)


def test_a_new_chip_waits_in_setup_for_its_checklist_and_says_for_what() -> None:
    life = Life(STANDARD, People(reply=0.35), seed="waits", checklist=replace(DONE, route_set=False)).run(9)
    assert life.state.phase is Phase.SETUP
    assert "checklist: answering route set is missing" in life.decisions[-1].reasons


def test_an_untouched_chip_does_not_move() -> None:
    decision = decide(
        Snapshot(at=AT, chip_id=1, chip="new", zone="UTC", registered_at=AT, state=_pending(), checklist=Checklist()), STANDARD
    )
    assert decision.state == _pending()
    assert (decision.budget.day_max, decision.budget.binding) == (0, "pending")


def _pending() -> ChipState:
    return ChipState(status=ChipStatus.PENDING, phase=Phase.SETUP, phase_since=AT)


LOOKS = """
    local time  alarm  pause ends in  ->  hours until the next look
    00:30       -      -              ->  4
    12:00       -      -              ->  4
    22:00       -      -              ->  2.02
    12:00       yes    -              ->  1
    12:00       -      3              ->  3
    12:00       -      9              ->  4
"""


@pytest.mark.parametrize(("clock", "alarm", "ends", "expected"), rows(LOOKS))
def test_the_next_look_is_the_soonest_of_pace_midnight_and_ends(clock: str, alarm: str, ends: str, expected: str) -> None:
    hour, minute = map(int, clock.split(":"))
    at = AT.replace(hour=3) + timedelta(hours=hour, minutes=minute)  # midnight in São Paulo is 03:00 UTC
    slow = {} if ends == "-" else {"speed": 0.5, "slow_until": at + timedelta(hours=float(ends))}
    seen = replace(GOOD, read=2) if alarm == "yes" else GOOD
    decision = decide(chip(state=slow, at=at, recent_matured=seen, quality_at=at, webhook_at=at), STANDARD)
    assert (decision.look_again_at - at).total_seconds() / 3600 == pytest.approx(float(expected), abs=0.01)
