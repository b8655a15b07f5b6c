"""Dispatch against the sandbox: how every answer is settled, and what a throttle or a sick platform holds up."""

import asyncio
from datetime import timedelta

from julia_warmer.cloud.answers import Refused
from julia_warmer.cloud.codes import TABLE, Acceptance
from julia_warmer.engine.doubts import DOUBTS_MAX
from julia_warmer.engine.settle import Answer, Rules, settle
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT
from tests.engine.sending import called, only_send, opened, until

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = Rules(attempts_max=3, limited_wait_h=24.0)


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
        (call,) = await called(conn, fleet)
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
