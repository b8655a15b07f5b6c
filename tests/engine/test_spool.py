"""The spool and its lease, on a real folder and a database that really goes away: nothing lost, and nothing sent meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from julia_warmer.clock import VirtualClock
from julia_warmer.engine.door import Door
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.spool import Lease, NotYet, Spool, opened_spool, release_spool, sentence, tell_overdue
from julia_warmer.store import attempts, claims, spools
from julia_warmer.store.db import transaction
from julia_warmer.store.spool import SpoolFull
from tests.api.site import parts_of
from tests.conftest import Database, Servers
from tests.engine.incoming import AT as ACCEPTED_AT
from tests.engine.incoming import add_fleet, add_person, message, messages, row, status, statuses
from tests.engine.outgoing import AT, claimer
from tests.engine.sending import opened

QUICK = Lease(renew_every_s=0.02, clear_for_s=0.1, clocks_apart_s=0.0)
STILL = Lease(renew_every_s=3600)
OPEN = Lease(renew_every_s=3600, clocks_apart_s=-1000)  # as long after the last renewal


@asynccontextmanager
async def spooled(
    db: Database, folder: Path, clock: VirtualClock, lease: Lease = QUICK, **given: Any
) -> AsyncGenerator[tuple[Spool, Door]]:
    parts = parts_of(db, spool_dir=folder, **given)
    async with opened_spool(parts, clock, lease) as spool:
        yield spool, Door(db.pool, parts.seal, spool)


@asynccontextmanager
async def away(db: Database, servers: Servers) -> AsyncGenerator[None]:
    """The database takes no connection, and has cut those that were."""
    admin = await asyncpg.connect(servers.get("18").admin_dsn)
    try:
        await admin.execute(f"alter database {db.name} with allow_connections false")
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", db.name)
        yield
    finally:
        await admin.execute(f"alter database {db.name} with allow_connections true")
        await admin.close()


async def until(what: Any) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - the other side is a loop of its own
            await asyncio.sleep(0.01)


async def overdue(db: Database, clock: VirtualClock) -> list[str]:
    async with transaction(db.pool) as conn:
        return [one.id for one in await spools.list_overdue(conn, before=clock.now())]


async def test_what_comes_while_the_database_is_away_is_kept_once_nothing_can_begin_and_goes_in_when_it_is_back(
    db: Database, servers: Servers, tmp_path: Path
):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    clock = VirtualClock(AT)
    async with spooled(db, tmp_path, clock) as (spool, door):
        assert await door.take(statuses(status("sent", "wamid.1")), at=AT) is not None
        async with away(db, servers):
            with pytest.raises(NotYet):  # a worker may not have seen that the lease ended
                await door.take(messages(message("wamid.i", "SAIR")), at=AT)
            await until(lambda: spool.is_open)
            assert await door.take(messages(message("wamid.i", "SAIR")), at=AT) is None
            assert [await door.take(statuses(status("read", f"wamid.{nth}")), at=AT) for nth in range(5)] == [None] * 5
            assert spool.folder.count == 6
        await until(lambda: not spool.folder.count and not spool.is_open)
        assert await db.pool.fetchval("select count(*) from inbox") == 7
        assert (await row(db, "contacts", person))["stopped_at"] == ACCEPTED_AT
        await spool.look()
        assert await overdue(db, clock) == []
    assert await db.pool.fetchval("select count(*) from spools") == 0


async def test_nothing_is_claimed_and_no_request_begins_once_a_lease_has_run_out(db: Database, tmp_path: Path):
    async with opened(db, sends=3) as line, spooled(db, tmp_path, VirtualClock(AT), STILL):
        late = AT + timedelta(seconds=STILL.clear_for_s)
        async with transaction(db.pool) as conn:
            claim = await claimer().claim(conn, line.fleet.portfolio, limit=5, at=AT)
            assert len(claim.taken) == 3
        async with transaction(db.pool) as conn:
            assert not await attempts.begin_calls(conn, claim.taken, worker="one", lease_until=late + timedelta(hours=1), at=late)
            assert await claims.find_due_portfolios(conn, at=late) == []
            assert (await claimer().claim(conn, line.fleet.portfolio, limit=5, at=late)).taken == ()
        assert await line.states() == {"planned": 3}


async def test_a_process_that_was_killed_holds_everything_until_it_is_back(db: Database, tmp_path: Path):
    clock = VirtualClock(AT)
    async with spooled(db, tmp_path, clock, STILL) as (spool, _):
        killed = await db.pool.fetchrow("select id, holder, clear_until, waiting from spools")
    async with transaction(db.pool) as conn:
        await spools.put_spool(conn, killed["id"], holder="killed", clear_until=killed["clear_until"], waiting=0)
    clock.move_to(AT + timedelta(minutes=1))
    assert await overdue(db, clock) == [spool.folder.id]
    async with spooled(db, tmp_path, clock, STILL) as (again, _):
        assert again.folder.id == spool.folder.id
        assert await overdue(db, clock) == []


async def test_what_waits_from_before_holds_until_it_is_in(db: Database, tmp_path: Path):
    await add_fleet(db.pool)
    clock = VirtualClock(AT)
    async with spooled(db, tmp_path, clock, OPEN) as (spool, _):
        for nth in range(3):
            await spool.keep(statuses(status("sent", f"wamid.{nth}")), at=AT + timedelta(seconds=nth))
    assert await db.pool.fetchval("select count(*) from spools") == 1, "it did not end empty"
    async with spooled(db, tmp_path, clock, OPEN) as (spool, _):
        await until(lambda: not spool.folder.count)
        assert [row_["received_at"] for row_ in await db.pool.fetch("select received_at from inbox order by id")] == [
            AT + timedelta(seconds=nth) for nth in range(3)
        ]
        await spool.look()
        assert await overdue(db, clock) == []


async def test_what_cannot_be_read_holds_and_costs_the_others_nothing(db: Database, tmp_path: Path):
    clock = VirtualClock(AT)
    async with spooled(db, tmp_path, clock, OPEN) as (spool, _):
        for nth in range(3):
            await spool.keep(statuses(status("sent", f"wamid.{nth}")), at=AT)
    # it ended before it looked: nobody else reads the folder now
    bad = spool.folder.folder / spool.folder.waiting()[1].name
    bad.write_bytes(b"\x01 something else")
    async with spooled(db, tmp_path, clock, OPEN) as (spool, _):
        await spool.look()
        assert await db.pool.fetchval("select count(*) from inbox") == 2
        assert spool.folder.count == 1
        clock.move_to(AT + timedelta(minutes=1))
        await spool.look()
        assert await overdue(db, clock) == [spool.folder.id]


async def test_a_full_spool_keeps_nothing_more(db: Database, tmp_path: Path):
    async with spooled(db, tmp_path, VirtualClock(AT), OPEN, spool_count_max=1) as (spool, _):
        await spool.keep(b"one", at=AT)
        with pytest.raises(SpoolFull):
            await spool.keep(b"two", at=AT)


async def test_a_person_is_told_why_nothing_is_sent_and_can_release_it(db: Database):
    async with transaction(db.pool) as conn:
        await spools.put_spool(conn, "abc", holder="api-9", clear_until=AT, waiting=2)
    late = AT + timedelta(minutes=1)
    for _ in range(2):
        async with transaction(db.pool) as conn:
            await tell_overdue(conn, at=late)
    (alert,) = await db.pool.fetch("select level, text, closed_at from alerts")
    assert (alert["level"], alert["closed_at"]) == ("critical", None)
    assert "warmer release --spool abc" in alert["text"]
    assert "2 webhooks" in alert["text"]
    async with transaction(db.pool) as conn:
        (one,) = await spools.list_overdue(conn, before=late)
        assert sentence(one) == alert["text"]
        await release_spool(conn, "abc", by="ana", why="its disk is gone", at=late)
        with pytest.raises(NotFound):
            await release_spool(conn, "abc", by="ana", why="again", at=late)
        assert await conn.fetchval("select closed_at from alerts") == late
        assert await conn.fetchval("select why from audit_log where target = 'spool:abc'") == "its disk is gone"
