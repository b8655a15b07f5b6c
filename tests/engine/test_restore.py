"""A backup is taken, messages go out, the backup takes the database's place: nothing is sent before a person says so, and nobody twice."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from julia_warmer.engine import restore
from julia_warmer.engine.errors import Conflict, Wrong
from julia_warmer.engine.intake import apply_inbox, receive
from julia_warmer.engine.journal import Journal
from julia_warmer.engine.restore import Evidence, People
from julia_warmer.store import holds
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import outgoing
from tests.engine.incoming import status, statuses
from tests.engine.outgoing import AT, SEAL
from tests.engine.sending import Line, opened

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def put_in_place(db: Database, source: str, target: str) -> None:
    """Put `target` in the place of whatever has that name, as a restore does: everybody's connections end."""
    admin = await asyncpg.connect(db.owner_dsn, database="postgres")
    try:
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = any($1)", [source, target])
        await admin.execute(f"drop database if exists {target} with (force)")
        await admin.execute(f"create database {target} template {source} strategy file_copy")
    finally:
        await admin.close()
    await db.pool.expire_connections()
    await db.owner.expire_connections()


@asynccontextmanager
async def backup(db: Database) -> AsyncGenerator[str]:
    """A backup of this moment, gone after the test."""
    name = f"{db.name}_backup"
    await put_in_place(db, db.name, name)
    yield name
    admin = await asyncpg.connect(db.owner_dsn, database="postgres")
    await admin.execute(f"drop database if exists {name} with (force)")
    await admin.close()


@asynccontextmanager
async def line_of(db: Database, folder: Path, *, sends: int = 0) -> AsyncGenerator[Line]:
    async with opened(db, sends=sends) as line:
        line.parts = replace(line.parts, journal=Journal(folder, SEAL))
        yield line


async def standing(db: Database) -> list[tuple[str, str]]:
    async with transaction(db.pool) as conn:
        return [(hold.kind.value, hold.holder) for hold in await holds.list_holds(conn)]


async def release(line: Line, people: People | None = None) -> restore.ReleasedRestore:
    async with transaction(line.db.pool) as conn:
        return await restore.release_restore(conn, people, by="ana", why="compared", at=line.clock.at)


def people_of(line: Line) -> Counter[str]:
    return Counter(row["to"] for row in line.ledger())


async def test_a_restored_backup_is_held_put_back_and_nobody_is_written_to_twice(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path, sends=12) as line, backup(db) as name:
        sent = 0
        while sent < 8:  # on a busy machine a request that cannot begin in time does not, and is planned again
            sent += (await line.dispatch(limit=8 - sent)).accepted
        await put_in_place(db, name, db.name)
        assert await line.states() == {"planned": 12}
        assert await restore.begin_work(line.parts, at=AT)
        assert await standing(db) == [("restore", Evidence.JOURNAL)]
        assert ((await line.dispatch()).claimed, await line.states()) == (0, {"planned": 4, "unknown": 8})
        assert await outgoing.slots_open(db.pool) == 8
        assert await db.pool.fetchval("select sum(unknown) from chip_counts") == 8
        alert = await db.pool.fetchrow("select level, text from alerts where closed_at is null")
        assert alert["level"] == "critical"
        assert "warmer release --restore" in alert["text"]

        done = await release(line)
        assert (done.cancelled, done.presumed, await standing(db)) == (4, 0, [])
        async with transaction(db.pool) as conn:  # what the planner would do: those who had nothing yet
            for row in await conn.fetch("select id from contacts where id not in (select contact_id from campaign_hits) order by id"):
                await outgoing.add_send(conn, line.fleet, row["id"])
        assert (await line.dispatch()).accepted == 4
        assert (len(people_of(line)), max(people_of(line).values())) == (12, 1)
        assert await db.pool.fetchval("select who from audit_log where what = 'released after a restore'") == "ana"


async def test_sends_that_the_database_never_had_come_back_with_their_people(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path) as line, backup(db) as name:
        async with transaction(db.pool) as conn:
            await outgoing.add_sends(conn, line.fleet, 5, chip=None)
        assert (await line.dispatch()).accepted == 5
        sent = line.ledger()
        await put_in_place(db, name, db.name)
        assert await db.pool.fetchval("select count(*) from contacts") == 0
        await restore.begin_work(line.parts, at=AT)
        assert await db.pool.fetchval("select count(*) from campaign_hits where at = 'infinity'") == 5
        assert await db.pool.fetchval("select count(*) from contacts where not may_marketing and not may_utility") == 5
        told = status("delivered", sent[0]["message_id"], AT + MINUTE, recipient_id=sent[0]["to"], biz_opaque_callback_data=sent[0]["ours"])
        async with transaction(db.pool) as conn:
            await receive(conn, statuses(told), at=AT + MINUTE, seal=SEAL)
            await apply_inbox(conn, at=AT + MINUTE, seal=SEAL)
        assert await line.states() == {"unknown": 4, "delivered": 1}


