"""PgQueuer wakes the steps, in real time; what fails is held and the loop lives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from julia_warmer.engine import wake as wake_module
from julia_warmer.engine.intake import take_delivery
from julia_warmer.engine.jobs import RHYTHMS, run_worker
from julia_warmer.engine.listening import ListensFirst
from julia_warmer.engine.review import review_due
from julia_warmer.engine.wake import Step, queue, wake
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import crowd
from tests.engine.outgoing import AT, add_sends
from tests.engine.sending import Line, opened
from tests.engine.test_claim_races import WAITING

PATIENCE_S = 15.0
DECIDED = "select count(*) from warmer.decisions where chip_id = $1"


async def until(true: Callable[[], Awaitable[Any]], what: str) -> None:
    """Look until it is so; nothing here waits for a race to be over."""
    for _ in range(int(PATIENCE_S / 0.02)):
        if await true():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"not within {PATIENCE_S:g} s: {what}")


@asynccontextmanager
async def working(line: Line) -> AsyncIterator[asyncio.Event]:
    """A worker beside the test; it must have ended well."""
    stop = asyncio.Event()
    work = asyncio.create_task(run_worker(line.parts, clock=line.clock, stop=stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(work, PATIENCE_S)


def status_body(message_id: str) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "5511900000000", "phone_number_id": "pn-one-0"},
        "statuses": [{"id": message_id, "status": "delivered", "timestamp": str(int(AT.timestamp())), "recipient_id": "5511980000000"}],
    }
    import orjson

    return orjson.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "waba-one", "changes": [{"field": "messages", "value": value}]}]}
    )


@pytest.fixture
async def line(db: Database) -> AsyncIterator[Line]:
    async with opened(db, sends=3) as opened_line:
        yield opened_line


@pytest.mark.pg15
async def test_pgqueuer_finds_nothing_missing_in_what_the_migration_made(db: Database) -> None:
    async with db.owner.acquire() as conn:
        plan = await queue(AsyncpgDriver(conn)).plan_upgrade()
    assert plan.statements == ()


@pytest.mark.pg15
async def test_a_due_send_goes_out_and_what_comes_back_is_applied(db: Database, line: Line) -> None:
    async with working(line):
        await until(lambda: count(db, "sends where state = 'accepted'", 3), "three sends accepted")
        assert len(line.ledger()) == 3
        message_id = await db.pool.fetchval("select message_id from sends order by id limit 1")
        await take_delivery(db.pool, status_body(message_id), at=AT, seal=line.parts.seal)
        await until(lambda: count(db, "sends where state = 'delivered'", 1), "one send delivered")
        await until(lambda: count(db, "pg_inherits where inhparent = 'events'::regclass", 3), "months made")
        await until(lambda: count(db, "accounts where polled_at is not null and templates_synced_at is not null", 1), "account read")
    assert await db.pool.fetchval("select count(*) from pgqueuer where status = 'failed'") == 0
    assert await db.pool.fetchval("select count(*) from alerts where rule = 'step failed'") == 0


async def count(db: Database, what: str, least: int) -> bool:
    return await db.pool.fetchval(f"select count(*) from {what}") >= least


async def test_a_wake_is_answered_long_before_the_clock_would(db: Database, line: Line) -> None:
    async with working(line):
        await until(lambda: count(db, "sends where state = 'accepted'", 3), "the first sends")
        took: list[float] = []
        loop = asyncio.get_running_loop()
        for nth in range(5):
            await add_sends(db.pool, line.fleet, 1, first=10 + nth)
            began = loop.time()
            async with transaction(db.pool) as conn:
                await wake(conn, Step.DISPATCH)
            await until(lambda least=4 + nth: count(db, "sends where state = 'accepted'", least), "one more")  # type: ignore[misc]
            took.append(loop.time() - began)
    assert sorted(took)[2] < 0.5


async def test_a_wake_commits_with_what_there_is_to_do_and_one_waits_at_most(db: Database) -> None:
    with suppress(RuntimeError):
        async with transaction(db.pool) as conn:
            await wake(conn, Step.PLAN)
            raise RuntimeError("taken back")
    assert await count(db, "pgqueuer", 1) is False
    for _ in range(3):
        async with transaction(db.pool) as conn:
            await wake(conn, Step.PLAN)
            await wake(conn, Step.INTAKE)
    assert await db.pool.fetchval("select array_agg(entrypoint order by entrypoint) from pgqueuer") == ["intake", "plan"]


async def test_a_failing_step_is_told_and_held_the_others_go_on_and_it_recovers(db: Database, line: Line) -> None:
    await db.owner.execute("alter table warmer.inbox rename to inbox_away")
    async with working(line):
        await until(lambda: count(db, "alerts where open_key = 'step:intake' and closed_at is null", 1), "the alert")
        await until(lambda: count(db, "pgqueuer where entrypoint = 'intake' and status = 'failed'", 1), "the held job")
        await until(lambda: count(db, "sends where state = 'accepted'", 3), "dispatch goes on")
        held = await db.pool.fetchval("select count(*) from pgqueuer where status = 'failed'")
        assert held <= 6  # it waits longer after each failure, whatever wakes it
        await db.owner.execute("alter table warmer.inbox_away rename to inbox")
        await until(lambda: count(db, "alerts where open_key = 'step:intake' and closed_at is not null", 1), "the alert is closed")


async def test_what_runs_once_a_day_is_tried_again_when_it_broke(db: Database, line: Line) -> None:
    """Not after a day. And whoever runs it well closes what another told of it."""
    await db.owner.execute("alter table warmer.shadow_decisions rename to shadows_away")
    async with working(line):
        await until(lambda: count(db, "alerts where open_key = 'step:tidy' and closed_at is null", 1), "the alert")
        await db.owner.execute("alter table warmer.shadows_away rename to shadow_decisions")
        await until(lambda: count(db, "alerts where open_key = 'step:tidy' and closed_at is not null", 1), "the alert is closed")
    await db.owner.execute("update alerts set closed_at = null, closed_by = null where open_key = 'step:tidy'")
    async with working(line):
        await until(lambda: count(db, "alerts where open_key = 'step:tidy' and closed_at is not null", 1), "closed by another")


async def test_a_probe_of_the_listener_does_not_overtake_it(db: Database) -> None:
    driver, heard = ListensFirst(db.pool), asyncio.Queue[object]()
    async with driver:
        probe = asyncio.create_task(driver.notify("probes", "well?"))
        await asyncio.wait({probe}, timeout=0.3)  # long enough for one that does not wait
        assert not probe.done()
        await driver.add_listener("probes", heard.put_nowait)
        assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "well?"
        await probe


async def test_cut_connections_are_made_again(db: Database, line: Line) -> None:
    async with working(line):
        await until(lambda: count(db, "sends where state = 'accepted'", 3), "the first sends")
        await db.owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tests'"
        )
        await add_sends(db.owner, line.fleet, 2, first=10)
        await until(lambda: count_owner(db, "sends where state = 'accepted'", 5), "the sends after the cut")


async def count_owner(db: Database, what: str, least: int) -> bool:
    return await db.owner.fetchval(f"select count(*) from warmer.{what}") >= least


async def test_two_workers_share_the_work_and_send_nothing_twice(db: Database) -> None:
    async with opened(db, sends=40) as line:
        stop = asyncio.Event()
        workers = [asyncio.create_task(run_worker(line.parts, clock=line.clock, stop=stop)) for _ in range(2)]
        await until(lambda: count(db, "sends where state = 'accepted'", 40), "all sends")
        stop.set()
        await asyncio.wait_for(asyncio.gather(*workers), PATIENCE_S)
        assert len({row["to"] for row in line.ledger()}) == len(line.ledger()) == 40


async def test_a_review_that_is_held_up_on_one_worker_holds_up_nobody_on_another(db: Database) -> None:
    """The first chip's review waits for a row that somebody else writes; the other worker decides on a chip that gets due meanwhile."""
    async with opened(db) as line, db.pool.acquire() as conn:
        await crowd.add_fleet(conn, name="before", at=AT)
        await review_due(db.pool, at=AT, policy=line.parts.policy)  # the first decision under a policy writes the policy down
        first = (await crowd.add_fleet(conn, name="held", at=AT)).chips[0]
        held = conn.transaction()
        await held.start()
        await conn.execute("insert into health_log (chip_id, at, score) values ($1, $2, 50)", first, AT)
        stop = asyncio.Event()
        workers = [asyncio.create_task(run_worker(line.parts, clock=line.clock, stop=stop)) for _ in range(2)]
        try:
            await until(partial(woken, db, WAITING), "a review that waits")
            second = (await crowd.add_fleet(db.owner, name="free", at=AT)).chips[0]
            await until(partial(woken, db, DECIDED, second), "a decision beside the one that is held up")
            assert not await db.owner.fetchval(DECIDED, first)
        finally:
            await held.rollback()
            stop.set()
            await asyncio.wait_for(asyncio.gather(*workers), PATIENCE_S)


