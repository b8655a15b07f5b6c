"""Plans: budgets become sends, for people who may be written to, in their own hours."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from julia_warmer.core.hours import is_open
from julia_warmer.engine.plan import Planned, plan, preview
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, ZONE, Fleet, add_campaign, add_fleet, add_past, add_people, add_template

pytestmark = pytest.mark.pg15

NO_HOLIDAYS: frozenset[date] = frozenset()
HOUR = timedelta(hours=1)
NINE = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)  # 9:00 in São Paulo


async def plan_day(db: Database, *, at: datetime = AT, holidays: frozenset[date] = NO_HOLIDAYS, again: bool = True) -> Planned:
    async with transaction(db.pool) as conn:
        if again:
            await conn.execute("update chips set plan_again_at = null, decided_at = $1", at)
        return await plan(conn, at=at, policy=STANDARD, holidays=holidays)


async def rows(db: Database, what: str = "*", where: str = "true") -> list[Any]:
    return await db.pool.fetch(f"select {what} from sends where {where} order by chip_id, due_at, id")


async def one(db: Database, sql: str, *args: Any) -> Any:
    return await db.pool.fetchval(sql, *args)


@pytest.fixture
async def fleet(db: Database) -> Fleet:
    """One chip with a budget of 10, a campaign, 50 people."""
    async with db.pool.acquire() as conn:
        made = await add_fleet(conn)
        await add_template(conn, made)
        await add_campaign(conn, made)
        await add_people(conn, 50)
    return made


async def test_a_budget_becomes_as_many_sends_spread_over_the_open_hours(db: Database, fleet: Fleet) -> None:
    assert await plan_day(db) == Planned(chips=1, sends=10)
    sends = await rows(db)
    assert {(send["state"], send["kind"], send["plan_day"]) for send in sends} == {("planned", "campaign", date(2026, 6, 1))}
    assert all(is_open(STANDARD.hours, send["due_at"], ZONE) for send in sends)
    gaps = {round((later["due_at"] - earlier["due_at"]) / HOUR, 1) for earlier, later in pairwise(sends)}
    assert gaps == {1.1}
    assert all(send["expires_at"] == min(send["due_at"] + 12 * HOUR, NINE + 11 * HOUR) for send in sends)


async def test_the_most_engaged_come_first_but_for_a_canary(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    ranks = await db.pool.fetch("select contacts.id, canary from sends join contacts on contacts.id = contact_id order by contacts.id")
    warm, canaries = [row["id"] for row in ranks if not row["canary"]], [row["id"] for row in ranks if row["canary"]]
    assert len(canaries) == 1
    assert warm == sorted(warm)[:9]
    assert max(warm) - min(warm) == 8
    assert max(warm) < canaries[0] <= min(warm) + 20


async def test_a_planned_day_is_not_planned_twice(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    assert await plan_day(db, again=False) == Planned()
    assert await plan_day(db) == Planned(chips=1)
    assert len(await rows(db)) == 10


async def test_a_larger_budget_is_planned_on_top_and_the_day_stays_even(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    await db.pool.execute("update chips set budget_day_max = 20")
    planned = await plan_day(db, at=AT + timedelta(minutes=30))
    assert (planned.sends, planned.moved) == (10, 10)
    gaps = [(later["due_at"] - earlier["due_at"]).total_seconds() for earlier, later in pairwise(await rows(db))]
    assert all(1900 < gap < 2060 for gap in gaps)


async def test_a_smaller_budget_takes_back_the_latest(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    await db.pool.execute("update chips set budget_day_max = 4")
    assert (await plan_day(db)).trimmed == 6
    kept = await rows(db, where="state = 'planned'")
    cancelled = await rows(db, where="state = 'cancelled'")
    assert {send["reason"] for send in cancelled} == {"the budget fell"}
    assert max(send["due_at"] for send in kept) < min(send["due_at"] for send in cancelled)


async def test_what_was_sent_today_counts_against_the_day(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    await db.pool.execute("update sends set state = 'accepted', accepted_at = due_at, cap_day = plan_day where id <= 4")
    assert (await plan_day(db, at=AT + 6 * HOUR)).sends == 0
    await db.pool.execute("update sends set state = 'failed', cap_day = null where id <= 2")
    assert (await plan_day(db, at=AT + 6 * HOUR)).sends == 2


@pytest.mark.parametrize(
    ("at", "holidays"),
    [
        (datetime(2026, 5, 31, 10, 0, tzinfo=UTC), NO_HOLIDAYS),  # a Sunday
        (AT, frozenset({date(2026, 6, 1)})),
        (NINE + 11 * HOUR, NO_HOLIDAYS),  # eight in the evening
    ],
)
async def test_when_nobody_may_be_written_to_nothing_is_planned_and_nothing_was_reachable(
    db: Database, fleet: Fleet, at: datetime, holidays: frozenset[date]
) -> None:
    assert (await plan_day(db, at=at, holidays=holidays)).sends == 0
    assert await one(db, "select reachable from chip_days") == 0
    assert await one(db, "select plan_again_at from chips") == datetime(at.year, at.month, at.day, 3, 0, tzinfo=UTC) + 24 * HOUR


async def test_late_in_the_day_only_what_fits_at_the_days_pace_is_planned(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update chips set budget_day_max = 40")
    assert (await plan_day(db, at=NINE + 11 * HOUR - timedelta(minutes=20))).sends == 10
    assert await one(db, "select reachable from chip_days") == 10


async def test_people_in_other_zones_are_written_to_in_their_own_hours(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update contacts set zone = 'America/Rio_Branco' where id % 2 = 0")
    await db.pool.execute("update chips set budget_day_max = 40")
    await plan_day(db)
    sends = await db.pool.fetch("select due_at, expires_at, zone from sends join contacts on contacts.id = contact_id order by due_at")
    assert {send["zone"] for send in sends} == {ZONE, "America/Rio_Branco"}
    assert all(is_open(STANDARD.hours, send["due_at"], send["zone"]) for send in sends)
    assert all(later["due_at"] - earlier["due_at"] >= timedelta(seconds=119) for earlier, later in pairwise(sends))


REASONS = {
    "asked to stop": "update contacts set stopped_at = $1",
    "switched marketing off": "update contacts set platform_stopped_at = $1",
    "cannot be reached": "update contacts set undeliverable_at = $1",
    "never said yes": "update contacts set may_marketing = false, updated_at = $1",
    "is cooling down": "update contacts set cooldown_until = $1::timestamptz + interval '2 days'",
    "was written to lately": "update contacts set next_marketing_at = $1::timestamptz + interval '2 days'",
    "is suppressed by phone": "insert into suppressions (phone_key, purpose, source, at) select phone_key, 'all', 'word', $1 from contacts",
    "is suppressed by user id": "with known as (update contacts set user_id = 'BR.' || id returning user_id) "
    "insert into suppressions (user_id, purpose, source, at) select user_id, 'marketing', 'word', $1 from known",
    "belongs to another audience": "update contacts set audience = 'others', updated_at = $1",
    "the campaign is paused": "update campaigns set status = case when $1::timestamptz is null then 'active' else 'paused' end",
    "the template is not approved": "update templates set status = 'PENDING', synced_at = $1",
    "the template is of another purpose": "update templates set category = 'UTILITY', synced_at = $1",
    "the template is another account's": "update templates set language = 'en_US', synced_at = $1",
    "the campaign is another chip's": "with other as (insert into chips (portfolio_id, account_id, name, phone_number_id, display_phone, "
    "registered_at, created_at, phase_since) select portfolio_id, account_id, 'other', 'pn', '0', $1, $1, $1 from chips returning id) "
    "update campaigns set chip_id = (select id from other)",
    **{
        f"the {scope} is stopped": "insert into stops (scope, target_id, reason, by, at) "
        f"select '{scope}', id, 'enough', 'ana', $1 from {scope}s"
        for scope in ("portfolio", "account", "chip", "campaign", "template")
    },
    "everything is stopped": "insert into stops (scope, reason, by, at) values ('everything', 'enough', 'ana', $1)",
    "the chip is paused": "update chips set status = 'paused', paused_from = 'warming', harm_at = $1",
}


@pytest.mark.parametrize("sql", REASONS.values(), ids=REASONS)
async def test_nobody_is_planned_when(db: Database, fleet: Fleet, sql: str) -> None:
    await db.pool.execute(sql, AT)
    assert (await plan_day(db)).sends == 0


async def test_a_day_is_planned_only_from_a_decision_of_that_day(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update chips set decided_at = $1", AT - 12 * HOUR)
    assert await plan_day(db, again=False) == Planned()


async def test_a_person_who_is_free_at_noon_is_not_due_before(db: Database, fleet: Fleet) -> None:
    noon = NINE + 3 * HOUR
    await db.pool.execute("update contacts set next_marketing_at = $1", noon)
    await plan_day(db)
    assert min(send["due_at"] for send in await rows(db)) >= noon


PAST = """
    state      code    repeat  days ago  ->  planned again
    delivered  -       -       60            no
    delivered  -       30      60            yes
    delivered  -       30      20            no
    failed     131000  -       60            no
    failed     131049  -       60            yes
    unknown    -       -       60            no
    expired    -       -       60            yes
    cancelled  -       -       60            yes
