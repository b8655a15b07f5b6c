"""The explanation of a chip over HTTP."""

from julia_warmer.engine.review import review
from julia_warmer.store.db import transaction
from tests.api.site import AT, Site
from tests.conftest import Database
from tests.engine.crowd import STANDARD, add_fleet, add_template


async def test_a_chip_is_explained_by_the_rules_that_decided(site: Site, db: Database):
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, at=AT, eligible_people=50)
        await add_template(conn, fleet)
    assert (await site.refused("GET", f"/warmer/chips/{fleet.chips[0]}/explain"))[0] == 404
    async with transaction(db.pool) as conn:
        await review(conn, at=AT, policy=STANDARD)
    told = await site.ok("GET", "/warmer/chips/one-1/explain")
    assert (told["chip"], told["policy"], told["next_phase"]) == ("one-1", STANDARD.version, "pre_operation")
    assert told["score"] == told["base"] + sum(bar["points"] for bar in told["waterfall"])
    assert {step["gate"] for step in told["path"]} >= {"days", "health", "replies", "sight"}
    assert told["parts"][told["binding"]] == told["budget"]
    assert (told["own"], told["without"], told["splits"][0]["suspects"]) == ([], [], [])
    assert (await site.refused("GET", "/warmer/chips/nobody/explain"))[0] == 404
