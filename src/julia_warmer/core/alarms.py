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

from bisect import bisect
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter

from julia_warmer.core.evidence import Prior, Rate, e_value, p_at_least, percent
from julia_warmer.core.model import Action, Alarm, ChipStatus, Counts, Health, Snapshot
from julia_warmer.core.policy import AlarmRule, Policy, Signal, Test, Window

LISTENING = frozenset({ChipStatus.WARMING, ChipStatus.READY, ChipStatus.ACTIVE})
STRENGTH = {Action.NOTIFY: 0, Action.SLOW: 1, Action.DEMOTE: 2, Action.PAUSE: 3}

Count = Callable[[Counts], int]

# signal: events, of whom, and whether it rings when low
RATES: dict[Signal, tuple[Count, Count, bool]] = {
    Signal.ERRORS: (lambda c: c.failed + c.undeliverable + c.limited, attrgetter("accepted"), False),
    Signal.OPT_OUTS: (attrgetter("opted_out"), attrgetter("reached"), False),
    Signal.UNDELIVERABLE: (attrgetter("undeliverable"), attrgetter("accepted"), False),
    Signal.LIMITED: (attrgetter("limited"), attrgetter("accepted"), False),
    Signal.HELD: (attrgetter("held"), attrgetter("accepted"), False),
    Signal.REPLIES: (attrgetter("replied"), attrgetter("reached"), True),
    Signal.READS: (attrgetter("read"), attrgetter("delivered"), True),
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
    state = snapshot.state
    if state.status not in LISTENING:
        return ()
    floor = policy.phases[state.phase].reply_floor
    cohorts = snapshot.last_hours, snapshot.recent_fresh, snapshot.recent_matured, snapshot.phase_matured
    strongest: dict[Signal, Alarm] = {}
    for wire in _wires(policy, floor):
        if wire.cohort is not None and wire.events_of(cohorts[wire.cohort]) < wire.events_min:
            continue  # most rules, most of the time
        rule = wire.rule
        known = strongest.get(rule.signal) if strongest else None
        if known is not None and STRENGTH[known.action] >= STRENGTH[rule.action]:
            continue
        if wire.cohort is not None:
            alarm = wire.listen(cohorts[wire.cohort])
        elif rule.signal is Signal.HEALTH_DROP:
            alarm = _health_drop(rule, snapshot, health)
        else:
            alarm = _unanswered(rule, snapshot, floor)
        if alarm is not None:
            strongest[rule.signal] = alarm
    return tuple(strongest.values())


COHORT = {Window.LAST_HOURS: 0, Window.RECENT_FRESH: 1, Window.RECENT_MATURED: 2, Window.PHASE_MATURED: 3}
WIRES_MAX, TURNS_MAX = 256, 1 << 14  # sets of rules (and tests of a rate), and numbers of people for one of them, that are remembered


class _Wire:
    """A rule under a floor, ready to be asked. For each number of people it finds the turning point once: its answer turns only once."""

    __slots__ = ("cohort", "events_min", "events_of", "is_low", "people_of", "rule", "sends_max", "sends_min", "threshold", "turns")

    def __init__(self, rule: AlarmRule, floor: float) -> None:
        self.rule = rule
        self.cohort: int | None = None
        self.threshold = threshold_of(rule, floor)
        self.sends_min, self.sends_max, self.events_min = rule.sends_min, rule.sends_max, rule.events_min
        if rule.signal in RATES:
            self.events_of, self.people_of, self.is_low = RATES[rule.signal]
            self.cohort = COHORT[rule.window]
            self.turns = _turns(rule.test, self.threshold, self.is_low, rule.prior_rate, rule.prior_people, rule.level)

    def listen(self, counts: Counts) -> Alarm | None:
        """Of a rule about a rate: its alarm, if it rings at these counts."""
        events, people = self.events_of(counts), self.people_of(counts)
        if events < self.events_min or people < self.sends_min or (self.sends_max and counts.accepted > self.sends_max):
            return None
        rings = (min(events, people) < self.turns[people]) is self.is_low
        return _told(self.rule, events, people, self.threshold) if rings else None


class Turns(dict[int, int]):
    """By people: the least count of events at which the answer of one test is another than at none; one more than the people: never.

    One person more moves it by one at most and never back, so the nearest numbers that were asked before leave little to look through.
    """

    def __init__(self, rings: Callable[[int, int], bool], is_low: bool) -> None:
        super().__init__()
        self._rings, self._is_low = rings, is_low
        self._asked: list[int] = []  # the keys, rising

    def __missing__(self, people: int) -> int:
        if len(self) >= TURNS_MAX:
            self.clear()
            self._asked.clear()
        place = bisect(self._asked, people)
        low, high = 0, people + 1
        if place:
            fewer = self._asked[place - 1]
            low, high = self[fewer], min(high, self[fewer] + people - fewer)
        if place < len(self._asked):
            more = self._asked[place]
            low, high = max(low, self[more] - (more - people)), min(high, self[more])
        self._asked.insert(place, people)
        self[people] = found = self._between(low, high, people)
        return found

    def _between(self, low: int, high: int, people: int) -> int:
        """By halving; it is known to be neither before `low` nor after `high`."""
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._rings(middle, people) is not self._is_low else (middle + 1, high)
        return low


@lru_cache(WIRES_MAX)
def _turns(test: Test, threshold: float, is_low: bool, prior_rate: float, prior_people: float, level: float) -> Turns:
    """Rules of several policies and floors ask the same tests."""
    prior = Prior.skeptical(prior_rate, prior_people)
    return Turns(lambda events, people: _is_beyond(test, events, people, threshold, is_low, prior, level), is_low)


_kept: dict[tuple[str, float], tuple[_Wire, ...]] = {}


def _wires(policy: Policy, floor: float) -> tuple[_Wire, ...]:
    """A policy's rules in its order, under the floor of a phase."""
    key = policy.sha256, floor
    found = _kept.get(key)
    if found is None:
        if len(_kept) >= WIRES_MAX:
            _kept.clear()
        found = _kept[key] = tuple(_Wire(rule, floor) for rule in policy.alarms)
    return found


def edge_of(rule: AlarmRule, people: int, *, floor: float) -> int:
    """The least events among so many people at which a rule's rate is beyond its threshold; the most, for a rule that rings when low.

    One more than the people (-1 for low): never. What the rule asks for besides (`sends_min`, `events_min`) is left aside.
    """
    is_low = RATES[rule.signal][2]
    return _turns(rule.test, threshold_of(rule, floor), is_low, rule.prior_rate, rule.prior_people, rule.level)[people] - is_low


def threshold_of(rule: AlarmRule, floor: float) -> float:
    """The rate that the rule compares with; a rule for replies without one of its own takes the phase's floor."""
    return rule.threshold or (floor if rule.signal is Signal.REPLIES else 0.0)


def rings(rule: AlarmRule, events: int, people: int, *, floor: float) -> bool:
    """Whether a rule about a rate rings at these counts, in a phase with this floor of replies."""
    is_low, prior = RATES[rule.signal][2], Prior.skeptical(rule.prior_rate, rule.prior_people)
    is_beyond = _is_beyond(rule.test, events, people, threshold_of(rule, floor), is_low, prior, rule.level)
    return people >= rule.sends_min and events >= rule.events_min and is_beyond


def _is_beyond(test: Test, events: int, people: int, threshold: float, is_low: bool, prior: Prior, level: float) -> bool:
    if is_low and not threshold:
        return False
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
