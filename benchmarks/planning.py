"""Two ways to write a day's plan, each in a process of its own: our planner, and COPY of the rows that it wrote."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks import seeding
from benchmarks.child import Orders
from julia_warmer.engine.plan import PLAN_MAX, plan
from julia_warmer.store import db

queries = db.load(__file__)


@asynccontextmanager
async def ours(dsn: str) -> AsyncGenerator[Orders]:
    """One worker: plans the day of every chip that is due, a transaction for each batch, as the job does."""
    pool = await db.open_pool(dsn, application_name="bench-worker")

    async def go() -> dict[str, Any]:
        chips = sends = 0
        began = time.perf_counter()
        while True:
            async with db.transaction(pool) as conn:
                planned = await plan(conn, at=seeding.MORNING, policy=seeding.POLICY, holidays=frozenset())
            chips, sends = chips + planned.chips, sends + planned.sends
            if planned.chips < PLAN_MAX:
                return {"s": time.perf_counter() - began, "chips": chips, "sends": sends}

    try:
        yield go
    finally:
        await pool.close()


@asynccontextmanager
async def copying(dsn: str) -> AsyncGenerator[Orders]:
    """Takes the planned messages away, then writes the same ones with COPY in one transaction; and takes those away too."""
    conn = await db.connect(dsn, application_name="bench-copy")

    async def go() -> dict[str, Any]:
        rows = await queries.take_away.fetch(conn)
        await conn.execute("vacuum sends")
        began = time.perf_counter()
        async with conn.transaction():
            await conn.copy_records_to_table("sends", schema_name="warmer", columns=list(rows[0].keys()), records=rows)
        copied_s = time.perf_counter() - began
        await queries.take_away.fetch(conn)
        return {"s": copied_s, "sends": len(rows)}

    try:
        yield go
    finally:
        await conn.close()
