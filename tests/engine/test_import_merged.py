"""Files that name people by a number that they left: they reach who it is now, change nobody else, and bring back nobody who withdrew."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from julia_warmer.core.events import OptOutRequested, OptOutSource
from julia_warmer.core.phone import key_of
from julia_warmer.engine.merge import merge_people
from julia_warmer.engine.suppressions import suppress
from julia_warmer.engine.urgent import apply_opt_outs
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.test_imports import AT, PROOF, SEAL, bring, counts

OLD, NEW = "+5531987650001", "+5531987650002"
LEFT = AT - timedelta(days=10)
BEFORE, AFTER = "2026-05-01T09:00:00Z", "2026-05-25T09:00:00Z"
HEAD = "phone,name,audience,consent_at"


async def moved(db: Database, file: Path, *, old: str = "", new: str = "") -> tuple[int, int]:
    """One person with two numbers, the old one left; ids of the old contact and of the one that stays. `old`, `new`: grants before."""
    for phone, granted in ((OLD, old), (NEW, new)):
        await bring(db, file, f"{HEAD}\n{phone},,,{granted}\n", at=LEFT - timedelta(days=1))
    ids = [row["id"] for row in await db.pool.fetch("select id from contacts order by phone")]
    async with transaction(db.pool) as conn:
        await merge_people(conn, [ids[0]], ids[1], by="whatsapp", why="a new number", at=LEFT)
    return ids[0], ids[1]


async def all_of(db: Database) -> list[tuple[Any, ...]]:
    people = await db.pool.fetch("select id, name, audience, zone, may_marketing, may_utility, merged_into from contacts order by id")
    grants = await db.pool.fetch("select contact_id, purpose, act, at from consents order by id")
    return [tuple(row) for row in (*people, *grants)]


async def writable(db: Database) -> list[str]:
    return [row["phone"] for row in await db.pool.fetch("select phone from contacts where may_marketing order by phone")]


async def test_the_old_number_brings_its_grant_to_the_number_in_use(db: Database, tmp_path: Path):
    _, stays = await moved(db, tmp_path / "a.csv")
    body = f"{HEAD}\n553187650001,Ana,doctors,{BEFORE}\n"
    assert await writable(db) == []
    dry = await bring(db, tmp_path / "b.csv", body, dry_run=True)
    report = await bring(db, tmp_path / "b.csv", body)
    assert counts(report) == counts(dry) == {"read": 1, "updated": 1}
    assert await writable(db) == [NEW]
    person = await db.pool.fetchrow("select name, audience from contacts where id = $1", stays)
    assert tuple(person) == ("Ana", "all")
    before = await all_of(db)
    assert counts(await bring(db, tmp_path / "b.csv", body)) == {"read": 1, "unchanged": 1}
    assert await all_of(db) == before


async def test_what_was_imported_before_the_merge_is_there_already(db: Database, tmp_path: Path):
    await moved(db, tmp_path / "a.csv", old=BEFORE)
    before = await all_of(db)
    assert counts(await bring(db, tmp_path / "b.csv", f"{HEAD}\n{OLD},,,{BEFORE}\n")) == {"read": 1, "unchanged": 1}
    assert (await all_of(db), await writable(db)) == (before, [NEW])


async def test_a_grant_that_names_a_number_after_it_was_left_counts_for_nobody(db: Database, tmp_path: Path):
    """It may be the number's next owner who gave it."""
    await moved(db, tmp_path / "a.csv")
    before = await all_of(db)
    report = await bring(db, tmp_path / "b.csv", f"{HEAD}\n{OLD},,,{AFTER}\n")
    assert counts(report) == {"read": 1, "unchanged": 1, "no_consent": 1}
    assert (await all_of(db), await writable(db)) == (before, [])


