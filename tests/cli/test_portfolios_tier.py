"""`warmer portfolios tier` on a database that holds a fleet at work."""

from julia_warmer.store.db import transaction
from tests.cli.conftest import Warmer
from tests.cli.test_policy_replay import run
from tests.conftest import Database
from tests.engine.crowd import AT, add_fleet
from tests.engine.test_tiers import settled


async def test_it_shows_the_plan_by_day_and_chip_with_its_reasons(db: Database, on_database: Warmer) -> None:
    async with transaction(db.pool) as conn:
        await settled(conn, 12)
        await add_fleet(conn, name="two", limit=-1, at=AT)
    said = await run(on_database, "portfolios", "tier", "one", "--days", "7")
    assert said.code == 0, said.err
    assert "one: limit 2,000, next 10,000; 0 of 1,000 people within 7 days." in said.out
    assert "one-12" in said.out
    assert "nothing is sent or changed because of it" in said.out
    every = await run(on_database, "portfolios", "tier", "--all", "--json")
    assert every.code == 0, every.err
    one, two = every.json
    assert (one["portfolio"], one["proposal"]["limit"], two["proposal"]["advice"]) == ("one", 2000, "nothing")
    assert one["proposal"]["days"][-1]["people"] >= 1000
    assert (await run(on_database, "portfolios", "tier", "one", "--all")).code == 2
