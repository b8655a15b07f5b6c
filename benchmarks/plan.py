"""plan: a day's plan for a thousand chips over a million people, against COPY of the rows that it writes."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks import planning, seeding
from benchmarks.child import Child, started
from benchmarks.database import Database, Place
from benchmarks.rows import Must, Row, alone, compare

PLAN_S = 10.0
MEMORY_MB = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    chips: int
    portfolios: int
    budget: int = 50
    people: int
    past: int  # of them belong to a chip, the others wait in the pool
    rounds: int


FULL = Size(chips=1000, portfolios=10, people=1_000_000, past=300_000, rounds=3)
SHORT = Size(chips=100, portfolios=2, people=50_000, past=15_000, rounds=3)


async def measure(place: Place, size: Size, *, seed: int) -> list[Row]:  # noqa: ARG001 - the planner's own draws are keyed
    """The rows of this subject."""
    samples: dict[str, list[float]] = {name: [] for name in ("ours", "copy", "bytes", "worker", "postgres")}
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(place.database("bench_plan"))
        await _fill(database, size)
        ours = await stack.enter_async_context(started("benchmarks.planning:ours", dsn=database.dsn))
        copying = await stack.enter_async_context(started("benchmarks.planning:copying", dsn=database.owner_dsn))
        for nth in range(size.rounds + 1):
            values = await _round(place, database, ours, copying, size)
            for name, value in values.items() if nth else ():  # the first round only fills caches
                samples[name].append(value)
    return _rows(samples, size, ours.peak_mb)


async def _fill(database: Database, size: Size) -> None:
    fleet = seeding.Fleet(size.chips, size.portfolios)
    async with database.owner() as conn:
        await seeding.add_fleet(conn, fleet, budget=size.budget, at=seeding.MORNING)
        await seeding.add_people(conn, size.people, at=seeding.MORNING)
        await seeding.add_past(conn, size.past, fleet, at=seeding.MORNING)
        await seeding.settle_down(conn)


async def _round(place: Place, database: Database, ours: Child, copying: Child, size: Size) -> dict[str, float]:
    async with database.owner() as conn:
        await planning.queries.begin_day.execute(conn, at=seeding.MORNING)
        await conn.execute("vacuum sends, chips")
    before, postgres_s = await place.written(), place.cpu_s()
    done = await ours.do()
    postgres_s = place.cpu_s() - postgres_s
    written = (await place.written()).since(before)
    sends = done.result["sends"]
    if sends < 0.95 * size.chips * size.budget:
        raise AssertionError(f"{size.chips * size.budget} messages were asked for: {done.result}")
    copied = await copying.do()
    return {
        "ours": done.result["s"],
        "copy": copied.result["s"],
        "bytes": written / sends,
        "worker": 1e6 * done.cpu_s / sends,
        "postgres": 1e6 * postgres_s / sends,
    }


def _rows(samples: dict[str, list[float]], size: Size, peak_mb: float) -> list[Row]:
    what = f"{size.chips * size.budget:,} messages; COPY of the same rows"
    return [
        compare("plan", samples["ours"], samples["copy"], unit="s", musts=[Must("≤", PLAN_S, "ours")], note=what),
        alone("plan: processor time, worker", samples["worker"], unit="µs/send"),
        alone("plan: processor time, PostgreSQL", samples["postgres"], unit="µs/send"),
        alone("plan: memory, worker", [peak_mb], unit="MB", musts=[Must("≤", MEMORY_MB, "ours")]),
        alone("plan: written to disk", samples["bytes"], unit="kB per 1,000 sends", note="log and pages"),
    ]
