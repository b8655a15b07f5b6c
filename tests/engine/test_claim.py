"""The claim: what counts against a limit and until when, the order of what is taken, and what it leaves as it was."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from julia_warmer.store import attempts, claims, settlements, sweeps, throttles
from julia_warmer.store.claims import PEOPLE_EXACT_MAX
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.claim_settings import DAY, HOUR, MINUTE, SECOND, nothing, past, sql, throttle
from tests.engine.outgoing import AT, claim, send_row

pytestmark = pytest.mark.pg15


async def test_what_may_have_gone_out_counts_for_the_person_on_every_chip(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, chips=2)
        contact = await given.add_person(conn, 1)
        await given.add_send(conn, fleet, contact, chip=1, state="unknown", claimed_at=AT - DAY, called_at=AT - DAY)
        send = await given.add_send(conn, fleet, contact, expires_at=AT + 30 * DAY)
    assert (await claim(db.pool, fleet)).later == 1
    assert (await send_row(db.pool, send))["due_at"] == AT + 6 * DAY


@pytest.mark.parametrize("state", ["claimed", "calling"])
async def test_nothing_else_goes_to_a_person_while_something_is_on_its_way(state: str, db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        contact = await given.add_person(conn, 1)
        await given.add_send(conn, fleet, contact, state=state, claimed_at=AT, called_at=AT)
        await conn.execute(
            "insert into conversations (chip_id, contact_id, window_until) values ($1, $2, $3)", fleet.chips[0], contact, AT + HOUR
        )
        reply = await given.add_reply(conn, fleet, contact)
    assert (await claim(db.pool, fleet)).later == 1
    assert (await send_row(db.pool, reply))["due_at"] == AT + timedelta(seconds=6)


LATER = {
    "closed hours": (nothing, datetime(2026, 6, 2, 1, tzinfo=UTC), datetime(2026, 6, 2, 12, tzinfo=UTC)),  # 22:00 → 9:00 there
    "a week after the last one": (past(6 * DAY), AT, AT + DAY),
    "30 days after the fourth": (past(8 * DAY, 15 * DAY, 22 * DAY, 29 * DAY), AT, AT + DAY),
    "the cooldown's end": (sql("update contacts set cooldown_until = $1", AT + 5 * HOUR), AT, AT + 5 * HOUR),
    "never after its own end": (sql("update contacts set cooldown_until = $1", AT + 400 * DAY), AT, AT + 30 * DAY),
}


async def test_what_time_heals_is_moved_to_that_time(db: Database):
    found: dict[str, datetime] = {}
    async with db.pool.acquire() as conn:
        for name, (change, at, _) in LATER.items():
            tried = conn.transaction()
            await tried.start()
            fleet = await given.add_fleet(conn)
            contact = await given.add_person(conn, 1)
            send = await given.add_send(conn, fleet, contact, expires_at=AT + 30 * DAY)
            await change(conn, fleet, contact, send)
            assert (await given.claimer().claim(conn, fleet.portfolio, limit=50, at=at)).later == 1
            found[name] = await conn.fetchval("select due_at from sends where id = $1", send)
            await tried.rollback()
    assert found == {name: due_at for name, (_, _, due_at) in LATER.items()}


OPEN = [
    ("Sunday", datetime(2026, 5, 31, 15, tzinfo=UTC), "America/Sao_Paulo", False),
    ("Saturday before closing", datetime(2026, 5, 30, 18, 59, tzinfo=UTC), "America/Sao_Paulo", True),
    ("Saturday after closing", datetime(2026, 5, 30, 21, tzinfo=UTC), "America/Sao_Paulo", False),
    ("a holiday", datetime(2026, 6, 4, 15, tzinfo=UTC), "America/Sao_Paulo", False),
    ("too early in Manaus, open in São Paulo", datetime(2026, 6, 1, 12, 30, tzinfo=UTC), "America/Manaus", False),
    ("open in Manaus, closed in São Paulo", datetime(2026, 6, 1, 23, 30, tzinfo=UTC), "America/Manaus", True),
]


async def test_hours_are_the_persons_own(db: Database):
    by = given.claimer(holidays=frozenset({date(2026, 6, 4)}))
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        for nth, (name, at, zone, is_open) in enumerate(OPEN):
            contact = await given.add_person(conn, nth, zone=zone)
            send = await given.add_send(conn, fleet, contact, due_at=at)
            taken = (await by.claim(conn, fleet.portfolio, limit=50, at=at)).taken
            assert (send in {one.send_id for one in taken}) == is_open, name


async def test_a_reply_needs_an_open_window_and_nothing_of_the_budgets(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, budget=0, limit=0)
        people = [await given.add_person(conn, nth, consent=None) for nth in range(3)]
        sends = [await given.add_reply(conn, fleet, person) for person in people]
        windows = [AT + HOUR, AT, None]
        for person, until in zip(people, windows, strict=True):
            await conn.execute(
                "insert into conversations (chip_id, contact_id, window_until) values ($1, $2, $3)", fleet.chips[0], person, until
            )
    await claim(db.pool, fleet, at=AT)
    rows = [await send_row(db.pool, send) for send in sends]
    assert [row["state"] for row in rows] == ["claimed", "cancelled", "cancelled"]
    assert [row["cap_day"] for row in rows] == [None] * 3
    assert await given.slots_open(db.pool) == 0


async def test_two_messages_to_one_person_keep_six_seconds(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        person = await given.add_person(conn, 1)
        until = AT + HOUR
        await conn.execute(
            "insert into conversations (chip_id, contact_id, window_until) values ($1, $2, $3)", fleet.chips[0], person, until
        )
        first, second = [await given.add_reply(conn, fleet, person) for _ in range(2)]
    assert [send.send_id for send in (await claim(db.pool, fleet)).taken] == [first]
    assert (await claim(db.pool, fleet)).taken == ()
    assert (await send_row(db.pool, second))["due_at"] == AT + timedelta(seconds=6)


async def test_the_chips_day_is_its_own_and_its_budget_is_kept(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, budget=5)
        ids = await given.add_sends(conn, fleet, 8)
    first = await claim(db.pool, fleet, limit=3)
    second = await claim(db.pool, fleet)
    third = await claim(db.pool, fleet)
    assert [[send.send_id for send in done.taken] for done in (first, second, third)] == [ids[:3], ids[3:5], []]
    tomorrow = await claim(db.pool, fleet, at=AT + DAY)
    assert [send.send_id for send in tomorrow.taken] == []  # their time was over
    async with transaction(db.pool) as conn:
        await conn.execute("update sends set expires_at = $1 where state = 'planned'", AT + 2 * DAY)
    assert len((await claim(db.pool, fleet, at=AT + DAY)).taken) == 3


async def test_people_are_counted_once_in_the_portfolios_day(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, chips=2, limit=3)
        ids = await given.add_sends(conn, fleet, 6, chip=None)
        holder = (await send_row(conn, ids[5]))["contact_id"]
        earlier = await given.add_past(conn, fleet, holder, AT - 20 * DAY, chip=1)
        await conn.execute(
            "insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at) values ($1, $2, $3, $4, $5)",
            earlier,
            fleet.portfolio,
            holder,
            AT - 20 * DAY,
            AT + HOUR,
        )
    taken = (await claim(db.pool, fleet)).taken
    assert [send.send_id for send in taken] == [ids[0], ids[1], ids[5]]  # two new people, and the one who has a slot
    assert await given.slots_open(db.pool) == 3
    assert (await claim(db.pool, fleet)).taken == ()


async def test_a_slot_that_was_given_away_is_not_had_again_when_the_clock_is_set_back(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, limit=1)
        old, new = await given.add_sends(conn, fleet, 2)
        person = (await send_row(conn, old))["contact_id"]
        earlier = await given.add_past(conn, fleet, person, AT - 20 * DAY)
        await conn.execute("update sends set due_at = $2 where id = $1", new, AT - HOUR)
        await conn.execute(
            "insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at) values ($1, $2, $3, $4, $5)",
            earlier, fleet.portfolio, person, AT - 20 * DAY, AT,
        )  # fmt: skip
    assert [send.send_id for send in (await claim(db.pool, fleet, at=AT)).taken] == [new]
    assert (await claim(db.pool, fleet, at=AT - MINUTE)).taken == ()


async def test_the_count_of_people_is_kept_and_is_never_too_low(db: Database):
    """A large portfolio's slots are counted once a minute; those that claims take are added, and one that comes back is counted at once."""
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, budget=10_000, limit=5000)
        await given.add_sends(conn, fleet, 12)
    kept = "select people_counted from portfolios"
    assert len((await claim(db.pool, fleet, limit=3)).taken) == 3
    await db.pool.execute("update budget_uses set until_at = $1", AT)
    assert len((await claim(db.pool, fleet, limit=3, at=AT + 59 * SECOND)).taken) == 3
    assert await db.pool.fetchval(kept) == 6  # three are over, which it need not know
    await db.pool.execute("insert into slots_reopened values ($1)", fleet.portfolio)
    assert len((await claim(db.pool, fleet, limit=3, at=AT + 59 * SECOND)).taken) == 3
    assert await db.pool.fetchval(kept) == 6  # three of before, and these
    assert await db.pool.fetchval("select count(*) from slots_reopened") == 0
    assert len((await claim(db.pool, fleet, limit=3, at=AT + 3 * MINUTE)).taken) == 3
    assert await db.pool.fetchval(kept) == await given.slots_open(db.pool, AT + 3 * MINUTE) == 9


