"""Carries out the import of a file: read by a process of its own, stored in short transactions, resumed where it stopped. Decides nothing.

People are shared out over lanes by their key: each lane stores its part of every batch in the file's order, on a connection of its own, and
how far it is commits together with what it stored. So a killed import goes on with the next batch, and no two lanes meet the same person.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import IO, Any

import orjson
from asyncpg.pool import PoolConnectionProxy

from julia_warmer.clock import Clock
from julia_warmer.engine.contacts import AUDIENCE, ImportReport, merge, record_import, report_of
from julia_warmer.engine.contacts_csv import BadRow, Proof
from julia_warmer.engine.errors import Conflict, Wrong
from julia_warmer.engine.import_reader import BATCH_ROWS, Batch, Job, reading
from julia_warmer.engine.sheets import Look
from julia_warmer.store import imports as store
from julia_warmer.store.consents import add_texts
from julia_warmer.store.db import UNDONE, Connection, Pool, transaction
from julia_warmer.store.imports import Counts, Import, Lane
from julia_warmer.store.seal import Seal

LANES = 2  # of an import: what a database of two cores can use
AHEAD_MAX = 2  # batches that wait for a lane
TRIES_MAX = 5  # of a batch that the database undid for another writer's sake
SETTLES = timedelta(minutes=10)  # after an import: far longer than any request to stop takes
BAD_ROWS_MAX = 1000  # that a report holds; a sink hears of all

BAD_ROWS_USE = "imports.bad_rows"

Progress = Callable[[int], None]  # rows read
Sink = Callable[[Sequence[BadRow]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was said about a file: it holds for every row whose own cell is empty."""

    proof: Proof = field(default_factory=Proof)
    audience: str = AUDIENCE
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    encoding: str | None = None
    delimiter: str | None = None

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, text: bytes) -> "Given":
        values: dict[str, Any] = orjson.loads(text)
        proof = Proof(**values.pop("proof"))
        return cls(proof=proof, **values)