async def test_both_numbers_in_one_file_are_one_person_and_the_one_in_use_says_who(db: Database, tmp_path: Path):
    _, stays = await moved(db, tmp_path / "a.csv")
    for rows in ((OLD, NEW), (NEW, OLD)):
        names = {OLD: "Ana Lima,doctors", NEW: "Ana Souza,nurses"}
        body = "\n".join([HEAD, *(f"{phone},{names[phone]},{BEFORE}" for phone in rows)])
        await bring(db, tmp_path / "b.csv", body)
        assert tuple(await db.pool.fetchrow("select name, audience from contacts where id = $1", stays)) == ("Ana Souza", "nurses")
        assert await db.pool.fetchval("select count(*) from consents") == 1
    before = await all_of(db)
    assert counts(await bring(db, tmp_path / "c.csv", body + "\n")) == {"read": 2, "unchanged": 2}
    assert await all_of(db) == before


async def _word(db: Database, phone: str, purpose: str) -> None:
    async with transaction(db.pool) as conn:
        asked = OptOutRequested(at=LEFT + timedelta(days=1), phone=phone, source=OptOutSource.WORD, purpose=purpose)
        await apply_opt_outs(conn, [asked], seal=SEAL, at=AT)


async def _list(db: Database, phone: str, purpose: str) -> None:
    """On the list under this one name only, as a list that was carried over from elsewhere."""
    await db.pool.execute(
        "insert into suppressions (phone_key, purpose, source, at) values ($1, $2, 'operator', $3)", key_of(phone), purpose, LEFT
    )


async def _by_hand(db: Database, phone: str, purpose: str) -> None:
    async with transaction(db.pool) as conn:
        await suppress(conn, phone, purpose, seal=SEAL, at=LEFT, by="ana", why="by phone")


async def _switch(db: Database, phone: str, purpose: str) -> None:
    async with transaction(db.pool) as conn:
        asked = OptOutRequested(at=LEFT, phone=phone, source=OptOutSource.CODE, purpose="marketing")
        await apply_opt_outs(conn, [asked], at=LEFT)


STOPS = {"a word": _word, "the list": _list, "by hand": _by_hand, "the switch": _switch}


@pytest.mark.parametrize("purpose", ["all", "marketing"])
@pytest.mark.parametrize("phone", [OLD, NEW], ids=["the old number", "the number in use"])
@pytest.mark.parametrize("stopped", STOPS.values(), ids=STOPS)
async def test_no_file_brings_back_who_withdrew_under_either_number(db: Database, tmp_path: Path, stopped: Any, phone: str, purpose: str):
    await moved(db, tmp_path / "a.csv")
    await stopped(db, phone, purpose)
    before = await all_of(db)
    for granted in (BEFORE, "2026-05-22T12:30:00Z", AFTER):
        assert counts(await bring(db, tmp_path / "b.csv", f"{HEAD}\n{OLD},,,{granted}\n")) == {"read": 1, "suppressed": 1}
    assert (await all_of(db), await writable(db)) == (before, [])


async def test_who_withdrew_and_then_left_the_number_stays_silent(db: Database, tmp_path: Path):
    await bring(db, tmp_path / "a.csv", f"{HEAD}\n{OLD},,,{BEFORE}\n")
    await _word(db, OLD, "all")
    await moved(db, tmp_path / "a.csv", new="")
    for granted in (BEFORE, AFTER):
        await bring(db, tmp_path / "b.csv", f"{HEAD}\n{OLD},,,{granted}\n{NEW},,,{granted}\n")
        assert await writable(db) == []


async def test_a_stop_of_marketing_leaves_the_other_purpose_its_grant(db: Database, tmp_path: Path):
    await moved(db, tmp_path / "a.csv")
    await _word(db, NEW, "marketing")
    utility = replace(PROOF, purpose="utility")
    assert counts(await bring(db, tmp_path / "b.csv", f"{HEAD}\n{OLD},,,{BEFORE}\n", proof=utility)) == {"read": 1, "updated": 1}
    assert tuple(await db.pool.fetchrow("select may_marketing, may_utility from contacts where phone = $1", NEW)) == (False, True)
