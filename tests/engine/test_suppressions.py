"""A person's hand on the list: who is put on it hears nothing more, and letting a number back allows nothing by itself."""

import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from julia_warmer.engine.contacts import import_contacts
from julia_warmer.engine.erasure import erase_person
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.suppressions import Lifted, lift, list_of, name_of, suppress
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.incoming import AT, NOW, SEAL, add_person, apply, message, messages, phone_of, row
from tests.engine.outgoing import add, add_fleet, add_send

pytestmark = pytest.mark.pg15

DAY = timedelta(days=1)
PHONE = f"+55319{phone_of(0)[4:]}"
PROOF: dict[str, Any] = {"source": "form", "purpose": "marketing", "text_version": "v3", "evidence": {"form": "f"}}


async def put(db: Database, purpose: str = "all", *, at: datetime = NOW) -> None:
    async with transaction(db.pool) as conn:
        await suppress(conn, PHONE, purpose, seal=SEAL, at=at, by="ana", why="asked by phone")


async def let_back(db: Database, *, at: datetime = NOW + DAY) -> Lifted:
    async with transaction(db.pool) as conn:
        return await lift(conn, PHONE, seal=SEAL, at=at, by="ana", why="signed again")


async def bring(db: Database, consent_at: datetime) -> str:
    """What became of the person in a file."""
    text = f"phone,consent_at\n{PHONE},{consent_at.isoformat()}\n"
    async with transaction(db.pool) as conn:
        report = await import_contacts(conn, io.StringIO(text), at=NOW + 9 * DAY, by="ana", seal=SEAL, **PROOF)
    (allowed,) = await db.pool.fetch("select coalesce(bool_or(may_marketing), false) as marketing from contacts")
    return "suppressed" if report.suppressed else "may be written to" if allowed["marketing"] else "stored"


@pytest.mark.parametrize(("purpose", "left"), [("all", (False, False)), ("marketing", (False, True))])
async def test_who_is_put_on_the_list_hears_nothing_more(db: Database, purpose: str, left: tuple[bool, bool]):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_send(db.pool, fleet, person)
    await put(db, purpose)
    found = await row(db, "contacts", person)
    assert (found["may_marketing"], found["may_utility"]) == left
    assert (await row(db, "sends", send))["state"] == "cancelled"
    said = await db.pool.fetchrow("select act, source, recorded_by from consents order by id desc")
    assert tuple(said) == ("withdrawn", "operator", "ana")
    assert tuple(await db.pool.fetchrow("select who, what, why from audit_log")) == ("ana", "suppressed", "asked by phone")


async def test_letting_a_number_back_allows_nothing_and_only_a_newer_consent_counts(db: Database):
    person = await add_person(db.pool)
    await put(db)
    assert await bring(db, NOW + DAY) == "suppressed"
    assert (await let_back(db)).contact_id == person
    found = await row(db, "contacts", person)
    assert (found["stopped_at"], found["may_marketing"], found["may_utility"]) == (None, False, False)
    assert await bring(db, NOW - DAY) == "stored"
    assert await bring(db, NOW + DAY) == "may be written to"
    assert tuple(await db.pool.fetchrow("select lifted_by, lifted_why from suppressions")) == ("ana", "signed again")


async def test_a_number_that_is_no_contact_keeps_its_withdrawal_when_it_is_let_back(db: Database):
    await put(db)
    assert await db.pool.fetchval("select count(*) from contacts") == 0
    await let_back(db)
    assert await bring(db, NOW - DAY) == "stored"
    assert await bring(db, NOW + DAY) == "may be written to"


async def test_who_was_erased_comes_back_as_a_stranger_whose_old_consents_do_not_count(db: Database):
    person = await add_person(db.pool)
    async with transaction(db.pool) as conn:
        await erase_person(conn, PHONE, seal=SEAL, at=NOW, by="ana", why="asked")
    back = await let_back(db)
    assert back.contact_id != person
    assert await bring(db, NOW - DAY) == "stored"
    assert await bring(db, NOW + DAY) == "may be written to"
    old = await row(db, "contacts", person)
    assert (old["phone_key"], old["user_id"], old["may_marketing"]) == (f"e:{person}", None, False)


async def test_a_persons_word_can_be_lifted_but_whatsapps_switch_only_by_the_person(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    await apply(db, messages(message("wamid.1", "STOP", AT)))
    await add(
        db.pool, "suppressions", phone_key=(await row(db, "contacts", person))["phone_key"], purpose="marketing", source="platform", at=AT
    )
    assert (await let_back(db)).left == 1
    with pytest.raises(Conflict, match="in WhatsApp"):
        await let_back(db)
    assert not (await row(db, "contacts", person))["may_marketing"]


async def test_nothing_to_lift_is_said(db: Database):
    await add_person(db.pool)
    with pytest.raises(NotFound, match="nothing stands"):
        await let_back(db)


async def test_the_list_shows_numbers_and_of_the_erased_only_that_they_were(db: Database):
    await put(db)
    async with transaction(db.pool) as conn:
        assert [name_of(one) for one in await list_of(conn, PHONE, seal=SEAL, limit=9)] == [PHONE]
        await erase_person(conn, PHONE, seal=SEAL, at=NOW, by="ana", why="asked")
        assert [name_of(one) for one in await list_of(conn, PHONE, seal=SEAL, limit=9)] == ["erased", "erased"]
