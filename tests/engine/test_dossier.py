"""All that is held about a person is shown, and scoring is explained and ends when they wish."""

from datetime import timedelta

import pytest

from julia_warmer.cli.output import plain
from julia_warmer.config import Settings
from julia_warmer.engine import dossier
from julia_warmer.engine.erasure import erase_person
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.requests import Asked, open_request
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.incoming import AT, NOW, SEAL, add_out, add_person, apply, message, messages, phone_of, row, status, statuses
from tests.engine.outgoing import add_fleet, add_reply

PHONE = f"+55319{phone_of(0)[4:]}"
SETTINGS = Settings(person_in_charge="Bia, privacy@example.com")
MINUTE = timedelta(minutes=1)


async def gathered(db: Database) -> dossier.Dossier:
    async with transaction(db.pool) as conn:
        return await dossier.gather(conn, PHONE, seal=SEAL, settings=SETTINGS, at=NOW)


async def test_everything_is_in_it_opened_and_can_be_handed_over(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, name="Marialva")
    await add_out(db.pool, fleet, person, message_id="wamid.1")
    await add_reply(db.pool, fleet, person, text="Bom dia")
    await apply(db, statuses(status("delivered", "wamid.1", AT + MINUTE)), messages(message("wamid.2", "Quero sim", AT + 2 * MINUTE)))
    async with transaction(db.pool) as conn:
        await open_request(conn, PHONE, Asked.ACCESS, said="what do you have?", received_at=NOW, seal=SEAL, at=NOW, by="bia")
        found = await dossier.export(conn, PHONE, seal=SEAL, settings=SETTINGS, at=NOW, by="bia")
    assert found.contact is not None
    assert (found.contact.name, found.person_in_charge, found.whole) == ("Marialva", "Bia, privacy@example.com", True)
    assert [one.text for one in found.written] == ["Quero sim"]
    assert [one.body.get("text") for one in found.sent] == ["Bom dia", None]
    assert {one.kind for one in found.facts} == {"message_delivered", "message_received"}
    assert (len(found.consents), len(found.requests), len(found.conversations)) == (2, 1, 1)
    assert found.rest
    assert found.rest.deliveries == 2
    handed = str(plain(dossier.plain(found)))
    assert all(word in handed for word in ("Marialva", "Quero sim", "Bom dia", "what do you have?", "Bia"))
    secret = str((await row(db, "contacts", person))["secret"])
    assert secret not in handed
    assert await db.pool.fetchval("select what from audit_log order by id desc limit 1") == "person exported"


async def test_every_table_about_people_says_why_and_until_when(db: Database):
    await add_person(db.pool)
    kept = {one.table: one.until for one in (await gathered(db)).kept}
    assert kept["inbox"] == f"{SETTINGS.keep_deliveries_d} days"
    assert kept["consents"] == "for good: it names nobody"


async def test_of_somebody_who_was_erased_it_says_that(db: Database):
    await add_person(db.pool, name="Marialva")
    async with transaction(db.pool) as conn:
        await erase_person(conn, PHONE, seal=SEAL, at=NOW, by="bia", why="asked")
    found = await gathered(db)
    assert found.contact is not None
    assert (found.contact.erased_at, found.contact.phone, found.contact.name) == (NOW, "", None)
    assert [one.source for one in found.suppressions] == ["erasure"]


async def test_of_nobody_nothing_is_held(db: Database):
    with pytest.raises(NotFound, match="nothing is held"):
        await gathered(db)


async def test_scoring_is_explained_and_ends_when_the_person_wishes(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    for nth in (1, 2):
        await add_out(db.pool, fleet, person, message_id=f"wamid.{nth}", at=AT + nth * MINUTE)
    await apply(db, statuses(status("delivered", "wamid.1", AT + 5 * MINUTE)), messages(message("wamid.9", "Quero", AT + 9 * MINUTE)))
    async with transaction(db.pool) as conn:
        score = await dossier.read_score(conn, PHONE, SEAL)
        assert "1 of 2 campaign messages" in score.sentence
        assert score.engagement > 0
        off = await dossier.set_scored(conn, PHONE, False, seal=SEAL, at=NOW, by="bia", why="asked")
    assert (off.scored, off.engagement) == (False, 0)
    await apply(db, statuses(status("read", "wamid.2", AT + 10 * MINUTE)))
    assert (await row(db, "contacts", person))["engagement"] == 0  # nothing is counted towards it any more
    async with transaction(db.pool) as conn:
        again = await dossier.set_scored(conn, PHONE, True, seal=SEAL, at=NOW, by="bia", why="asked")
    assert again.engagement == pytest.approx(1 / 6)


async def test_who_was_erased_is_not_scored(db: Database):
    await add_person(db.pool)
    async with transaction(db.pool) as conn:
        await erase_person(conn, PHONE, seal=SEAL, at=NOW, by="bia", why="asked")
        with pytest.raises(Conflict, match="erased"):
            await dossier.set_scored(conn, PHONE, True, seal=SEAL, at=NOW, by="bia", why="asked")
