"""The operating curve of a policy's alarms: how often and how soon they ring over a chip's first sends, by the true rate of a harm.

Many lives at once, all of them sending at warm-up's pace whatever rings, so that "the first ring" means the same for all. What
an alarm asks is the core's own answer, tabulated; only the adding up is done here. It knows no database and no clock.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from julia_warmer.core.alarms import RATES, edge_of
from julia_warmer.core.model import PHASES, Action
from julia_warmer.core.policy import AlarmRule, Policy, Signal, Window
from julia_warmer.sim.curve_health import Terms, scores
from julia_warmer.sim.curve_lives import DAY_H, SENDS, Bits, List, Lives, Pace, draw, pace_of

NEVER = 1 << 30
LIVES_AT_ONCE = 1000

BAD_RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
REPLY_RATES = (0.08, 0.12, 0.20, 0.30, 0.40)

Numbers = NDArray[np.int32]
Each = Callable[[Callable[["Ask"], tuple["Point", "Point"]], Iterable["Ask"]], Iterable[tuple["Point", "Point"]]]


@dataclass(frozen=True, slots=True)
class Point:
    """One true rate: shares of lives, and sends until the first ring that slows or stops (None: most were never caught)."""

    rate: float
    slowed: float  # slowed or more, within the first SENDS
    paused: float
    caught_90: float  # slowed or paused within 90 sends …
    caught_150: float
    caught_250: float
    paused_90: float  # of those, paused
    paused_150: float
    paused_250: float
    caught_median: int | None
    by_rule: tuple[tuple[str, float], ...] = ()  # share of lives in which a rule asked to slow or stop


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal's curve: looked at when the chip would be reviewed, and after every send with nothing delayed (the worst case)."""

    signal: str
    policy: str
    runs: int
    seed: int
    at_reviews: tuple[Point, ...]
    after_every_send: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One true rate of one signal to be drawn; the same ask gives the same answer in whatever process."""

    policy: Policy
    signal: Signal
    rate: float
    runs: int
    seed: int


def curve(policy: Policy, signal: Signal, *, rates: tuple[float, ...], runs: int, seed: int, each: Each = map) -> Curve:
    """Draw the operating curve of all alarms together for one signal's true rates, the others staying those of a good list.

    `each` is `map`, or that of a pool of processes.
    """
    found = list(each(points, [Ask(policy, signal, rate, runs, seed) for rate in rates]))
    return Curve(signal.value, policy.version, runs, seed, tuple(reviews for reviews, _ in found), tuple(sends for _, sends in found))


def points(ask: Ask) -> tuple[Point, Point]:
    """One rate's point as looked at on reviews, and in the worst case."""
    pace = pace_of(ask.policy)
    lists = replace(List(), **{ask.signal.value: ask.rate})
    looked: list[Firsts] = []
    worst: list[Firsts] = []
    for batch, first in enumerate(range(0, ask.runs, LIVES_AT_ONCE)):
        rng = np.random.default_rng([ask.seed, int(ask.rate * 1e6), batch])
        lives = draw(lists, pace, min(LIVES_AT_ONCE, ask.runs - first), rng)
        looked.append(at_reviews(lives, pace, ask.policy))
        worst.append(after_every_send(lives, pace, ask.policy))
    return _point(ask.rate, looked), _point(ask.rate, worst)


@dataclass(slots=True)
class Firsts:
    """Sends made when a rule first asked to slow or to stop, one number a life."""

    slow: Numbers
    pause: Numbers
    by_rule: dict[str, float]  # how many lives it rang in

    @classmethod
    def none(cls, lives: int) -> "Firsts":
        return cls(np.full(lives, NEVER, np.int32), np.full(lives, NEVER, np.int32), {})

    def hear(self, rule: AlarmRule, rang_at: Numbers) -> None:
        """`rang_at`: sends made when the rule first rang in each life."""
        if rule.action is Action.NOTIFY:
            return
        np.minimum(self.slow, rang_at, out=self.slow)
        if rule.action is Action.PAUSE:
            np.minimum(self.pause, rang_at, out=self.pause)
        self.by_rule[rule.name] = self.by_rule.get(rule.name, 0.0) + float((rang_at < NEVER).sum())


