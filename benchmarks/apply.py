"""apply: how many facts a second one worker decodes and applies, against COPY of the rows that it inserts.

And how much slower that is with ten million facts stored than with a hundred thousand.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from benchmarks import applying, seeding, webhooks
from benchmarks.child import Child, Done, started
from benchmarks.database import Database, Place
from benchmarks.rows import Must, Row, alone, compare
from julia_warmer.engine.intake import BODY_USE

AT = datetime(2026, 6, 29, 14, 10, tzinfo=UTC)  # late in a month: what is stored lies in the partition that is written to
FLOOR, RATE, SLOWER = 0.10, 5000, 1.2
MEMORY_MB = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything. A message brings 2.85 facts."""

    messages: int
    rounds: int
    chips: int = 100
    events: int
    events_many: int
    people: int


FULL = Size(messages=4000, rounds=5, events=100_000, events_many=10_000_000, people=200_000)
SHORT = Size(messages=1000, rounds=3, events=20_000, events_many=400_000, people=20_000)


@dataclass(slots=True)
class Racers:
    """The databases, and the processes on them."""

    few: Database
    many: Database
    ours_few: Child
    ours_many: Child
    copying: Child


async def measure(place: Place, size: Size, *, seed: int) -> list[Row]:
    """The rows of this subject."""
    samples: dict[str, list[float]] = {name: [] for name in ("few", "many", "copy", "bytes", "worker", "postgres", "cpu few", "cpu many")}
    async with _racers(place, size) as racers:
        for nth in range(size.rounds + 1):
            values = await _round(place, racers, size, nth, seed)
            for name, value in values.items() if nth else ():  # the first round only fills caches
                samples[name].append(value)
        return _rows(samples, size, racers.ours_few.peak_mb)


@asynccontextmanager
async def _racers(place: Place, size: Size) -> AsyncGenerator[Racers]:
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(place.database("bench_apply"))
        await _fill(few, size, size.events)
        floor = await stack.enter_async_context(place.database("bench_apply_floor", like=few.name))
        many = await stack.enter_async_context(place.database("bench_apply_many"))
        await _fill(many, size, size.events_many)

        async def child(name: str, **given: Any) -> Child:
            return await stack.enter_async_context(started(f"benchmarks.applying:{name}", **given))

        at = AT.isoformat()
        ours_few, ours_many = await child("ours", dsn=few.dsn, at=at), await child("ours", dsn=many.dsn, at=at)
        yield Racers(few, many, ours_few, ours_many, await child("copying", source=few.dsn, dsn=floor.dsn))


async def _fill(database: Database, size: Size, events: int) -> None:
    fleet = seeding.Fleet(size.chips)
    async with database.owner() as conn:
        await seeding.add_fleet(conn, fleet, budget=1000, at=AT)
        await seeding.add_people(conn, size.people, at=AT)
        await seeding.add_past(conn, size.people, fleet, at=AT)
        await seeding.add_events(conn, events, fleet, people=size.people, days=28, at=AT)
        await seeding.settle_down(conn)


async def _round(place: Place, racers: Racers, size: Size, nth: int, seed: int) -> dict[str, float]:
    first = 1 + nth * size.messages
    items = await _deliver(racers.few, size, first, seed)
    await _deliver(racers.many, size, first, seed)
    since = await _since(racers.few)
    before, postgres_s = await place.written(), place.cpu_s()
    few = await racers.ours_few.do()
    postgres_s = place.cpu_s() - postgres_s
    written = (await place.written()).since(before)
    _check(few, items)
    copied = await racers.copying.do(since=since)
    many_s = place.cpu_s()
    many = await racers.ours_many.do()
    many_s = place.cpu_s() - many_s + many.cpu_s
    _check(many, items)
    return {
        "few": items / few.result["s"],
        "many": items / many.result["s"],
        "copy": items / copied.result["s"],
        "bytes": written / items,
        "worker": 1e6 * few.cpu_s / items,
        "postgres": 1e6 * postgres_s / items,
        "cpu few": 1e6 * (few.cpu_s + postgres_s) / items,
        "cpu many": 1e6 * many_s / items,
    }


async def _deliver(database: Database, size: Size, first: int, seed: int) -> int:
    """Messages that are out, and all that is said of them, sealed in the inbox. Returns how many facts that is."""
    fleet = seeding.Fleet(size.chips)
    bodies = webhooks.bodies(first, size.messages, fleet, people=size.people, at=AT, seed=seed)
    async with database.owner() as conn:
        await seeding.add_out(conn, size.messages, fleet, first=first, people=size.people, at=AT)
        rows = [(AT, sha256(body).digest(), seeding.SEAL.close(body, use=BODY_USE)) for body in bodies]
        await conn.copy_records_to_table("inbox", schema_name="warmer", columns=["received_at", "digest", "body"], records=rows)
        await conn.execute("vacuum analyze warmer.sends, warmer.inbox, warmer.attempts, warmer.budget_uses, warmer.conversations")
    return webhooks.count_items(bodies)


async def _since(database: Database) -> int:
    """The first body that waits."""
    async with database.owner() as conn:
        return await applying.queries.find_first.fetchval(conn)


def _check(done: Done, items: int) -> None:
    """An answer that asks to stop is two facts."""
    if done.result["new"] < items or done.result["quarantined"]:
        raise AssertionError(f"{items} facts were brought: {done.result}")


def _rows(samples: dict[str, list[float]], size: Size, peak_mb: float) -> list[Row]:
    few, many, unit = samples["few"], samples["many"], "facts/s"
    musts = [Must("≥", FLOOR), Must("≥", RATE, "ours")]
    stored = f"{size.events_many:,} events stored against {size.events:,}"
    return [
        compare("apply", few, samples["copy"], unit=unit, musts=musts, note="COPY of the rows of events and received, no logic"),
        compare("apply with many stored", _us(many), _us(few), unit="µs/fact", musts=[Must("≤", SLOWER)], note=stored),
        compare("apply with many stored: processor time", samples["cpu many"], samples["cpu few"], unit="µs/fact", note="both programs"),
        alone("apply: processor time, worker", samples["worker"], unit="µs/fact"),
        alone("apply: processor time, PostgreSQL", samples["postgres"], unit="µs/fact"),
        alone("apply: memory, worker", [peak_mb], unit="MB", musts=[Must("≤", MEMORY_MB, "ours")]),
        alone("apply: written to disk", samples["bytes"], unit="kB per 1,000 facts", note="log and pages"),
    ]


def _us(rates: list[float]) -> list[float]:
    return [1e6 / rate for rate in rates]
