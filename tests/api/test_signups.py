"""Sign-up links over the API, against the sandbox's side of Meta."""

from typing import Any

from tests.api.site import opened as site_opened
from tests.api.site import parts_of
from tests.conftest import Database
from tests.engine.outgoing import SEAL
from tests.engine.sending import opened

SAID: dict[str, Any] = {"message": "Quero saber dos plantões.", "confirmation": "Pronto!", "privacy_url": "https://example.com/privacidade"}


async def test_a_link_is_made_listed_changed_and_taken_away(db: Database):
    async with opened(db) as line:
        parts = parts_of(db, graph=line.parts.graph, seal=SEAL)
        async with site_opened(parts) as site:
            links = f"/warmer/accounts/{line.fleet.account}/signups"
            made = await site.ok("POST", links, SAID | {"name": "site"})
            assert made["links"] == [f"https://wa.me/5511900000000/signup/{made['signup_id']}"]
            one = f"/warmer/signups/{made['signup_id']}"
            assert (await site.ok("PUT", one, SAID | {"message": "Outra coisa."}))["changed"]
            (shown,) = (await site.ok("GET", links))["items"]
            assert (shown["message"], shown["version"], shown["people"], shown["disabled_at"]) == ("Outra coisa.", 2, 0, None)
            assert (await site.ok("POST", f"{one}/disable", {"why": "the site is gone"}))["changed"]
            assert not (await site.ok("POST", f"{one}/disable", {"why": "again"}))["changed"]
            assert (await site.ok("GET", links))["items"][0]["disabled_at"]
            assert (await site.refused("PUT", one, SAID))[0] == 409
            assert (await site.ok("GET", "/warmer/audit"))["items"][0]["what"] == "signup link disabled"


async def test_what_cannot_be_a_link_is_refused_with_where(db: Database):
    async with opened(db) as line, site_opened(parts_of(db, graph=line.parts.graph, seal=SEAL)) as site:
        links = f"/warmer/accounts/{line.fleet.account}/signups"
        for wrong, where in (
            ({"message": "x" * 301}, "body.message"),
            ({"confirmation": ""}, "body.confirmation"),
            ({"privacy_url": "http://example.com"}, "body.privacy_url"),
            ({"colour": "red"}, "body.colour"),
        ):
            status, _, said = await site.refused("POST", links, SAID | wrong)
            assert (status, where in said) == (422, True), said
        assert (await site.refused("POST", "/warmer/accounts/999/signups", SAID))[0] == 404
        assert (await site.refused("PUT", "/warmer/signups/13", SAID))[0] == 404
        assert (await site.refused("POST", "/warmer/signups/13/disable", {"why": "x"}))[0] == 404
        line.sandbox.bench.tokens.clear()
        assert (await site.refused("POST", links, SAID))[0] == 409
