"""Lives that begin in the middle: one chip as it stands, many times over, each time with people drawn from what is known of its people.

What the chip has behind it is laid into the arrays of a fleet day by day, moved by whole days so that weekdays stay; from there on
it is the simulator. Knows no database and no clock.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np

from julia_warmer.core.days import day_start, local_day
from julia_warmer.core.decide import decide
from julia_warmer.core.model import Action, Budget, Change, ChipState, ChipStatus, Counts, Decision, Media, Quality, Snapshot, Verdict
from julia_warmer.core.policy import Policy
from julia_warmer.sim import scenarios
from julia_warmer.sim.cohorts import FIELDS
from julia_warmer.sim.constants import Constants, ListRates
from julia_warmer.sim.crowd import gather
from julia_warmer.sim.fleet import DAY_H, MOMENTS_H, Fleet
from julia_warmer.sim.platform import Feedback
from julia_warmer.sim.reviews import MIDNIGHT, hour_of, moment_of
from julia_warmer.sim.scatter import Ints
from julia_warmer.sim.scenarios import BEGINS_AT
from julia_warmer.sim.streams import Floats

BAND = 0.80
WEEKS_BACK = 4  # of the past are laid down: more than any window but the 30 days' sums holds
PEOPLE_MAX = 1500  # more than a chip can write to at 100 a day and once a week each
NOON_H = 12
# What is believed of people before the first answer: guesses, wide enough for the lists of world.toml.
REPLY_PRIOR = (2.0, 4.5)
READ_PRIOR = (8.0, 2.0)
FAILURE_PRIOR = (1.0, 49.0)
HARM_PRIOR = (3.0, 2.5)  # Gamma(shape, rate) of a factor on the good list's harm: tired lists are at 2, poor ones at 5
RISK_SHARE = 0.15  # of lives (or days) from which on something is called a risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A chip as its last decision found and left it."""

    snapshot: Snapshot
    state: ChipState
    days: Mapping[date, tuple[int, int]]  # by local day: messages accepted, and reachable
    limit: int  # people a day that its portfolio can leave to this chip; -1: no end
    closed: frozenset[date]  # holidays


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a chip becomes ready by its policy's own word, over many lives. Days count from its registration, the first being 1."""

    day_low: float | None  # the narrowest band that holds 80 % of the lives; None: later than the horizon, or never
    day_median: float | None
    day_high: float | None
    band_share: float  # of lives within the band: days are whole, so it is mostly more than 80 %
    ready_share: float  # of lives, within the horizon
    day_now: int
    horizon_d: int  # the last day that was simulated
    risk: str
    lives: int


def forecast(past: Past, policy: Policy, c: Constants, *, lives: int, days: int, seed: int, watch: "Watch | None" = None) -> Forecast:
    """Live on from here `days` more days, so many times. The same seed gives the same answer. `watch` decides, and keeps what it sees."""
    begin = _Beginning.of(past)
    people = _people_of(past)
    rates = draw_rates(past.snapshot, c, lives=lives, seed=seed)
    world = replace(
        scenarios.load("good", people=people, closed=frozenset(day + begin.days for day in past.closed)),
        lists=tuple(rates),
        chips_per_portfolio=1,
        limit=past.limit,
    )
    drawn = replace(c, lists=rates)
    crowd = gather(world, drawn, chips=lives, runs=[0], seed=seed)
    watch = watch or Watch(lives, clamp=past.snapshot.clamp)
    fleet = Fleet(world, crowd, drawn, policy, chips=lives, days=begin.day + 1 + days, rule=watch)
    first = lay_down(fleet, past, begin, seed=seed)
    lived = fleet.live(first, is_enough=watch.has_seen_all)
    registered_h = (past.snapshot.registered_at + begin.moved - MIDNIGHT).total_seconds() / 3600
    day_of = np.floor((lived.ready_h - registered_h) / DAY_H) + 1
    low, high, within = band(day_of)
    now_d = int((past.snapshot.at - past.snapshot.registered_at) / timedelta(days=1)) + 1
    return Forecast(
        day_low=low,
        day_median=_quantile(day_of, 0.5),
        day_high=high,
        band_share=within,
        ready_share=float(np.isfinite(day_of).mean()),
        day_now=now_d,
        horizon_d=now_d + days,
        risk=watch.main_risk(np.isfinite(day_of)),
        lives=lives,
    )


def _quantile(days: Floats, q: float) -> float | None:
    """The day by which this share of all lives was ready; lives that never were stand at the end."""
    value = float(np.sort(days)[min(len(days) - 1, int(np.ceil(q * len(days))) - 1)])
    return value if np.isfinite(value) else None


