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
from julia_warmer.core.fold import OPT_OUT_WITHIN, REPLY_WITHIN
from julia_warmer.core.model import PHASES, Action, Phase
from julia_warmer.core.policy import AlarmRule, HourRules, Policy, Signal, Window
from julia_warmer.sim.curve_health import Terms, scores

SENDS = 600  # ten, thirty and fifty a day bring a chip to operation in so many
NEVER = 1 << 30
LIVES_AT_ONCE = 1000
WEEK = 7
DAY_H = 24.0
REPLY_WITHIN_H, OPT_OUT_WITHIN_H = (span.total_seconds() / 3600 for span in (REPLY_WITHIN, OPT_OUT_WITHIN))
WITHIN_MINUTE_H = 1 / 60  # the first look at a day comes a minute after midnight

BAD_RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
REPLY_RATES = (0.08, 0.12, 0.20, 0.30, 0.40)

Bits = NDArray[np.bool_]
Hours = NDArray[np.float32]
Numbers = NDArray[np.int32]
Each = Callable[[Callable[["Ask"], tuple["Point", "Point"]], Iterable["Ask"]], Iterable[tuple["Point", "Point"]]]


@dataclass(frozen=True, slots=True)
class List:
    """What a list's people do with a message: the rates of a good one."""

    replies: float = 0.35
    opt_outs: float = 0.005
    undeliverable: float = 0.01
    limited: float = 0.01
    lost: float = 0.01  # fails with some other code
    reads: float = 0.70


# Delays since acceptance: Weibull (shape, scale in hours). Guesses, those of sim/world.toml without its nights.
READ_H = (0.5, 1.5)
REPLY_H = (0.45, 0.8)  # after reading
HARM_H = (0.6, 1.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """When a chip sends and is looked at, in hours since its first day began; the same for every life."""

    sent_h: NDArray[np.float64]  # of each send, rising
    phase: NDArray[np.int64]  # of each send: its place in PHASES
    reviews_h: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lives:
    """Of each life (row) and send (column): when an outcome is heard, in hours; infinite when it never comes."""

    replied: Hours
    opted_out: Hours
    read: Hours
    undeliverable: Bits
    limited: Bits
    failed: Bits

    @property
    def delivered(self) -> Bits:
        return ~(self.undeliverable | self.limited | self.failed)


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


# ------------------------------------------------------------------ the lives


def pace_of(policy: Policy, sends: int = SENDS) -> Pace:
    """Each phase's cap on each of its least days, then operation's; spread evenly over the open hours. Sundays as the policy says."""
    sent: list[float] = []
    phases: list[int] = []
    day = 0
    while len(sent) < sends:
        for phase, days in [(p, policy.phases[p].days_min) for p in PHASES[1:-1]] + [(Phase.OPERATION, sends)]:
            left = days
            while left and len(sent) < sends:
                open_h, close_h = _open(policy.hours, day % WEEK)
                cap = policy.phases[phase].cap_day_max if close_h > open_h else 0
                sent += [day * DAY_H + open_h + (close_h - open_h) * n / cap for n in range(cap)]
                phases += [PHASES.index(phase)] * cap
                left -= bool(cap)
                day += 1
    step = min(rules.review_h for rules in policy.phases.values())
    reviews = [d * DAY_H + h + WITHIN_MINUTE_H for d in range(day + 4) for h in np.arange(0, DAY_H, step)]
    return Pace(np.array(sent[:sends]), np.array(phases[:sends]), np.array(reviews))


def _open(hours: HourRules, weekday: int) -> tuple[float, float]:
    """Local opening and closing of a weekday; Monday is 0."""
    if weekday == 5:
        return hours.saturday_open_h, hours.saturday_close_h
    return (hours.open_h, hours.close_h) if weekday < 5 or hours.sunday else (0.0, 0.0)


def draw(people: List, pace: Pace, lives: int, rng: np.random.Generator) -> Lives:
    """So many lives of a list. Failures are heard at once."""
    shape = (lives, len(pace.sent_h))
    fate = rng.random(shape, dtype=np.float32)
    bounds = np.cumsum([people.undeliverable, people.limited, people.lost])
    arrived = fate >= bounds[2]
    sent = pace.sent_h.astype(np.float32)
    read_h = sent + _delay(READ_H, shape, rng)
    replies, reads, harms = (rng.random(shape, dtype=np.float32) for _ in range(3))
    never = np.float32(np.inf)
    reply_h, harm_h = read_h + _delay(REPLY_H, shape, rng), sent + _delay(HARM_H, shape, rng)
    in_time = (reply_h - sent <= REPLY_WITHIN_H), (harm_h - sent <= OPT_OUT_WITHIN_H)  # what comes later belongs to no send
    return Lives(
        replied=np.where(arrived & (replies < people.replies) & in_time[0], reply_h, never),
        opted_out=np.where(arrived & (harms < people.opt_outs) & in_time[1], harm_h, never),
        read=np.where(arrived & (reads < people.reads), read_h, never),
        undeliverable=fate < bounds[0],
        limited=(fate >= bounds[0]) & (fate < bounds[1]),
        failed=(fate >= bounds[1]) & (fate < bounds[2]),
    )


def _delay(weibull: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator) -> Hours:
    form, scale = weibull
    return (scale * rng.standard_exponential(shape, dtype=np.float32) ** (1 / form)).astype(np.float32)


# ------------------------------------------------------------------ looking


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
