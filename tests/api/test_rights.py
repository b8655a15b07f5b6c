"""A person's rights over the API: proof, export, erasure, scoring, requests, and the list of whom not to write to."""

from datetime import timedelta

from tests.api.site import AT, Site
from tests.api.test_people import upload
from tests.conftest import Database

PHONE = "+5531987654321"
PERSON = f"/warmer/contacts/{PHONE}"
FILE = f"phone,name,consent_at\n{PHONE},Marialva,2026-05-01 09:00\n"


async def test_consents_come_with_their_proof_and_all_that_is_held_can_be_handed_over(site: Site):
    await upload(site, FILE)
    (proof,) = (await site.ok("GET", f"{PERSON}/consents"))["items"]
    assert (proof["act"], proof["evidence"]["form"], proof["holds"]) == ("granted", "https://example.com", True)
    found = await site.ok("GET", f"{PERSON}/export")
    assert (found["contact"]["name"], found["whole"], found["consents"][0]["line"]) == ("Marialva", True, proof["line"])
    assert any(one["table"] == "received" for one in found["kept"])
    assert (await site.ok("GET", "/warmer/audit"))["items"][0]["what"] == "person exported"
    for path in ("consents", "export", "engagement"):
        assert (await site.refused("GET", f"/warmer/contacts/+5511987654321/{path}"))[0] == 404
        assert (await site.refused("GET", f"/warmer/contacts/12345678/{path}"))[0] == 422


async def test_an_erased_person_stays_out_until_an_admin_lets_the_number_back(site: Site, db: Database):
    await upload(site, FILE)
    done = await site.ok("POST", f"{PERSON}/erase", {"why": "asked"})
    assert (done["before"], len(done["contact_ids"])) == (False, 1)
    assert (await site.ok("POST", f"{PERSON}/erase", {"why": "asked"}))["before"]
    assert (await site.refused("GET", PERSON))[0] == 404
    assert (await upload(site, FILE))[1]["suppressed"] == 1
    (row,) = (await site.ok("GET", f"/warmer/suppressions?phone={PHONE.replace('+', '%2B')}"))["items"]
    assert (row["who"], row["source"]) == ("erased", "erasure")
    lifted = await site.ok("POST", "/warmer/suppressions/lift", {"phone": PHONE, "why": "signed again"})
    assert lifted["ids"] == [row["id"]]
    assert (await site.ok("GET", PERSON))["may_marketing"] is False
    assert await db.pool.fetchval("select count(*) from audit_log where what = 'suppression lifted'") == 1


async def test_whoever_asked_by_phone_is_put_on_the_list(site: Site):
    await upload(site, FILE)
    assert (await site.ok("POST", "/warmer/suppressions", {"phone": PHONE, "why": "asked by phone"}))["contact_id"]
    person = await site.ok("GET", PERSON)
    assert (person["suppressed"], person["may_marketing"], person["consents"][0]["recorded_by"]) == (True, False, "api")
    assert [row["who"] for row in (await site.ok("GET", "/warmer/suppressions"))["items"]] == [PHONE]
    refused = await site.refused("POST", "/warmer/suppressions/lift", {"phone": "+5511987654321", "why": "x"})
    assert (refused[0], "nothing stands" in refused[2]) == (404, True)
    assert (await site.refused("POST", "/warmer/suppressions", {"phone": PHONE, "purpose": "utility", "why": "x"}))[0] == 422


async def test_a_request_is_listed_by_its_clock_and_closed_once(site: Site):
    await upload(site, FILE)
    asked = {"phone": PHONE, "kind": "access", "said": "What do you have?"}
    late = await site.ok("POST", "/warmer/requests", {**asked, "received_at": (AT - timedelta(days=20)).isoformat()})
    new = await site.ok("POST", "/warmer/requests", asked)
    first = await site.ok("GET", "/warmer/requests?limit=1")
    assert [(one["id"], one["late"], one["said"]) for one in first["items"]] == [(late["id"], True, "What do you have?")]
    second = await site.ok("GET", f"/warmer/requests?cursor={first['next']}")
    assert [(one["id"], one["late"]) for one in second["items"]] == [(new["id"], False)]
    await site.ok("POST", f"/warmer/requests/{late['id']}/close", {"outcome": "done", "answer": "sent by mail"})
    again = await site.refused("POST", f"/warmer/requests/{late['id']}/close", {"outcome": "done", "answer": "again"})
    assert (again[0], "was closed" in again[2]) == (409, True)
    future = {**asked, "received_at": (AT + timedelta(days=1)).isoformat()}
    assert (await site.refused("POST", "/warmer/requests", future))[0] == 422


async def test_scoring_is_explained_and_switched_off(site: Site):
    await upload(site, FILE)
    assert "no campaign message has arrived" in (await site.ok("GET", f"{PERSON}/engagement"))["sentence"]
    off = await site.ok("PUT", f"{PERSON}/engagement", {"scored": False, "why": "asked"})
    assert (off["scored"], "Not scored" in off["sentence"]) == (False, True)
