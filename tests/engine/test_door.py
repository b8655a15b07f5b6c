"""The door of webhooks on a real database: many deliveries in one transaction, and none of them in another's way."""

import asyncio

from julia_warmer.engine.door import Door
from julia_warmer.engine.intake import look_at, receive_all
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.incoming import AT, NOW, SEAL, add_fleet, add_out, add_person, message, messages, row, status, statuses
from tests.engine.test_intake_races import until


async def test_deliveries_at_once_share_transactions_and_each_is_kept_once(db: Database):
    await add_fleet(db.pool)
    door = Door(db.pool, SEAL)
    bodies = [statuses(status("delivered", f"wamid.{nth}")) for nth in range(60)]
    receipts = await asyncio.gather(*(door.take(body, at=NOW) for body in [*bodies, *bodies]))
    assert await db.pool.fetchval("select count(*) from inbox") == 60
    assert await db.pool.fetchval("select count(distinct xmin::text) from inbox") < 10
    assert await db.pool.fetchval("select min(deliveries) + max(deliveries) from inbox") == 4
    assert [receipt.repeated for receipt in receipts].count(True) == 60


async def test_ids_follow_the_order_of_arrival_within_a_group(db: Database):
    bodies = [statuses(status("delivered", f"wamid.{nth}")) for nth in range(20)]
    async with transaction(db.pool) as conn:
        receipts = await receive_all(conn, [look_at(body, at=NOW) for body in [*bodies, bodies[0]]], at=NOW, seal=SEAL)
    ids = [receipt.inbox_id for receipt in receipts]
    assert ids[:-1] == sorted(set(ids))
    assert ids[-1] == ids[0]
    assert [receipt.repeated for receipt in receipts] == [False] * 20 + [True]


async def test_requests_to_stop_of_one_group_each_wait_for_their_own_calls_alone(db: Database):
    fleet = await add_fleet(db.pool)
    people = [await add_person(db.pool, nth) for nth in range(3)]
    calling = await add_out(db.pool, fleet, people[1], message_id=None, state="calling", accepted_at=None)
    bodies = [messages(message(f"wamid.{nth}", "SAIR", nth=nth)) for nth in range(3)]
    async with transaction(db.pool) as conn:
        receipts = await receive_all(conn, [look_at(body, at=NOW) for body in bodies], at=NOW, seal=SEAL)
    assert [receipt.calling for receipt in receipts] == [(), (calling,), ()]
    assert [receipt.opt_outs for receipt in receipts] == [1, 1, 1]
    assert [(await row(db, "contacts", person))["stopped_at"] for person in people] == [AT] * 3


async def test_a_request_to_stop_that_waits_holds_up_no_status(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    calling = await add_out(db.pool, fleet, person, message_id=None, state="calling", accepted_at=None)
    door = Door(db.pool, SEAL)
    stopping = asyncio.create_task(door.take(messages(message("wamid.i", "SAIR")), at=NOW))
    await until(db, "select exists (select from suppressions)")
    other = await door.take(messages(message("wamid.j", "SAIR", nth=8)), at=NOW)
    calm = await door.take(statuses(status("delivered", "wamid.x")), at=NOW)
    assert not stopping.done()
    assert other.opt_outs == 1
    assert not calm.repeated
    await db.pool.execute("update sends set state = 'unknown' where id = $1", calling)
    assert (await stopping).calling == (calling,)


async def test_a_locked_person_holds_up_no_status(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    door = Door(db.pool, SEAL)
    async with transaction(db.pool) as conn:
        await conn.execute("select from contacts where id = $1 for update", person)
        stopping = asyncio.create_task(door.take(messages(message("wamid.i", "SAIR")), at=NOW))
        await until(db, "select exists (select from pg_stat_activity where wait_event_type = 'Lock')")
        await door.take(statuses(status("delivered", "wamid.x")), at=NOW)
        assert not stopping.done()
    assert (await stopping).opt_outs == 1


async def test_what_the_database_refuses_of_one_delivery_costs_the_others_nothing(db: Database):
    await add_fleet(db.pool)
    people = [await add_person(db.pool, nth) for nth in range(3)]
    await db.owner.execute("alter table suppressions add constraint odd check (phone_key <> 'm:553188000001')")
    door = Door(db.pool, SEAL)
    bodies = [messages(message(f"wamid.{nth}", "SAIR", nth=nth)) for nth in range(3)]
    receipts = await asyncio.gather(*(door.take(body, at=NOW) for body in bodies))
    assert [receipt.opt_outs for receipt in receipts] == [1, 0, 1]
    assert [bool((await row(db, "contacts", person))["stopped_at"]) for person in people] == [True, False, True]
    assert await db.pool.fetchval("select count(*) from inbox") == 3
