"""Early warnings: each rule of the policy is a row, and rings when its signal is surely beyond its threshold.

"Surely" is a posterior under the rule's own prior, because alarms are looked at again at every review. An alarm only asks;
`pauses` and `phases` act. Windows begin at `rearmed_at`, so what was paused for does not ring again after the resume.
"""

from collections.abc import Callable

from julia_warmer.core.evidence import Prior, p_at_least, percent
from julia_warmer.core.model import Alarm, ChipStatus, Counts, Health, Snapshot
from julia_warmer.core.policy import AlarmRule, Policy, Signal, Window

LISTENING = frozenset({ChipStatus.WARMING, ChipStatus.READY, ChipStatus.ACTIVE})

Count = Callable[[Counts], int]

# signal: events, of whom, and whether it rings when low
RATES: dict[Signal, tuple[Count, Count, bool]] = {
    Signal.ERRORS: (lambda c: c.failed + c.undeliverable + c.limited, lambda c: c.accepted, False),
    Signal.OPT_OUTS: (lambda c: c.opted_out, lambda c: c.reached, False),
    Signal.UNDELIVERABLE: (lambda c: c.undeliverable, lambda c: c.accepted, False),
    Signal.LIMITED: (lambda c: c.limited, lambda c: c.accepted, False),
    Signal.HELD: (lambda c: c.held, lambda c: c.accepted, False),
    Signal.REPLIES: (lambda c: c.replied, lambda c: c.reached, True),
    Signal.READS: (lambda c: c.read, lambda c: c.delivered, True),
}


def ring(snapshot: Snapshot, health: Health, policy: Policy) -> tuple[Alarm, ...]:
    """The rules that fire now, in the policy's order. A chip that is not sending is not listened to."""
    if snapshot.state.status not in LISTENING:
        return ()
    floor = policy.phases[snapshot.state.phase].reply_floor
    return tuple([alarm for rule in policy.alarms if (alarm := _listen(rule, snapshot, health, floor)) is not None])


def _listen(rule: AlarmRule, snapshot: Snapshot, health: Health, floor: float) -> Alarm | None:
    if rule.signal is Signal.HEALTH_DROP:
        return _health_drop(rule, snapshot, health)
    if rule.signal is Signal.UNANSWERED:
        return _unanswered(rule, snapshot, floor)
    return _rate(rule, _cohort(rule.window, snapshot), floor)


def _cohort(window: Window, snapshot: Snapshot) -> Counts:
    if window is Window.RECENT_FRESH:
        return snapshot.recent_fresh
    return snapshot.recent_matured if window is Window.RECENT_MATURED else snapshot.last_hours


def _rate(rule: AlarmRule, counts: Counts, floor: float) -> Alarm | None:
    """Rings when P(rate beyond the threshold) reaches the rule's level, and there is enough to judge."""
    events_of, people_of, is_low = RATES[rule.signal]
    events, people = events_of(counts), people_of(counts)
    if people < rule.sends_min or events < rule.events_min:
        return None
    threshold = rule.threshold or (floor if rule.signal is Signal.REPLIES else 0.0)
    p = _p_beyond(events, people, threshold, is_low, rule.prior_rate, rule.prior_people)
    if p < rule.level or (is_low and not threshold):
        return None
    sign = "<" if is_low else ">="
    noun = rule.signal.replace("_", "-")
    return _alarm(rule, f"{noun} {events} of {people}: P({noun} {sign} {percent(threshold)}) = {p:.2f}")


def _p_beyond(events: int, people: int, threshold: float, is_low: bool, prior_rate: float, prior_people: float) -> float:
    prior = Prior.skeptical(prior_rate, prior_people)
    p = p_at_least(events, people, threshold, prior.events, prior.others)
    return 1 - p if is_low else p


def _unanswered(rule: AlarmRule, snapshot: Snapshot, floor: float) -> Alarm | None:
    """A run that even a chip at the floor would show with a chance below the threshold."""
    run = snapshot.unanswered_run
    if run < rule.sends_min or not 0 < floor < 1 or (1 - floor) ** run >= rule.threshold:
        return None
    return _alarm(rule, f"{run} people in a row without an answer: at {percent(floor)} replies a chance of {(1 - floor) ** run:.1g}")


def _health_drop(rule: AlarmRule, snapshot: Snapshot, health: Health) -> Alarm | None:
    best = snapshot.health_max_1h if rule.window is Window.HOUR else snapshot.health_max_24h
    if best is None or best - health.score < rule.threshold:
        return None
    return _alarm(rule, f"health fell from {best} to {health.score} within {rule.window.value}")


def _alarm(rule: AlarmRule, sentence: str) -> Alarm:
    return Alarm(rule.name, rule.action, sentence, rule.hours or None)
