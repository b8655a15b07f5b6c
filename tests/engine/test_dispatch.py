"""Dispatch against the sandbox: what it sends, what must not be asked, and what comes of what nobody knows."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from julia_warmer.cloud.answers import Accepted, Refused
from julia_warmer.cloud.client import Limits
from julia_warmer.core.commands import StopScope
from julia_warmer.core.model import Media
from julia_warmer.engine import control
from julia_warmer.engine.settle import Answer, Rules, settle
from julia_warmer.store import attempts, settlements, sweeps
from julia_warmer.store.db import transaction
from julia_warmer.store.seal import Seal
from julia_warmer.store.settlements import AcceptedSend
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT
from tests.engine.sending import Line, called, only_send, opened, until

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = Rules(attempts_max=3, limited_wait_h=24.0)


async def test_what_is_due_is_sent_once_and_counted(db: Database):
    async with opened(db, chips=2, sends=30) as line:
        done = await line.dispatch()
        assert (done.claimed, done.accepted, done.unknown, done.failed) == (30, 30, 0, 0)
        assert len({row["ours"] for row in line.ledger()}) == len(line.ledger()) == 30
        assert (await line.dispatch()).claimed == 0
    counts = await given.counts(db.pool)
    assert (counts["accepted"], counts.get("unknown"), await given.slots_open(db.pool)) == (30, None, 30)
    assert await db.pool.fetchval("select sum(accepted) from chip_days") == 30
    row = await db.pool.fetchrow("select * from sends join contacts on contacts.id = contact_id order by sends.id limit 1")
    assert (row["state"], row["accepted_at"], row["first_in_week"], row["cap_day"]) == ("accepted", AT, True, AT.date())
    assert row["message_id"].startswith("wamid.")
    assert (row["chip_id"], row["assigned_at"], row["last_accepted_at"], row["wa_id"]) == (
        line.fleet.chips[0],
        AT,
        AT,
        row["phone"].removeprefix("+"),
    )
    attempts = await db.pool.fetch("select distinct outcome, http, ended_at from attempts")
    assert [tuple(attempt) for attempt in attempts] == [("accepted", 200, AT)]


async def test_a_run_is_the_same_each_time(db: Database):
    """Two fleets that are alike tell their sends in the same order."""
    orders: list[list[int]] = []
    for name, first in (("one", 0), ("two", 1000)):
        async with opened(db, chips=3, sends=20, name=name, first=first, send_concurrency=1) as line:
            await line.dispatch()
            orders.append([int(row["to"][-4:]) - first for row in line.ledger()])
    assert orders == [list(range(20))] * 2


async def test_a_reply_goes_out_in_the_window_and_ends_the_wait(db: Database):
    async with opened(db) as line:
        async with transaction(db.pool) as conn:
            person = await given.add_person(conn, 0, consent=None)
            await conn.execute(
                "insert into conversations (chip_id, contact_id, window_until, waiting) values ($1, $2, $3, true)",
                line.fleet.chips[0],
                person,
                AT + HOUR,
            )
            await given.add_reply(conn, line.fleet, person, text="Sim, há vagas no sábado.")
        line.sandbox.bench.world.say("pn-one-0", "5511980000000", "Tem vaga?", at=AT)
        done = await line.dispatch()
        assert done.accepted == 1
        assert [row["type"] for row in line.ledger()] == ["text"]
    assert await db.pool.fetchval("select waiting from conversations") is False
    assert await given.counts(db.pool) == {"media": Media.TEXT}  # a reply is in no rate


# ------------------------------------------------------------------ nobody knows

DOUBTS = ["accept_then_drop", "half_answer", "error_500", "hang"]


async def test_an_unclear_answer_is_never_followed_by_a_second_request(db: Database):
    async with opened(db, sends=len(DOUBTS), limits=Limits(total_s=0.3)) as line:
        for what in DOUBTS:
            line.faults({"what": what, "s": 5.0})
            assert (await line.dispatch(limit=1)).unknown == 1, what
            await db.pool.execute("delete from throttles")
        line.faults()
        assert await given.counts(db.pool) == {"unknown": 4}
        for days in range(1, 9):
            line.move(AT + days * DAY)
            await line.sweep()
            await line.dispatch()
        assert (await line.states(), len(line.ledger())) == ({"unknown": 4}, 4)
        assert await given.slots_open(db.pool, AT + DAY - SECOND) == 4
        assert await given.slots_open(db.pool, AT + DAY) == 0


async def test_a_status_settles_what_nobody_knew(db: Database):
    async with opened(db, sends=1) as line:
        line.faults({"what": "accept_then_drop"})
        await line.dispatch()
        row = await only_send(line)
        async with transaction(db.pool) as conn:
            await settlements.lock_people_of(conn, [row["id"]])
            accepted = AcceptedSend(send_id=row["id"], message_id="wamid.late")
            assert await settlements.accept_sends(conn, [accepted], at=AT + HOUR) == {row["id"]}
            assert await settlements.accept_sends(conn, [accepted], at=AT + 2 * HOUR) == set()  # once
    row = await only_send(line)
    assert (row["state"], row["message_id"], row["accepted_at"]) == ("accepted", "wamid.late", AT + HOUR)
    counts = await given.counts(db.pool)
    assert (counts["accepted"], counts.get("unknown")) == (1, None)
    assert await given.slots_open(db.pool, AT + 35 * HOUR) == 1  # its time-to-live, and a day


async def test_the_answer_may_come_after_the_first_status(db: Database):
    async with opened(db, sends=1) as line:
        line.faults({"what": "hold"})
        sending = asyncio.ensure_future(line.dispatch())
        await until(lambda: _holds(line, 1))
        row = await only_send(line)
        async with transaction(db.pool) as conn:
            await settlements.lock_people_of(conn, [row["id"]])
            await settlements.accept_sends(conn, [AcceptedSend(send_id=row["id"], message_id=line.ledger()[0]["message_id"])], at=AT)
            await conn.execute("update sends set state = 'delivered', delivered_at = $1", AT)
        line.sandbox.bench.faults.release()
        await sending
    assert (await only_send(line))["state"] == "delivered"
    assert (await given.counts(db.pool))["accepted"] == 1


async def _holds(line: Line, number: int) -> bool:
    return line.sandbox.bench.faults.holding == number


async def test_held_is_a_state_of_its_own_however_late_it_is_told(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        await given.add_sends(conn, fleet, 2)
        first, second = await called(conn, fleet)
        await settlements.accept_sends(conn, [AcceptedSend(send_id=second.send_id, message_id="wamid.2")], at=AT)
    async with transaction(db.pool) as conn:
        answers = [Answer(call, Accepted(message_id=f"wamid.{n}", held=True)) for n, call in enumerate((first, second), 1)]
        await settle(conn, answers, rules=RULES, at=AT)
        await settle(conn, answers, rules=RULES, at=AT)  # once
    rows = await db.pool.fetch("select state, was_held from sends order by id")
    assert [tuple(row) for row in rows] == [("held", True), ("accepted", True)]
    counts = await given.counts(db.pool)
    assert (counts["accepted"], counts["held"]) == (2, 2)


async def test_a_refusal_that_comes_after_the_sweep_is_not_planned_again(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        await given.add_sends(conn, fleet, 1)
        (call,) = await called(conn, fleet)
    async with transaction(db.pool) as conn:
        assert (await sweeps.sweep_sends(conn, lost_before=AT + HOUR, most=10, at=AT + HOUR)).lost == 1
        await settle(conn, [Answer(call, Refused(code=130429, http=400, message="slow down"))], rules=RULES, at=AT + HOUR)
    assert await given.states(db.pool) == {"failed": 1}
    assert await given.counts(db.pool) == {}


# ------------------------------------------------------------------ what must not be asked


async def test_a_stop_that_comes_between_claim_and_call_wins(db: Database):
    async with opened(db, sends=10, send_concurrency=1) as line:
        line.faults({"what": "hold"})
        sending = asyncio.ensure_future(line.dispatch(limit=4))
        await until(lambda: _holds(line, 1))
        stopping = asyncio.ensure_future(_stop_all(line))
        await until(lambda: _waits_or_done(stopping, line))
        line.faults()
        stopped = await stopping
        done = await sending
        told = len(line.ledger())
        assert stopped.calls > 0
        assert (await line.dispatch()).claimed == 0
        assert len(line.ledger()) == told == done.accepted


async def _stop_all(line: Line) -> control.Stopped:
    async with transaction(line.db.pool) as conn:
        return await control.stop(conn, StopScope.EVERYTHING, None, by="ana", why="a test", at=AT)


async def _waits_or_done(stopping: "asyncio.Task[control.Stopped]", line: Line) -> bool:
    """The stop is written, and has counted the calls that it waits for."""
    waits = """
        select count(*) from pg_stat_activity
        where datname = current_database() and state = 'idle in transaction' and query like 'select count(*)::int%'
    """
    return stopping.done() or await line.db.owner.fetchval(waits) > 0


async def test_a_request_that_cannot_begin_in_time_does_not_begin(db: Database):
    """One at a time, and each takes longer than there is: what was not begun goes back and is sent by the next batch."""
    async with opened(db, sends=3, send_concurrency=1) as line:
        line.faults({"what": "slow", "s": 1.1, "count": 1})
        done = await line.dispatch()
        assert (done.accepted, done.again) == (3, 2)
        assert len(line.ledger()) == 3
    assert sorted(row["attempts"] for row in await db.pool.fetch("select attempts from sends")) == [1, 2, 2]


async def test_a_zombie_makes_no_call(db: Database):
    async with opened(db, sends=2) as line:
        async with transaction(db.pool) as conn:
            zombies = (await given.claimer("zombie").claim(conn, line.fleet.portfolio, limit=2, at=AT)).taken
        line.move(AT + MINUTE)
        assert (await line.sweep()).released == 2
        assert (await line.dispatch(worker="heir")).accepted == 2
        async with transaction(db.pool) as conn:
            assert await attempts.begin_calls(conn, zombies, worker="zombie", lease_until=AT + DAY, at=AT + MINUTE) == []
        assert len(line.ledger()) == 2


async def test_a_lease_that_ran_out_is_not_used_though_nobody_took_over(db: Database):
    async with opened(db, sends=1) as line:
        async with transaction(db.pool) as conn:
            taken = (await given.claimer("slow").claim(conn, line.fleet.portfolio, limit=1, at=AT)).taken
        async with transaction(db.pool) as conn:
            assert await attempts.begin_calls(conn, taken, worker="slow", lease_until=AT + DAY, at=AT + MINUTE) == []
        assert (await line.states(), await given.slots_open(db.pool, AT + MINUTE)) == ({"planned": 1}, 0)


async def test_a_call_that_lost_its_worker_becomes_unknown_and_stays_so(db: Database):
    async with opened(db, sends=1) as line:
        async with transaction(db.pool) as conn:
            await called(conn, line.fleet, worker="dead")
        line.move(AT + MINUTE + 59 * SECOND)
        assert (await line.sweep()).lost == 0
        line.move(AT + 2 * MINUTE)
        assert (await line.sweep()).lost == 1
        for hours in range(1, 30):
            line.move(AT + hours * HOUR)
            await line.sweep()
            assert (await line.dispatch()).claimed == 0
        assert (await line.states(), line.ledger(), await given.counts(db.pool)) == ({"unknown": 1}, [], {"unknown": 1})


async def test_what_was_not_sent_in_time_expires(db: Database):
    async with opened(db, sends=2) as line:
        await db.pool.execute("update chips set status = 'paused', paused_from = 'warming'")
        line.move(AT + 6 * HOUR)
        assert (await line.sweep()).expired == 2
        row = await db.pool.fetchrow("select * from sends limit 1")
        assert (row["state"], row["reason"]) == ("expired", "not sent in time")


async def test_a_cancelled_worker_settles_what_it_has_begun(db: Database):
    async with opened(db, sends=6, send_concurrency=2) as line:
        line.faults({"what": "hold"})
        sending = asyncio.ensure_future(line.dispatch(limit=2))
        await until(lambda: _holds(line, 2))
        sending.cancel()
        line.faults()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await line.states(), len(line.ledger())) == ({"accepted": 2, "planned": 4}, 2)


async def test_a_token_that_cannot_be_opened_stops_its_account_and_harms_nobody(db: Database):
    async with opened(db, sends=2) as line:
        line.parts = replace(line.parts, seal=Seal(b"x" * 32))
        await line.dispatch()
        assert (await line.states(), await given.slots_open(db.pool)) == ({"planned": 2}, 0)
        assert await db.pool.fetchval("select scope from stops") == "account"
        assert await db.pool.fetchval("select count(*) from alerts") == 1


async def test_a_platform_that_cannot_be_reached_costs_nobody_a_message(db: Database):
    async with opened(db, sends=5) as line:
        await line.sandbox.close()
        await line.dispatch()
        assert (await line.states(), await given.slots_open(db.pool), await given.counts(db.pool)) == ({"planned": 5}, 0, {})
        assert await db.pool.fetchval("select until_at from throttles where scope = 'app'") == AT + 5 * SECOND


async def test_a_chip_begins_no_more_in_a_second_than_it_may(db: Database):
    async with opened(db, sends=12, messages_per_second=5) as line:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await line.dispatch()).accepted == 12
        assert loop.time() - began >= 2.0
