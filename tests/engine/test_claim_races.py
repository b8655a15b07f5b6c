"""Claims, calls, opt-outs and stops that meet: every order is forced with a lock that is held, and the law holds in each."""

import asyncio
import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from julia_warmer.core.commands import StopScope
from julia_warmer.core.events import OptOutRequested, OptOutSource
from julia_warmer.engine import control
from julia_warmer.engine.claim import Claim
from julia_warmer.engine.urgent import apply_opt_outs
from julia_warmer.store import attempts, settlements
from julia_warmer.store.attempts import Call
from julia_warmer.store.db import transaction
from julia_warmer.store.settlements import AcceptedSend, RefusedSend
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT, Fleet, claim

pytestmark = pytest.mark.pg15

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITING = """
    select count(distinct pg_locks.pid)
    from pg_locks
    join pg_stat_activity on pg_stat_activity.pid = pg_locks.pid and pg_stat_activity.datname = current_database()
    where not pg_locks.granted
"""
T = TypeVar("T")


async def blocked(db: Database, number: int) -> None:
    """Until so many connections wait for a lock."""
    async with asyncio.timeout(10):
        while await db.owner.fetchval(WAITING) < number:  # noqa: ASYNC110 - another process waits
            await asyncio.sleep(0.005)


def start(work: Awaitable[T]) -> "asyncio.Future[T]":
    return asyncio.ensure_future(work)


async def add_fleet(db: Database, sends: int, **more: Any) -> tuple[Fleet, list[int]]:
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, **more)
        return fleet, await given.add_sends(conn, fleet, sends, chip=None)


async def begin(db: Database, taken: Any, worker: str = "one") -> list[Call]:
    async with transaction(db.pool) as conn:
        return await attempts.begin_calls(conn, taken, worker=worker, lease_until=AT + MINUTE, at=AT)


HELD = [
    # what somebody else holds when both claims arrive
    "select from portfolios for update",
    "select from chips for update",
    "select from contacts for update",
    "select from contacts where id = (select min(id) + 9 from contacts) for update",
]


async def test_two_claims_for_the_last_ten_take_ten(db: Database):
    for held in HELD:
        fleet, _ = await add_fleet(db, 40, budget=10, name=str(HELD.index(held)), limit=2000) if held == HELD[0] else await again(db)
        async with transaction(db.pool) as conn:
            await conn.execute(held)
            claims = [start(claim(db.pool, fleet, by=given.claimer(f"w{n}"))) for n in range(2)]
            await blocked(db, 2)
        done = await asyncio.gather(*claims)
        assert sorted(len(one.taken) for one in done) == [0, 10], held
        assert await db.pool.fetchval("select count(*) from sends where cap_day is not null") == 10, held


async def again(db: Database) -> tuple[Fleet, list[int]]:
    """The same fleet with nothing claimed."""
    await db.pool.execute("delete from budget_uses")
    await db.pool.execute("update sends set state = 'planned', cap_day = null, claimed_by = null, lease_until = null, due_at = $1", AT)
    row = await db.pool.fetchrow("select min(id) as chip, min(portfolio_id) as portfolio, min(account_id) as account from chips")
    return Fleet(row["portfolio"], row["account"], 0, 0, (row["chip"],)), []


async def test_two_claims_for_the_portfolios_last_people_take_no_more(db: Database):
    fleet, _ = await add_fleet(db, 40, chips=4, limit=7)
    async with transaction(db.pool) as conn:
        await conn.execute("select from contacts for update")
        claims = [start(claim(db.pool, fleet, by=given.claimer(f"w{n}"))) for n in range(3)]
        await blocked(db, 3)
    assert sum(len(one.taken) for one in await asyncio.gather(*claims)) == 7
    assert await given.slots_open(db.pool) == 7


async def test_a_send_that_another_cancelled_meanwhile_is_not_taken_and_holds_no_slot(db: Database):
    fleet, (send,) = await add_fleet(db, 1)
    async with transaction(db.pool) as conn:
        await conn.execute("update sends set state = 'cancelled' where id = $1", send)  # without its person's lock: a planner, a sweep
        claiming = start(claim(db.pool, fleet))
        await blocked(db, 1)
    assert (await claiming).taken == ()
    assert await db.pool.fetchval("select count(*) from budget_uses") == 0


# ------------------------------------------------------------------ opt-outs


def asks_to_stop(nth: int) -> OptOutRequested:
    return OptOutRequested(at=AT, phone=f"55119{80000000 + nth}", source=OptOutSource.WORD, purpose="all")


async def test_an_opt_out_before_the_claim_is_seen_by_the_claim_that_waited_for_it(db: Database):
    fleet, _ = await add_fleet(db, 2)
    async with transaction(db.pool) as conn:
        await apply_opt_outs(conn, [asks_to_stop(0)], at=AT)
        claiming = start(claim(db.pool, fleet))
        await blocked(db, 1)
    assert len((await claiming).taken) == 1
    assert await given.states(db.pool) == {"cancelled": 1, "claimed": 1}


