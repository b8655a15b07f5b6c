"""One chip's life in virtual time, for tests of the rules: a tiny world with people enough, driven by `decide` four times a day.

Not the simulator (`sim/world.py`): here a person answers, opts out or not, and nothing else, so that a test says what the
rules do and not what the world does.
"""

import heapq
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

from julia_warmer.core.days import day_start, local_day
from julia_warmer.core.decide import decide
from julia_warmer.core.events import Event, MessageDelivered, MessageFailed, MessageRead, MessageReceived, OptOutRequested, OptOutSource
from julia_warmer.core.fold import Tally
from julia_warmer.core.model import Change, Checklist, ChipState, ChipStatus, Decision, Phase, Quality, Snapshot
from julia_warmer.core.policy import Policy

ZONE = "America/Sao_Paulo"
DONE = Checklist(name_approved=True, profile_filled=True, pin_set=True, template_approved=True, webhook_heard=True, route_set=True)
BORN = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)  # a Monday, ten in the morning in São Paulo
REVIEWS_H = (0, 9, 12, 15)  # local hours; the first of a day at one minute past midnight
NEWBORN = ChipState(status=ChipStatus.WARMING, phase=Phase.SETUP, phase_since=BORN)
OPEN_H = 3  # sends go out in this many hours after each review but the first


@dataclass(frozen=True)
class People:
    """What the people of a list do with a message."""

    reply: float
    opt_out: float = 0.005
    undeliverable: float = 0.01
    limited: float = 0.01
    lost: float = 0.01  # fails with some other code
    read: float = 0.7


@dataclass
class Life:
    """A chip from its registration on."""

    policy: Policy
    people: People
    seed: str
    zone: str = ZONE
    state: ChipState = NEWBORN
    checklist: Checklist = DONE
    eligible: int = 5000
    tally: Tally = field(init=False)
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tally = Tally(self.zone)
        self._random = random.Random(self.seed)
        self._coming: list[tuple[datetime, int, Event]] = []
        self._n = count()
        self._scores: list[tuple[datetime, int]] = []
        self._heard_at: datetime | None = None
        self._accepted_today = 0
        self._day = local_day(BORN, self.zone)

    def run(self, days: int) -> "Life":
        """Live so many local days (the day of birth is the first), or so many more."""
        for _ in range(days):
            self._live(self._day)
            self._day += timedelta(days=1)
        return self

    def ready_on(self) -> int | None:
        """The day (the day of birth is 0) on which it first became ready."""
        for decision in self.decisions:
            if Change.BECAME_READY in decision.changes:
                return (local_day(decision.at, self.zone) - local_day(BORN, self.zone)).days
        return None

    def changes(self, change: Change) -> int:
        return sum(change in decision.changes for decision in self.decisions)

    def snapshot(self, at: datetime) -> Snapshot:
        """What a decision may look at now."""
        counts = self.tally.counts(at, state=self.state, evidence=self.policy.evidence)
        return Snapshot(
            at=at,
            chip_id=1,
            chip="chip",
            zone=self.zone,
            registered_at=BORN,
            state=self.state,
            checklist=self.checklist,
            quality=Quality.GREEN if counts["accepted_30d"] > 30 else Quality.UNKNOWN,
            quality_at=at,
            webhook_at=self._heard_at or at,
            templates_green=1,
            health_max_1h=self._best(at - timedelta(hours=1)),
            health_max_24h=self._best(at - timedelta(hours=24)),
            portfolio_share=500,
            eligible_people=self.eligible,
            **counts,
        )

    def _best(self, since: datetime) -> int | None:
        if self.state.rearmed_at is not None:
            since = max(since, self.state.rearmed_at)
        return max((score for at, score in self._scores[-8:] if at >= since), default=None)

    def _live(self, day: date) -> None:
        start = day_start(day, self.zone)
        is_open = day.weekday() != 6
        for hour in REVIEWS_H:
            at = start + (timedelta(hours=hour) if hour else timedelta(minutes=1))
            if at < BORN:
                continue
            decision = self._review(at)
            if hour and is_open:
                self._send(at, decision.budget.day_max, hours_left=OPEN_H * (len(REVIEWS_H) - REVIEWS_H.index(hour)))
        if is_open and start >= BORN:
            granted = max((d.budget.day_max for d in self.decisions[-len(REVIEWS_H) :]), default=0)
            self.tally.reachable(day, min(granted, self.eligible))

    def _review(self, at: datetime) -> Decision:
        while self._coming and self._coming[0][0] <= at:
            self._heard_at, _, event = heapq.heappop(self._coming)
            self.tally.apply(event)
        snapshot = self.snapshot(at)
        self._accepted_today = snapshot.accepted_today
        decision = decide(snapshot, self.policy)
        self.state = decision.state
        self._scores.append((at, decision.health.score))
        self.decisions.append(decision)
        return decision

    def _send(self, at: datetime, day_max: int, *, hours_left: int) -> None:
        """This review's part of the day's budget, spread evenly over the hours until the next."""
        left = day_max - self._accepted_today
        now = -(-max(left, 0) * OPEN_H // hours_left)
        for n in range(now):
            self._message(at + timedelta(hours=OPEN_H) * n / now)

    def _message(self, at: datetime) -> None:
        n, draw, people = next(self._n), self._random.random, self.people
        person, message_id = f"person {n}", f"message {n}"
        self.tally.accepted(at, person, message_id)
        failed = draw()
        for share, code in ((people.undeliverable, 131026), (people.limited, 131049), (people.lost, 131000)):
            if failed < share:
                self._comes(MessageFailed(at=at + timedelta(seconds=9), message_id=message_id, code=code))
                return
            failed -= share
        self._comes(MessageDelivered(at=at + timedelta(seconds=9), message_id=message_id))
        if draw() < people.read:
            self._comes(MessageRead(at=at + timedelta(minutes=self._random.expovariate(1 / 60)), message_id=message_id))
        if draw() < people.reply:
            after = timedelta(hours=min(self._random.expovariate(1 / 3), 70))
            self._comes(MessageReceived(at=at + after, phone=person, message_id=f"reply {n}", message_type="text"))
        if draw() < people.opt_out:
            after = timedelta(hours=self._random.expovariate(1 / 2))
            self._comes(OptOutRequested(at=at + after, phone=person, source=OptOutSource.BUTTON, purpose="marketing"))

    def _comes(self, event: Event) -> None:
        heapq.heappush(self._coming, (event.at, next(self._n), event))


def start_at(phase: Phase, **changes: object) -> ChipState:
    """A warming chip in a phase, as if imported there."""
    return replace(NEWBORN, phase=phase, **changes)  # type: ignore[arg-type]
