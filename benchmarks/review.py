"""review: how many chips a second one worker decides on, against bare SQL over the same rows, and against the sprint's cycle.

And how long the largest fleet takes once: one worker, and two, which share it as they do in life.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from benchmarks import reviewing, seeding, show
from benchmarks.child import Child, Done, started
from benchmarks.database import Database, Place
from benchmarks.rows import Must, Row, alone, compare
from julia_warmer.store.db import Connection

FLOOR, FLAT, LARGEST_S, SPRINT = 0.33, 1.2, 15.0, 50.0
MEMORY_MB = 300
MINUTE = timedelta(minutes=1)
MOST_S = 60.0  # a round that takes longer is cut off there: the rate is known, and the rest of the run has to be short


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything. A chip has 278 hours with counts in 30 days."""

    chips: tuple[int, ...]  # the least first: it also runs against the sprint's cycle
    rounds: tuple[int, ...]
    chips_a_portfolio: int = 100
    sprint_rounds: int


FULL = Size(chips=(1_000, 10_000, 100_000), rounds=(7, 3, 2), sprint_rounds=3)
SHORT = Size(chips=(200, 1_000, 4_000), rounds=(3, 3, 2), sprint_rounds=2)


@dataclass(slots=True)
class Fleet:
    """A database with so many chips, and the processes on it."""

    place: Place
    database: Database
    chips: int
    ours: Child
    bare: Child
    at: datetime = seeding.AT

    async def due(self) -> str:
        """A minute later, every chip is due."""
        self.at += MINUTE
        async with self.database.owner() as conn:
            await reviewing.queries.begin_review.execute(conn, at=self.at)
            await conn.execute("vacuum analyze warmer.chips")
            await conn.execute("checkpoint")
        return self.at.isoformat()

    def rate(self, *done: Done) -> float:
        """Chips a second, of one worker or of some together. One that is looked at twice, because its portfolio's limit was split anew
        meanwhile, is one chip.
        """
        chips, took_s = sum(one.result["chips"] for one in done), max(one.result["s"] for one in done)
        if chips < self.chips and took_s < MOST_S:
            raise AssertionError(f"{self.chips} chips were due: {[one.result for one in done]}")
        return min(chips, self.chips) / took_s


async def measure(place: Place, size: Size, *, seed: int) -> list[Row]:  # noqa: ARG001 - chips come in the order of their ids
    """The rows of this subject."""
    rows: list[Row] = []
    rates: list[list[float]] = []
    for chips, rounds in zip(size.chips, size.rounds, strict=True):
        async with _fleet(place, chips, size) as fleet:
            ours, bare, others = await _race(fleet, rounds)
            note = f"{chips:,} chips; bare SQL over the same rows"
            rows.append(compare(f"review {chips:,}", ours, bare, unit="chips/s", musts=[Must("≥", FLOOR)], note=note))
            rates.append(ours)
            if chips == size.chips[-1]:
                rows += [*_wholes(chips, ours, await _together(fleet, rounds)), *others]
            if not rates[1:]:
                sprint = await _sprint(fleet, size.sprint_rounds)
                about = "ten small queries a chip, each by itself"
                rows.append(compare("review vs sprint", ours, sprint, unit="chips/s", musts=[Must("≥", SPRINT)], note=about))
    costs = [[1e6 / rate for rate in some] for some in (rates[-1], rates[0])]
    note = f"at {size.chips[-1]:,} chips against {size.chips[0]:,}"
    return [*rows, compare("review: cost of a chip", *costs, unit="µs/chip", musts=[Must("≤", FLAT)], note=note)]


def _wholes(chips: int, one: list[float], two: list[float]) -> list[Row]:
    """How long all of them take once, from the rates of one worker and of two."""
    note, musts = f"from its rate, if a round was cut off after {MOST_S:.0f} s", [Must("≤", LARGEST_S, "ours")]
    return [
        alone("review: the largest fleet once, one worker", [chips / rate for rate in one], unit="s", note=note),
        alone("review: the largest fleet once, two workers", [chips / rate for rate in two], unit="s", musts=musts, note=note),
    ]