def band(days: Floats, share: float = BAND) -> tuple[float | None, float | None, float]:
    """The narrowest band that holds this share of the lives, and the share that it does hold. Never (infinity) is later than any day.

    Where too many lives were never ready for a band that ends, it has no end, and begins as late as may be.
    """
    ends = np.sort(days)
    need = int(np.ceil(share * len(ends) - 1e-9))
    lows, highs = ends[: len(ends) - need + 1], ends[need - 1 :]
    is_finite = np.isfinite(highs)
    place = int(np.argmin((highs - lows)[is_finite])) if is_finite.any() else len(lows) - 1
    low, high = float(lows[place]), float(highs[place])
    within = float(((ends >= low) & (ends <= high)).mean())
    return (low if np.isfinite(low) else None), (high if np.isfinite(high) else None), within


def _people_of(past: Past) -> int:
    """The list: who may be written to now, and who was written to lately and comes back."""
    return min(PEOPLE_MAX, past.snapshot.eligible_people) + sum(accepted for accepted, _ in past.days.values()) + 1


# ------------------------------------------------------------------ what is known of the people


def seen(snapshot: Snapshot) -> Counts:
    """The widest evidence that is in."""
    return max(snapshot.recent_matured, snapshot.phase_matured, key=lambda counts: counts.reached)


def draw_rates(snapshot: Snapshot, c: Constants, *, lives: int, seed: int) -> dict[str, ListRates]:
    """For each life the rates of its people, from the posterior of replies, opt-outs and failures. What only Meta sees goes along."""
    counts, good = seen(snapshot), c.lists["good"]
    source = np.random.Generator(np.random.Philox(key=seed))
    reply = source.beta(REPLY_PRIOR[0] + counts.replied, REPLY_PRIOR[1] + max(counts.reached - counts.replied, 0), lives)
    harms = ("stop_word", "stop_button", "stop_switch", "block", "report", "mute")
    stops = good.stop_word + good.stop_button + good.stop_switch
    harm = source.gamma(HARM_PRIOR[0] + counts.opted_out, 1 / (HARM_PRIOR[1] + stops * counts.reached), lives)
    undeliverable, limited = (
        source.beta(FAILURE_PRIOR[0] + n, FAILURE_PRIOR[1] + max(counts.accepted - n, 0), lives)
        for n in (counts.undeliverable, counts.limited)
    )
    opened = counts.read / (1 - c.people.receipts_off)
    read = min(0.98, (READ_PRIOR[0] + opened) / (sum(READ_PRIOR) + max(counts.delivered, opened)))
    return {
        f"life {n}": replace(
            good,
            reply_low=float(reply[n]),
            reply_high=float(reply[n]),
            read=read,
            undeliverable=float(undeliverable[n]),
            limited=float(limited[n]),
            **{name: getattr(good, name) * float(harm[n]) for name in harms},
        )
        for n in range(lives)
    }


# ------------------------------------------------------------------ where it begins


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Where in the fleet's calendar today lies: four weeks after its first Monday, on the same weekday."""

    day: int
    hour: int  # of the first decision, since the fleet's first midnight
    days: timedelta  # from the chip's calendar to the fleet's
    moved: timedelta  # the same for moments

    @classmethod
    def of(cls, past: Past) -> "_Beginning":
        snapshot = past.snapshot
        today = local_day(snapshot.at, snapshot.zone)
        day = 7 * WEEKS_BACK + today.weekday()
        midnight = day_start(today, snapshot.zone)
        clock_h = (snapshot.at - midnight).total_seconds() / 3600
        hour = next((h for h in MOMENTS_H if h >= clock_h), DAY_H)
        shift = BEGINS_AT.date() + timedelta(days=day) - today
        return cls(day, day * DAY_H + hour, shift, moment_of(day * DAY_H) - midnight)


def moved_state(state: ChipState, begin: _Beginning) -> ChipState:
    """The state in the fleet's calendar. Its decisions fall on whole hours, and so must what they wrote down."""

    def moment(at: datetime | None) -> datetime | None:
        return None if at is None else moment_of(hour_of(at + begin.moved))

    def day(on: date | None) -> date | None:
        return None if on is None else on + begin.days

    status = ChipStatus.WARMING if state.status is ChipStatus.PENDING else state.status
    pauses = tuple(replace(one, since=moment(one.since) or one.since, until=moment(one.until)) for one in state.pauses)
    return replace(
        state,
        status=status,
        phase_since=moment(state.phase_since) or state.phase_since,
        pauses=pauses,
        slow_until=moment(state.slow_until),
        risk_cap_since=day(state.risk_cap_since),
        rearmed_at=moment(state.rearmed_at),
        advanced_on=day(state.advanced_on),
        demoted_on=day(state.demoted_on),
        harm_at=moment(state.harm_at),
        ready_at=moment(state.ready_at),
    )


