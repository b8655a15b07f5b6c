"""Consents by source and age: who does badly is held with an alert, is planned for no more, and goes on when a person says so."""

from datetime import datetime, timedelta

import pytest

from julia_warmer import policies
from julia_warmer.core.model import Verdict
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.explain import why_not_now
from julia_warmer.engine.plan import plan
from julia_warmer.engine.quality import (
    ALL_AGES,
    LOOKS,
    SPAN,
    count_days,
    hold_bad_sources,
    hold_by_hand,
    judge_sources,
    release_source,
)
from julia_warmer.store.db import transaction
from julia_warmer.store.quality import SourceCounts
from tests.conftest import Database
from tests.engine import scratch
from tests.engine.crowd import AT, STANDARD, Fleet, add_campaign, add_fleet, add_people, add_template

db = scratch.db

DAY = timedelta(days=1)
POLICY = policies.load("standard")


@pytest.fixture
async def fleet(db: Database) -> Fleet:
    made = await add_fleet(db.pool)
    await add_template(db.pool, made)
    await add_campaign(db.pool, made)
    return made


async def add_crowd(
    db: Database,
    fleet: Fleet,
    source: str,
    people: int,
    *,
    opted_out: int = 0,
    first: int = 0,
    age_d: int = 10,
    sent_at: datetime = AT - timedelta(days=1),
) -> list[int]:
    """So many people of a source, each written to a day ago, or at another moment."""
    last = await db.pool.fetchval("select coalesce(max(id), 0) from contacts")
    await add_people(db.pool, people, first=first)
    ids = [row["id"] for row in await db.pool.fetch("select id from contacts where id > $1 order by id", last)]
    await db.pool.execute(
        """insert into consents (contact_id, purpose, act, source, private, at, recorded_at, recorded_by)
        select id, 'marketing', 'granted', $2, 'sealed', $3, $3, 'ana' from unnest($1::bigint[]) as one (id)""",
        ids,
        source,
        AT - timedelta(days=age_d),
    )
    campaign, template = [await db.pool.fetchval(f"select min(id) from {table}") for table in ("campaigns", "templates")]
    await db.pool.execute(
        """insert into sends (chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, state, plan_day,
                              cap_day, planned_at, due_at, expires_at, accepted_at, delivered_at, opted_out_at)
        select chips.id, chips.portfolio_id, one.id, $2, $3, 'campaign', 'marketing', 'delivered', $4::timestamptz::date,
               $4::timestamptz::date, $4, $4, $4, $4, $4, case when one.nth <= $5 then $4::timestamptz end
        from unnest($1::bigint[]) with ordinality as one (id, nth)
        cross join lateral (select id, portfolio_id from chips order by id limit 1) as chips""",
        ids,
        campaign,
        template,
        sent_at,
        opted_out,
    )
    return ids


async def judged(db: Database, *, at: datetime = AT) -> list[SourceCounts]:
    async with transaction(db.pool) as conn:
        return [row.counts for row in await judge_sources(conn, policy=POLICY, at=at)]


async def count(db: Database, *, at: datetime = AT) -> int:
    async with transaction(db.pool) as conn:
        return await count_days(conn, policy=POLICY, at=at)


async def hold(db: Database) -> list[str]:
    async with transaction(db.pool) as conn:
        return await hold_bad_sources(conn, policy=POLICY, at=AT)


async def test_a_source_that_surely_does_badly_is_held_with_an_alert_and_others_are_not(db: Database, fleet: Fleet):
    await add_crowd(db, fleet, "fair", 200, opted_out=20)
    await add_crowd(db, fleet, "form", 200, opted_out=1, first=1000)
    await add_crowd(db, fleet, "leaflet", 10, opted_out=1, first=2000)
    assert await hold(db) == ["fair"]
    assert await hold(db) == []
    async with transaction(db.pool) as conn:
        rows = await judge_sources(conn, policy=POLICY, at=AT)
    whole = {row.counts.source: row for row in rows if row.counts.age == ALL_AGES}
    assert next(row.counts.source for row in rows if row.counts.age == ALL_AGES) == "fair"
    assert {source: row.verdict for source, row in whole.items()} == {
        "fair": Verdict.FAIL,
        "form": Verdict.PASS,
        "leaflet": Verdict.INCONCLUSIVE,
    }
    assert (whole["fair"].counts.accepted, whole["fair"].counts.opted_out, whole["fair"].held is not None) == (200, 20, True)
    (alert,) = await db.pool.fetch("select rule, text from alerts")
    assert alert["rule"] == "source"
    assert "'fair' is planned for" in alert["text"]


async def test_ages_are_told_apart(db: Database, fleet: Fleet):
    await add_crowd(db, fleet, "form", 30, age_d=3)
    await add_crowd(db, fleet, "form", 40, first=1000, age_d=400)
    async with transaction(db.pool) as conn:
        rows = await judge_sources(conn, policy=POLICY, at=AT)
    assert [(row.counts.age, row.counts.accepted) for row in rows] == [(ALL_AGES, 70), ("under a week", 30), ("older", 40)]


