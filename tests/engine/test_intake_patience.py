"""Intake that waits for nobody: a person whom somebody else holds costs neither their neighbours a delay nor themselves a fact."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from julia_warmer.clock import VirtualClock
from julia_warmer.engine.erasure import erase_person
from julia_warmer.engine.intake import BODY_USE, Applied, apply_inbox, work_off
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    add_fleet,
    add_out,
    add_person,
    change,
    cohorts,
    deliver,
    message,
    phone_of,
    quarantined,
    status,
    statuses,
    webhook,
)
from tests.engine.outgoing import Fleet
from tests.engine.sending import until
from tests.engine.test_claim_races import blocked

pytestmark = pytest.mark.pg15

MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def held(db: Database, person: int) -> AsyncIterator[None]:
    """Somebody else has this person's row, as a settlement or an opt-out has it for a moment."""
    async with transaction(db.owner) as other:
        await other.execute("select from warmer.contacts where id = $1 for no key update", person)
        yield


async def two_people(db: Database) -> tuple[Fleet, list[int]]:
    """Each with a message that is out: wamid.0 and wamid.1."""
    fleet = await add_fleet(db.pool)
    people = [await add_person(db.pool, nth) for nth in range(2)]
    for nth, person in enumerate(people):
        await add_out(db.pool, fleet, person, message_id=f"wamid.{nth}")
    return fleet, people


async def apply_free(db: Database, **more: Any) -> Applied:
    async with transaction(db.pool) as conn:
        return await apply_inbox(conn, at=NOW, seal=SEAL, patient=False, **more)


async def state_of(db: Database, nth: int) -> str:
    return await db.pool.fetchval("select state from sends where message_id = $1", f"wamid.{nth}")


async def delivered(db: Database, nth: int) -> bool:
    return await state_of(db, nth) == "delivered"


async def waiting(db: Database) -> int:
    return await db.pool.fetchval("select count(*) from inbox where applied_at is null")


async def test_who_is_held_is_left_and_their_neighbours_are_not(db: Database):
    fleet, (first, _) = await two_people(db)
    odd = status("vanished", "wamid.1", AT + MINUTE, nth=1)
    both = statuses(status("delivered", "wamid.0", AT + MINUTE), odd, status("delivered", "wamid.1", AT + MINUTE, nth=1))
    await deliver(db, both, statuses(status("read", "wamid.1", AT + 2 * MINUTE, nth=1)))
    async with held(db, first):
        applied = await apply_free(db)
        assert (applied.bodies, applied.left, applied.facts, applied.new, applied.quarantined) == (1, 1, 2, 2, 0)
        assert (await state_of(db, 0), await state_of(db, 1), await waiting(db)) == ("accepted", "read", 1)
        again = await apply_free(db)
        assert (again.bodies, again.left, again.new) == (0, 1, 0)
    last = await apply_free(db)
    assert (last.bodies, last.left, last.facts, last.new, last.quarantined) == (1, 0, 3, 1, 1)
    assert (await state_of(db, 0), await waiting(db), len(await quarantined(db))) == ("delivered", 0, 1)
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 2, "delivered": 2, "reached": 2, "read": 1}


async def test_when_nothing_else_waits_a_worker_waits_for_them(db: Database):
    _, (first, _) = await two_people(db)
    await deliver(db, *[statuses(status(what, f"wamid.{nth}", AT + MINUTE, nth=nth)) for what in ("sent", "delivered") for nth in range(2)])
    async with held(db, first):
        work = asyncio.create_task(work_off(db.pool, clock=VirtualClock(NOW), seal=SEAL))
        await until(partial(delivered, db, 1))
        await blocked(db, 1)
        assert (await state_of(db, 0), await waiting(db)) == ("accepted", 2)
    assert (await work).new == 4
    assert (await state_of(db, 0), await waiting(db)) == ("delivered", 0)


async def test_an_answer_and_a_stranger_of_one_body_wait_apart(db: Database):
    """A held person's words wait; somebody who writes for the first time becomes a contact meanwhile, once."""
    _, (first, _) = await two_people(db)
    body = webhook(change(messages=[message("in.0", "Oi!", AT + MINUTE), message("in.9", "Quem é?", AT + MINUTE, nth=9)]))
    await deliver(db, body)
    async with held(db, first):
        assert (await apply_free(db)).new == 1
        assert await db.pool.fetch("select message_id from received") == [("in.9",)]
    assert (await apply_free(db)).new == 1
    assert await db.pool.fetchval("select count(*) from received") == 2
    assert await db.pool.fetchval("select count(*) from contacts") == 3


async def test_a_body_that_is_read_again_is_not_emptied_for_somebody_who_was_erased(db: Database):
    _, (first, _) = await two_people(db)
    async with transaction(db.pool) as conn:
        await erase_person(conn, f"+{phone_of(1)}", seal=SEAL, at=NOW, by="ana", why="asked by mail")
    about_both = statuses(status("delivered", "wamid.0", AT + MINUTE), status("delivered", "wamid.1", AT + MINUTE, nth=1))
    await deliver(db, about_both)
    async with held(db, first):
        assert (await apply_free(db)).left == 1
        assert await read_body(db) == about_both
    assert (await apply_free(db)).new == 1
    assert (await state_of(db, 0), await read_body(db)) == ("delivered", b"{}")


async def read_body(db: Database) -> bytes:
    return SEAL.open(await db.pool.fetchval("select body from inbox"), use=BODY_USE)


@pytest.mark.parametrize("seed", range(5))
async def test_many_lanes_over_the_same_people_count_each_fact_once(db: Database, seed: int):
    """Four workers, so eight lanes, over 400 bodies about six people: whatever is left is applied later, and nothing twice."""
    fleet = await add_fleet(db.pool)
    for nth in range(6):
        await add_out(db.pool, fleet, await add_person(db.pool, nth), message_id=f"wamid.{nth}")
    told = [(what, nth) for nth in range(6) for what in ("sent", "delivered", "read")]
    bodies = [
        statuses(*[status(what, f"wamid.{nth}", AT + MINUTE, nth=nth) for what, nth in (told[at % 18], told[(at * (seed + 5) + 1) % 18])])
        for at in range(400)
    ]
    await deliver(db, *bodies)
    done = await asyncio.gather(*[work_off(db.pool, clock=VirtualClock(NOW), seal=SEAL) for _ in range(4)])
    assert await waiting(db) == 0
    assert sum(one.new for one in done) == 18
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 6, "delivered": 6, "reached": 6, "read": 6}
