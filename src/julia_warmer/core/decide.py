"""The decision: what to do with a chip now, and why. The same call live, in the demo and in the simulator.

    score    what the platform and people say of the chip, in points
    ring     which early warnings fire
    settle   pauses, slow-downs, harm: down fast
    weigh    the gates of its phase, each pass, fail or inconclusive
    move     one phase up, one down, or stay: up slow
    allow    the day's budget, and what binds it

Pure: the snapshot holds the moment and all that may be looked at, the policy all numbers. Nobody raises to decide.
"""

from datetime import datetime, timedelta

from julia_warmer.core.alarms import ring
from julia_warmer.core.budget import allowance
from julia_warmer.core.days import next_day_start, span
from julia_warmer.core.health import score
from julia_warmer.core.model import PHASES, Alarm, Change, ChipState, ChipStatus, Decision, Gate, Snapshot, Verdict
from julia_warmer.core.pauses import ends_at, settle
from julia_warmer.core.phases import move, weigh, worst
from julia_warmer.core.policy import Policy

AFTER_MIDNIGHT = timedelta(minutes=1)  # the first look at a new day
RANK = {phase: rank for rank, phase in enumerate(PHASES)}
GROWN_UP = frozenset({ChipStatus.READY, ChipStatus.ACTIVE})


def decide(snapshot: Snapshot, policy: Policy) -> Decision:
    """Say what to do with a chip, and why."""
    health = score(snapshot, policy)
    alarms = ring(snapshot, health, policy)
    settled = settle(snapshot, alarms, policy)
    gates = weigh(snapshot, settled, health, policy)
    state = move(snapshot, settled, health, gates, alarms, policy)
    changes = changes_between(snapshot.state, state)
    return Decision(
        at=snapshot.at,
        chip_id=snapshot.chip_id,
        policy=policy.version,
        state=state,
        health=health,
        budget=allowance(snapshot, state, health, policy),
        gates=gates,
        alarms=alarms,
        changes=changes,
        reasons=_reasons(state, gates, alarms, changes),
        look_again_at=_look_again_at(snapshot, state, alarms, policy),
    )


def changes_between(before: ChipState, after: ChipState) -> tuple[Change, ...]:
    """What happened to the chip, read from its two states."""
    if before is after:
        return ()
    is_paused, was_paused = after.status is ChipStatus.PAUSED, before.status is ChipStatus.PAUSED
    rows = (
        (Change.BANNED, after.status is ChipStatus.BANNED and before.status is not ChipStatus.BANNED),
        (Change.RESUMED, was_paused and not is_paused and after.status is not ChipStatus.BANNED),
        (Change.PAUSED, is_paused and not was_paused),
        (Change.SLOWED, after.speed < before.speed),
        (Change.SPEED_RESTORED, after.speed > before.speed),
        (Change.ADVANCED, RANK[after.phase] > RANK[before.phase]),
        (Change.DEMOTED, RANK[after.phase] < RANK[before.phase]),
        (Change.BECAME_READY, after.status is ChipStatus.READY and before.status is ChipStatus.WARMING),
        (Change.RETURNED_TO_WARMING, after.status is ChipStatus.WARMING and before.status in GROWN_UP),
    )
    return tuple([change for change, happened in rows if happened])


def _reasons(state: ChipState, gates: tuple[Gate, ...], alarms: tuple[Alarm, ...], changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Open pauses, alarms, then the gates: all of them after an advance, else those that say why not."""
    told = worst(gates)
    if Change.ADVANCED in changes:
        told = tuple([gate.sentence for gate in gates if gate.verdict is Verdict.PASS])
    return (*[pause.reason for pause in state.pauses], *[alarm.sentence for alarm in alarms], *told)


def _look_again_at(snapshot: Snapshot, state: ChipState, alarms: tuple[Alarm, ...], policy: Policy) -> datetime:
    """The soonest of: the phase's pace (quicker after an alarm), the next local day, the end of a pause or a slow-down."""
    at = snapshot.at
    pace_h = policy.phases[state.phase].review_h
    if alarms:
        pace_h = min(pace_h, policy.pauses.review_h)
    soonest = min(at + span(pace_h), next_day_start(at, snapshot.zone) + AFTER_MIDNIGHT)
    for end in (ends_at(state) if state.pauses else None, state.slow_until):
        if end is not None and at < end < soonest:
            soonest = end
    return soonest