def at_reviews(lives: Lives, pace: Pace, policy: Policy) -> Firsts:
    """What rings first when the chip is looked at on its reviews, with every outcome heard when it comes."""
    looks = list(_looks(pace, policy))
    firsts = Firsts.none(len(lives.failed))
    terms = Terms(policy)
    counted = {window: [_counts(lives, *look.spans[window], look.at_h) for look in looks] for window in looks[0].spans}
    for rule in policy.alarms:
        match rule.signal:
            case Signal.HEALTH_DROP:
                rang = _drops(rule, scores(lives, looks, counted, terms), looks)
            case Signal.UNANSWERED:
                rang = [_silent(rule, lives, look, look.floor) for look in looks]
            case _:
                rang = [_rang(rule, counted[rule.window][nth], look.floor) for nth, look in enumerate(looks)]
        firsts.hear(rule, _first(rang, [look.made for look in looks]))
    return firsts


@dataclass(frozen=True, slots=True)
class Look:
    """One review: its moment, sends made by then, the phase's floor, and each window as a span of sends."""

    at_h: float
    made: int
    floor: float
    spans: Mapping[Window, tuple[int, int]]
    hour_of: NDArray[np.int64]  # of each send


def _looks(pace: Pace, policy: Policy) -> Iterator[Look]:
    """The reviews until all of the sends have matured, with the windows of `core/fold.py`: whole clock hours."""
    hour = np.floor(pace.sent_h).astype(np.int64)
    rules = policy.evidence
    for at_h in pace.reviews_h:
        made = int(np.searchsorted(pace.sent_h, at_h))
        fresh = int(np.searchsorted(hour, int(at_h - rules.fresh_h)))
        matured = int(np.searchsorted(hour, int(at_h - rules.mature_h)))
        phase = pace.phase[min(made, len(hour) - 1)]
        yield Look(
            at_h=float(at_h),
            made=made,
            floor=policy.phases[PHASES[phase]].reply_floor,
            spans={
                Window.RECENT_FRESH: (_back(hour, fresh, rules.recent_sends), fresh),
                Window.RECENT_MATURED: (_back(hour, matured, rules.recent_sends), matured),
                Window.PHASE_MATURED: (min(matured, int(np.searchsorted(pace.phase, phase))), matured),
                Window.LAST_HOURS: (int(np.searchsorted(hour, int(at_h) - 1)), made),
            },
            hour_of=hour,
        )


def _back(hour: NDArray[np.int64], end: int, sends: int) -> int:
    """Where a window of the last so many sends begins: the hour that crosses is included whole."""
    return int(np.searchsorted(hour, hour[max(0, end - sends)])) if end else 0


Counted = Mapping[str, Numbers]


def _counts(lives: Lives, low: int, high: int, at_h: float) -> Counted:
    """What `model.Counts` would hold for a span of sends at a moment."""
    span = slice(low, high)
    heard = {
        name: (getattr(lives, field)[:, span] <= at_h).sum(axis=1, dtype=np.int32)
        for name, field in (("replied", "replied"), ("opted_out", "opted_out"), ("read", "read"))
    }
    failed = {name: getattr(lives, name)[:, span].sum(axis=1, dtype=np.int32) for name in ("undeliverable", "limited", "failed")}
    accepted = np.full(len(lives.failed), high - low, np.int32)
    delivered = accepted - failed["undeliverable"] - failed["limited"] - failed["failed"]
    held = np.zeros_like(accepted)
    return {**heard, **failed, "accepted": accepted, "reached": delivered, "delivered": delivered, "held": held}


class _Columns:
    """The arrays of a window under the names of `model.Counts`, so that the core's own rows of RATES can read them."""

    def __init__(self, counted: Counted) -> None:
        self.__dict__.update(counted)


def _rang(rule: AlarmRule, counted: Counted, floor: float) -> Bits:
    events_of, people_of, is_low = RATES[rule.signal]
    columns = _Columns(counted)
    events, people = np.asarray(events_of(columns)), np.asarray(people_of(columns))  # type: ignore[arg-type]
    in_time = counted["accepted"] <= (rule.sends_max or NEVER)
    return _beyond(events, bounds(rule, floor, SENDS)[people], is_low) & in_time


def _beyond(events: Numbers, bound: Numbers, is_low: bool) -> Bits:
    return events <= bound if is_low else events >= bound


@lru_cache(256)
def bounds(rule: AlarmRule, floor: float, people_max: int) -> Numbers:
    """By people: the least events at which the rule rings (the most, for one that rings when low), as the core answers."""
    return np.array([_bound(rule, floor, people) for people in range(people_max + 1)], np.int32)


def _bound(rule: AlarmRule, floor: float, people: int) -> int:
    is_low = RATES[rule.signal][2]
    if people < rule.sends_min:
        return -1 if is_low else NEVER
    edge = edge_of(rule, people, floor=floor)
    if is_low:
        return edge
    return max(edge, rule.events_min) if edge <= people else NEVER