def lay_down(fleet: Fleet, past: Past, begin: _Beginning, *, seed: int) -> int:
    """Give every chip of the fleet this past. The index of the first moment that is lived."""
    first = int(np.searchsorted(fleet.periods.ends, begin.hour))
    state = moved_state(past.state, begin)
    fleet.reviews.begin(state, registered_at=past.snapshot.registered_at + begin.moved, first=first, ends=fleet.periods.ends)
    fleet.reviews.remember_score(first - 1, past.snapshot.health_max_24h)
    fleet.heard_at[:] = first
    fleet.idle[:] = past.snapshot.idle_days
    source = np.random.Generator(np.random.Philox(key=seed + 1))
    phase_day = hour_of(state.phase_since) // DAY_H
    carried: dict[str, float] = dict.fromkeys(FIELDS, 0.0)
    for day in range(max(0, begin.day - 7 * WEEKS_BACK), begin.day + 1):
        real = BEGINS_AT.date() + timedelta(days=day) - begin.days
        accepted, reachable = past.days.get(real, (0, 0))
        is_today = day == begin.day
        accepted = past.snapshot.accepted_today if is_today else accepted
        fleet.accepted[:, day], fleet.reachable[:, day] = accepted, reachable
        if not accepted:
            continue
        counts = past.snapshot.phase_matured if day >= phase_day and past.snapshot.phase_matured.accepted else seen(past.snapshot)
        became = _became(counts, accepted, carried)
        _count(fleet, begin, day, became)
        _written_to(fleet, day, accepted, source)
    _answers(fleet, past.snapshot, begin)
    _rate(fleet, past.snapshot)
    return first


def _became(counts: Counts, accepted: int, carried: dict[str, float]) -> dict[str, int]:
    """What became of a day's messages, in the proportions of a window; what rounding leaves goes to the next day.

    Of the last day's messages it is laid down at once, though some of it is still to come: else it would never come.
    """
    became: dict[str, int] = {"accepted": accepted}
    for name in FIELDS[1:]:
        share = getattr(counts, name) / counts.accepted if counts.accepted else float(name == "delivered")
        carried[name] += share * accepted
        became[name] = min(accepted, int(carried[name]))
        carried[name] -= became[name]
    return became


def _count(fleet: Fleet, begin: _Beginning, day: int, became: Mapping[str, int]) -> None:
    """Into the cohorts of our counts, and into what Meta has seen."""
    chips, cohorts = np.arange(fleet.crowd.chips), fleet.hearing.cohorts
    hour = max(day * DAY_H + cohorts.grid.open_h, min(day * DAY_H + NOON_H, begin.hour - 1))
    for place, name in enumerate(FIELDS):
        every = np.repeat(chips, became[name])
        cohorts.add(cohorts.place(place, every, np.full(len(every), hour)))
    period = int(np.searchsorted(fleet.periods.ends, hour + 1))
    for feedback, rows in ((fleet.numbers.feedback, chips), (fleet.templates.feedback, 2 * fleet.owner)):
        feedback.delivered[rows, period] += became["delivered"]
        feedback.read[rows, period] += became["read"]
        feedback.ever[rows] += became["delivered"]


def _written_to(fleet: Fleet, day: int, accepted: int, source: np.random.Generator) -> None:
    """People of the front of the list, who come back after a week: sooner, where they answered."""
    memory, ends = fleet.memory, fleet.periods.ends
    chip, person = memory.pools.take(np.minimum(accepted, memory.pools.eligible))
    answered = source.random(len(chip)) < fleet.crowd.interest[chip, person]
    memory.begin(int(np.searchsorted(ends, day * DAY_H + NOON_H)), chip, person, at_h=float(day * DAY_H + NOON_H), answered=answered)


def _answers(fleet: Fleet, snapshot: Snapshot, begin: _Beginning) -> None:
    """What people wrote: over the week before, and the rest of the month's before that."""
    period = int(np.searchsorted(fleet.periods.ends, (begin.day - 3) * DAY_H))
    before = int(np.searchsorted(fleet.periods.ends, (begin.day - 10) * DAY_H))
    week = min(snapshot.received_30d, snapshot.conversations_7d)
    media = snapshot.media_7d
    fleet.hearing.begin(
        period, received=week, talks=snapshot.conversations_7d, text=bool(media & Media.TEXT), image=bool(media & Media.IMAGE)
    )
    fleet.hearing.begin(before, received=snapshot.received_30d - week, talks=0, text=False, image=False)


