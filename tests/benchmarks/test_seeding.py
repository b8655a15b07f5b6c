"""What the benchmark of the review stands on: months that were copied are the months that upkeep would have folded."""

import asyncpg

from benchmarks import seeding
from tests.conftest import Database

DRAWS, CHIPS = 13, 40
KEPT = {
    "chip_months": "chip_id, folded_at, hours",
    "chip_counts": "chip_id, hour, accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, held, failed, unknown, "
    "received, conversations, media, spam, warnings, calls",
    "chip_days": "chip_id, day, granted, reachable, accepted",
    "health_log": "chip_id, at, score",
}


async def test_a_month_that_was_copied_is_the_one_that_would_have_been_folded(db: Database):
    async with db.owner.acquire() as conn:
        await seeding.add_fleet(conn, seeding.Fleet(CHIPS), budget=50)
    copied, lived = await _seeded(db, lived=DRAWS), await _seeded(db, lived=CHIPS)
    assert len(lived["chip_months"]) == CHIPS
    assert len({row["hours"] for row in lived["chip_months"]}) == DRAWS
    assert lived["chip_counts"]
    assert lived["chip_days"]
    assert copied == lived


async def _seeded(db: Database, *, lived: int) -> dict[str, list[asyncpg.Record]]:
    """All that a review reads of a fleet of which so many chips lived through their month. Leaves the tables empty."""
    conn = await asyncpg.connect(db.owner_dsn, server_settings={"search_path": "warmer, pg_catalog", "timezone": "UTC"})
    try:
        await seeding.add_counts(conn, lived=lived, draws=DRAWS)
        await seeding.fold_hours(conn, lived=lived)
        await seeding.spread_month(conn, lived=lived, draws=DRAWS)
        rows = {table: await conn.fetch(f"select {columns} from {table} order by 1, 2") for table, columns in KEPT.items()}
        await conn.execute(f"truncate {', '.join(KEPT)}")
        return rows
    finally:
        await conn.close()
