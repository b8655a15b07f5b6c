"""`warmer forecast` on a database that holds a chip's life."""

from julia_warmer.store.db import transaction
from tests.cli.conftest import Warmer
from tests.cli.test_policy_replay import run
from tests.conftest import Database
from tests.engine.crowd import add_fleet
from tests.engine.test_replay import lived, record


async def test_it_says_the_day_with_its_band_and_keeps_what_it_said(db: Database, on_database: Warmer) -> None:
    life = lived(13)
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn, chips=1, registered_at=life.snapshots[0].registered_at), life)
    said = await run(on_database, "forecast", "one-1", "--json")
    assert said.code == 0, said.err
    one = said.json[0]
    assert one["day_now"] < one["day_low"] <= one["day_median"]
    assert one["ready_on"].startswith("2026-")
    assert await db.pool.fetchval("select count(*) from forecasts where day_median = $1", one["day_median"]) == 1
    told = await run(on_database, "forecast", "calibration")
    assert told.code == 0, told.err
    assert "How often the 80 % band was right" in told.out
    assert (await run(on_database, "forecast")).code == 2