async def test_a_large_portfolio_that_is_full_is_believed_for_a_minute(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, budget=10_000, limit=PEOPLE_EXACT_MAX + 1)
        await given.add_sends(conn, fleet, 4)
        await conn.execute("update portfolios set people_counted = messaging_limit - 2, people_counted_at = $1", AT)
    assert len((await claim(db.pool, fleet)).taken) == 4  # so little was left that it was counted
    async with transaction(db.pool) as conn:
        await given.add_sends(conn, fleet, 4, first=10)
        await conn.execute("update portfolios set people_counted = messaging_limit, people_counted_at = $1", AT)
    assert (await claim(db.pool, fleet, at=AT + 59 * SECOND)).taken == ()
    assert len((await claim(db.pool, fleet, at=AT + 61 * SECOND)).taken) == 4


LIMITS: dict[int | None, int] = {None: 250, -1: 300, 0: 0, 260: 260}


async def test_an_unknown_limit_is_250(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, budget=1000)
        await given.add_sends(conn, fleet, 300)
    found: dict[int | None, int] = {}
    async with db.pool.acquire() as conn:
        for limit in LIMITS:
            tried = conn.transaction()
            await tried.start()
            await conn.execute("update portfolios set messaging_limit = $1", limit)
            found[limit] = len((await given.claimer().claim(conn, fleet.portfolio, limit=500, at=AT)).taken)
            await tried.rollback()
    assert found == LIMITS


