"""dispatch: how many messages a second one worker takes from the outbox to their settled state, against loops that write nothing down."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from benchmarks import seeding
from benchmarks.child import Child, Done, started
from benchmarks.database import Database, Place
from benchmarks.rows import Must, Row, alone, compare

FLOOR, PICK = 0.5, 6.0
MEMORY_MB = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    sends: int
    rounds: int
    chips: int = 100  # at 80 messages a second from each, no chip's pace holds the worker up
    portfolios: int = 1
    people: int
    past: int  # of them have had a message before


FULL = Size(sends=4000, rounds=7, people=200_000, past=100_000)
SHORT = Size(sends=1000, rounds=3, people=20_000, past=10_000)


@dataclass(frozen=True, slots=True)
class Racers:
    """The processes: ours, and those that send without a database."""

    ours: Child
    bare: Child
    client: Child
    pywa: Child


@dataclass(slots=True)
class Samples:
    """One value a round: messages a second, and what ours cost."""

    rates: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    worker_us: list[float] = field(default_factory=list)
    bare_us: list[float] = field(default_factory=list)
    postgres_us: list[float] = field(default_factory=list)
    bytes_each: list[float] = field(default_factory=list)


async def measure(place: Place, size: Size, *, seed: int) -> list[Row]:  # noqa: ARG001 - messages come in the order of the outbox
    """The rows of this subject."""
    async with place.database("bench_dispatch") as database:
        await _fill(database, size)
        async with _racers(database) as racers:
            samples = Samples()
            for nth in range(size.rounds + 1):
                await _round(place, database, racers, samples, size, nth)
            return _rows(samples, racers.ours.peak_mb)


async def _fill(database: Database, size: Size) -> None:
    fleet = seeding.Fleet(size.chips, size.portfolios)
    async with database.owner() as conn:
        await seeding.add_fleet(conn, fleet, budget=1_000_000)
        await seeding.add_people(conn, size.people)
        await seeding.add_past(conn, size.past, fleet)


@asynccontextmanager
async def _racers(database: Database) -> AsyncGenerator[Racers]:
    concurrency = seeding.settings().send_concurrency
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(started("benchmarks.answering:answering", light=True))
        url = (await server.do()).result["url"]

        async def child(name: str, **given: Any) -> Child:
            return await stack.enter_async_context(started(f"benchmarks.sending:{name}", url=url, **given))

        yield Racers(
            await child("ours", dsn=database.dsn),
            await child("bare", concurrency=concurrency),
            await child("through_client", concurrency=concurrency),
            await child("with_pywa"),
        )


async def _round(place: Place, database: Database, racers: Racers, samples: Samples, size: Size, nth: int) -> None:
    """Every side once, each round on a sending day of its own; the first one only fills caches."""
    at = seeding.AT + timedelta(days=nth + nth // 6)
    async with database.owner() as conn:
        first = size.past + 1 + nth * size.sends
        await seeding.add_due(conn, size.sends, seeding.Fleet(size.chips, size.portfolios), first=first, at=at)
        await seeding.settle_down(conn)
    before, postgres_s = await place.written(), place.cpu_s()
    done = await racers.ours.do(at=at.isoformat())
    if done.result["sent"] != size.sends:
        raise AssertionError(f"{size.sends} were due: {done.result}")
    postgres_s = place.cpu_s() - postgres_s
    written = (await place.written()).since(before)
    if not nth:
        return
    samples.worker_us.append(1e6 * done.cpu_s / size.sends)
    samples.postgres_us.append(1e6 * postgres_s / size.sends)
    samples.bytes_each.append(written / size.sends)
    concurrency, few = seeding.settings().send_concurrency, size.sends // 10
    results = {
        "ours": done,
        "bare": await racers.bare.do(number=size.sends),
        "client": await racers.client.do(number=size.sends),
        "pywa": await racers.pywa.do(number=few, concurrency=1),
        "pywa at once": await racers.pywa.do(number=few, concurrency=concurrency),
    }
    samples.bare_us.append(1e6 * results["bare"].cpu_s / size.sends)
    for name, result in results.items():
        samples.rates[name].append(_rate(result))


def _rate(done: Done) -> float:
    return done.result["sent"] / done.result["s"]


def _rows(samples: Samples, peak_mb: float) -> list[Row]:
    ours, bare, unit = samples.rates["ours"], samples.rates["bare"], "sends/s"
    pick = max(samples.rates["pywa"], samples.rates["pywa at once"], key=sum)
    how = "one after another" if pick is samples.rates["pywa"] else "as many at once as ours"
    return [
        compare("dispatch", ours, bare, unit=unit, musts=[Must("≥", FLOOR)], note="a bare aiohttp loop, the same bodies"),
        compare("dispatch vs pick", ours, pick, unit=unit, musts=[Must("≥", PICK)], note=f"pywa in a plain loop, {how}, no database"),
        compare("dispatch: pywa's bodies over our client", samples.rates["client"], pick, unit=unit, note="no database on either side"),
        compare("dispatch: processor time, worker", samples.worker_us, samples.bare_us, unit="µs/send", note="the bare loop"),
        alone("dispatch: processor time, PostgreSQL", samples.postgres_us, unit="µs/send"),
        alone("dispatch: memory, worker", [peak_mb], unit="MB", musts=[Must("≤", MEMORY_MB, "ours")]),
        alone("dispatch: written to disk", samples.bytes_each, unit="kB per 1,000 sends", note="log and pages"),
    ]
