"""The event-driven world under the rules, chip by chip and message by message: what the arrays are compared with.

The same interests, moments and even spread; `core.fold` for the counts, `sim.world` for people and Meta. No operator, no portfolio's limit.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from julia_warmer.core.days import local_day
from julia_warmer.core.decide import decide
from julia_warmer.core.events import Event, MessageFailed, MessageReceived, OptOutRequested
from julia_warmer.core.fold import Tally
from julia_warmer.core.hours import open_span
from julia_warmer.core.model import ChipState, ChipStatus, Phase, Quality, Snapshot
from julia_warmer.core.policy import Policy
from julia_warmer.sim.constants import Constants
from julia_warmer.sim.crowd import Crowd
from julia_warmer.sim.fleet import moments
from julia_warmer.sim.reviews import DONE, moment_of
from julia_warmer.sim.scenarios import BEGINS_AT, ZONE
from julia_warmer.sim.state import Button, Message, Taken
from julia_warmer.sim.world import World

BUTTONS = (Button("Tenho interesse"), Button("Parar mensagens", opt_out=True))
WEEK = timedelta(days=7)


@dataclass
class Chip:
    """One chip and its people."""

    id: str
    fresh: deque[str]
    state: ChipState = field(default_factory=lambda: ChipState(status=ChipStatus.WARMING, phase=Phase.SETUP, phase_since=BEGINS_AT))
    tally: Tally = field(default_factory=lambda: Tally(ZONE))
    answered: deque[str] = field(default_factory=deque)  # free again, and answered last time
    silent: deque[str] = field(default_factory=deque)  # free again, and did not
    waiting: deque[tuple[datetime, str]] = field(default_factory=deque)
    wrote: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    scores: list[tuple[datetime, int]] = field(default_factory=list)
    budget: int = 0
    day: date | None = None
    today: int = 0  # sent on that day
    ready_at: datetime | None = None
    was_red: bool = False


class Fleet:
    """So many chips with lists of one kind. `facts` and `truths` count what was told and what was not."""

    def __init__(self, crowd: Crowd, kind: str, policy: Policy, c: Constants, *, seed: int) -> None:
        self.policy, self.facts = policy, Counter[str]()
        self.world = World(c, seed=seed, at=BEGINS_AT)
        self.world.add_portfolio("p", limit=-1)
        self.world.add_account("a", "p")
        self.world.add_template("t", "a", name="convite", buttons=BUTTONS, ttl_s=policy.budget.slot_ttl_h * 3600)
        self.chips = {f"c{row}": self._chip(row, crowd.interest[row].tolist(), kind) for row in range(crowd.chips)}

    def _chip(self, row: int, interests: list[float], kind: str) -> Chip:
        self.world.add_chip(f"c{row}", "a", display_phone=f"55119550{row:05d}")
        phones = [f"55119{80_000_000 + row * 10_000 + i}" for i in range(len(interests))]
        for phone, interest in zip(phones, interests, strict=True):
            self.world.add_person(phone, kind=kind, interest=interest)
        return Chip(f"c{row}", deque(phones))

    def live(self, days: int) -> Counter[str]:
        """The truths that nobody was told."""
        hours = moments(days)
        for hour, until in pairwise(hours):
            at = moment_of(float(hour))
            self._hear(at)
            for chip in self.chips.values():
                self._review(chip, at)
            plans = [(when, chip) for chip in self.chips.values() for when in self._plan(chip, at, moment_of(float(until)))]
            for when, chip in sorted(plans, key=lambda plan: plan[0]):
                self._hear(when)
                self._send(chip, when)
        self._hear(moment_of(float(hours[-1])))
        return Counter(f"{truth.what} {truth.how}".strip() for truth in self.world.take_truths())

    def _hear(self, at: datetime) -> None:
        for event in self.world.advance(at):
            chip = self.chips.get(getattr(event, "phone_number_id", None) or "")
            if chip is not None:
                chip.tally.apply(event)
                self.facts[type(event).__name__] += 1
                self._note(chip, event)

    def _note(self, chip: Chip, event: Event) -> None:
        match event:
            case MessageReceived(phone=str(phone)):
                chip.wrote.add(phone)
            case OptOutRequested(phone=str(phone)):
                chip.gone.add(phone)
            case MessageFailed(code=131026, to=str(phone)):
                chip.gone.add(phone)
            case _:
                pass

    def _review(self, chip: Chip, at: datetime) -> None:
        self._free(chip, at)
        meta, number = self.world.lives.meta, self.world.chips[chip.id]
        meta.look_at_number(number, at.timestamp())
        chip.was_red |= number.rating == "RED"
        counts = chip.tally.counts(at, state=chip.state, evidence=self.policy.evidence)
        since = max(at - timedelta(hours=24), chip.state.rearmed_at or at - timedelta(hours=24))
        decision = decide(
            Snapshot(
                at=at,
                chip_id=1,
                chip=chip.id,
                zone=ZONE,
                registered_at=BEGINS_AT,
                state=chip.state,
                checklist=DONE,
                quality=Quality(number.rating),
                quality_at=at,
                webhook_at=at,
                templates_green=int(self.world.templates["t"].rating == "GREEN"),
                health_max_24h=max((score for when, score in chip.scores[-8:] if when >= since), default=None),
                portfolio_share=1_000_000,
                eligible_people=len(chip.fresh) + len(chip.answered) + len(chip.silent),
                **counts,
            ),
            self.policy,
        )
        chip.state, chip.budget = decision.state, decision.budget.day_max - counts["accepted_today"]
        chip.scores.append((at, decision.health.score))
        if chip.ready_at is None and chip.state.status is ChipStatus.READY:
            chip.ready_at = at

    def _free(self, chip: Chip, at: datetime) -> None:
        while chip.waiting and chip.waiting[0][0] <= at - WEEK:
            _, phone = chip.waiting.popleft()
            if phone not in chip.gone:
                (chip.answered if phone in chip.wrote else chip.silent).append(phone)

    def _plan(self, chip: Chip, at: datetime, until: datetime) -> list[datetime]:
        """The moments of this period's part of the day."""
        day = local_day(at, ZONE)
        span = open_span(self.policy.hours, day, ZONE)
        left = min(chip.budget, len(chip.fresh) + len(chip.answered) + len(chip.silent))
        if span is None or left <= 0 or at >= span.closes_at:
            return []
        begins = max(at, span.opens_at)
        step = (span.closes_at - begins) / left
        return [when for n in range(left) if (when := begins + step * (n + 0.5)) < until]

    def _send(self, chip: Chip, at: datetime) -> None:
        people: Any = chip.answered or chip.fresh or chip.silent
        phone = people.popleft()
        chip.wrote.discard(phone)
        chip.waiting.append((at, phone))
        taken = self.world.accept(Message(phone_number_id=chip.id, to=phone, template="convite"), at=at)
        if isinstance(taken, Taken):
            chip.tally.accepted(at, phone, taken.message_id, held=taken.held)
            chip.today = chip.today + 1 if chip.day == (day := local_day(at, ZONE)) else 1
            chip.day = day
            chip.tally.reachable(day, chip.today)  # everything that is planned is sent
            self.facts["accepted"] += 1