def key_of(look: Look, given: Given) -> bytes:
    """What tells one import from another: the file, what was said about it, and how it is cut into batches."""
    return sha256(b"|".join((look.digest, given.to_json(), f"{LANES} {BATCH_ROWS}".encode()))).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One import under way, and what it needs."""

    pool: Pool
    seal: Seal
    clock: Clock
    given: Given
    by: str
    began_at: datetime
    lanes: tuple[Lane, ...]  # how far each is
    import_id: int | None = None  # None: it only looks
    progress: Progress | None = None
    sink: Sink | None = None


async def import_file(
    pool: Pool, file: IO[bytes], look: Look, given: Given, *, name: str, at: datetime, by: str, **how: Any
) -> ImportReport:
    """Import a file, or go on with it where it stopped; `how` as for `resume`. Raises Wrong for an unusable file, and Conflict."""
    async with transaction(pool) as conn:
        import_id, _ = await begin(conn, look, given, name=name, at=at, by=by)
    return await resume(pool, import_id, file, look, given, by=by, **how)


async def begin(
    conn: Connection, look: Look, given: Given, *, name: str, at: datetime, by: str, upload: bytes | None = None
) -> tuple[int, bool]:
    """The import of this file: the one that has not ended, or a new one; and whether it is new.

    `upload`: what was said about it, sealed, for the worker that carries it out.
    """
    key = key_of(look, given)
    found = await store.find_open(conn, key)
    if found is not None:
        return found.id, False
    import_id = await store.add_import(
        conn, key=key, digest=look.digest, name=name, size=look.size, lines=look.lines, given=upload, at=at, by=by
    )
    return import_id, True


async def resume(
    pool: Pool,
    import_id: int,
    file: IO[bytes],
    look: Look,
    given: Given,
    *,
    seal: Seal,
    clock: Clock,
    by: str,
    progress: Progress | None = None,
    sink: Sink | None = None,
) -> ImportReport:
    """Carry out an import from where it stopped. `sink` hears of every bad row of the file, again if need be.

    Raises Conflict while another process carries it out, and Wrong for an unusable file: then the import has failed.
    """
    async with _taken(pool, import_id) as conn:
        async with conn.transaction():
            found = await store.read_import(conn, import_id)
            assert found is not None
            lanes = tuple(await store.begin_lanes(conn, import_id, LANES))
        run = Run(
            pool=pool,
            seal=seal,
            clock=clock,
            given=given,
            by=by,
            began_at=found.began_at,
            lanes=lanes,
            import_id=import_id,
            progress=progress,
            sink=sink,
        )
        try:
            report = await _carry_out(run, file, look)
        except Wrong as error:
            await store.end_import(conn, import_id, state="failed", reason=str(error), at=clock.now())
            raise
        await _end(conn, found, report, seal=seal, at=clock.now(), by=by)
    return report


async def try_import(pool: Pool, file: IO[bytes], look: Look, given: Given, **how: Any) -> ImportReport:
    """What an import would do; nothing is changed. `how` as for `resume`. Raises Wrong."""
    clock: Clock = how["clock"]
    lanes = tuple(Lane(lane=lane) for lane in range(LANES))
    return await _carry_out(Run(pool=pool, given=given, began_at=clock.now(), lanes=lanes, **how), file, look)


async def _end(conn: Connection, found: Import, report: ImportReport, *, seal: Seal, at: datetime, by: str) -> None:
    told = [asdict(replace(row, cells={})) for row in report.bad_rows]  # whoever brought the file has the cells
    bad_rows = seal.close(orjson.dumps(told), use=BAD_ROWS_USE)
    async with conn.transaction():
        await store.settle_stops(conn, since=at, at=at)
        await store.end_import(conn, found.id, state="done", read=report.read, bad=report.bad, bad_rows=bad_rows, at=at)
        await record_import(conn, report, at=at, by=by, import_id=found.id)


async def settle(conn: Connection, *, at: datetime) -> int:
    """Stops that were on their way when an import ended: a person who was just being added may have asked for it. Returns how many people.

    Whoever plans or claims asks the list of suppressions; this makes what is shown of these people true as well.
    """
    return await store.settle_stops(conn, since=at - SETTLES, at=at)


@asynccontextmanager
async def _taken(pool: Pool, import_id: int) -> AsyncGenerator[PoolConnectionProxy]:
    """A connection that holds the import: it is free again when the connection ends, however that comes. Raises Conflict."""
    async with pool.acquire() as conn:
        if not await store.try_import(conn, import_id):
            raise Conflict("this file is being imported by another process", mend="wait until it is done, or end that process")
        try:
            yield conn
        finally:
            if not conn.is_closed():
                await store.leave_import(conn, import_id)


# ------------------------------------------------------------------ reading and storing beside each other


async def _carry_out(run: Run, file: IO[bytes], look: Look) -> ImportReport:
    job = Job(
        look=look,
        proof=replace(run.given.proof, file=look.digest.hex()),
        columns=run.given.columns,
        delimiter=run.given.delimiter,
        lanes=LANES,
        at=run.began_at,
        key=run.seal.key,
    )
    queues = [asyncio.Queue[Batch | None](AHEAD_MAX) for _ in run.lanes]
    bad = _Bad(run.sink)
    async with reading(file, job) as batches:
        lanes = [asyncio.create_task(_store(run, lane, queue)) for lane, queue in zip(run.lanes, queues, strict=True)]
        handing = asyncio.create_task(_hand_out(run, batches, queues, bad))
        await _all_of(handing, *lanes)
    report = report_of(sum((lane.result() for lane in lanes), Counts()), handing.result(), bad.number, bad.first)
    return replace(report, resumed_rows=sum(lane.counts.rows for lane in run.lanes))


async def _all_of(*tasks: asyncio.Task[Any]) -> None:
    """Wait for all; when one fails the others end, and its error is raised as it is."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hand_out(run: Run, batches: AsyncIterator[Batch], queues: Sequence[asyncio.Queue[Batch | None]], bad: "_Bad") -> Batch:
    """Give each batch to every lane that has not stored it yet; returns the last one."""
    last: Batch | None = None
    async for batch in batches:
        bad.hear(batch.bad)
        if batch.texts and run.import_id is not None:
            async with transaction(run.pool) as conn:  # before any lane needs one
                await add_texts(conn, batch.texts)
        for lane, queue in zip(run.lanes, queues, strict=True):
            if batch.nth >= lane.batches:
                await queue.put(batch)
        if run.progress:
            run.progress(batch.read)
        last = batch
    for queue in queues:
        await queue.put(None)
    assert last is not None, "a file without rows is an empty batch"
    return last


async def _store(run: Run, lane: Lane, queue: asyncio.Queue[Batch | None]) -> Counts:
    """Store one lane's parts in their order; returns what became of its rows, those of an earlier run included."""
    counts = lane.counts
    async with run.pool.acquire() as conn:
        await store.make_staging(conn)
        while (batch := await queue.get()) is not None:
            counts += await _store_batch(run, conn, lane.lane, batch)
    return counts


async def _store_batch(run: Run, conn: Connection, lane: int, batch: Batch) -> Counts:
    """One transaction; another try when the database undid it for a deadlock with another writer."""
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            async with conn.transaction():
                counts = await merge(
                    conn,
                    batch.parts[lane],
                    again=batch.again,
                    audience=run.given.audience,
                    seal=run.seal,
                    at=run.clock.now(),
                    by=run.by,
                    dry_run=run.import_id is None,
                )
                if run.import_id is not None and not await store.advance_lane(
                    conn, run.import_id, lane, batches=batch.nth, line=batch.line, counts=counts
                ):
                    raise Conflict("this file is being imported by another process", mend="wait until it is done")
                return counts
        except UNDONE:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


@dataclass(slots=True)
class _Bad:
    """The bad rows so far: the first are kept, all are told."""

    sink: Sink | None
    number: int = 0
    first: list[BadRow] = field(default_factory=list[BadRow])

    def hear(self, rows: Sequence[BadRow]) -> None:
        self.number += len(rows)
        self.first += rows[: BAD_ROWS_MAX - len(self.first)]
        if self.sink and rows:
            self.sink(rows)