def _silent(rule: AlarmRule, lives: Lives, look: Look, floor: float) -> Bits:
    """A run without answers, counted from the hour after the last one that has an answer."""
    low, high = 0, look.spans[Window.RECENT_MATURED][1]
    if high == low or not 0 < floor < 1:
        return np.zeros(len(lives.failed), bool)
    answered = lives.replied[:, :high] <= look.at_h
    last = np.where(answered.any(axis=1), high - 1 - answered[:, ::-1].argmax(axis=1), -1)
    start = np.where(last >= 0, np.searchsorted(look.hour_of, look.hour_of[last], side="right"), 0)
    run = (lives.delivered[:, :high] & (np.arange(high) >= start[:, None])).sum(axis=1)
    return (run >= rule.sends_min) & ((1 - floor) ** run < rule.threshold)


def _drops(rule: AlarmRule, scored: NDArray[np.int64], looks: list[Look]) -> list[Bits]:
    """Points lost since the highest score of the window before."""
    back_h = 1.0 if rule.window is Window.HOUR else DAY_H
    rang: list[Bits] = []
    for nth, look in enumerate(looks):
        before = [n for n in range(nth) if look.at_h - looks[n].at_h < back_h]
        lost = scored[before].max(axis=0) - scored[nth] if before else np.zeros(scored.shape[1])
        rang.append(lost >= rule.threshold)
    return rang


def _first(rang: list[Bits], made: list[int]) -> Numbers:
    grid = np.stack(rang)
    first = grid.argmax(axis=0)
    return np.where(grid.any(axis=0), np.array(made, np.int32)[first], NEVER).astype(np.int32)


def after_every_send(lives: Lives, pace: Pace, policy: Policy) -> Firsts:
    """The worst case: every outcome known at once, and each rule about a rate asked again after each send."""
    firsts = Firsts.none(len(lives.failed))
    sums = _sums(lives)
    ends = np.arange(1, len(pace.sent_h) + 1)
    starts = {
        Window.PHASE_MATURED: np.searchsorted(pace.phase, pace.phase),
        Window.RECENT_FRESH: np.maximum(ends - policy.evidence.recent_sends, 0),
        Window.RECENT_MATURED: np.maximum(ends - policy.evidence.recent_sends, 0),
    }
    floors = np.array([policy.phases[PHASES[phase]].reply_floor for phase in pace.phase])
    for rule in policy.alarms:
        if rule.signal in (Signal.HEALTH_DROP, Signal.UNANSWERED) or rule.window not in starts:
            continue
        counted = {name: total[:, ends] - total[:, starts[rule.window]] for name, total in sums.items()}
        rang = np.zeros_like(lives.failed)
        for floor in np.unique(floors):
            here = floors == floor
            rang[:, here] = _rang(rule, {name: columns[:, here] for name, columns in counted.items()}, float(floor))
        firsts.hear(rule, np.where(rang.any(axis=1), rang.argmax(axis=1) + 1, NEVER).astype(np.int32))
    return firsts


def _sums(lives: Lives) -> dict[str, Numbers]:
    """Running totals from the first send on, with a column of zeros before it."""
    delivered = lives.delivered
    flags = {
        "replied": np.isfinite(lives.replied),
        "opted_out": np.isfinite(lives.opted_out),
        "read": np.isfinite(lives.read),
        "undeliverable": lives.undeliverable,
        "limited": lives.limited,
        "failed": lives.failed,
        "accepted": np.ones_like(delivered),
        "reached": delivered,
        "delivered": delivered,
        "held": np.zeros_like(delivered),
    }
    return {name: np.pad(flag.cumsum(axis=1, dtype=np.int32), ((0, 0), (1, 0))) for name, flag in flags.items()}


def _point(rate: float, found: list[Firsts]) -> Point:
    slow, pause = np.concatenate([f.slow for f in found]), np.concatenate([f.pause for f in found])
    names = sorted({name for f in found for name in f.by_rule})
    by_rule = [(name, sum(f.by_rule.get(name, 0.0) for f in found) / len(slow)) for name in names]
    median = int(np.median(slow))
    return Point(
        rate=rate,
        slowed=float((slow < NEVER).mean()),
        paused=float((pause < NEVER).mean()),
        caught_90=float((slow <= 90).mean()),
        caught_150=float((slow <= 150).mean()),
        caught_250=float((slow <= 250).mean()),
        paused_90=float((pause <= 90).mean()),
        paused_150=float((pause <= 150).mean()),
        paused_250=float((pause <= 250).mean()),
        caught_median=median if median < NEVER else None,
        by_rule=tuple((name, share) for name, share in by_rule if share),
    )
