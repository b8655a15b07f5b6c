"""The owner's hand: commands for a chip, the big stop and its release, and what is written of each."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer import policies
from julia_warmer.core.commands import StopScope
from julia_warmer.engine import control
from julia_warmer.engine.control import Released
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.store import attempts, settlements
from julia_warmer.store.db import transaction
from julia_warmer.store.settlements import AcceptedSend
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT, Fleet, claim

POLICY = policies.load("standard")
BY: dict[str, Any] = {"by": "ana", "why": "a test", "at": AT, "policy": POLICY}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def add_fleet(db: Database, **more: Any) -> Fleet:
    async with transaction(db.pool) as conn:
        return await given.add_fleet(conn, **more)


async def chip_row(db: Database, fleet: Fleet) -> Any:
    return await db.pool.fetchrow("select * from chips where id = $1", fleet.chips[0])


async def told(db: Database) -> list[tuple[str, str, str, str]]:
    rows = await db.pool.fetch("select who, what, target, why from audit_log order by id")
    return [(row["who"], row["what"], row["target"], row["why"]) for row in rows]


LIFE = [
    # status before, command, status after
    ("pending", control.start_chip, "warming"),
    ("warming", control.pause_chip, "paused"),
    ("ready", control.activate_chip, "active"),
    ("active", control.retire_chip, "retired"),
    ("paused", control.resume_chip, "warming"),
]


async def test_a_command_changes_the_chip_and_is_written_down(db: Database):
    fleet = await add_fleet(db)
    target = f"chip:{fleet.chips[0]}"
    await db.pool.execute("insert into routes (name, kind, created_at) values ('page', 'page', $1)", AT)
    await db.pool.execute("update chips set route_id = (select id from routes)")
    for before, command, after in LIFE:
        await db.pool.execute(
            "update chips set status = $1::text, paused_from = case when $1 = 'paused' then 'warming' end, pauses = '[]'", before
        )
        async with transaction(db.pool) as conn:
            await command(conn, fleet.chips[0], **BY)
        row = await chip_row(db, fleet)
        assert row["status"] == after
        assert row["look_again_at"] == (None if after == "retired" else AT)
    assert [what for _, what, _, _ in await told(db)] == ["chip started", "chip paused", "chip activated", "chip retired", "chip resumed"]
    assert {(who, where, why) for who, _, where, why in await told(db)} == {("ana", target, "a test")}


REFUSED = [
    ("warming", control.start_chip, "only a pending chip is started"),
    ("pending", control.start_chip, "nobody would answer"),
    ("warming", control.resume_chip, "not paused"),
    ("warming", control.activate_chip, "only a ready chip"),
    ("retired", control.retire_chip, "retired already"),
]


async def test_what_cannot_be_done_is_refused_with_the_reason_and_leaves_no_trace(db: Database):
    fleet = await add_fleet(db)
    for before, command, reason in REFUSED:
        await db.pool.execute("update chips set status = $1", before)
        with pytest.raises(Conflict, match=reason):
            async with transaction(db.pool) as conn:
                await command(conn, fleet.chips[0], **BY)
    with pytest.raises(NotFound, match="no chip 999"):
        async with transaction(db.pool) as conn:
            await control.pause_chip(conn, 999, **BY)
    assert await told(db) == []


async def test_a_pause_keeps_its_place_and_a_resume_starts_at_half(db: Database):
    fleet = await add_fleet(db, budget=40)
    chip = fleet.chips[0]
    async with transaction(db.pool) as conn:
        await given.add_sends(conn, fleet, 2)
        await conn.execute("insert into chip_days (chip_id, day, accepted) values ($1, $2, 24)", chip, (AT - DAY).date())
        await control.pause_chip(conn, chip, **BY)
    row = await chip_row(db, fleet)
    assert (row["paused_from"], row["pauses"][0]["reason"], row["pauses"][0]["hard"]) == ("warming", "ana: a test", True)
    assert await given.states(db.pool) == {"cancelled": 2}
    async with transaction(db.pool) as conn:
        await control.resume_chip(conn, chip, **BY)
    row = await chip_row(db, fleet)
    assert (row["status"], row["phase"], row["risk_cap"], row["budget_day_max"], row["rearmed_at"]) == ("warming", "expansion", 12, 12, AT)


async def test_a_pause_reaches_sends_that_were_claimed(db: Database):
    fleet = await add_fleet(db)
    async with transaction(db.pool) as conn:
        await given.add_sends(conn, fleet, 2)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await control.pause_chip(conn, fleet.chips[0], **BY)
    async with transaction(db.pool) as conn:
        assert await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + HOUR, at=AT) == []
    assert await given.slots_open(db.pool) == 0


SCOPES = [
    (StopScope.EVERYTHING, lambda fleet: None),
    (StopScope.PORTFOLIO, lambda fleet: fleet.portfolio),
    (StopScope.ACCOUNT, lambda fleet: fleet.account),
    (StopScope.CHIP, lambda fleet: fleet.chips[0]),
    (StopScope.CAMPAIGN, lambda fleet: fleet.campaign),
    (StopScope.TEMPLATE, lambda fleet: fleet.template),
]


@pytest.mark.pg15
async def test_no_call_of_a_stopped_scope_begins_until_it_is_released(db: Database):
    fleet = await add_fleet(db)
    async with transaction(db.pool) as conn:
        await given.add_sends(conn, fleet, 1)
    for nth, (scope, target_of) in enumerate(SCOPES):
        target = target_of(fleet)
        taken = (await claim(db.pool, fleet)).taken
        assert len(taken) == 1, scope
        async with transaction(db.pool) as conn:
            stopped = await control.stop(conn, scope, target, by="ana", why="a test", at=AT)
        assert (stopped.new, stopped.calls) == (True, 0)
        async with transaction(db.pool) as conn:
            assert await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + HOUR, at=AT) == [], scope
        assert (await claim(db.pool, fleet)).taken == (), scope
        async with transaction(db.pool) as conn:
            again = await control.stop(conn, scope, target, by="rui", why="twice", at=AT)
            released = await control.release(conn, scope, target, by="ana", why="mended", at=AT, policy=POLICY)
        assert (again.new, again.stop_id, released.stop_id) == (False, stopped.stop_id, stopped.stop_id)
        assert [what for _, what, _, _ in await told(db)] == ["stopped", "released"] * (nth + 1)
        await db.pool.execute("update chips set budget_day_max = 100")


async def test_a_release_rearms_the_chips_that_were_sending(db: Database):
    fleet = await add_fleet(db, chips=4, budget=40)
    sending, resting, paused, setting_up = fleet.chips
    async with transaction(db.pool) as conn:
        await conn.execute("insert into chip_days (chip_id, day, accepted) values ($1, $2, 31)", sending, (AT - 2 * DAY).date())
        await conn.execute("update chips set status = 'paused', paused_from = 'warming' where id = $1", paused)
        await conn.execute("update chips set phase = 'setup' where id = $1", setting_up)
        stopped = await control.stop(conn, StopScope.ACCOUNT, fleet.account, by="ana", why="a test", at=AT)
    async with transaction(db.pool) as conn:
        released = await control.release(conn, stop_id=stopped.stop_id, by="ana", why="mended", at=AT + DAY, policy=POLICY)
    assert released == Released(stopped.stop_id, (sending, resting, setting_up))
    rows = await db.pool.fetch("select risk_cap, rearmed_at, status from chips order by id")
    assert [tuple(row) for row in rows] == [
        (15, AT + DAY, "warming"),
        (5, AT + DAY, "warming"),
        (None, None, "paused"),
        (None, AT + DAY, "warming"),
    ]


async def test_a_stop_needs_a_target_that_exists(db: Database):
    fleet = await add_fleet(db)
    async with transaction(db.pool) as conn:
        for scope, target, error in (
            (StopScope.EVERYTHING, 1, Wrong),
            (StopScope.CHIP, None, Wrong),
            (StopScope.CHIP, 999, NotFound),
            (StopScope.TEMPLATE, 999, NotFound),
        ):
            with pytest.raises(error):
                await control.stop(conn, scope, target, by="ana", why="a test", at=AT)
        with pytest.raises(NotFound):
            await control.release(conn, StopScope.CHIP, fleet.chips[0], by="ana", why="a test", at=AT, policy=POLICY)


async def test_a_stop_waits_for_the_calls_that_were_on_their_way(db: Database):
    fleet = await add_fleet(db)
    async with transaction(db.pool) as conn:
        await given.add_sends(conn, fleet, 1)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        (call,) = await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + HOUR, at=AT)
    waiting = asyncio.ensure_future(_stop(db))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    async with transaction(db.pool) as conn:
        await settlements.lock_people_of(conn, [call.send_id])
        await settlements.accept_sends(conn, [AcceptedSend(send_id=call.send_id, message_id="wamid.1")], at=AT)
    assert await waiting == 1
    assert await given.states(db.pool) == {"accepted": 1}


async def test_a_stop_waits_a_second_and_no_longer(db: Database):
    fleet = await add_fleet(db)
    async with transaction(db.pool) as conn:
        await given.add_sends(conn, fleet, 1)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + HOUR, at=AT)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await _stop(db) == 1
    assert 0.9 < loop.time() - began < 3


async def _stop(db: Database) -> int:
    async with transaction(db.pool) as conn:
        return (await control.stop(conn, StopScope.EVERYTHING, None, by="ana", why="a test", at=AT)).calls


@pytest.mark.pg15
@pytest.mark.parametrize(("was_sent", "state", "slots", "accepted"), [(True, "accepted", 1, 1), (False, "cancelled", 0, None)])
async def test_a_person_says_what_became_of_an_unknown_send(was_sent: bool, state: str, slots: int, accepted: int | None, db: Database):
    fleet = await add_fleet(db)
    async with transaction(db.pool) as conn:
        (send,) = await given.add_sends(conn, fleet, 1)
    taken = (await claim(db.pool, fleet)).taken
    async with transaction(db.pool) as conn:
        await attempts.begin_calls(conn, taken, worker="one", lease_until=AT + HOUR, at=AT)
        await settlements.lose_sends(conn, [send], at=AT)
    assert await given.counts(db.pool) == {"unknown": 1}
    async with transaction(db.pool) as conn:
        await control.resolve_unknown(conn, send, was_sent, by="ana", why="asked the person", at=AT + HOUR)
    assert await given.states(db.pool) == {state: 1}
    assert await given.slots_open(db.pool, AT + HOUR) == slots
    assert (await given.counts(db.pool)).get("accepted") == accepted
    assert "unknown" not in await given.counts(db.pool)
    with pytest.raises(Conflict, match="not unknown"):
        async with transaction(db.pool) as conn:
            await control.resolve_unknown(conn, send, was_sent, by="ana", why="again", at=AT + HOUR)
    assert [what for _, what, _, _ in await told(db)] == [f"unknown send resolved: {'was sent' if was_sent else 'was not sent'}"]
