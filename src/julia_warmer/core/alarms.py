"""Early warnings: each rule of the policy is a row, and rings when its signal is surely beyond its threshold.

Alarms are looked at every few hours, or every minute, so "surely" must survive being asked again. A rule's `test` says how:

    anytime    an e-value: a bet against "the rate is within the threshold" whose gain reaches 1 / (1 - level). Over sends counted
               since the detectors were armed (or the phase began) the chance that it ever rings for a chip within the threshold
               is at most 1 - level, however often one looks. Over the last N sends it is an e-detector: no more than one false
               ring in 1 / (1 - level) sends on average.
    posterior  P(rate beyond the threshold) >= level under the rule's prior. Simple, and its false rings grow with the looks: how
               many they are is measured (`warmer policy curve`), not bounded.

Late facts can only add events to a cohort, and an e-value of harm rises with events, so that lags cost power and no validity. An
alarm only asks; `pauses` and `phases` act. Of the rules that ring for one signal only the strongest is told. Windows begin at
`rearmed_at`, so what was paused for does not ring again after the resume.
"""

from collections.abc import Callable
from functools import lru_cache

from julia_warmer.core.evidence import Prior, Rate, e_value, p_at_least, percent
from julia_warmer.core.model import Action, Alarm, ChipStatus, Counts, Health, Snapshot
from julia_warmer.core.policy import AlarmRule, Policy, Signal, Test, Window

LISTENING = frozenset({ChipStatus.WARMING, ChipStatus.READY, ChipStatus.ACTIVE})
STRENGTH = {Action.NOTIFY: 0, Action.SLOW: 1, Action.DEMOTE: 2, Action.PAUSE: 3}

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
VERBS = {
    Signal.ERRORS: "failed",
    Signal.OPT_OUTS: "opted out",
    Signal.UNDELIVERABLE: "could not be delivered",
    Signal.LIMITED: "were limited (131049)",
    Signal.HELD: "were held",
    Signal.REPLIES: "replied",
    Signal.READS: "were read",
}


def ring(snapshot: Snapshot, health: Health, policy: Policy) -> tuple[Alarm, ...]:
    """The rules that fire now, the strongest of each signal, in the policy's order. A chip that is not sending is not listened to."""
    if snapshot.state.status not in LISTENING:
        return ()
    floor = policy.phases[snapshot.state.phase].reply_floor
    strongest: dict[Signal, Alarm] = {}
    for rule in policy.alarms:
        known = strongest.get(rule.signal)
        if known is not None and STRENGTH[known.action] >= STRENGTH[rule.action]:
            continue
        if (alarm := _listen(rule, snapshot, health, floor)) is not None:
            strongest[rule.signal] = alarm
    return tuple(strongest.values())


def _listen(rule: AlarmRule, snapshot: Snapshot, health: Health, floor: float) -> Alarm | None:
    if rule.signal is Signal.HEALTH_DROP:
        return _health_drop(rule, snapshot, health)
    if rule.signal is Signal.UNANSWERED:
        return _unanswered(rule, snapshot, floor)
    return _rate(rule, _cohort(rule.window, snapshot), floor)


def _cohort(window: Window, snapshot: Snapshot) -> Counts:
    match window:
        case Window.RECENT_FRESH:
            return snapshot.recent_fresh
        case Window.RECENT_MATURED:
            return snapshot.recent_matured
        case Window.PHASE_MATURED:
            return snapshot.phase_matured
        case _:
            return snapshot.last_hours


def _rate(rule: AlarmRule, counts: Counts, floor: float) -> Alarm | None:
    events_of, people_of, _ = RATES[rule.signal]
    events, people = events_of(counts), people_of(counts)
    if people < rule.sends_min or events < rule.events_min or (rule.sends_max and counts.accepted > rule.sends_max):
        return None
    threshold = threshold_of(rule, floor)
    return _told(rule, events, people, threshold) if _rings(rule, events, people, threshold) else None


def threshold_of(rule: AlarmRule, floor: float) -> float:
    """The rate that the rule compares with; a rule for replies without one of its own takes the phase's floor."""
    return rule.threshold or (floor if rule.signal is Signal.REPLIES else 0.0)


def rings(rule: AlarmRule, events: int, people: int, *, floor: float) -> bool:
    """Whether a rule about a rate rings at these counts, in a phase with this floor of replies."""
    return people >= rule.sends_min and events >= rule.events_min and _rings(rule, events, people, threshold_of(rule, floor))


@lru_cache(1 << 16)
def _rings(rule: AlarmRule, events: int, people: int, threshold: float) -> bool:
    is_low = RATES[rule.signal][2]
    if is_low and not threshold:
        return False
    prior = Prior.skeptical(rule.prior_rate, rule.prior_people)
    if rule.test is Test.ANYTIME:
        return e_value(events, people, threshold, prior, is_low=is_low) >= 1 / (1 - rule.level)
    p = p_at_least(events, people, threshold, prior.events, prior.others)
    return (1 - p if is_low else p) >= rule.level


@lru_cache(1 << 12)
def _told(rule: AlarmRule, events: int, people: int, threshold: float) -> Alarm:
    is_low = RATES[rule.signal][2]
    rate = Rate(events, people).told(VERBS[rule.signal])
    return _alarm(rule, f"{rate}, {'below' if is_low else 'above'} {percent(threshold)}" if threshold else rate)


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