"""


@pytest.mark.parametrize("case", [line.split() for line in PAST.strip().splitlines()[1:]], ids=" ".join)
async def test_a_campaign_writes_to_a_person_again_only_if(db: Database, case: list[str]) -> None:
    state, code, repeat, days, again = case
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn)
        await add_template(conn, fleet)
        campaign = await add_campaign(conn, fleet, repeat_after_d=None if repeat == "-" else int(repeat))
        people = await add_people(conn, 5, chip_id=fleet.chips[0])
        accepted_at = AT - timedelta(days=int(days))
        await add_past(conn, fleet, campaign, people, accepted_at, state=state, code=None if code == "-" else int(code))
    assert (await plan_day(db)).sends == (5 if again == "yes" else 0)


async def test_chips_share_the_best_of_the_pool_and_nobody_gets_two(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=5, budget=10)
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
        people = await add_people(conn, 500)
    assert (await plan_day(db)).sends == 50
    by_chip = await db.pool.fetch("select chip_id, array_agg(contact_id) as people from sends where not canary group by chip_id")
    assert len({person for row in by_chip for person in row["people"]}) == 45
    assert all(sum(person in people[:5] for person in row["people"]) == 1 for row in by_chip)  # one of the five best each


async def test_a_scarce_pool_is_dealt_to_the_last_person(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=3, budget=10)
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
        await add_people(conn, 20, chip_id=fleet.chips[0])
        await add_people(conn, 15, first=100)
    assert (await plan_day(db)).sends == 25
    assert await one(db, "select count(*) from sends where chip_id = $1", fleet.chips[0]) == 10
    assert await one(db, "select count(distinct contact_id) from sends") == 25
    assert await one(db, "select sum(reachable) from chip_days") == 25


async def test_a_chips_own_people_are_never_anothers(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=2, budget=10)
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
        mine = await add_people(conn, 30, chip_id=fleet.chips[0])
    await plan_day(db)
    sends = await rows(db)
    assert {send["chip_id"] for send in sends} == {fleet.chips[0]}
    assert {send["contact_id"] for send in sends} <= set(mine)


async def test_who_did_not_answer_waits_behind_the_others(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update contacts set last_accepted_at = $1, chip_id = $2 where id <= 40", AT - timedelta(days=9), fleet.chips[0])
    await plan_day(db)
    assert await one(db, "select count(*) from sends join contacts on contacts.id = contact_id where contacts.id > 40") >= 9


async def test_the_first_campaign_by_priority_is_sent_first(db: Database, fleet: Fleet) -> None:
    async with db.pool.acquire() as conn:
        urgent = await add_campaign(conn, fleet, "urgent", priority=1, audience="few")
        await conn.execute("update contacts set audience = 'few' where id in (select id from contacts order by id desc limit 4)")
    await db.pool.execute("update chips set budget_day_max = 4")
    await plan_day(db)
    sends = await rows(db)
    assert sum(send["campaign_id"] == urgent for send in sends) >= 3


async def test_utility_asks_for_consent_to_utility_and_for_no_marketing_pause(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn)
        await add_template(conn, fleet, category="UTILITY")
        await add_campaign(conn, fleet, purpose="utility")
        await add_people(conn, 5, may_marketing=False, may_utility=True, next_marketing_at=AT + timedelta(days=3), platform_stopped_at=AT)
        await add_people(conn, 5, first=100)
    assert (await plan_day(db)).sends == 5
    assert {send["purpose"] for send in await rows(db)} == {"utility"}


async def test_overdue_sends_are_spread_anew_and_not_sent_in_a_burst(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    later = NINE + 5 * HOUR
    planned = await plan_day(db, at=later, again=False)
    assert planned.chips == 1
    due = [send["due_at"] for send in await rows(db)]
    assert min(due) >= later
    assert all(b - a >= timedelta(minutes=30) for a, b in pairwise(due))


async def test_eligible_people_are_counted_with_those_who_are_planned(db: Database, fleet: Fleet) -> None:
    await plan_day(db)
    assert await one(db, "select eligible_people from chips") == 50
    await db.pool.execute("update contacts set stopped_at = $1 where id > 30", AT)
    await plan_day(db, at=AT + HOUR)
    assert 30 <= await one(db, "select eligible_people from chips") <= 31  # a canary beyond them may be planned still


async def test_a_chip_that_waited_for_people_is_decided_on_when_they_come(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, budget=0, budget_binding="people", look_again_at=AT + 4 * HOUR)
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
    await plan_day(db)
    assert await one(db, "select look_again_at from chips") == AT + 4 * HOUR
    async with db.pool.acquire() as conn:
        await add_people(conn, 5)
    await plan_day(db)
    assert await one(db, "select look_again_at from chips") == AT
    assert await one(db, "select eligible_people from chips") == 5


async def test_reachable_is_the_most_that_any_plan_of_the_day_found(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update chips set budget_day_max = 60")
    await plan_day(db)
    assert await one(db, "select reachable from chip_days") == 50
    await db.pool.execute("update chips set budget_day_max = 5")
    await plan_day(db)
    assert await one(db, "select reachable from chip_days") == 50
    assert await one(db, "select granted from chip_days") == 60


async def test_a_preview_says_what_tomorrow_would_add_and_writes_nothing(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update chips set budget_day_max = 7")
    async with transaction(db.pool) as conn:
        sends = await preview(conn, day=date(2026, 6, 2), at=AT, policy=STANDARD, holidays=NO_HOLIDAYS)
        sunday = await preview(conn, day=date(2026, 6, 7), at=AT, policy=STANDARD, holidays=NO_HOLIDAYS)
    assert len(sends) == 7
    assert all(is_open(STANDARD.hours, send.due_at, ZONE) and send.day == date(2026, 6, 2) for send in sends)
    assert sunday == ()
    assert await rows(db) == []


async def test_the_same_moment_gives_the_same_plan(db: Database, fleet: Fleet) -> None:
    async with transaction(db.pool) as conn:
        first = await preview(conn, day=date(2026, 6, 1), at=AT, policy=STANDARD, holidays=NO_HOLIDAYS)
        second = await preview(conn, day=date(2026, 6, 1), at=AT, policy=STANDARD, holidays=NO_HOLIDAYS)
    assert first == second


async def test_two_planners_at_once_write_to_nobody_twice(db: Database) -> None:
    async with db.pool.acquire() as conn:
        for name in ("one", "two"):
            fleet = await add_fleet(conn, name=name, budget=10)
            await add_template(conn, fleet)
            await add_campaign(conn, fleet, name)
        await add_people(conn, 12)
    async with transaction(db.pool) as first:
        assert (await plan(first, at=AT, policy=STANDARD, holidays=NO_HOLIDAYS, limit=1)).sends == 10
        async with db.pool.acquire() as waiting:
            await waiting.execute("set lock_timeout = '2s'")
            async with waiting.transaction():
                assert (await plan(waiting, at=AT, policy=STANDARD, holidays=NO_HOLIDAYS, limit=0)).chips == 0
    assert (await plan_day(db)).sends == 2
    assert await one(db, "select count(distinct contact_id) from sends") == 12