async def test_an_opt_out_before_the_call_is_seen_by_the_call_that_waited_for_it(db: Database):
    fleet, ids = await add_fleet(db, 2)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await apply_opt_outs(conn, [asks_to_stop(0)], at=AT)
        calling = start(begin(db, taken))
        await blocked(db, 1)
    assert [call.send_id for call in await calling] == ids[1:]
    assert await given.states(db.pool) == {"calling": 1, "cancelled": 1}
    assert await given.slots_open(db.pool) == 1


async def test_an_opt_out_after_the_call_knows_which_request_to_wait_for(db: Database):
    fleet, ids = await add_fleet(db, 2)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        calls = await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + MINUTE, at=AT)
        stopping = start(opt_out(db, 0))
        await blocked(db, 1)
    assert len(calls) == 2
    assert await stopping == [ids[0]]
    assert await given.states(db.pool) == {"calling": 2}


async def opt_out(db: Database, nth: int) -> list[int]:
    async with transaction(db.pool) as conn:
        return (await apply_opt_outs(conn, [asks_to_stop(nth)], at=AT))[1]


# ------------------------------------------------------------------ stops and pauses


async def test_a_call_waits_for_the_stop_that_is_being_written_and_obeys_it(db: Database):
    fleet, _ = await add_fleet(db, 2)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await control.stop(conn, StopScope.CAMPAIGN, fleet.campaign, by="ana", why="a test", at=AT)
        calling, claiming = start(begin(db, taken)), start(claim(db.pool, fleet))
        await blocked(db, 2)
    assert (await calling, (await claiming).taken) == ([], ())
    assert await given.states(db.pool) == {"planned": 2}


async def test_a_stop_waits_for_the_calls_that_are_being_written_and_counts_them(db: Database):
    fleet, _ = await add_fleet(db, 2)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + MINUTE, at=AT)
        stopping = start(stop_all(db))
        await blocked(db, 1)
    assert (await stopping).calls == 2


async def stop_all(db: Database) -> control.Stopped:
    async with transaction(db.pool) as conn:
        return await control.stop(conn, StopScope.EVERYTHING, None, by="ana", why="a test", at=AT)


async def test_a_pause_that_is_being_written_is_obeyed(db: Database):
    fleet, _ = await add_fleet(db, 2)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await conn.execute("update chips set status = 'paused', paused_from = 'warming'")
        calling = start(begin(db, taken))
        await blocked(db, 1)
    assert await calling == []


# ------------------------------------------------------------------ everything at once


async def worker_life(db: Database, fleet: Fleet, name: str, rng: random.Random) -> None:
    """Claims, calls and settles with made-up answers until nothing is left, sometimes dying in between."""
    by = given.claimer(name)
    while (one := await claim(db.pool, fleet, by=by, limit=rng.randint(1, 9))).taken or one.again:
        if rng.random() < 0.2:
            continue  # died after the claim
        calls = await begin(db, one.taken, name)
        if rng.random() < 0.2:
            continue  # died after the call was written
        async with transaction(db.pool) as conn:
            await settlements.lock_people_of(conn, [call.send_id for call in calls])
            fates = {call.send_id: rng.random() for call in calls}
            yes = [AcceptedSend(send_id=send, message_id=f"wamid.{send}") for send, fate in fates.items() if fate < 0.6]
            no = [
                RefusedSend(send_id=send, code=130429, reason="no", free=True, due_at=AT)
                for send, fate in fates.items()
                if 0.6 <= fate < 0.8
            ]
            lost = [send for send, fate in fates.items() if fate >= 0.8]
            await settlements.settle_sends(conn, yes, lost, at=AT)
            await settlements.refuse_sends(conn, no, at=AT)


@pytest.mark.parametrize("seed", range(3))
async def test_many_workers_never_exceed_a_cap(seed: int, db: Database):
    fleet, _ = await add_fleet(db, 120, chips=3, budget=25, limit=60)
    rng = random.Random(seed)
    await asyncio.gather(*[worker_life(db, fleet, f"w{n}", random.Random(rng.random())) for n in range(8)])
    by_chip = await db.pool.fetch("select chip_id, count(*) as n from sends where cap_day is not null group by chip_id")
    assert max(row["n"] for row in by_chip) <= 25
    assert await given.slots_open(db.pool) == await db.pool.fetchval("select count(*) from sends where cap_day is not null") == 60
    counts = await given.counts(db.pool)
    states = await given.states(db.pool)
    assert (counts["accepted"], counts.get("unknown", 0)) == (states["accepted"], states.get("unknown", 0))
    assert await db.pool.fetchval("select sum(accepted) from chip_days") == counts["accepted"]


def test_a_claim_that_did_nothing_says_so():
    assert Claim() == Claim(taken=(), cancelled=0, later=0, again=False)
