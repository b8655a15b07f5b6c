"""intake: webhook deliveries a second, each verified, stored and then answered, against the same application that stores nothing.

Closed: 64 connections, each waits for its answer. Open: deliveries arrive at a fixed rate, and wait from the moment they should have begun.
"""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import seeding, webhooks
from benchmarks.child import Child, Done, started
from benchmarks.database import Database, Place
from benchmarks.rows import Must, Row, alone, compare

FLOOR, P99_MS = 0.6, 250
MEMORY_MB = 250
SECRET = "benchmark-app-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything. A message brings 1.63 deliveries."""

    messages: int
    rounds: int
    connections: int = 64
    arrivals_per_s: int
    arrivals_s: int
    chips: int = 100
    people: int


FULL = Size(messages=3000, rounds=5, arrivals_per_s=320, arrivals_s=10, people=200_000)
SHORT = Size(messages=800, rounds=3, arrivals_per_s=320, arrivals_s=3, people=20_000)


@dataclass(slots=True)
class Scene:
    """The two applications, who calls them, and the deliveries to come."""

    place: Place
    database: Database
    size: Size
    seed: int
    folder: Path
    kept: Child
    calls_kept: Child
    calls_bare: Child
    numbers: "count[int]"

    async def deliveries(self, messages: int) -> tuple[str, int]:
        """A file of deliveries that nobody has had, about messages that are out; and how many there are."""
        first = next(self.numbers) * 1_000_000
        fleet = seeding.Fleet(self.size.chips)
        given: dict[str, Any] = {"people": self.size.people, "at": seeding.AT}
        async with self.database.owner() as conn:
            await seeding.add_out(conn, messages, fleet, first=first, **given)
            await seeding.settle_down(conn)
        bodies = webhooks.bodies(first, messages, fleet, seed=self.seed, **given)
        path = self.folder / f"{first}.jsonl"
        path.write_bytes(b"\n".join(bodies))
        return str(path), len(bodies)


async def measure(place: Place, size: Size, *, seed: int) -> list[Row]:
    """The rows of this subject."""
    samples: dict[str, list[float]] = {name: [] for name in ("kept", "bare", "p99", "open p50", "open p99", "bytes", "api", "postgres")}
    async with _scene(place, size, seed) as scene:
        for nth in range(size.rounds + 1):
            values = await _round(scene)
            for name, value in values.items() if nth else ():  # the first round only fills caches
                samples[name].append(value)
        return _rows(samples, size, scene.kept.peak_mb)


@asynccontextmanager
async def _scene(place: Place, size: Size, seed: int) -> AsyncGenerator[Scene]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(place.database("bench_intake"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmer-bench-")))
        async with database.owner() as conn:
            await seeding.add_fleet(conn, seeding.Fleet(size.chips), budget=1000)
            await seeding.add_people(conn, size.people)

        async def child(where: str, *, light: bool = False, **given: Any) -> Child:
            return await stack.enter_async_context(started(f"benchmarks.{where}", light=light, **given))

        async def calls(api: Child) -> Child:
            url = (await api.do()).result["url"]
            return await child("loading:loading", light=True, url=url, secret=SECRET, connections=size.connections)

        apis = [await child("taking:taking", dsn=database.dsn, is_kept=is_kept, secret=SECRET) for is_kept in (True, False)]
        yield Scene(place, database, size, seed, folder, apis[0], await calls(apis[0]), await calls(apis[1]), count(1))


async def _round(scene: Scene) -> dict[str, float]:
    path, number = await scene.deliveries(scene.size.messages)
    before, postgres_s = await scene.place.written(), scene.place.cpu_s()
    api_s = (await scene.kept.do()).result["cpu_s"]
    kept = _all_taken(await scene.calls_kept.do(path=path))
    api_s = (await scene.kept.do()).result["cpu_s"] - api_s
    postgres_s = scene.place.cpu_s() - postgres_s
    written = (await scene.place.written()).since(before)
    bare = _all_taken(await scene.calls_bare.do(path=path))
    path, _ = await scene.deliveries(scene.size.arrivals_per_s * scene.size.arrivals_s * 10 // 16)
    arriving = _all_taken(await scene.calls_kept.do(path=path, rate=scene.size.arrivals_per_s))
    return {
        "kept": number / kept["s"],
        "bare": number / bare["s"],
        "p99": kept["p99_ms"],
        "open p50": arriving["p50_ms"],
        "open p99": arriving["p99_ms"],
        "bytes": written / number,
        "api": 1e6 * api_s / number,
        "postgres": 1e6 * postgres_s / number,
    }


def _all_taken(done: Done) -> dict[str, Any]:
    if done.result["failed"]:
        raise AssertionError(f"deliveries were not taken: {done.result}")
    return done.result


def _rows(samples: dict[str, list[float]], size: Size, peak_mb: float) -> list[Row]:
    closed = f"{size.connections} connections, each waits for its answer"
    arriving = f"{size.arrivals_per_s} deliveries a second arrive, whatever is answered"
    same = "the same application, verified and answered, nothing stored"
    p99 = [Must("≤", P99_MS, "ours")]
    return [
        compare("intake", samples["kept"], samples["bare"], unit="posts/s", musts=[Must("≥", FLOOR)], note=same),
        alone("intake: p99", samples["p99"], unit="ms", musts=p99, note=closed),
        alone("intake: p99, open loop", samples["open p99"], unit="ms", musts=p99, note=arriving),
        alone("intake: p50, open loop", samples["open p50"], unit="ms", note=arriving),
        alone("intake: processor time, API", samples["api"], unit="µs/post"),
        alone("intake: processor time, PostgreSQL", samples["postgres"], unit="µs/post"),
        alone("intake: memory, API", [peak_mb], unit="MB", musts=[Must("≤", MEMORY_MB, "ours")]),
        alone("intake: written to disk", samples["bytes"], unit="kB per 1,000 posts", note="log and pages"),
    ]
