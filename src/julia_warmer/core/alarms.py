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
    cohorts = _cohorts(snapshot)
    strongest: dict[Signal, Alarm] = {}
    for rule in policy.alarms:
        known = strongest.get(rule.signal)
        if known is not None and STRENGTH[known.action] >= STRENGTH[rule.action]:
            continue
        if (alarm := _listen(rule, snapshot, cohorts, health, floor)) is not None:
            strongest[rule.signal] = alarm
    return tuple(strongest.values())


def _listen(rule: AlarmRule, snapshot: Snapshot, cohorts: dict[Window, Counts], health: Health, floor: float) -> Alarm | None:
    if rule.signal in RATES:
        return _rate(rule, cohorts.get(rule.window, snapshot.last_hours), floor)
    if rule.signal is Signal.HEALTH_DROP:
        return _health_drop(rule, snapshot, health)
    return _unanswered(rule, snapshot, floor)


def _cohorts(snapshot: Snapshot) -> dict[Window, Counts]:
    """What each window of sends holds; every other window is the last hours."""
    return {
        Window.RECENT_FRESH: snapshot.recent_fresh,
        Window.RECENT_MATURED: snapshot.recent_matured,
        Window.PHASE_MATURED: snapshot.phase_matured,
    }


def _rate(rule: AlarmRule, counts: Counts, floor: float) -> Alarm | None:
    events_of, people_of, _ = RATES[rule.signal]
    if (events := events_of(counts)) < rule.events_min or (people := people_of(counts)) < rule.sends_min:
        return None
    if rule.sends_max and counts.accepted > rule.sends_max:
        return None
    threshold = threshold_of(rule, floor)
    return _told(rule, events, people, threshold) if _rings(rule, events, people, threshold) else None


def threshold_of(rule: AlarmRule, floor: float) -> float:
    """The rate that the rule compares with; a rule for replies without one of its own takes the phase's floor."""
    return rule.threshold or (floor if rule.signal is Signal.REPLIES else 0.0)


def rings(rule: AlarmRule, events: int, people: int, *, floor: float) -> bool:
    """Whether a rule about a rate rings at these counts, in a phase with this floor of replies."""
    return people >= rule.sends_min and events >= rule.events_min and _rings(rule, events, people, threshold_of(rule, floor))


def _rings(rule: AlarmRule, events: int, people: int, threshold: float) -> bool:
    is_low = RATES[rule.signal][2]
    return _is_beyond(rule.test, events, people, threshold, is_low, rule.prior_rate, rule.prior_people, rule.level)


@lru_cache(1 << 16)
def _is_beyond(
    test: Test, events: int, people: int, threshold: float, is_low: bool, prior_rate: float, prior_people: float, level: float
) -> bool:
    """Kept by plain values: a rule's own hash would take longer than all the rest."""
    if is_low and not threshold:
        return False
    prior = Prior.skeptical(prior_rate, prior_people)
    if test is Test.ANYTIME:
        return e_value(events, people, threshold, prior, is_low=is_low) >= 1 / (1 - level)
    p = p_at_least(events, people, threshold, prior.events, prior.others)
    return (1 - p if is_low else p) >= level


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