async def woken(db: Database, question: str, *values: int) -> bool:
    """Asks after waking the review once more: the plan may have had the chip when it looked, or a busy worker taken its last wake."""
    async with transaction(db.pool) as conn:
        await wake(conn, Step.REVIEW)
    return await db.owner.fetchval(question, *values) > 0


async def test_a_cancelled_worker_finishes_what_has_begun(db: Database, line: Line) -> None:
    line.faults({"what": "slow", "s": 0.3})
    work = asyncio.create_task(run_worker(line.parts, clock=line.clock))
    await until(lambda: count(db, "sends where state = 'calling'", 1), "a call under way")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, PATIENCE_S)
    assert await db.pool.fetchval("select count(*) from sends where state in ('calling', 'unknown')") == 0


async def test_a_worker_that_is_told_to_end_does_not_first_send_all_that_is_due(db: Database) -> None:
    async with opened(db, sends=60, send_concurrency=1) as line:
        line.faults({"what": "slow", "s": 0.2})
        async with working(line) as stop:
            await until(lambda: count(db, "sends where state = 'calling'", 1), "a call under way")
            stop.set()
        assert 0 < len(line.ledger()) < 60
        states = await line.states()
        assert states["accepted"] == len(line.ledger())
        assert set(states) <= {"accepted", "claimed", "planned"}


def test_every_step_has_a_rhythm() -> None:
    assert set(RHYTHMS) == set(wake_module.Step)
