"""Pauses, slow-downs and what remains of them: how they begin, overlap and end. Knows nothing of phases or gates.

Slow before stop; down fast, up slow. A pause keeps its place, the latest end wins and all reasons stay. What a person or the
platform paused, only a person resumes. A resume starts at half of what failed and re-arms the detectors from that moment. Pauses
by rule end spread over some hours, each chip at its own place: when one cause stopped many chips, their first messages and the
next verdict on them do not come all at once. That protects the portfolio from its own load; it imitates nobody.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

from julia_warmer.core import hard
from julia_warmer.core.days import local_day
from julia_warmer.core.model import Action, Alarm, ChipState, ChipStatus, Pause, Quality, Snapshot
from julia_warmer.core.policy import PauseRules, Policy

SENDING = frozenset({ChipStatus.WARMING, ChipStatus.READY, ChipStatus.ACTIVE})
ACTS = frozenset({Action.SLOW, Action.PAUSE, Action.DEMOTE})


def settle(snapshot: Snapshot, alarms: tuple[Alarm, ...], policy: Policy) -> ChipState:
    """The chip's state after pauses, slow-downs and harm, before its phase is looked at."""
    state = snapshot.state
    if state.status is not ChipStatus.PAUSED and state.status not in SENDING:
        return state
    if snapshot.phone_status == "BANNED":
        return replace(state, status=ChipStatus.BANNED, paused_from=None, pauses=())
    if harm_seen(snapshot, alarms):
        state = replace(state, harm_at=snapshot.at)
    state = _pause(state, snapshot, alarms, policy.pauses)
    state = _end_pause(state, snapshot, policy)
    state = _slow(state, snapshot.at, alarms, policy.pauses)
    return _recover(state, snapshot, policy)


def harm_seen(snapshot: Snapshot, alarms: tuple[Alarm, ...]) -> bool:
    """Whether anything says now that the chip's messages are not welcome, or come too fast."""
    if snapshot.quality is Quality.YELLOW or snapshot.quality is Quality.RED or snapshot.spam_errors_rearmed or snapshot.last_hours.held:
        return True
    return any(alarm.action in ACTS for alarm in alarms)


def begin(state: ChipState, pauses: tuple[Pause, ...]) -> ChipState:
    """Add reasons to pause. Reasons that are open already are not added twice; one more pause in a row is counted once."""
    known = {pause.reason for pause in state.pauses}
    new = tuple(pause for pause in pauses if pause.reason not in known)
    if not new:
        return state
    if state.status is ChipStatus.PAUSED:
        return replace(state, pauses=state.pauses + new)
    return replace(
        state, status=ChipStatus.PAUSED, paused_from=state.status, pauses=state.pauses + new, pauses_in_row=state.pauses_in_row + 1
    )


def resume(state: ChipState, *, at: datetime, today: date, failed_day: int, policy: Policy) -> ChipState:
    """End every pause: back to where it was, at most at half of `failed_day` (messages), with the detectors re-armed."""
    failed = min(failed_day or policy.budget.growth_min, state.risk_cap or failed_day or policy.budget.growth_min)
    return replace(
        state,
        status=state.paused_from or ChipStatus.WARMING,
        paused_from=None,
        pauses=(),
        risk_cap=max(1, int(failed * policy.pauses.resume_share)),
        risk_cap_since=today,
        rearmed_at=at,
    )


def ends_at(state: ChipState) -> datetime | None:
    """When the open pauses end by themselves: the latest end wins. None: not before a person resumes."""
    ends = [pause.until for pause in state.pauses if not pause.hard and pause.until is not None]
    return max(ends) if ends and len(ends) == len(state.pauses) else None


def _pause(state: ChipState, snapshot: Snapshot, alarms: tuple[Alarm, ...], rules: PauseRules) -> ChipState:
    reasons = _platform_pauses(snapshot)
    if state.status in SENDING:
        reasons += [_by_rule(alarm, snapshot, state.pauses_in_row, rules) for alarm in alarms if alarm.action is Action.PAUSE]
    return begin(state, tuple(reasons)) if reasons else state


