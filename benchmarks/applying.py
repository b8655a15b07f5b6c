"""Two ways to get the facts of webhooks into the tables, each in a process of its own: our worker's, and COPY of the rows it wrote."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from benchmarks import seeding
from benchmarks.child import Orders
from julia_warmer.api.serve import settle_memory
from julia_warmer.clock import VirtualClock
from julia_warmer.engine.intake import work_off
from julia_warmer.store import db

ROWS = 875  # the rows of one transaction: about what 500 bodies bring
COPIED = ("events", "received")

queries = db.load(__file__)


@asynccontextmanager
async def ours(dsn: str, at: str) -> AsyncGenerator[Orders]:
    """One worker: applies all that waits, as the job does."""
    pool = await db.open_pool(dsn, application_name="bench-worker")
    clock = VirtualClock(datetime.fromisoformat(at))
    settle_memory()  # as a worker's start does

    async def go() -> dict[str, Any]:
        facts = new = quarantined = 0
        began = time.perf_counter()
        while True:
            applied = await work_off(pool, clock=clock, seal=seeding.SEAL)
            if not applied.bodies:
                return {"s": time.perf_counter() - began, "facts": facts, "new": new, "quarantined": quarantined}
            facts, new, quarantined = facts + applied.facts, new + applied.new, quarantined + applied.quarantined

    try:
        yield go
    finally:
        await pool.close()


@asynccontextmanager
async def copying(source: str, dsn: str) -> AsyncGenerator[Orders]:
    """Reads what our worker has written since the last order, then writes the same rows with COPY, a commit for each batch."""
    reader = await db.connect(source, application_name="bench-reader")
    writer = await db.connect(dsn, application_name="bench-copy")

    async def go(since: int) -> dict[str, Any]:
        tables = {
            "events": await queries.read_events.fetch(reader, since=since),
            "received": await queries.read_received.fetch(reader, since=since),
        }
        rows = sum(map(len, tables.values()))
        batches = max(1, -(-rows // ROWS))
        began = time.perf_counter()
        for nth in range(batches):
            async with writer.transaction():
                for table, records in tables.items():
                    part = records[nth * len(records) // batches : (nth + 1) * len(records) // batches]
                    if part:
                        await writer.copy_records_to_table(table, schema_name="warmer", columns=list(part[0].keys()), records=part)
        return {"s": time.perf_counter() - began, "rows": rows}

    try:
        yield go
    finally:
        await reader.close()
        await writer.close()
