"""Going live over the API alone: portfolio, account, numbers from the sandbox, route, templates, campaign; then a chip's life."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from julia_warmer.cloud.client import GraphClient
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import demo_world
from julia_warmer.sandbox.spec import WorldSpec
from tests.api.site import Site, opened, parts_of
from tests.conftest import Database

WHY = {"why": "a test"}


@dataclass(slots=True)
class Live:
    """The application, and the world that it talks to."""

    site: Site
    spec: WorldSpec

    @property
    def account(self) -> dict[str, Any]:
        found = self.spec.accounts[0]
        return {"portfolio_id": 1, "waba_id": found.id, "token": found.token}

    async def furnish(self) -> None:
        """Everything that a chip needs for its start, but a route."""
        await self.site.ok("POST", "/warmer/portfolios", {"business_id": self.spec.portfolios[0].id, "name": "Julia"})
        await self.site.ok("POST", "/warmer/accounts", self.account)
        await self.site.ok("POST", "/warmer/accounts/1/numbers", {"everything": True})


@pytest.fixture
async def live(db: Database) -> AsyncIterator[Live]:
    spec = demo_world(2, 4, 7, webhook_url="http://127.0.0.1:9/unused")
    spec = replace(spec, accounts=tuple(replace(account, subscribed=False) for account in spec.accounts))
    sandbox = Sandbox()
    base = await sandbox.start()
    async with aiohttp.ClientSession() as http, http.post(f"{base}/_sandbox/world", data=spec.to_json()) as answer:
        assert answer.status == 200, await answer.text()
    async with GraphClient(sandbox_url=base) as graph, opened(parts_of(db, graph=graph, sandbox_url=base)) as site:
        yield Live(site, spec)
    await sandbox.close()


async def test_an_owner_goes_live_over_the_api_alone(live: Live, db: Database):
    site = live.site
    await live.furnish()
    assert (await site.ok("GET", "/warmer/accounts"))["items"][0]["name"] == live.spec.accounts[0].name
    listed = (await site.ok("GET", "/warmer/accounts/1/numbers"))["items"]
    assert [(row["id"], row["known"], row["status"]) for row in listed] == [(chip.id, True, "CONNECTED") for chip in live.spec.chips]
    chips = (await site.ok("GET", "/warmer/chips"))["items"]
    assert [(chip["status"], chip["phone_status"], chip["quality"]) for chip in chips] == [("pending", "CONNECTED", "UNKNOWN")] * 2
    assert (await site.ok("GET", "/warmer/portfolios"))["items"][0]["messaging_limit"] == 2000

    chip = chips[0]["name"]
    status, kind, text = await site.refused("POST", f"/warmer/chips/{chip}/start")
    assert (status, kind) == (409, "conflict")
    assert "set where inbound messages go" in text
    route = await site.ok("POST", "/warmer/routes", {"name": "answers", "kind": "page"})
    assert (await site.ok("PUT", f"/warmer/chips/{chip}/route", {"route_id": route["id"]}))["route_id"] == route["id"]
    assert (await site.refused("PUT", f"/warmer/chips/{chip}/route", {"route_id": 99}))[0] == 404
    assert (await site.ok("POST", f"/warmer/chips/{chip}/start"))["status"] == "warming"

    assert (await site.ok("POST", "/warmer/templates/sync"))["changed"] > 0
    templates = (await site.ok("GET", "/warmer/templates?limit=2"))["items"]
    campaign = {"portfolio_id": 1, "purpose": "marketing", "parameters": ["{name}"], "template": templates[0]["name"]}
    added = await site.ok("POST", "/warmer/campaigns", {**campaign, "name": "first"})
    assert (added["status"], added["audience"]) == ("active", "all")
    acts = [(row["who"], row["what"]) for row in (await site.ok("GET", "/warmer/audit"))["items"]]
    assert acts[::-1] == [
        ("api", "portfolio added"),
        ("api", "account added"),
        ("api", "chip added"),
        ("api", "chip added"),
        ("api", "route added"),
        ("api", "route set"),
        ("api", "chip started"),
        ("api", "campaign added"),
    ]
    assert live.spec.accounts[0].token.encode() not in bytes(await db.owner.fetchval("select token from warmer.accounts"))


async def test_a_chip_is_paused_resumed_activated_and_retired_with_a_reason(live: Live, db: Database):
    site = live.site
    await live.furnish()
    await site.ok("POST", "/warmer/routes", {"name": "answers", "kind": "page"})
    await site.ok("PUT", "/warmer/routes/1/chips", {"chip_ids": [1, 2]})
    await site.ok("POST", "/warmer/chips/1/start", {"why": "let us go"})
    for order in ("pause", "resume", "retire"):
        assert (await site.refused("POST", f"/warmer/chips/1/{order}", {}))[:2] == (422, "unprocessable-content")
        assert (await site.refused("POST", f"/warmer/chips/1/{order}", {"why": " "}))[0] == 422
    paused = await site.ok("POST", "/warmer/chips/1/pause", WHY)
    assert (paused["status"], paused["paused_from"], paused["pauses"][0]["reason"]) == ("paused", "warming", "api: a test")
    assert (await site.ok("POST", "/warmer/chips/1/resume", WHY))["status"] == "warming"
    assert (await site.refused("POST", "/warmer/chips/1/resume", WHY))[:2] == (409, "conflict")
    assert (await site.refused("POST", "/warmer/chips/1/activate"))[0] == 409
    await db.owner.execute("update warmer.chips set status = 'ready' where id = 1")
    assert (await site.ok("POST", "/warmer/chips/1/activate"))["status"] == "active"
    assert (await site.ok("POST", "/warmer/chips/1/retire", WHY))["status"] == "retired"
    assert (await site.ok("GET", "/warmer/chips?status=retired"))["items"][0]["id"] == 1
    reasons = [row["why"] for row in (await site.ok("GET", "/warmer/audit?target=chip:1&limit=5"))["items"]]
    assert reasons == ["a test", None, "a test", "a test", "let us go"]


async def test_what_meta_refuses_is_a_problem_with_the_mend_and_nothing_is_kept(live: Live):
    site = live.site
    await site.ok("POST", "/warmer/portfolios", {"business_id": "1", "name": "Julia"})
    wrong = {**live.account, "token": "sandbox-of-nobody"}
    status, kind, text = await site.refused("POST", "/warmer/accounts", wrong)
    assert (status, kind) == (409, "meta-refused")
    assert "190" in text
    assert "sandbox-of-nobody" not in text
    assert (await site.refused("POST", "/warmer/accounts", {**live.account, "token": "EAAG-of-meta-itself"}))[:2] == (
        422,
        "unprocessable-content",
    )
    assert (await site.ok("GET", "/warmer/accounts"))["items"] == []


async def test_numbers_are_added_all_or_none(live: Live):
    site = live.site
    await site.ok("POST", "/warmer/portfolios", {"business_id": "1", "name": "Julia"})
    await site.ok("POST", "/warmer/accounts", live.account)
    first, second = (chip.id for chip in live.spec.chips)
    assert (await site.refused("POST", "/warmer/accounts/1/numbers", {}))[0] == 422
    assert (await site.refused("POST", "/warmer/accounts/1/numbers", {"phone_number_ids": [first, "404"]}))[0] == 404
    assert (await site.ok("GET", "/warmer/chips"))["items"] == []
    one = await site.ok("POST", "/warmer/accounts/1/numbers", {"phone_number_ids": [first]})
    assert ([row["phone_number_id"] for row in one["added"]], one["known"]) == ([first], [])
    rest = await site.ok("POST", "/warmer/accounts/1/numbers", {"everything": True})
    assert ([row["phone_number_id"] for row in rest["added"]], rest["known"]) == ([second], [first])
    assert (await site.refused("POST", "/warmer/accounts/9/numbers", {"everything": True}))[0] == 404


WARM = [
    ({"phase": "expansion"}, 422, "needs a reason"),
    ({"phase": "operation", "why": "two years of use"}, 409, "without an answering route"),
    ({"phase": "operation", "why": "two years of use", "route_id": 9}, 404, "no route 9"),
    ({"zone": "Mars/Base"}, 422, "not a time zone"),
    ({"name": "1234"}, 422, "no name for a chip"),
    ({"registered_at": "2036-01-01T00:00:00Z"}, 422, "in the future"),
    ({"account_id": 77}, 404, "no account 77"),
    ({"no_such_field": 1}, 422, "no_such_field"),
]


async def test_a_warm_number_is_imported_where_it_stands_with_the_reason(live: Live):
    site = live.site
    await site.ok("POST", "/warmer/portfolios", {"business_id": "1", "name": "Julia"})
    await site.ok("POST", "/warmer/accounts", live.account)
    await site.ok("POST", "/warmer/routes", {"name": "answers", "kind": "page"})
    number = {"account_id": 1, "phone_number_id": "555", "display_phone": "+55 31 99000-0001"}
    for given, status, reason in WARM:
        found = await site.refused("POST", "/warmer/chips", {**number, **given})
        assert found[0] == status, found
        assert reason in found[2], found
    warm = {"phase": "operation", "route_id": 1, "why": "two years of use", "active": True, "registered_at": "2024-06-01T00:00:00Z"}
    chip = await site.ok("POST", "/warmer/chips", {**number, **warm})
    assert (chip["name"], chip["status"], chip["phase"]) == ("chip-0001", "active", "operation")
    assert chip["look_again_at"] is not None
    act = (await site.ok("GET", f"/warmer/audit?target=chip:{chip['id']}"))["items"][0]
    assert (act["why"], act["body"]["phase"], act["body"]["status"]) == ("two years of use", "operation", "active")
    assert (await site.refused("POST", "/warmer/chips", number))[0] == 409


async def test_campaigns_take_only_what_fits_the_template(live: Live):
    site = live.site
    await live.furnish()
    good = {"name": "june", "portfolio_id": 1, "template": "convite_plantao", "purpose": "marketing", "parameters": ["{name}"]}
    assert "sync the templates" in (await site.refused("POST", "/warmer/campaigns", good))[2]
    await site.ok("POST", "/warmer/templates/sync")
    for given, status, reason in (
        ({"purpose": "utility"}, 422, "is a marketing template"),
        ({"parameters": []}, 422, "has 1 places, 0 parameters"),
        ({"portfolio_id": 5}, 404, "no portfolio 5"),
        ({"chip_id": 9}, 404, "has no chip 9"),
        ({"template": "no_such"}, 409, "no template"),
    ):
        found = await site.refused("POST", "/warmer/campaigns", {**good, **given})
        assert found[0] == status, found
        assert reason in found[2], found
    campaign = await site.ok("POST", "/warmer/campaigns", good)
    assert (await site.refused("POST", "/warmer/campaigns", good))[:2] == (409, "conflict")
    path = f"/warmer/campaigns/{campaign['id']}"
    for order, status in (("pause", "paused"), ("resume", "active"), ("end", "ended")):
        assert (await site.ok("POST", f"{path}/{order}", WHY))["status"] == status
    assert (await site.refused("POST", f"{path}/resume", WHY))[0] == 409
    assert (await site.refused("POST", "/warmer/campaigns/99/pause", WHY))[0] == 404


async def test_money_and_tokens_are_set_and_shown_as_far_as_they_may_be(live: Live):
    site = live.site
    await live.furnish()
    limit = await site.ok("PUT", "/warmer/portfolios/1/spend-limit", {"spend_day_max": "150.50", "why": "June"})
    assert limit["spend_day_max"] == "150.50"
    assert (await site.ok("GET", "/warmer/portfolios"))["items"][0]["spend_day_max"] == "150.50"
    await site.ok("PUT", "/warmer/portfolios/1/spend-limit", {"spend_day_max": None, "why": "no limit in July"})
    assert (await site.refused("PUT", "/warmer/portfolios/1/spend-limit", {"spend_day_max": -1, "why": "x"}))[0] == 422
    assert (await site.refused("PUT", "/warmer/portfolios/9/spend-limit", {"spend_day_max": 1, "why": "x"}))[0] == 404
    price = {"category": "marketing", "amount": "0.0625", "currency": "usd", "since": "2026-04-01"}
    await site.ok("PUT", "/warmer/prices", price)
    (shown,) = (await site.ok("GET", "/warmer/prices"))["items"]
    assert (shown["amount"], shown["currency"]) == ("0.062500", "USD")
    await site.ok("PUT", "/warmer/accounts/1/token", {"token": live.account["token"]})
    assert (await site.refused("PUT", "/warmer/accounts/1/token", {"token": "sandbox-wrong"}))[1] == "meta-refused"
    assert live.account["token"] not in str(await site.ok("GET", "/warmer/accounts"))
