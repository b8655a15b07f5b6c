"""What comes in, over several sessions at once: repeats, requests under way, and a database that refuses."""

import asyncio
from datetime import timedelta
from typing import Any

from julia_warmer.engine.intake import CALLS_STEP_S, await_calls, receive, take_delivery
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    add_fleet,
    add_out,
    add_person,
    apply,
    cohorts,
    deliver,
    message,
    messages,
    quarantined,
    row,
    status,
    statuses,
)

MINUTE = timedelta(minutes=1)


async def test_one_item_that_the_database_refuses_costs_only_itself(db: Database):
    fleet = await add_fleet(db.pool)
    items: list[dict[str, Any]] = []
    for nth in range(9):
        person = await add_person(db.pool, nth, purposes=())
        await add_out(db.pool, fleet, person, message_id=f"wamid.{nth}")
        items.append(status("delivered", f"wamid.{nth}", AT + MINUTE, nth=nth))
    await db.owner.execute("alter table events add constraint odd check (key not like '%wamid.5')")
    done = await apply(db, statuses(*items))
    assert (done.new, done.quarantined) == (8, 1)
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 9, "delivered": 8, "reached": 8}
    ((kind, path, reason),) = await quarantined(db)
    assert (kind, path) == ("message_delivered", "entry[0].changes[0].value.statuses[5]")
    assert reason.startswith("refused by the database")


async def test_one_delivery_many_times_at_once_is_one(db: Database):
    """R3 in small."""
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    body = messages(message("wamid.i", "SAIR"))

    async def once() -> bool:
        return (await take_delivery(db.pool, body, at=NOW, seal=SEAL)).repeated

    repeated = await asyncio.gather(*(once() for _ in range(40)))
    assert sorted(repeated) == [False, *[True] * 39]
    assert await db.pool.fetchval("select deliveries from inbox") == 40
    assert await db.pool.fetchval("select count(*) from suppressions") == 1
    assert await db.pool.fetchval("select count(*) from consents where contact_id = $1 and act = 'withdrawn'", person) == 2


async def test_the_200_to_an_opt_out_waits_for_a_request_under_way(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    calling = await add_out(db.pool, fleet, person, message_id=None, state="calling", accepted_at=None)
    (receipt,) = await deliver(db, messages(message("wamid.i", "SAIR")))
    assert receipt.calling == (calling,)
    assert not await await_calls(db.pool, receipt, wait_s=2 * CALLS_STEP_S)
    waiting = asyncio.create_task(await_calls(db.pool, receipt))
    await db.pool.execute("update sends set state = 'unknown' where id = $1", calling)
    assert await waiting


async def test_a_claimed_send_that_begins_its_call_comes_before_the_opt_out_or_never(db: Database):
    """The call's transaction holds the person: the opt-out waits for it, then finds the send in `calling`."""
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    claimed = await add_out(db.pool, fleet, person, message_id=None, state="claimed", accepted_at=None)
    async with transaction(db.pool) as conn:
        await conn.execute("select from contacts where id = $1 for share", person)
        opting_out = asyncio.create_task(take_delivery(db.pool, messages(message("wamid.i", "SAIR")), at=NOW, seal=SEAL))
        await until(db, "select exists (select from pg_stat_activity where wait_event_type = 'Lock')")
        await conn.execute("update sends set state = 'calling' where id = $1", claimed)
    await until(db, "select exists (select from suppressions)")
    assert not opting_out.done()
    await db.pool.execute("update sends set state = 'unknown' where id = $1", claimed)
    assert (await opting_out).calling == (claimed,)


async def until(db: Database, question: str) -> None:
    """Until the database says yes."""
    while not await db.pool.fetchval(question):  # noqa: ASYNC110 - the other side is a server
        await asyncio.sleep(0.005)


async def test_odd_urgent_facts_do_not_keep_the_good_ones_from_acting(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    await db.owner.execute("alter table suppressions add constraint odd check (phone_key <> 'm:553188000009')")
    body = messages(message("wamid.i", "SAIR", nth=9), message("wamid.j", "SAIR"))
    async with transaction(db.pool) as conn:
        receipt = await receive(conn, body, at=NOW, seal=SEAL)
    assert receipt.opt_outs == 1
    assert (await row(db, "contacts", person))["stopped_at"] == AT