@asynccontextmanager
async def _fleet(place: Place, chips: int, size: Size) -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(place.database(f"bench_review_{chips}"))
        async with database.owner() as conn:
            for what, step in _filling(conn, chips, size):
                began = time.perf_counter()
                await step
                show.progress(f"review: {chips:,} chips: {what} in {time.perf_counter() - began:.1f} s")
        ours = await stack.enter_async_context(started("benchmarks.reviewing:ours", dsn=database.dsn))
        bare = await stack.enter_async_context(started("benchmarks.reviewing:bare", dsn=database.owner_dsn))
        yield Fleet(place, database, chips, ours, bare)


def _filling(conn: Connection, chips: int, size: Size) -> Iterator[tuple[str, Awaitable[Any]]]:
    """What a database of so many chips is filled with, step by step."""
    fleet = seeding.Fleet(chips, max(1, chips // size.chips_a_portfolio))
    yield "fleet added", seeding.add_fleet(conn, fleet, budget=50, messaging_limit=10_000)
    yield "months lived", seeding.add_counts(conn)
    if chips == size.chips[0]:
        yield "hours kept for the sprint", reviewing.queries.keep_hours.execute(conn)
    yield "months folded", seeding.fold_hours(conn)
    yield "months spread over the fleet", seeding.spread_month(conn)
    yield "tables vacuumed", seeding.settle_down(conn)


async def _race(fleet: Fleet, rounds: int) -> tuple[list[float], list[float], list[Row]]:
    """Rates of ours and of the floor; and what ours cost."""
    samples: dict[str, list[float]] = {name: [] for name in ("ours", "bare", "bytes", "worker", "postgres")}
    for nth in range(rounds + 1):
        at = await fleet.due()
        before, postgres_s = await fleet.place.written(), fleet.place.cpu_s()
        done = await fleet.ours.do(at=at, most_s=MOST_S)
        postgres_s = fleet.place.cpu_s() - postgres_s
        written = (await fleet.place.written()).since(before)
        rate = fleet.rate(done)
        if not nth:
            await _keep(fleet)
            continue  # the first one fills caches, and gives the floor its rows
        reviewed = min(done.result["chips"], fleet.chips)
        bare = await fleet.bare.do(at=await fleet.due(), most=reviewed)
        values = {
            "ours": rate,
            "bare": bare.result["chips"] / bare.result["s"],
            "bytes": written / reviewed,
            "worker": 1e6 * done.cpu_s / reviewed,
            "postgres": 1e6 * postgres_s / reviewed,
        }
        for name, value in values.items():
            samples[name].append(value)
    others = [
        alone("review: processor time, worker", samples["worker"], unit="µs/chip"),
        alone("review: processor time, PostgreSQL", samples["postgres"], unit="µs/chip"),
        alone("review: memory, worker", [fleet.ours.peak_mb], unit="MB", musts=[Must("≤", MEMORY_MB, "ours")]),
        alone("review: written to disk", samples["bytes"], unit="kB per 1,000 chips", note="log and pages"),
    ]
    return samples["ours"], samples["bare"], others


async def _together(fleet: Fleet, rounds: int) -> list[float]:
    """Rates of two workers that share the fleet."""
    rates: list[float] = []
    async with started("benchmarks.reviewing:ours", dsn=fleet.database.dsn) as second:
        for _ in range(rounds + 1):
            at = await fleet.due()
            rates.append(fleet.rate(*await asyncio.gather(fleet.ours.do(at=at, most_s=MOST_S), second.do(at=at, most_s=MOST_S))))
    return rates[1:]  # the first one fills the caches of the second worker


async def _keep(fleet: Fleet) -> None:
    async with fleet.database.owner() as conn:
        await reviewing.queries.keep_chips.execute(conn)
        await reviewing.queries.keep_scores.execute(conn, at=fleet.at)
        await reviewing.queries.keep_decisions.execute(conn, at=fleet.at)
        for table, column in (("bench_chips", "id"), ("bench_scores", "chip_id"), ("bench_decisions", "chip_id")):
            await conn.execute(f"alter table {table} add primary key ({column})")
        await seeding.settle_down(conn)


async def _sprint(fleet: Fleet, rounds: int) -> list[float]:
    async with fleet.database.owner() as conn:
        for query in (reviewing.queries.add_said, reviewing.queries.fill_said, reviewing.queries.index_said):
            await query.execute(conn)
        await seeding.settle_down(conn)
    async with started("benchmarks.reviewing:sprint", dsn=fleet.database.owner_dsn) as sprint:
        return [fleet.rate(await sprint.do(at=await fleet.due())) for _ in range(rounds)]