async def test_nobody_of_a_held_source_is_planned_for_until_a_person_releases_it(db: Database, fleet: Fleet):
    await add_crowd(db, fleet, "fair", 200, opted_out=20)
    await db.pool.execute("delete from sends where opted_out_at is null")  # most may be written to again

    async def planned() -> int:
        async with transaction(db.pool) as conn:
            await conn.execute("update chips set plan_again_at = null, decided_at = $1", AT)
            return (await plan(conn, at=AT, policy=STANDARD, holidays=frozenset())).sends

    async with transaction(db.pool) as conn:
        await hold_by_hand(conn, "fair", by="rita", why="looks bought", at=AT)
    with pytest.raises(Conflict):
        async with transaction(db.pool) as conn:
            await hold_by_hand(conn, "fair", by="rita", why="again", at=AT)
    assert await planned() == 0
    phone = await db.pool.fetchval("select phone from contacts order by id desc limit 1")
    async with transaction(db.pool) as conn:
        why = await why_not_now(conn, phone, at=AT, policy=POLICY, holidays=frozenset())
    assert "the source of the consent is held: fair: looks bought" in [one.sentence for one in why.obstacles]
    async with transaction(db.pool) as conn:
        assert await release_source(conn, "fair", by="rita", why="it is a hospital's list", at=AT) == 200
    assert await planned() == 10
    with pytest.raises(NotFound):
        async with transaction(db.pool) as conn:
            await release_source(conn, "fair", by="rita", why="again", at=AT)


async def test_what_a_release_answers_for_does_not_hold_the_source_again(db: Database, fleet: Fleet):
    await add_crowd(db, fleet, "fair", 200, opted_out=20)
    assert await hold(db) == ["fair"]
    async with transaction(db.pool) as conn:
        await release_source(conn, "fair", by="rita", why="mended", at=AT)
    assert await hold(db) == []
    acts = [row["what"] for row in await db.pool.fetch("select what from audit_log order by id")]
    assert acts == ["source held", "source released"]
    assert await db.pool.fetchval("select count(*) from alerts where closed_at is null") == 0


async def test_counting_changes_no_number_and_what_is_counted_is_not_read_again(db: Database, fleet: Fleet):
    """With days without a message between, and however often it is counted."""
    for nth, days in enumerate((1, 5, 7, 8, 9, 10, 11, 30, 31, 60, 88, 89)):
        await add_crowd(db, fleet, "form" if nth % 2 else "fair", 3, opted_out=nth % 3, first=100 * nth, age_d=120, sent_at=AT - days * DAY)
    before = await judged(db)
    assert [(row.source, row.accepted) for row in before if row.age == ALL_AGES] == [("fair", 18), ("form", 18)]
    assert (await count(db), await count(db)) == (12, 0)
    assert await judged(db) == before
    long_ago = "update sends set opted_out_at = accepted_at, accepted_at = accepted_at - interval '200 days' where accepted_at < $1"
    await db.pool.execute(long_ago, AT - 9 * DAY)
    assert await judged(db) == before
    assert await count(db, at=AT + 30 * DAY) == 4  # of the last eight days
    later = await judged(db, at=AT + 30 * DAY)
    assert sum(row.accepted for row in later if row.age == ALL_AGES) == 3 * 10  # the oldest two are past the 90 days
    assert await db.pool.fetchval("select min(day) from source_days") >= (AT + 30 * DAY - SPAN).date()


async def test_a_late_opt_out_counts_with_the_next_look_at_its_day(db: Database, fleet: Fleet):
    await add_crowd(db, fleet, "form", 3)
    end = (AT - DAY).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    counted = []
    for nth, look in enumerate((timedelta(hours=3), *LOOKS, timedelta(days=20))):
        await db.pool.execute("update sends set opted_out_at = $2 where id in (select id from sends order by id limit $1)", nth, AT)
        await count(db, at=end + look)
        counted.append(next(row.opted_out for row in await judged(db, at=end + look) if row.age == ALL_AGES))
    assert counted == [0, 1, 2, 3, 3]


async def test_a_release_answers_for_counted_days_too_and_not_for_what_comes_after_it(db: Database, fleet: Fleet):
    await add_crowd(db, fleet, "fair", 200, opted_out=20, age_d=120, sent_at=AT - 20 * DAY)
    assert await hold(db) == ["fair"]
    async with transaction(db.pool) as conn:
        await release_source(conn, "fair", by="rita", why="mended", at=AT)
    assert (await judged(db), await hold(db)) == ([], [])
    await add_crowd(db, fleet, "fair", 5, first=1000, age_d=120, sent_at=AT - timedelta(hours=1))
    await add_crowd(db, fleet, "fair", 7, first=2000, age_d=120, sent_at=AT + timedelta(hours=1))
    later = AT + LOOKS[-1] + 2 * DAY
    for _ in range(2):
        assert [row.accepted for row in await judged(db, at=later) if row.age == ALL_AGES] == [7]
        await count(db, at=later)


async def test_whose_source_is_held_is_asked_without_a_call(db: Database):
    """One definition for plans and explanations, and PostgreSQL puts it in its place."""
    rows = await db.pool.fetch("explain select from contacts where not exists (select from held_source(contacts.id) offset 0)")
    assert not [row[0] for row in rows if "Function" in row[0]]
    assert [row[0] for row in rows if "source_holds" in row[0]]
