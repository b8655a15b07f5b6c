"""What the plan for the next messaging limit looks at: a portfolio and its chips, what stands in a chip's way, what is feared of it, and
what its policy lets it begin if its evidence stays as it is. Decides nothing: budgets are asked of the same `allowance` as live ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from julia_warmer.core.budget import allowance
from julia_warmer.core.evidence import Prior, Rate, beta_quantile, percent
from julia_warmer.core.limits import LOW_QUALITY
from julia_warmer.core.model import Action, Counts, Decision, Snapshot
from julia_warmer.core.pauses import SENDING
from julia_warmer.core.policy import Policy

HARMS = 4  # opt-outs, undeliverable, limited, held: each believed as the policy believes of one harm
ARRIVE = Prior(19.0, 1.0)  # of 20 messages 19 are delivered, until more is known: a guess
MANY = 10**9
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A chip with its last decision and the rules that it is decided by."""

    snapshot: Snapshot
    decision: Decision
    policy: Policy
    days: Mapping[date, int]  # accepted, by its calendar day: the week before today, and today
    open_share: Sequence[float]  # of its hours, by day from today: 0 is closed, 1 the whole of them; today what is left
    own: Mapping[int, int]  # people that only it may write to, by the first day on which they may be and count anew; 0 is today
    draws: frozenset[str]  # audiences of the pool
    hindrance: str | None = None  # what has come in its way since it was decided on

    @property
    def chip_id(self) -> int:
        return self.snapshot.chip_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A portfolio as it stands."""

    at: datetime
    today: date
    limit: int | None  # people in a moving 24 h; -1 unlimited, None never read
    policy: Policy
    reached: Mapping[date, int]  # unique people by the day of their last delivery, as far back as the step counts
    reached_now: int  # unique people of the moving span that ends now
    low: Sequence[str] = ()  # numbers and templates whose quality is not high
    spend: tuple[int, int] | None = None  # messages that money pays for, today and on a whole day
    senders: Sequence[Sender] = ()
    pool: Mapping[str, Mapping[int, int]]  # audience: people whom no chip has, by first day as above


def hindrance_of(sender: Sender) -> str | None:
    """Why a chip gets nothing: what is stopped, slowed, held or not trusted begins nothing for a larger limit."""
    return next(_hindrances(sender), None)


def _hindrances(sender: Sender) -> Iterator[str]:
    snapshot, decision = sender.snapshot, sender.decision
    state = decision.state
    if sender.hindrance is not None:
        yield sender.hindrance
    if state.status not in SENDING:
        yield "; ".join((state.status.value, *[pause.reason for pause in state.pauses]))
    yield from (f"stopped: {stop}" for stop in snapshot.stops)
    if not snapshot.checklist.done:
        yield "its checklist is not done"
    if snapshot.quality in LOW_QUALITY:
        yield f"quality {snapshot.quality.value}"
    if state.speed < 1 or state.slow_until is not None:
        yield f"slowed to {percent(state.speed)}"
    yield from (alarm.sentence for alarm in decision.alarms if alarm.action is not Action.NOTIFY)
    if any(name == "hold" for name, _ in decision.budget.parts):
        yield "held at what it sent last: harm within the calm hours, or the platform is not heard"
    if snapshot.recent_fresh.held:
        yield f"{snapshot.recent_fresh.held} of its last {snapshot.recent_fresh.accepted} messages were held for quality assessment"


def harm_of(sender: Sender) -> tuple[float, Rate]:
    """What is feared of one message: the upper end of the interval of harmful shares, under the skeptical prior; and what was seen."""
    rules = sender.policy.evidence
    rate = _harms(max(sender.snapshot.recent_fresh, sender.snapshot.phase_matured, key=_accepted))
    prior = Prior.skeptical(min(0.5, HARMS * rules.harm_prior_rate), max(1.0, rules.harm_prior_people))
    a, b = prior.events + rate.events, prior.others + rate.people - rate.events
    return beta_quantile(a, b, (1 + rules.interval_level) / 2), rate


def _harms(counts: Counts) -> Rate:
    events = counts.opted_out + counts.undeliverable + counts.limited + counts.held
    return Rate(min(events, counts.accepted), counts.accepted)


def _accepted(counts: Counts) -> int:
    return counts.accepted


class Allowed:
    """What the policy lets a chip begin on a day, by the best of the seven days before it, if its evidence stays as it is."""

    def __init__(self, sender: Sender, today: date) -> None:
        self._sender, self._today = sender, today
        self._known: dict[int, int] = {}
        self.now = self.by_best(self._best(sender.days, today))

    def by_best(self, best: int) -> int:
        """People, portfolio and money aside: they are shared out elsewhere."""
        if best not in self._known:
            endless = {"eligible_people": MANY, "portfolio_share": MANY, "spend_left": None, "accepted_today": 0, "best_day_7d": best}
            decision = self._sender.decision
            snapshot = replace(self._sender.snapshot, **endless)
            self._known[best] = allowance(snapshot, decision.state, decision.health, self._sender.policy).day_max
        return self._known[best]

    def on(self, ahead: int, lived: Mapping[date, int]) -> int:
        """On a day so far ahead, what was and will be accepted before it being `lived`; what today has used already is taken off."""
        most = self.by_best(self._best(lived, self._today + ahead * ONE_DAY))
        return most if ahead else max(0, most - self._sender.days.get(self._today, 0))

    @staticmethod
    def _best(lived: Mapping[date, int], day: date) -> int:
        return max(lived.get(day - back * ONE_DAY, 0) for back in range(1, 8))


def arriving(senders: Sequence[Sender]) -> float:
    """What share of messages is delivered, over all chips: one number, so that no chip is preferred for its luck with receipts."""
    seen = [sender.snapshot.recent_matured for sender in senders]
    events, others = ARRIVE.events + sum(c.delivered for c in seen), ARRIVE.others + sum(max(0, c.accepted - c.delivered) for c in seen)
    return events / (events + others)
