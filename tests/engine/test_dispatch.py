"""Dispatch against the sandbox: what it sends, how every answer is settled, and what it never does twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.cloud.answers import Accepted, Refused, Unclear
from julia_warmer.cloud.client import Limits
from julia_warmer.cloud.codes import TABLE, Acceptance, Action, Outcome
from julia_warmer.core.commands import StopScope
from julia_warmer.core.model import Media
from julia_warmer.engine import control
from julia_warmer.engine.doubts import DOUBTS_MAX
from julia_warmer.engine.message import body_of, fill, media_in
from julia_warmer.engine.settle import Answer, Rules, settle
from julia_warmer.store import attempts, settlements, sweeps
from julia_warmer.store.attempts import Call
from julia_warmer.store.db import transaction
from julia_warmer.store.seal import Seal
from julia_warmer.store.settlements import AcceptedSend
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT
from tests.engine.sending import Line, opened

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = Rules(attempts_max=3, limited_wait_h=24.0)


async def until(met: Any) -> None:
    """Wait for something that another task or process brings about."""
    async with asyncio.timeout(30):
        while not await met():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


async def only_send(line: Line) -> Any:
    return await line.db.pool.fetchrow("select * from sends")


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


# ------------------------------------------------------------------ answers

ANSWERS = [
    # code, state, planned again after so many seconds, slot kept, throttled, stopped
    (4, "planned", 60, False, "app", None),
    (80007, "planned", 60, False, "account", None),
    (130429, "planned", 5, False, "chip", None),
    (131057, "planned", 60, False, "chip", None),
    (131056, "planned", 1, False, None, None),
    (131000, "unknown", None, True, None, None),
    (131016, "unknown", None, True, "app", None),
    (100, "failed", None, True, None, None),
    (131026, "failed", None, True, None, None),
    (131049, "failed", None, True, None, None),
    (131050, "failed", None, True, None, None),
    (132000, "failed", None, True, None, "template"),
    (131048, "failed", None, True, None, None),
    (190, "failed", None, True, None, "account"),
    (10, "failed", None, True, None, "account"),
    (133010, "failed", None, True, None, "chip"),
    (999_999, "failed", None, True, None, None),
]


async def test_a_refusal_is_settled_by_its_code(db: Database):
    async with opened(db, sends=len(ANSWERS)) as line:
        for code, state, after_s, keeps, throttled, stopped in ANSWERS:
            line.faults({"what": "refuse", "code": code})
            done = await line.dispatch(limit=1)
            row = await db.pool.fetchrow("select * from sends where attempts = 1 and reason <> 'seen' order by id limit 1")
            slots = await db.pool.fetchval("select count(*) from budget_uses where send_id = $1 and until_at > $2", row["id"], AT)
            assert (row["state"], done.again, done.failed, done.unknown) == (
                state,
                state == "planned",
                state == "failed",
                state == "unknown",
            ), code
            assert (slots, row["cap_day"] is not None) == (keeps, keeps), code
            assert after_s is None or row["due_at"] == AT + timedelta(seconds=after_s), code
            assert await db.pool.fetchval("select max(scope) from throttles") == throttled, code
            assert await db.pool.fetchval("select max(scope) from stops") == stopped, code
            await _forget(db, row["id"])
        assert line.ledger() == []


async def _forget(db: Database, send: int) -> None:
    """As if this send and what followed from it had never been."""
    await db.pool.execute("update sends set reason = 'seen', state = 'cancelled' where id = $1", send)
    await db.pool.execute("delete from throttles")
    await db.pool.execute("delete from stops")
    await db.pool.execute("update chips set status = 'warming', paused_from = null, pauses = '[]'")


async def test_every_code_settles_as_its_value_says(db: Database):
    """All codes of the table, against what `Code` says of them: nothing that may have been taken is ever planned again."""
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        await given.add_sends(conn, fleet, 1)
    async with db.pool.acquire() as conn:
        (call,) = await _called(conn, fleet)
        for code in TABLE:
            tried = conn.transaction()
            await tried.start()
            http = None if code.number < 0 else 400
            await settle(conn, [Answer(call, Refused(code=code.number, http=http, message="no"))], rules=RULES, at=AT)
            state = await conn.fetchval("select state from sends")
            never_asked = http is None
            expected = "planned" if never_asked else {"retry": "planned", "unknown": "unknown", "failed": "failed"}[code.outcome]
            assert state == expected, code
            assert state != "planned" or never_asked or code.accepted is Acceptance.NO, code
            await tried.rollback()


async def _called(conn: Any, fleet: given.Fleet, *, worker: str = "one") -> list[Call]:
    taken = (await given.claimer(worker).claim(conn, fleet.portfolio, limit=50, at=AT)).taken
    return await attempts.begin_calls(conn, taken, worker=worker, lease_until=AT + MINUTE, at=AT)


async def test_a_hard_code_pauses_the_chip_and_tells_a_person(db: Database):
    async with opened(db, chips=2, sends=20) as line:
        line.faults({"what": "refuse", "code": 131048, "phone": "pn-one-0"})
        await line.dispatch()
        rows = await db.pool.fetch("select status, pauses from chips order by id")
        assert [row["status"] for row in rows] == ["paused", "warming"]
        assert rows[0]["pauses"][0]["hard"] is True
        assert await db.pool.fetchval("select count(*) from alerts where level = 'critical'") >= 1
        assert (await given.counts(db.pool))["spam"] == 1
        assert {row["chip"] for row in line.ledger()} == {"pn-one-1"}
        line.faults()
        assert (await line.dispatch()).claimed == 0


async def test_what_a_refusal_says_of_a_person_is_kept(db: Database):
    async with opened(db, sends=3) as line:
        for nth, code in enumerate((131026, 131049, 131050)):
            line.faults({"what": "refuse", "code": code})
            await line.dispatch(limit=1)
            assert len(await db.pool.fetch("select from sends where state = 'failed'")) == nth + 1
    rows = await db.pool.fetch("select undeliverable_at, cooldown_until, platform_stopped_at from contacts order by id")
    assert (rows[0]["undeliverable_at"], rows[1]["cooldown_until"]) == (AT, AT + DAY)
    assert await db.pool.fetchval("select count(*) from suppressions where purpose = 'marketing'") == 1


async def test_a_send_gives_up_after_so_many_refusals(db: Database):
    async with opened(db, sends=1, attempts_max=3) as line:
        line.faults({"what": "refuse", "code": 131056})
        waits = []
        for _ in range(3):
            await line.dispatch()
            row = await only_send(line)
            waits.append(row["due_at"] - line.clock.at)
            line.move(max(row["due_at"], line.clock.at))
        assert waits[:2] == [1 * SECOND, 4 * SECOND]
        assert (row["state"], row["attempts"], row["code"]) == ("failed", 3, 131056)
        assert await given.slots_open(db.pool, line.clock.at) == 0


async def test_a_throttle_holds_its_scope_and_nothing_else(db: Database):
    async with opened(db, chips=2, sends=20) as line:
        line.faults({"what": "refuse", "code": 130429, "phone": "pn-one-0"})
        await line.dispatch()
        assert {row["chip"] for row in line.ledger()} == {"pn-one-1"}
        line.faults()
        line.move(AT + 4 * SECOND)
        assert (await line.dispatch()).claimed == 0
        line.move(AT + 5 * SECOND)
        assert (await line.dispatch()).accepted == 10  # one probe first, then the others
        assert await db.pool.fetchval("select count(*) from throttles") == 0


async def test_a_chip_that_hangs_holds_up_nobody_else(db: Database):
    """Not even what falls due while it hangs, and two messages of it at most are on the way."""
    async with opened(db, chips=2, sends=20) as line:
        line.faults({"what": "hold", "phone": "pn-one-0"})
        sending = asyncio.ensure_future(line.dispatch())
        await until(lambda: _has_accepted(db, 10))
        async with transaction(db.pool) as conn:
            await given.add_sends(conn, line.fleet, 5, first=100, chip=1)
        await until(lambda: _has_accepted(db, 15))
        assert (await line.states())["calling"] <= 2
        line.faults()
        assert (await sending).accepted == 25


async def _has_accepted(db: Database, number: int) -> bool:
    return await db.pool.fetchval("select count(*) from sends where state = 'accepted'") == number


async def test_a_sick_platform_is_only_probed(db: Database):
    async with opened(db, sends=40) as line:
        line.faults({"what": "error_500"})
        await line.dispatch()
        lost = (await line.states())["unknown"]
        for _ in range(5):
            line.move(await db.pool.fetchval("select until_at from throttles"))
            assert (await line.dispatch()).claimed == 1
        assert (await line.states())["unknown"] == lost + 5
        assert await db.pool.fetchval("select until_at - $1 from throttles", line.clock.at) == timedelta(seconds=120)
        line.faults()
        line.move(await db.pool.fetchval("select until_at from throttles"))
        assert (await line.dispatch()).accepted == 40 - lost - 5
        assert len({row["to"] for row in line.ledger()}) == len(line.ledger()) == 40


async def test_one_unclear_answer_slows_nothing_down(db: Database):
    async with opened(db, sends=20) as line:
        line.faults({"what": "error_500", "count": 2})
        done = await line.dispatch()
        assert (done.accepted, done.unknown) == (18, 2)
        assert await db.pool.fetchval("select count(*) from throttles") == 0


async def test_a_person_is_told_once_of_a_sick_platform_and_it_recovers_alone(db: Database):
    told = "select count(*) from alerts where rule = 'sick' and (closed_at is null) = $1"
    async with opened(db, sends=40) as line:
        line.faults({"what": "error_500"})
        await line.dispatch()
        lost = (await line.states())["unknown"]
        assert lost <= DOUBTS_MAX + line.parts.settings.send_concurrency  # those on the wire when it was seen
        line.move(await db.pool.fetchval("select until_at from throttles"))
        await line.dispatch()
        await line.sweep()
        assert (await db.pool.fetchval(told, True), await db.pool.fetchval(told, False)) == (1, 0)
        line.faults()
        line.move(await db.pool.fetchval("select until_at from throttles"))
        assert (await line.dispatch()).accepted == 40 - lost - 1
        await line.sweep()
        assert (await db.pool.fetchval(told, True), await db.pool.fetchval(told, False)) == (0, 1)


async def test_a_portfolio_that_another_holds_keeps_nobody_from_the_others(db: Database):
    async with opened(db, sends=6) as line:
        async with transaction(db.pool) as conn:
            other = await given.add_fleet(conn, name="two")
            await given.add_sends(conn, other, 6, first=100)
        async with transaction(db.owner) as conn:
            await conn.execute("select from portfolios where id = $1 for update", line.fleet.portfolio)
            workers = [asyncio.ensure_future(line.dispatch(worker=name)) for name in ("a", "b")]
            await until(lambda: _is_settled(db, other.portfolio))
            assert (
                await db.pool.fetchval("select count(*) from sends where portfolio_id = $1 and state = 'planned'", line.fleet.portfolio)
                == 6
            )
        await asyncio.gather(*workers)
        assert "planned" not in await line.states()


async def _is_settled(db: Database, portfolio: int) -> bool:
    open_ = "select count(*) from sends where portfolio_id = $1 and state in ('planned', 'claimed', 'calling')"
    return await db.pool.fetchval(open_, portfolio) == 0


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
        first, second = await _called(conn, fleet)
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
        (call,) = await _called(conn, fleet)
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
            await _called(conn, line.fleet, worker="dead")
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


# ------------------------------------------------------------------ messages


def call(**given_fields: Any) -> Call:
    return Call(
        **{
            "attempt_id": "a0",
            "send_id": 1,
            "attempts": 1,
            "portfolio_id": 1,
            "account_id": 1,
            "chip_id": 1,
            "contact_id": 1,
            "phone_number_id": "pn",
            "waba_id": "w",
            "token": b"",
            "phone": "+5511980000000",
            "contact_name": "Ana",
            "kind": "campaign",
            "body": {},
            "parameters": ["{name}", "sábado"],
            "template": "shift_invite",
            "language": "pt_BR",
            **given_fields,
        }
    )


def test_a_template_is_filled_with_the_persons_name():
    template = body_of(call())["template"]
    assert [part["text"] for part in template["components"][0]["parameters"]] == ["Ana", "sábado"]
    named = body_of(call(named_components=[{"type": "BODY", "text": "Olá {{nome}}, {{dia}} há plantões."}]))["template"]
    assert [(part["parameter_name"], part["text"]) for part in named["components"][0]["parameters"]] == [("nome", "Ana"), ("dia", "sábado")]


FILLED = [
    ("{name}", "Ana", "Ana"),
    ("Dr. {name}!", " Ana ", "Dr. Ana!"),
    ("{name|colega}", None, "colega"),
    ("{name|colega}", "Ana", "Ana"),
    ("sem nome", None, "sem nome"),
    ("{nome}", "Ana", "{nome}"),
]


@pytest.mark.parametrize(("value", "name", "filled"), FILLED)
def test_a_name_takes_its_place(value: str, name: str | None, filled: str):
    assert fill(value, name) == filled


def test_a_reply_may_be_a_text_or_a_file():
    assert body_of(call(kind="reply", body={"type": "text", "text": "Sim"}))["text"]["body"] == "Sim"
    image = call(kind="reply", body={"type": "image", "link": "https://example.com/a.jpg", "caption": "A escala"})
    assert body_of(image)["image"] == {"link": "https://example.com/a.jpg", "caption": "A escala"}
    assert (media_in(image), media_in(call())) == (Media.IMAGE, Media.TEXT)


async def test_a_message_that_cannot_be_written_fails_alone(db: Database):
    async with opened(db, sends=2) as line:
        await db.pool.execute("update sends set body = $1 where id = (select min(id) from sends)", {"parameters": ["a\nb"]})
        done = await line.dispatch()
        assert (done.accepted, done.failed) == (1, 1)
        assert await db.pool.fetchval("select rule from alerts") == "unsendable"
        assert await given.slots_open(db.pool) == 1


def test_only_what_was_surely_not_taken_is_retried():
    """The law of the whole file, over the table of codes."""
    retried = {code.number for code in TABLE if code.outcome is Outcome.RETRY}
    assert retried == {-1, 4, 80007, 80008, 130429, 131056, 131057}
    assert all(code.action is Action.RETRY for code in TABLE if code.outcome is Outcome.UNKNOWN)
    assert Unclear(reason="x").http is None