def _platform_pauses(snapshot: Snapshot) -> list[Pause]:
    """What the webhooks' hard stops have done already, unless one was missed."""
    reasons: list[str] = []
    if snapshot.spam_errors_rearmed:
        reasons.append(hard.SPAM)
    if snapshot.quality is Quality.RED:
        reasons.append(hard.RED)
    if snapshot.phone_status != "CONNECTED":
        reasons.append(hard.not_connected(snapshot.phone_status))
    return [Pause(reason=reason, since=snapshot.at, hard=True, source="platform") for reason in reasons]


def _by_rule(alarm: Alarm, snapshot: Snapshot, in_row: int, rules: PauseRules) -> Pause:
    """A pause by an alarm: each one in a row lasts longer. A rule without hours waits for a person."""
    reason, at = f"{alarm.rule}: {alarm.sentence}", snapshot.at
    if alarm.hours is None:
        return Pause(reason=reason, since=at, hard=True)
    hours = min(alarm.hours * rules.again_factor**in_row, rules.hours_max)
    return Pause(reason=reason, since=at, until=at + timedelta(hours=hours + rules.release_spread_h * place_of(snapshot.chip)))


@lru_cache(1 << 12)
def place_of(chip: str) -> float:
    """A chip's place in a spread release, in [0, 1): always the same for its name, and even over many names."""
    return int.from_bytes(blake2b(chip.encode(), digest_size=8).digest()) / 2**64


def _end_pause(state: ChipState, snapshot: Snapshot, policy: Policy) -> ChipState:
    if state.status is not ChipStatus.PAUSED or (end := ends_at(state)) is None or end > snapshot.at:
        return state
    failed_day = max(snapshot.best_day_7d, snapshot.accepted_today)
    return resume(state, at=snapshot.at, today=local_day(snapshot.at, snapshot.zone), failed_day=failed_day, policy=policy)


def _slow(state: ChipState, at: datetime, alarms: tuple[Alarm, ...], rules: PauseRules) -> ChipState:
    ends = [at + timedelta(hours=alarm.hours or rules.hours_max) for alarm in alarms if alarm.action is Action.SLOW]
    if ends:
        until = max(*ends, state.slow_until or at)
        return replace(state, speed=min(state.speed, rules.slow_speed), slow_until=until)
    if state.slow_until is not None and state.slow_until <= at:
        return replace(state, speed=1.0, slow_until=None)
    return state


def _recover(state: ChipState, snapshot: Snapshot, policy: Policy) -> ChipState:
    """Once a day after a resume: the risk cap grows after a clean day and goes when it does not bind; old pauses are forgotten."""
    if state.status is ChipStatus.PAUSED:
        return state
    if state.risk_cap is not None:
        state = _grow_risk_cap(state, snapshot, policy)
    forget = timedelta(days=policy.pauses.forget_d)
    if state.pauses_in_row and state.rearmed_at is not None and snapshot.at - state.rearmed_at >= forget:
        state = replace(state, pauses_in_row=0)
    return state


def _grow_risk_cap(state: ChipState, snapshot: Snapshot, policy: Policy) -> ChipState:
    today = local_day(snapshot.at, snapshot.zone)
    clean_from = state.risk_cap_since or today
    if state.harm_at is not None:
        clean_from = max(clean_from, local_day(state.harm_at, snapshot.zone) + timedelta(days=1))
    if state.risk_cap is None or today <= clean_from:
        return state
    grown = max(state.risk_cap + 1, int(state.risk_cap * policy.pauses.clean_day_growth))
    free_from = max(policy.phases[state.phase].cap_day_max, int(policy.budget.growth_ratio * snapshot.best_day_7d), 1)
    return replace(state, risk_cap=None if grown >= free_from else grown, risk_cap_since=None if grown >= free_from else today)
