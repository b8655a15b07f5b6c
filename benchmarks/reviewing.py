"""Three ways to look after chips, each in a process of its own: our review, bare SQL over the same rows, and the sprint's cycle."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from benchmarks import seeding
from benchmarks.child import Orders
from julia_warmer.api.serve import settle_memory
from julia_warmer.engine.review import REVIEW_MAX, review_due
from julia_warmer.store import db
from julia_warmer.store.db import Connection, Pool

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

queries = db.load(__file__)


@asynccontextmanager
async def ours(dsn: str) -> AsyncGenerator[Orders]:
    """One worker: decides on every chip that is due, as the job does; stops after `most_s` seconds."""
    pool = await db.open_pool(dsn, application_name="bench-worker")
    settle_memory()  # as a worker's start does

    async def go(at: str, most_s: float) -> dict[str, Any]:
        began, chips = time.perf_counter(), 0
        while True:
            lap = await review_due(pool, at=datetime.fromisoformat(at), policy=seeding.POLICY)
            chips += lap.chips
            took_s = time.perf_counter() - began
            if not lap.more or took_s > most_s:
                return {"s": took_s, "chips": chips}

    try:
        yield go
    finally:
        await pool.close()


@asynccontextmanager
async def bare(dsn: str) -> AsyncGenerator[Orders]:
    """Reads the rows that a review reads and writes the rows that it wrote, in batches of the same size; it thinks nothing."""
    pool = await db.open_pool(dsn, application_name="bench-bare")

    async def go(at: str, most: int) -> dict[str, Any]:
        moment, began, chips = datetime.fromisoformat(at), time.perf_counter(), 0
        while True:
            async with db.transaction(pool) as conn:
                ids = await _touch(conn, moment)
            chips += len(ids)
            if len(ids) < REVIEW_MAX or chips >= most:
                return {"s": time.perf_counter() - began, "chips": chips}

    try:
        yield go
    finally:
        await pool.close()


async def _touch(conn: Connection, at: datetime) -> list[int]:
    """One batch. Returns the chips."""
    ids = [row["id"] for row in await queries.lock_due.fetch(conn, at=at, limit=REVIEW_MAX)]
    await queries.sum_counts.fetch(conn, chip_ids=ids, since=at - 30 * DAY)
    await queries.read_months.fetch(conn, chip_ids=ids)
    await queries.sum_days.fetch(conn, chip_ids=ids, since=at.date() - 30 * DAY)
    await queries.max_scores.fetch(conn, chip_ids=ids, since=at - DAY)
    await queries.write_chips.execute(conn, chip_ids=ids, at=at)
    await queries.write_scores.execute(conn, chip_ids=ids, at=at)
    await queries.write_decisions.execute(conn, chip_ids=ids, at=at)
    await queries.write_days.execute(conn, chip_ids=ids, at=at)
    return ids


@asynccontextmanager
async def sprint(dsn: str) -> AsyncGenerator[Orders]:
    """The sprint's cycle: chip by chip, about ten small queries over what was said, each by itself."""
    pool = await db.open_pool(dsn, application_name="bench-sprint")

    async def go(at: str) -> dict[str, Any]:
        moment, began = datetime.fromisoformat(at), time.perf_counter()
        ids = [row["id"] for row in await pool.fetch("select id from chips order by id")]
        for chip_id in ids:
            await _cycle(pool, chip_id, moment)
        return {"s": time.perf_counter() - began, "chips": len(ids)}

    try:
        yield go
    finally:
        await pool.close()


async def _cycle(pool: Pool, chip_id: int, at: datetime) -> None:
    """Read, score, write one chip, as the sprint's orchestrator, health score and early warning would have between them."""
    async with pool.acquire() as conn:
        chip = await queries.read_chip.fetchrow(conn, chip_id=chip_id)
        assert chip is not None
        sent = await queries.count_said.fetchval(conn, chip_id=chip_id, kind="sent", since=at - 30 * DAY)
        received = await queries.count_said.fetchval(conn, chip_id=chip_id, kind="received", since=at - 30 * DAY)
        today = await queries.count_said.fetchval(conn, chip_id=chip_id, kind="sent", since=at - DAY)
        answered = await queries.count_said.fetchval(conn, chip_id=chip_id, kind="received", since=at - DAY)
        errors = await queries.count_said.fetchval(conn, chip_id=chip_id, kind="failed", since=at - HOUR)
        partners = await queries.count_partners.fetchval(conn, chip_id=chip_id, since=at - 7 * DAY)
        before = await queries.read_score.fetchval(conn, chip_id=chip_id, since=at - DAY)
        score = 40 + min(10, sent // 10) + min(10, received // 10) + min(12, 3 * partners) - 15 * errors
        score += 5 if today and answered / today > 0.3 else -10
        await queries.note_score.execute(conn, chip_id=chip_id, at=at, score=score)
        phase = chip["phase"] if score >= (before or 0) - 20 else "setup"
        await queries.write_chip.execute(conn, chip_id=chip_id, at=at, score=score, phase=phase)
