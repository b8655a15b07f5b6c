"""A backup is taken, people ask to stop and to be erased, the backup takes the database's place: all holds again, before a release."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from julia_warmer.clock import VirtualClock
from julia_warmer.engine import restore
from julia_warmer.engine.door import Door
from julia_warmer.engine.erasure import erase_person, remember_erasure
from julia_warmer.engine.intake import work_off
from julia_warmer.engine.journal import KEPT_D, Journal, remember_stops
from julia_warmer.engine.restore import Evidence
from julia_warmer.engine.suppressions import suppress
from julia_warmer.store import inbox
from julia_warmer.store.db import transaction
from julia_warmer.store.inbox import BODY_USE, NewBody
from tests.conftest import Database
from tests.dump import dump_of, traces
from tests.engine.incoming import NOW, add_person, message, messages, phone_of
from tests.engine.outgoing import AT, SEAL
from tests.engine.sending import Line
from tests.engine.test_restore import backup, line_of, put_in_place, release, standing

MINUTE = timedelta(minutes=1)


def number(nth: int) -> str:
    return f"+55319{phone_of(nth)[4:]}"


@asynccontextmanager
async def forgotten(db: Database, folder: Path) -> AsyncGenerator[Line]:
    """Four people; the first writes STOP, the second calls us, the third is erased; then the database is as it was before that."""
    journal = Journal(folder, SEAL)
    for nth in range(4):
        await add_person(db.pool, nth, name=f"Pessoa{nth}")
    async with line_of(db, folder) as line, backup(db) as name:
        assert not await restore.begin_work(line.parts, at=AT)
        await Door(db.pool, SEAL, journal=journal).take(messages(message("wamid.1", "STOP", nth=0)), at=NOW)
        async with transaction(db.pool) as conn:
            done = await suppress(conn, number(1), "all", seal=SEAL, at=NOW, by="ana", why="by phone")
        remember_stops(journal, [done.request], at=NOW)
        async with transaction(db.pool) as conn:
            erased = await erase_person(conn, number(2), seal=SEAL, at=NOW, by="ana", why="asked")
        remember_erasure(journal, erased, at=NOW)
        await restore.compare(db.pool, journal, at=NOW)
        assert await standing(db) == []  # the database knows all of it
        await put_in_place(db, name, db.name)
        yield line


def _read_all(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*.jsonl"))


async def allowed(db: Database) -> list[str]:
    return [row["name"] for row in await db.pool.fetch("select name from contacts where may_marketing order by id")]


async def test_a_restored_backup_stops_and_erases_again_before_anything_goes_out(db: Database, tmp_path: Path):
    async with forgotten(db, tmp_path) as line:
        assert len(await allowed(db)) == 4
        assert await restore.begin_work(line.parts, at=NOW + MINUTE)
        assert await standing(db) == [("restore", Evidence.JOURNAL)]
        assert await allowed(db) == ["Pessoa3"]
        assert traces(await dump_of(db.owner), ["Pessoa2", phone_of(2), number(2)[1:]]) == []
        sources = [row["source"] for row in await db.pool.fetch("select distinct source from suppressions order by source")]
        assert sources == ["erasure", "operator", "word"]
        body = await db.pool.fetchval("select body from audit_log where who = 'journal' and what like 'forgotten%'")
        assert (body["stops"], body["erased"], body["forgotten"]) == (2, 1, 0)


async def test_what_was_done_again_is_done_once_and_holds_nothing_after_the_release(db: Database, tmp_path: Path):
    async with forgotten(db, tmp_path) as line:
        await restore.begin_work(line.parts, at=NOW + MINUTE)
        await release(line)
        before = await db.pool.fetchval("select count(*) from suppressions")
        again = await restore.compare(db.pool, line.parts.journal, at=NOW + 2 * MINUTE)
        assert (again.held, await standing(db)) == (False, [])
        assert await db.pool.fetchval("select count(*) from suppressions") == before


async def test_the_journal_names_nobody_and_keeps_erasures_for_good(db: Database, tmp_path: Path):
    async with forgotten(db, tmp_path):
        written = _read_all(tmp_path)
        assert not [nth for nth in range(3) if phone_of(nth)[4:] in written]
        journal = Journal(tmp_path, SEAL)
        journal.forget(at=NOW + timedelta(days=KEPT_D + 2))
        assert (next(journal.stops_newest_first(9), []), len(next(journal.erased_newest_first(9)))) == ([], 1)


async def test_requests_to_stop_do_not_say_that_this_machine_knows_what_was_sent(db: Database, tmp_path: Path):
    journal = Journal(tmp_path, SEAL)
    await Door(db.pool, SEAL, journal=journal).take(messages(message("wamid.1", "STOP")), at=NOW)
    assert (next(journal.stops_newest_first(9))[0].phone, journal.reaches_back_to()) == (phone_of(0), None)


async def test_who_was_erased_and_never_was_in_the_backup_stays_out(db: Database, tmp_path: Path):
    journal = Journal(tmp_path, SEAL)
    async with line_of(db, tmp_path) as line, backup(db) as name:
        await restore.begin_work(line.parts, at=AT)
        await add_person(db.pool, 7)
        async with transaction(db.pool) as conn:
            done = await erase_person(conn, number(7), seal=SEAL, at=NOW, by="ana", why="asked")
        remember_erasure(journal, done, at=NOW)
        await put_in_place(db, name, db.name)
        assert await restore.begin_work(line.parts, at=NOW + MINUTE)
        assert await db.pool.fetchval("select phone_key from contacts") == done.person
        assert await db.pool.fetchval("select phone_key from suppressions") == done.person


async def test_an_opt_out_that_an_error_code_told_of_is_carried_out_again_too(db: Database, tmp_path: Path):
    """131050 as the answer to a request: no webhook brings it."""
    async with line_of(db, tmp_path, sends=2) as line, backup(db) as name:
        assert not await restore.begin_work(line.parts, at=AT)
        line.faults({"what": "refuse", "code": 131050})
        assert (await line.dispatch(limit=1)).failed == 1
        told = await db.pool.fetch("select phone_key, source, purpose from suppressions")
        await restore.compare(db.pool, line.parts.journal, at=AT)
        assert (len(told), await standing(db)) == (1, [])
        await put_in_place(db, name, db.name)
        assert await restore.begin_work(line.parts, at=AT + MINUTE)
        assert await db.pool.fetch("select phone_key, source, purpose from suppressions") == told
        assert await db.pool.fetchval("select count(*) from contacts where may_marketing") == 1


async def test_an_opt_out_that_acts_only_after_its_200_is_in_the_journal(db: Database, tmp_path: Path):
    """The door's transaction was refused for it: the intake carries it out, and tells the journal."""
    journal = Journal(tmp_path, SEAL)
    await add_person(db.pool, 0)
    async with transaction(db.pool) as conn:
        body = messages(message("wamid.1", "STOP", nth=0))
        await inbox.keep_bodies(conn, [NewBody(NOW, b"digest", SEAL.close(body, use=BODY_USE))])
    for _ in range(2):
        await work_off(db.pool, clock=VirtualClock(NOW), seal=SEAL, journal=journal)
    assert [stop.phone for stop in next(journal.stops_newest_first(9))] == [phone_of(0)]
    assert await allowed(db) == []
