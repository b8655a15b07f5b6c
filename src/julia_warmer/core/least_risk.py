"""The least risky way to begin so many conversations: how many each chip begins on each day, under every bound. Numbers in, numbers out.

The risk of a chip's day is its harm a message, times its messages, each counted more the nearer it lies to the chip's own maximum of
that day: the first about once, the last twice. So it is convex, and the bounds (a cell's, a chip's people, a pool's people) are a
polymatroid: taking the cheapest message that still fits, one after the other, is optimal (Edmonds 1970; Federgruen and Groenevelt 1986).
It must not know Meta, policies or the clock.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A chip's day. `full` is the chip's own maximum of that day, `most` what it may have here, `harm` what is feared of one message."""

    chip: int
    day: int
    most: int
    full: int
    harm: float


@dataclass(frozen=True, slots=True)
class People:
    """Whom the messages go to, each person once: people of a chip's own, then those of the pool that it draws from."""

    own: Mapping[int, int]  # by chip
    reach: Mapping[int, int]  # by chip: the people of its pool that it may draw
    pool_of: Mapping[int, int]  # by chip
    pools: Mapping[int, int]  # by pool

    def from_pool(self, chip: int, messages: int) -> int:
        """How many of a chip's messages have to go to people of the pool."""
        return max(0, messages - self.own.get(chip, 0))

    def most(self, chip: int) -> int:
        return self.own.get(chip, 0) + self.reach.get(chip, 0)


def price(cell: Cell, place: int) -> float:
    """What one more message costs as the `place`-th of its day (from 1)."""
    return cell.harm * (1 + place / max(1, cell.full))


def risk(cells: Sequence[Cell], messages: Sequence[int]) -> float:
    """What all of them cost."""
    return sum(cell.harm * (n + n * (n + 1) / (2 * max(1, cell.full))) for cell, n in zip(cells, messages, strict=True))


def room(cells: Sequence[Cell], people: People) -> int:
    """The most messages that every bound allows together."""
    wanted: Counter[int] = Counter()
    for cell in cells:
        wanted[cell.chip] += max(0, cell.most)
    drawn: Counter[int] = Counter()
    total = 0
    for chip, want in wanted.items():
        number = min(want, people.most(chip))
        drawn[people.pool_of.get(chip, 0)] += people.from_pool(chip, number)
        total += number - people.from_pool(chip, number)
    return total + sum(min(number, people.pools.get(pool, 0)) for pool, number in drawn.items())


def fill(need: int, cells: Sequence[Cell], people: People) -> list[int] | None:
    """How many messages of each cell make `need` at least risk; None when there is no room for so many.

    Of equal ones the earlier day comes first, then the lower chip: a day never holds more than an equal day before it.
    """
    messages = [0] * len(cells)
    left, pools, used = max(0, need), dict(people.pools), Counter[int]()
    heap = [(price(cell, 1), cell.day, cell.chip, n) for n, cell in enumerate(cells) if cell.most > 0]
    heapq.heapify(heap)
    while left and heap:
        _, _, chip, n = heap[0]
        pool = people.pool_of.get(chip, 0)
        draws = used[chip] >= people.own.get(chip, 0)
        if used[chip] >= people.most(chip) or (draws and pools.get(pool, 0) <= 0):
            heapq.heappop(heap)  # whom it could write to is used up, and stays so
            continue
        pools[pool] = pools.get(pool, 0) - draws
        used[chip] += 1
        messages[n] += 1
        left -= 1
        if messages[n] < cells[n].most:
            heapq.heapreplace(heap, (price(cells[n], messages[n] + 1), cells[n].day, chip, n))
        else:
            heapq.heappop(heap)
    return None if left else messages
