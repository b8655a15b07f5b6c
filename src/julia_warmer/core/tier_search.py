"""The search for the plan that reaches the next messaging limit: at least risk within the days asked about, or else as soon as can be.

Every day's room is what the policy would let each chip begin, shared out as the live split shares the portfolio's limit and its money.
It must not know what is advised.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from julia_warmer.core.budget import Want, split
from julia_warmer.core.least_risk import Cell, People, fill, room
from julia_warmer.core.limits import Step
from julia_warmer.core.tier_scene import ONE_DAY, Allowed, Scene, Sender, arriving, harm_of, hindrance_of

HORIZON_D = 60  # days ahead that are looked at where the days asked about do not suffice
NEAR = (
    0.5  # of what the limit leaves a day: chips that could use so much are near it. A guess: at a quarter more a day it is three days off
)


@dataclass(frozen=True, slots=True)
class Path:
    """What each chip might begin, by day, and what all of them could use of an endless limit."""

    most: Mapping[int, Sequence[int]]
    wanted: Sequence[int]


@dataclass(frozen=True, slots=True)
class Found:
    """A plan: by chip and day, up to the day on which the people are reached."""

    last: int
    most: Mapping[int, Sequence[int]]
    messages: Mapping[int, Sequence[int]]
    asked_share: float  # of all that chips might do in the span that counts


@dataclass(frozen=True, slots=True)
class Searched:
    """A plan, or what binds: people, chips, spend or budgets."""

    found: Found | None
    binds: str | None
    is_near: bool


class Planner:
    """The search for one portfolio's plan."""

    def __init__(self, scene: Scene, step: Step, limit: int, days: int) -> None:
        self.scene, self.step, self.limit, self.days = scene, step, limit, days
        self.why = {sender.chip_id: hindrance_of(sender) for sender in scene.senders}
        self.able = [sender for sender in scene.senders if self.why[sender.chip_id] is None]
        self.by_id = {sender.chip_id: sender for sender in self.able}
        self.allowed = {chip: Allowed(sender, scene.today) for chip, sender in self.by_id.items()}
        self.harm = {sender.chip_id: harm_of(sender) for sender in scene.senders}
        self.arrive = arriving(self.able)
        self.pool_of = _pools(self.able)

    def search(self) -> "Searched":
        """The plan, or what binds; and whether the limit will be near without it."""
        growing = self._path(max(self.days, HORIZON_D), grows=True, spend=self.scene.spend)
        steady = self._path(self.days, grows=False, spend=self.scene.spend)
        found = self._least(steady) or self._soonest(growing)
        return Searched(found, None if found else self._binding(), self._is_near(steady))

    # --- bounds

    def _path(self, days: int, *, grows: bool, spend: tuple[int, int] | None, endless: bool = False) -> Path:
        """All that chips might begin, day by day: by policy and hours, then shared out as the portfolio's limit and money are.

        Steady: nobody beyond what is allowed today. Growing: each as far as the policy lets it grow on days that were used whole, and
        as far as its people last, unless they are endless.
        """
        there_are = self._people(days - 1)
        lived = {sender.chip_id: dict(sender.days) for sender in self.able}
        most: dict[int, list[int]] = {sender.chip_id: [] for sender in self.able}
        wanted: list[int] = []
        for ahead in range(days):
            needs = {chip: self._need(chip, ahead, lived[chip], grows) for chip in self.by_id}
            if grows and not endless:
                needs = {chip: min(need, there_are.most(chip) - sum(most[chip])) for chip, need in needs.items()}
            shares = self._share_out(needs, ahead, spend)
            for sender in self.able:
                day, share = self.scene.today + ahead * ONE_DAY, shares[sender.chip_id]
                most[sender.chip_id].append(share)
                lived[sender.chip_id][day] = lived[sender.chip_id].get(day, 0) + share
            wanted.append(sum(needs.values()))
        return Path(most, wanted)

    def _need(self, chip: int, ahead: int, lived: Mapping[date, int], grows: bool) -> int:
        sender, allowed = self.by_id[chip], self.allowed[chip]
        most = allowed.on(ahead, lived)
        if not grows:
            most = min(most, allowed.now)
        share = sender.open_share[ahead] if ahead < len(sender.open_share) else 0.0
        return int(most * share)

    def _share_out(self, needs: Mapping[int, int], ahead: int, spend: tuple[int, int] | None) -> dict[int, int]:
        """As the live split shares the limit; today what is left of it by what today has used."""
        there_is = self.left_by_limit()
        if ahead == 0:
            there_is -= sum(sender.days.get(self.scene.today, 0) for sender in self.scene.senders)
        if spend is not None:
            there_is = min(there_is, spend[min(ahead, 1)])
        wants = [Want(sender.chip_id, needs[sender.chip_id], sender.decision.health.score) for sender in self.able]
        return split(max(0, there_is), wants, reserve=0, limit_unknown=0)

    def left_by_limit(self) -> int:
        """People a day that the limit leaves the chips, without its reserve."""
        return int(self.limit * (1 - self.scene.policy.budget.reserve))

    def _people(self, last: int, used: Mapping[int, int] | None = None) -> People:
        """Whom the messages up to a day may go to, less the people whom `used` messages took."""
        pools: Counter[int] = Counter()
        by_audience = {name: _until(days, last) for name, days in self.scene.pool.items()}
        for name, pool in self.pool_of.items():
            pools[pool] += by_audience.get(name, 0)
        own = {sender.chip_id: _until(sender.own, last) for sender in self.able}
        reach = {sender.chip_id: sum(by_audience.get(name, 0) for name in sender.draws) for sender in self.able}
        pool_of = {sender.chip_id: next((self.pool_of[name] for name in sender.draws), -1) for sender in self.able}
        for chip, number in (used or {}).items():
            drawn = max(0, number - own[chip])
            own[chip] = max(0, own[chip] - number)
            reach[chip] -= drawn
            pools[pool_of[chip]] -= drawn
        return People(own, reach, pool_of, pools)

    def _needed(self, last: int) -> int:
        """Messages that reach the people who still lack at the end of a day."""
        return max(0, math.ceil((self.step.people - self.still(last)) / self.arrive))

    def count_at(self, ahead: int, totals: Sequence[int]) -> int:
        """Unique people that count at the end of a day, when so many conversations are begun by day."""
        return self.still(ahead) + int(self.arrive * sum(totals[day] for day in self.span(ahead)))

    def grows(self, found: Found) -> bool:
        """Whether a plan counts on more than a chip is allowed today."""
        return any(number > self.allowed[chip].now for chip, days in found.messages.items() for number in days)

    def still(self, last: int) -> int:
        """People reached by now who still count at the end of a day."""
        since = self.scene.today + (last - self.step.days + 1) * ONE_DAY
        return sum(number for day, number in self.scene.reached.items() if day >= since)

    def span(self, last: int) -> range:
        """The days of the plan that count at the end of one of them."""
        return range(max(0, last - self.step.days + 1), last + 1)

    # --- plans

    def _least(self, path: Path) -> Found | None:
        """Of the days asked about, the one on which the least part of what chips might do is needed; on the way there, least risk."""
        asked: list[tuple[float, int]] = []
        for last in range(self.days):
            most = room(self._cells(path, self.span(last)), self._people(last))
            if 0 < self._needed(last) <= most:
                asked.append((self._needed(last) / most, last))
        for share, last in sorted(asked):
            if (found := self._fill(path, last, share)) is not None:
                return found
        return None

    def _fill(self, path: Path, last: int, share: float) -> Found | None:
        """Fill the span, and again with less room wherever rounding left a day above what the days before it would let the policy allow."""
        cells = self._cells(path, self.span(last))
        while (messages := fill(self._needed(last), cells, self._people(last))) is not None:
            plan = self._by_chip(cells, messages, last)
            above = {(chip, ahead): most for chip, days in plan.items() for ahead, most in self._above(chip, days)}
            if not above:
                return Found(last, path.most, plan, share)
            cells = [replace(cell, most=above.get((cell.chip, cell.day), cell.most)) for cell in cells]
        return None

    def _above(self, chip: int, days: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Days of a chip's plan that the policy would not allow after the days before them, with what it would."""
        lived = Counter(self.by_id[chip].days)
        for ahead, number in enumerate(days):
            most = self.allowed[chip].on(ahead, lived)
            if number > most:
                yield ahead, most
            lived[self.scene.today + ahead * ONE_DAY] += number

    def _soonest(self, path: Path) -> Found | None:
        """The first day on which chips that use all they are allowed reach the people; what is too much for it is left out on that day."""
        totals = self._totals(path)
        for last in range(HORIZON_D):
            if sum(totals[ahead] for ahead in self.span(last)) >= self._needed(last):
                return self._whole(path, last)
        return None

    def _whole(self, path: Path, last: int) -> Found | None:
        """Whole budgets until the last day, and of that one what is still needed, at least risk. None: people bind."""
        before, final = self._cells(path, range(last)), self._cells(path, range(last, last + 1))
        used: Counter[int] = Counter()
        for cell in before:
            used[cell.chip] += cell.most
        people = self._people(last, used)
        if min((*people.reach.values(), *people.pools.values()), default=0) < 0:
            return None
        counted = sum(cell.most for cell in before if cell.day in self.span(last))
        messages = fill(self._needed(last) - counted, final, people)
        if messages is None:
            return None
        plan = self._by_chip([*before, *final], [*(cell.most for cell in before), *messages], last)
        whole = sum(cell.most for cell in (*before, *final) if cell.day in self.span(last))
        return Found(last, path.most, plan, self._needed(last) / whole)

    def _cells(self, path: Path, span: range) -> list[Cell]:
        return [
            Cell(chip, ahead, most[ahead], most[ahead], self.harm[chip][0])
            for chip, most in path.most.items()
            for ahead in span
            if most[ahead]
        ]

    @staticmethod
    def _by_chip(cells: Sequence[Cell], messages: Sequence[int], last: int) -> dict[int, list[int]]:
        plan: defaultdict[int, list[int]] = defaultdict(lambda: [0] * (last + 1))
        for cell, number in zip(cells, messages, strict=True):
            plan[cell.chip][cell.day] = number
        return dict(plan)

    # --- why

    def _is_near(self, path: Path) -> bool:
        """Whether chips, as they are allowed today, could use much of what the limit leaves. Without people or money nothing is wanted."""
        people = self._people(self.days - 1)
        there_are = sum(people.own.values()) + sum(people.pools.values())
        money = self.scene.spend[1] if self.scene.spend else there_are
        return any(min(wanted, there_are, money) >= NEAR * self.left_by_limit() for wanted in path.wanted)

    def _binding(self) -> str:
        if not self.able:
            return "chips"
        if self._reaches(self._path(HORIZON_D, grows=True, spend=self.scene.spend, endless=True)):
            return "people"
        return "spend" if self._reaches(self._path(HORIZON_D, grows=True, spend=None, endless=True)) else "budgets"

    def _reaches(self, path: Path) -> bool:
        """On some day within the horizon."""
        totals = self._totals(path)
        return any(sum(totals[ahead] for ahead in self.span(last)) >= self._needed(last) for last in range(HORIZON_D))

    @staticmethod
    def _totals(path: Path) -> list[int]:
        """What all chips might begin, by day."""
        return [sum(day) for day in zip(*path.most.values(), strict=True)] or [0] * HORIZON_D


def _pools(senders: Sequence[Sender]) -> dict[str, int]:
    """Audiences that some chip draws from together are one pool, named by a number: as many people as all of them."""
    pool_of: dict[str, int] = {}
    for number, sender in enumerate(senders):
        joined = {pool_of[name] for name in sender.draws if name in pool_of}
        for name, pool in list(pool_of.items()):
            if pool in joined:
                pool_of[name] = number
        pool_of |= dict.fromkeys(sender.draws, number)
    return pool_of


def _until(by_day: Mapping[int, int], last: int) -> int:
    return sum(number for day, number in by_day.items() if day <= last)
