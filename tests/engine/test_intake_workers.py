"""Several workers apply at once: what meets at the same people and the same counts ends right, and no batch is given up for it."""

import asyncio
from datetime import timedelta
from itertools import combinations

import pytest

from julia_warmer.clock import VirtualClock
from julia_warmer.engine.intake import apply_inbox, work_off
from julia_warmer.store.db import transaction
from julia_warmer.store.facts import HourCounts, add_counts
from tests.conftest import Database
from tests.engine.incoming import AT, NOW, SEAL, add_fleet, add_out, add_person, change, cohorts, deliver, row, status, statuses, webhook
from tests.engine.test_claim_races import blocked

MINUTE = timedelta(minutes=1)


async def test_a_batch_that_a_deadlock_undid_is_applied_at_once_again(db: Database):
    """Another writer, as dispatch may be, has the counts of the second chip and then wants those of the first: crosswise."""
    fleet = await add_fleet(db.pool, chips=2)
    for nth in range(2):
        await add_out(db.pool, fleet, await add_person(db.pool, nth), message_id=f"wamid.{nth}", chip=nth)
    told = [change(chip=nth, statuses=[status("delivered", f"wamid.{nth}", AT + MINUTE, nth=nth)]) for nth in range(2)]
    await deliver(db, webhook(*told))
    first, second = fleet.chips
    async with transaction(db.owner) as other:
        await other.execute("set local deadlock_timeout = '30s'")  # so that the intake notices first, and is the one to give way
        await add_counts(other, {(second, AT): HourCounts(spam=1)})
        applying = asyncio.create_task(work_off(db.pool, clock=VirtualClock(NOW), seal=SEAL))
        await blocked(db, 1)
        await add_counts(other, {(first, AT): HourCounts(spam=1)})
    assert (await applying).new == 2
    for chip in fleet.chips:
        assert await cohorts(db, chip) == {"accepted": 1, "delivered": 1, "reached": 1}
    assert await db.pool.fetchval("select sum(spam)::int from chip_counts") == 2


STATUSES = ("sent", "delivered", "read", "failed")
ENDS = {
    frozenset(("sent", "delivered")): "delivered",
    frozenset(("sent", "failed")): "failed",
    frozenset(("delivered", "failed")): "delivered",
}


@pytest.mark.parametrize("pair", list(combinations(STATUSES, 2)), ids="-".join)
async def test_two_workers_with_two_deliveries_of_one_message_end_alike(db: Database, pair: tuple[str, str]):
    """Both have begun before either may go on: the person is held, and let go when both wait."""
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_out(db.pool, fleet, person, message_id="wamid.1")
    for nth, what in enumerate(pair):
        await deliver(db, statuses(status(what, "wamid.1", AT + nth * MINUTE, code=131047 if what == "failed" else None)))

    async def work() -> int:
        async with transaction(db.pool) as conn:
            return (await apply_inbox(conn, at=NOW, seal=SEAL, limit=1)).new

    async with transaction(db.pool) as conn:
        await conn.execute("select from contacts where id = $1 for update", person)
        workers = [asyncio.create_task(work()) for _ in range(2)]
        await blocked(db, 2)
    assert await asyncio.gather(*workers) == [1, 1]
    end = ENDS.get(frozenset(pair), "read")
    assert (await row(db, "sends", send))["state"] == end
    arrived = {"delivered": 1, "reached": 1} if end != "failed" else {"failed": 1}
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, **arrived, **({"read": 1} if end == "read" else {})}