async def test_a_live_worker_notices_and_a_second_look_changes_nothing(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path, sends=4) as line, backup(db) as name:
        await line.dispatch()
        assert not (await restore.compare(db.pool, line.parts.journal, at=AT)).held
        await put_in_place(db, name, db.name)
        first = await restore.compare(db.pool, line.parts.journal, at=AT)
        assert (first.forgotten, first.found, first.made, first.left_out) == (4, 4, 0, 0)
        again = await restore.compare(db.pool, Journal(tmp_path, SEAL), at=AT)
        assert (again.held, await line.states()) == (False, {"unknown": 4})


async def test_an_empty_database_a_restart_and_a_second_machine_are_not_held(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path / "one", sends=4) as line:
        second = replace(line.parts, worker="two", journal=Journal(tmp_path / "two", SEAL))
        assert not await restore.begin_work(line.parts, at=AT)
        assert not await restore.begin_work(second, at=AT + MINUTE)  # joins while the first works
        await line.dispatch()
        crashed = replace(line.parts, worker="three", journal=Journal(tmp_path / "one", SEAL))
        assert not await restore.begin_work(crashed, at=AT + DAY)  # the machine was off for a day
        for parts in (crashed, second, line.parts):
            await restore.end_work(parts)
        fresh = replace(line.parts, worker="four", journal=Journal(tmp_path / "four", SEAL))
        assert not await restore.begin_work(fresh, at=AT + 2 * DAY)  # another machine, after a clean end
        assert await standing(db) == []


async def test_a_machine_without_a_journal_is_held_where_workers_never_ended(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path / "one", sends=6) as line:
        assert not await restore.begin_work(line.parts, at=AT)
        async with backup(db) as name:
            await line.dispatch(limit=3)
            await restore.end_work(line.parts)
            await put_in_place(db, name, db.name)
            elsewhere = replace(line.parts, worker="two", journal=Journal(tmp_path / "two", SEAL))
            line.clock.move_to(AT + HOUR)
            assert await restore.begin_work(elsewhere, at=AT + HOUR)
            assert ((await line.dispatch()).claimed, await standing(db)) == (0, [("restore", Evidence.WORKERS)])
            with pytest.raises(Wrong, match="whom to count as written to"):
                await release(line)
            done = await release(line, People.EVERYBODY)
            assert (done.cancelled, done.presumed) == (6, 6)
            assert await db.pool.fetchval("select count(distinct contact_id) from campaign_hits") == 6


async def test_a_status_under_an_id_that_was_never_written_holds_and_counts_its_person(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path, sends=3) as line:
        ours = str(uuid4())
        told = status("sent", "wamid.lost", AT, recipient_id="5511980000001", biz_opaque_callback_data=ours)
        for body in (told, status("read", "wamid.theirs", AT, recipient_id="5511980000002", biz_opaque_callback_data="order-77")):
            async with transaction(db.pool) as conn:
                await receive(conn, statuses(body), at=AT, seal=SEAL)
                await apply_inbox(conn, at=AT, seal=SEAL)
        assert await standing(db) == [("restore", Evidence.STATUS)]
        assert ((await line.dispatch()).claimed, await line.states()) == (0, {"planned": 3, "sent": 1})
        assert str(await db.pool.fetchval("select id from attempts")) == ours
        line.clock.move_to(AT + HOUR)
        await release(line, People.KNOWN)
        late = status("delivered", "wamid.late", AT + 2 * HOUR, recipient_id="5511980000002", biz_opaque_callback_data=str(uuid4()))
        async with transaction(db.pool) as conn:  # of the time that was forgotten: no reason to hold again
            await receive(conn, statuses(late), at=AT + 2 * HOUR, seal=SEAL)
            await apply_inbox(conn, at=AT + 2 * HOUR, seal=SEAL)
        assert await standing(db) == []


async def test_nothing_is_sent_when_the_journal_cannot_be_written(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path / "journal", sends=3) as line:
        (tmp_path / "journal").write_text("a file in its place")
        with pytest.raises(FileExistsError):
            await line.dispatch()
        assert (line.ledger(), await line.states()) == ([], {"planned": 3})


async def test_there_is_nothing_to_release_without_a_restore(db: Database, tmp_path: Path):
    async with line_of(db, tmp_path) as line:
        with pytest.raises(Conflict):
            await release(line)


def test_a_journal_reads_back_what_it_wrote_over_days_and_forgets_old_ones(tmp_path: Path):
    journal = Journal(tmp_path, SEAL)
    assert (list(journal.newest_first(10)), journal.reaches_back_to()) == ([], None)
    journal.mark(at=AT - 40 * DAY)
    (tmp_path / f"{(AT + DAY).date()}.jsonl").write_bytes(b'{"a": "cut o')
    journal.forget(at=AT)
    assert journal.reaches_back_to() == (AT + DAY).date()
    assert list(journal.newest_first(10)) == []
