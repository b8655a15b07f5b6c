"""The proposal for the next limit over HTTP."""

from julia_warmer.store.db import transaction
from tests.api.site import AT, Site
from tests.conftest import Database
from tests.engine.crowd import add_fleet


async def test_a_portfolio_is_told_what_leads_to_its_next_limit(site: Site, db: Database):
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, at=AT)
    told = await site.ok("GET", f"/warmer/portfolios/{fleet.portfolio}/tier?days=3")
    assert (told["portfolio"], told["limit"], told["advice"], told["binds"]) == ("one", 2000, "nothing", "chips")
    assert told["step"] == {"limit": 2000, "to": 10_000, "people": 1000, "days": 7, "is_first": False}
    assert told["undecided"] == ["one-1"]
    assert (await site.refused("GET", "/warmer/portfolios/999/tier"))[0] == 404
    assert (await site.refused("GET", f"/warmer/portfolios/{fleet.portfolio}/tier?days=99"))[0] == 422