async def test_money_is_spent_in_the_order_of_the_sends(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        await conn.execute("insert into prices (category, amount, currency, since) values ('marketing', 0.0625, 'USD', '2026-01-01')")
        await conn.execute("update portfolios set spend_day_max = $1", Decimal("0.20"))
        ids = await given.add_sends(conn, fleet, 5)
    assert [send.send_id for send in (await claim(db.pool, fleet)).taken] == ids[:3]
    assert (await claim(db.pool, fleet)).taken == ()


async def test_what_is_held_back_blocks_nobody_behind_it(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, chips=3)
        await given.add_sends(conn, fleet, 60, chip=0, due_at=AT - HOUR)
        await conn.execute("update chips set status = 'paused', paused_from = 'warming' where id = $1", fleet.chips[0])
        resting = await given.add_sends(conn, fleet, 3, first=100, chip=1, due_at=AT - HOUR)
        await conn.execute("update contacts set cooldown_until = $1 where name in ('Pessoa 100', 'Pessoa 101', 'Pessoa 102')", AT + HOUR)
        free = await given.add_sends(conn, fleet, 2, first=200, chip=1)
    first = await claim(db.pool, fleet, limit=3)
    assert (first.taken, first.later, first.again) == ((), len(resting), True)
    assert [send.send_id for send in (await claim(db.pool, fleet, limit=3)).taken] == free


async def test_the_earliest_due_go_first_then_the_oldest(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, budget=3)
        people = [await given.add_person(conn, nth) for nth in range(4)]
        due = [AT, AT - HOUR, AT, AT - 2 * HOUR]
        ids = [await given.add_send(conn, fleet, person, due_at=at) for person, at in zip(people, due, strict=True)]
    assert [send.send_id for send in (await claim(db.pool, fleet)).taken] == [ids[3], ids[1], ids[0]]


async def test_after_a_throttle_a_single_probe_goes_first(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, chips=2)
        await given.add_sends(conn, fleet, 10, chip=None)
        await throttle("chip", "{chip}", AT)(conn, fleet, 0, 0)
    taken = (await claim(db.pool, fleet)).taken
    assert sorted(send.chip_id for send in taken) == [fleet.chips[0], *[fleet.chips[1]] * 5]


async def test_the_claim_tells_the_planner_when_the_person_is_free_again(db: Database):
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn)
        fresh, often = await given.add_person(conn, 1), await given.add_person(conn, 2)
        for ago in (8 * DAY, 15 * DAY, 22 * DAY):
            await given.add_past(conn, fleet, often, AT - ago)
        for person in (fresh, often):
            await given.add_send(conn, fleet, person)
    await claim(db.pool, fleet)
    rows = await db.pool.fetch("select next_marketing_at from contacts order by id")
    assert [row["next_marketing_at"] for row in rows] == [AT + 7 * DAY, AT + 8 * DAY]


ROAD = (claims, attempts, settlements, throttles, sweeps)
BIG = ("sends", "contacts", "consents", "budget_uses", "attempts", "conversations")


async def test_no_statement_of_the_way_out_reads_a_big_table_whole(db: Database):
    """Every access has an index to go by, whatever the values are."""
    whole: list[str] = []
    async with db.owner.acquire() as conn:
        await conn.execute("set enable_seqscan = off; set plan_cache_mode = force_generic_plan")
        for query in (query for part in ROAD for query in part.queries):
            await conn.execute(f"prepare asked as {query.sql}")
            values = f"({', '.join(['null'] * len(query.params))})" if query.params else ""
            plan = "\n".join(row[0] for row in await conn.fetch(f"explain execute asked{values}"))
            whole += [f"{query.name}: {table}" for table in BIG if f"Seq Scan on {table} " in plan]
            await conn.execute("deallocate asked")
    assert whole == []
