"""import: a file of people with their consents, against COPY of the rows it writes, while people ask to stop over real HTTP."""

import asyncio
import random
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import seeding, webhooks
from benchmarks.child import Child, Done, started
from benchmarks.database import Database, Place
from benchmarks.rows import Must, Row, alone, compare
from benchmarks.seeding import Fleet
from julia_warmer.engine import imports

FLOOR, WALL_S, MEMORY_MB, STOP_MS = 0.25, 40.0, 400, 1000.0
SECRET = "benchmark"
FLEET = Fleet(1)
BURST_S = 2  # of opt-outs that one order sends
CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    people: int
    stops_per_s: int = 80


FULL = Size(people=1_000_000)
SHORT = Size(people=50_000)


async def measure(place: Place, size: Size, *, seed: int) -> list[Row]:
    """The rows of this subject."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(place.database("bench_import"))
        other = await stack.enter_async_context(place.database("bench_import_copy"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmer-bench-")))
        async with database.owner() as conn:
            await seeding.add_fleet(conn, FLEET, budget=1000)
        path = await asyncio.to_thread(_write, folder / "people.csv", size.people, seed)

        async def child(where: str, **given: Any) -> Child:
            return await stack.enter_async_context(started(f"benchmarks.{where}", light=where.startswith("loading"), **given))

        api = await child("taking:taking", dsn=database.dsn, is_kept=True, secret=SECRET)
        url = (await api.do()).result["url"]
        calls = await child("loading:loading", url=url, secret=SECRET, connections=CONNECTIONS)
        ours = await child("bringing:ours", dsn=database.dsn)
        before, postgres_s = await place.written(), place.cpu_s()
        done, waits = await _beside(ours, path, calls, folder, size, seed)
        postgres_s = place.cpu_s() - postgres_s
        written = (await place.written()).since(before)
        await _check(database, done.result, size)
        again = await ours.do(path=path)
        if again.result["unchanged"] + again.result["suppressed"] != size.people:
            raise AssertionError(f"a second import was to change nothing: {again.result}")
        copied = await (await child("bringing:copying", source=database.dsn, dsn=other.dsn)).do()
        return _rows(size, done, waits, again, copied, ours.peak_mb, postgres_s, written)


def _write(path: Path, people: int, seed: int) -> str:
    """A file as people bring them: in no order, each with a moment of their own and evidence of their own."""
    draw = random.Random(seed)
    numbers = list(range(1, people + 1))
    draw.shuffle(numbers)
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,name,audience,consent_at,evidence\n")
        for number in numbers:
            wa_id = webhooks.wa_id(number)
            when = f"2026-05-{draw.randint(1, 31):02d}T{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}-03:00"
            file.write(f'+{wa_id[:4]}9{wa_id[4:]},Médica {number},doctors,{when},"{{""ip"":""203.0.113.{number % 256}""}}"\n')
    return str(path)


async def _beside(ours: Child, path: str, calls: Child, folder: Path, size: Size, seed: int) -> tuple[Done, list[dict[str, Any]]]:
    """The import, and people who ask to stop from before its beginning to after its end: of the file, stored or not, and others."""
    draw, first, waits = random.Random(seed), count(1, step=size.stops_per_s * BURST_S), list[dict[str, Any]]()

    async def burst() -> None:
        people = list(_who(draw, size))
        bodies = webhooks.stops(people, FLEET, at=seeding.AT, first=next(first))
        file = folder / "stops"
        await asyncio.to_thread(file.write_bytes, b"\n".join(bodies))
        done = await calls.do(path=str(file), rate=size.stops_per_s)
        if done.result["failed"]:
            raise AssertionError(f"opt-outs were not taken: {done.result}")
        waits.append(done.result)

    await burst()
    waits.clear()  # the first one only fills caches
    importing = asyncio.create_task(ours.do(path=path))
    while not importing.done():
        await burst()
    return await importing, waits


def _who(draw: random.Random, size: Size) -> Iterator[int]:
    for nth in range(size.stops_per_s * BURST_S):
        yield draw.randint(1, size.people) if nth % 2 else draw.randint(size.people + 1, 2 * size.people)


async def _check(database: Database, result: dict[str, Any], size: Size) -> None:
    """Everybody is stored or had asked to stop, and nobody who asked may be written to."""
    if result["imported"] + result["suppressed"] + result["unchanged"] + result["updated"] != size.people or result["no_consent"]:
        raise AssertionError(f"{size.people} people with proof were to be imported: {result}")
    async with database.owner() as conn:
        await imports.settle(conn, at=seeding.AT)  # as a worker does each minute
        allowed = await conn.fetchval(
            "select count(*) from contacts join suppressions using (phone_key) where lifted_at is null and (may_marketing or may_utility)"
        )
    if allowed:
        raise AssertionError(f"{allowed} people who asked to stop may be written to")


def _rows(
    size: Size, done: Done, waits: list[dict[str, Any]], again: Done, copied: Done, peak_mb: float, postgres_s: float, written: int
) -> list[Row]:
    people, seconds = size.people, done.result["s"]
    stops = f"{size.stops_per_s} opt-outs a second meanwhile, whatever is answered"
    wall = [Must("≤", WALL_S, "ours")] if people == FULL.people else []
    return [
        compare(
            *("import", [people / seconds], [people / copied.result["s"]]),
            unit="rows/s",
            musts=[Must("≥", FLOOR)],
            note=f"{people:,} people with consents; COPY of the same rows into the same tables, nothing beside it",
        ),
        alone("import: wall", [seconds], unit="s", musts=wall, note=stops),
        alone("import: opt-outs, p99", [wait["p99_ms"] for wait in waits], unit="ms", musts=[Must("≤", STOP_MS, "ours")], note=stops),
        alone("import: opt-outs, slowest", [max(wait["max_ms"] for wait in waits)], unit="ms", musts=[Must("≤", STOP_MS, "ours")]),
        alone("import: the same file again", [again.result["s"]], unit="s", note="changes nothing"),
        alone("import: processor time, program", [1e6 * (done.cpu_s + done.result["reader_s"]) / people], unit="µs/row"),
        alone("import: processor time, PostgreSQL", [1e6 * postgres_s / people], unit="µs/row", note="opt-outs included"),
        alone(
            *("import: memory", [peak_mb + done.result["reader_mb"]]),
            unit="MB",
            musts=[Must("≤", MEMORY_MB, "ours")],
            note="both processes of it",
        ),
        alone("import: written to disk", [written / people], unit="kB per 1,000 rows", note="log and pages"),
    ]
