"""What happens at the same time: old hours are folded while others count in them, and several batches are decided on at once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.core.days import hour_of
from julia_warmer.core.month import Month, hour_number
from julia_warmer.engine.review import Lap, review_due
from julia_warmer.store import months
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, add_fleet
from tests.engine.test_claim_races import blocked, start

pytestmark = pytest.mark.pg15

HOUR = hour_of(AT) - timedelta(hours=30)
COUNT = """
    insert into chip_counts (chip_id, hour, accepted) values ($1, $2, $3)
    on conflict (chip_id, hour) do update set accepted = chip_counts.accepted + excluded.accepted
"""


async def add_chip(db: Database) -> int:
    async with transaction(db.pool) as conn:
        chip_id = (await add_fleet(conn)).chips[0]
        await months.add_months(conn)
        await conn.execute(COUNT, chip_id, HOUR, 5)
    return chip_id


async def add_portfolios(db: Database, number: int) -> None:
    """Each with one chip: chips of one portfolio may be busy while its limit is shared out."""
    async with transaction(db.pool) as conn:
        for nth in range(number):
            await add_fleet(conn, name=f"f{nth}")


async def fold(conn: Any) -> int:
    since = hour_number(AT) - 30 * 24
    return await months.fold_months(conn, at=AT, before=hour_of(AT), folded_before=AT, since=since, limit=10)


async def counted(db: Database, chip_id: int) -> tuple[int, int]:
    """What the hours come to: those that are folded, and those that are not."""
    packed = await db.pool.fetchval("select hours from chip_months where chip_id = $1", chip_id)
    rows = await db.pool.fetchval("select coalesce(sum(accepted), 0) from chip_counts where chip_id = $1", chip_id)
    return sum(row[1] for row in Month(packed).hours()), rows


async def fleet_total(db: Database) -> int:
    return await db.pool.fetchval("select coalesce(sum(accepted), 0) from fleet_counts")


async def test_an_hour_that_is_being_counted_in_is_left_for_the_next_fold(db: Database):
    chip_id = await add_chip(db)
    async with transaction(db.pool) as writer:
        await writer.execute(COUNT, chip_id, HOUR, 2)
        async with transaction(db.pool) as conn:
            assert await fold(conn) == 1
    assert await counted(db, chip_id) == (0, 7)
    async with transaction(db.pool) as conn:
        await fold(conn)
    assert (await counted(db, chip_id), await fleet_total(db)) == ((7, 0), 7)


async def test_who_counts_in_an_hour_that_is_being_folded_waits_and_begins_a_row_of_differences(db: Database):
    chip_id = await add_chip(db)
    async with transaction(db.pool) as conn:
        await fold(conn)
        writer = start(db.pool.execute(COUNT, chip_id, HOUR, -2))
        await blocked(db, 1)
    await writer
    assert await counted(db, chip_id) == (5, -2)
    async with transaction(db.pool) as conn:
        await fold(conn)
    assert (await counted(db, chip_id), await fleet_total(db)) == ((3, 0), 3)


async def test_nothing_is_lost_and_nothing_counted_twice_while_many_count_and_two_fold(db: Database):
    chip_id = await add_chip(db)
    counting = True

    async def count(writer: int) -> None:
        for nth in range(40):
            await db.pool.execute(COUNT, chip_id, HOUR - timedelta(hours=nth % 3), writer + 1)

    async def fold_on() -> int:
        rounds = 0
        while counting:
            async with transaction(db.pool) as conn:
                rounds += await fold(conn)
        return rounds

    folding = [start(fold_on()) for _ in range(2)]
    await asyncio.gather(*[count(writer) for writer in range(4)])
    counting = False
    assert sum(await asyncio.gather(*folding)) > 2
    async with transaction(db.pool) as conn:
        await fold(conn)
    total = 5 + 40 * (1 + 2 + 3 + 4)
    assert (await counted(db, chip_id), await fleet_total(db)) == ((total, 0), total)


async def test_everything_due_is_decided_on_once_in_batches_by_two_lanes(db: Database):
    await add_portfolios(db, 12)
    lap = await review_due(db.pool, at=AT, policy=STANDARD, limit=2)
    assert (lap.chips, lap.more) == (12, False)
    decided = await db.pool.fetch("select chip_id, count(*) from decisions group by chip_id")
    assert sorted(decided) == [(chip_id, 1) for chip_id in range(1, 13)]
    assert (await review_due(db.pool, at=AT, policy=STANDARD)).chips == 0


async def test_a_run_ends_after_its_batches_and_says_that_there_is_more(db: Database):
    await add_portfolios(db, 5)
    assert await review_due(db.pool, at=AT, policy=STANDARD, limit=2, batches=1) == Lap(4, more=True)
    assert await review_due(db.pool, at=AT, policy=STANDARD, limit=2, batches=1) == Lap(1, more=False)


async def test_a_full_batch_calls_another_worker_and_one_that_is_not_full_does_not(db: Database):
    await add_portfolios(db, 5)
    calls = "select count(*) from pgqueuer where entrypoint = 'review'"
    await review_due(db.pool, at=AT, policy=STANDARD, limit=6)
    assert await db.pool.fetchval(calls) == 0
    await db.pool.execute("update chips set look_again_at = $1", AT)
    await review_due(db.pool, at=AT + timedelta(minutes=1), policy=STANDARD, limit=2)
    assert await db.pool.fetchval(calls) == 1


async def test_workers_beside_each_other_decide_on_each_chip_once(db: Database):
    await add_portfolios(db, 40)
    laps = await asyncio.gather(*[review_due(db.pool, at=AT + timedelta(seconds=nth), policy=STANDARD, limit=3) for nth in range(4)])
    assert sum(lap.chips for lap in laps) == 40
    assert await db.pool.fetchval("select count(*) from decisions") == 40
