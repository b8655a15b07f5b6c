"""A person's story and the quality of consents, over the API."""

from tests.api.site import Site
from tests.conftest import Database
from tests.engine.incoming import add_fleet, add_person, phone_of


async def test_a_story_is_told_in_order(site: Site, db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    told = await site.ok("GET", f"/warmer/contacts/+{phone_of(0)}/story")
    assert (told["contact_id"], told["whole"], [line["what"] for line in told["lines"]]) == (person, True, ["known", "consent", "consent"])
    assert (await site.refused("GET", "/warmer/contacts/+5511999999999/story"))[0] == 404


async def test_a_source_is_held_and_released_by_name(site: Site):
    why = {"why": "bought"}
    assert (await site.ok("GET", "/warmer/consents/quality"))["items"] == []
    assert await site.ok("POST", "/warmer/consents/sources/fair/hold", why) == {"source": "fair", "held": True}
    assert (await site.refused("POST", "/warmer/consents/sources/fair/hold", why))[0] == 409
    assert await site.ok("POST", "/warmer/consents/sources/fair/release", why) == {"source": "fair", "held": False}
    assert (await site.refused("POST", "/warmer/consents/sources/fair/release", why))[0] == 404


async def test_two_numbers_are_made_one_person(site: Site, db: Database):
    await add_fleet(db.pool)
    one, two = [await add_person(db.pool, nth) for nth in range(2)]
    body = {"into": f"+{phone_of(1)}", "why": "she told us"}
    done = await site.ok("POST", f"/warmer/contacts/+{phone_of(0)}/merge", body)
    assert (done["contact_id"], done["others"]) == (two, [one])
    assert (await site.refused("POST", f"/warmer/contacts/+{phone_of(1)}/merge", body))[0] == 409
    assert (await site.refused("POST", "/warmer/contacts/+5511999999999/merge", body))[0] == 404
    assert (await site.ok("GET", f"/warmer/contacts/+{phone_of(1)}/story"))["same_as"] == [one]