def _rate(fleet: Fleet, snapshot: Snapshot) -> None:
    """What people held against the number, as far as it goes with the opt-outs; or what its rating tells."""
    q, harm = fleet.c.quality, fleet.crowd.harm
    steps = np.diff(harm, axis=0, prepend=0.0)  # block, report, mute, …
    weight = steps[0] * q.weight_block + steps[1] * q.weight_report + steps[2] * q.weight_mute
    match snapshot.quality:
        case Quality.RED:
            weight = np.maximum(weight, 1.5 * q.red)
        case Quality.YELLOW:
            weight = np.clip(weight, 1.2 * q.yellow, 0.9 * q.red)
        case _:
            pass
    _dislike(fleet.numbers.feedback, np.arange(fleet.crowd.chips), weight)
    _dislike(fleet.templates.feedback, 2 * fleet.owner, np.minimum(weight, 0.9 * fleet.c.template_quality.yellow))


def _dislike(feedback: Feedback, rows: Ints, weight: Floats) -> None:
    feedback.negative[rows] = feedback.delivered[rows] * weight[:, None]


# ------------------------------------------------------------------ what stands in the way


@dataclass(slots=True)
class Watch:
    """`decide`, and what it said on the way: what stopped each life, what bound its budget, what it waits for."""

    lives: int
    clamp: int | None = None  # the owner's own maximum a day goes on
    first: list[Snapshot] = field(default_factory=list)  # one life's first snapshot, for whoever compares it with the real one
    stopped: dict[int, set[str]] = field(default_factory=dict)
    waits: dict[int, tuple[str, ...]] = field(default_factory=dict)
    bound: Counter[str] = field(default_factory=Counter)
    _ready: dict[int, Decision] = field(default_factory=dict)  # of each life that is: the decision that made it so

    def __call__(self, snapshot: Snapshot, policy: Policy) -> Decision:
        if not self.first:
            self.first.append(snapshot)
        life = snapshot.chip_id
        if (done := self._ready.get(life)) is not None:  # what it would do from then on nobody asks: it sends nothing more
            return done
        if self.clamp is not None:
            snapshot = replace(snapshot, clamp=self.clamp)
        decision = decide(snapshot, policy)
        if decision.state.status is ChipStatus.READY:
            return self._ready.setdefault(life, replace(decision, budget=Budget(0, "ready")))
        self.bound[decision.budget.binding] += 1
        self.waits[life] = tuple(gate.name for gate in decision.gates if gate.verdict is not Verdict.PASS)
        if Change.PAUSED in decision.changes or Change.DEMOTED in decision.changes:
            self.stopped.setdefault(life, set()).update(_causes(decision))
        return decision

    def has_seen_all(self) -> bool:
        """Whether every life is ready, so that nothing is left to be told."""
        return len(self._ready) == self.lives

    def main_risk(self, ready: object) -> str:
        """What stopped most lives; else what those that did not get ready waited for; else what bound the budget besides the phase."""
        is_ready = np.asarray(ready)
        causes = Counter(cause for found in self.stopped.values() for cause in found)
        if causes and causes.most_common(1)[0][1] >= RISK_SHARE * self.lives:
            cause, count = causes.most_common(1)[0]
            return f"{cause} in {count / self.lives:.0%} of lives"
        late = Counter(name for life, names in self.waits.items() if not is_ready[life] for name in names)
        if late and (~is_ready).mean() >= RISK_SHARE:
            name, count = late.most_common(1)[0]
            return f"not ready for {name.replace('_', ' ')} in {count / self.lives:.0%} of lives"
        total = max(1, self.bound.total())
        others = [(name, count / total) for name, count in self.bound.most_common() if name not in ("phase", "share")]
        if others and others[0][1] >= RISK_SHARE:
            return f"the budget is bound by {others[0][0]} on {others[0][1]:.0%} of looks"
        return "none stands out: the phases' own pace"


def _causes(decision: Decision) -> set[str]:
    """Why a chip was paused or demoted: the alarm, the gate, or what the pause itself says."""
    what = "paused" if Change.PAUSED in decision.changes else "demoted"
    rules = {alarm.rule for alarm in decision.alarms if alarm.action in (Action.PAUSE, Action.DEMOTE)}
    gates = {gate.name for gate in decision.gates if gate.verdict is Verdict.FAIL} if what == "demoted" else set[str]()
    reasons = {pause.reason.partition(":")[0] for pause in decision.state.pauses} if what == "paused" and not rules else set[str]()
    return {f"{what} by {name.replace('_', ' ')}" for name in rules | gates | reasons} or {what}
