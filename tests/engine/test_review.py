"""Reviews: due chips are decided on, and everything that follows is written down."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from julia_warmer.core.decide import decide
from julia_warmer.core.model import Change, ChipStatus, Decision, Phase, Snapshot
from julia_warmer.core.record import decision_from_json, snapshot_from_json, to_json
from julia_warmer.engine.review import Reviewed, review
from julia_warmer.store import chips
from julia_warmer.store.db import transaction
from julia_warmer.store.records import Recorded
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, Fleet, add_campaign, add_fleet, add_people, add_template
from tests.engine.outgoing import add

pytestmark = pytest.mark.pg15

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TODAY = date(2026, 6, 1)


async def look(db: Database, *, at: Any = AT, again: bool = True) -> Reviewed:
    async with transaction(db.pool) as conn:
        if again:
            await conn.execute("update chips set look_again_at = $1", at)
        return await review(conn, at=at, policy=STANDARD)


async def look_at_one(db: Database, *, at: Any = AT) -> tuple[Snapshot, Decision]:
    reviewed = await look(db, at=at)
    assert len(reviewed.decisions) == 1
    return reviewed.snapshots[0], reviewed.decisions[0]


async def one(db: Database, sql: str, *args: Any) -> Any:
    return await db.pool.fetchval(sql, *args)


async def count(db: Database, chip: int, hours_ago: int, **counts: int) -> None:
    """Counts of one clock hour."""
    hour = AT.replace(minute=0) - hours_ago * HOUR
    columns, places = ", ".join(counts), ", ".join(f"${n}" for n in range(3, len(counts) + 3))
    await db.pool.execute(f"insert into chip_counts (chip_id, hour, {columns}) values ($1, $2, {places})", chip, hour, *counts.values())


@pytest.fixture
async def fleet(db: Database) -> Fleet:
    """One chip in expansion that did well, with everything it needs."""
    async with db.pool.acquire() as conn:
        made = await add_fleet(conn, eligible_people=100, phase_since=AT - 9 * DAY)
        await add_template(conn, made)
        await add_campaign(conn, made)
        for back in range(1, 9):
            day = TODAY - timedelta(days=back)
            await conn.execute("insert into chip_days values ($1, $2, 30, 30, 29)", made.chips[0], day)
    for hours in range(30, 8 * 24, 12):
        await count(
            db, made.chips[0], hours, accepted=15, reached=15, delivered=15, read=12, replied=6, received=7, conversations=6, media=3
        )
    return made


async def test_a_good_chip_advances_and_everything_is_written(db: Database, fleet: Fleet) -> None:
    snapshot, decision = await look_at_one(db)
    assert decision.changes == (Change.ADVANCED,)
    row = await db.pool.fetchrow("select * from chips")
    state = chips.state_of(row)
    assert state == decision.state
    assert (state.phase, state.phase_since, state.advanced_on) == (Phase.PRE_OPERATION, AT, TODAY)
    assert (row["health"], row["budget_day_max"], row["budget_binding"]) == (
        decision.health.score,
        decision.budget.day_max,
        decision.budget.binding,
    )
    assert (row["policy"], row["decided_at"], row["look_again_at"]) == (STANDARD.version, AT, decision.look_again_at)
    assert row["plan_again_at"] is None
    assert await one(db, "select score from health_log where at = $1", AT) == decision.health.score
    assert await one(db, "select granted from chip_days where day = $1", TODAY) == decision.budget.day_max == 50
    assert await one(db, "select changes from decisions") == ["advanced"]
    assert snapshot.state.phase is Phase.EXPANSION


async def test_a_recorded_decision_can_be_made_again_from_its_record(db: Database, fleet: Fleet) -> None:
    snapshot, decision = await look_at_one(db)
    record = Recorded.from_stored(await one(db, "select record from decisions"))
    assert snapshot_from_json(json.dumps(record.snapshot)) == snapshot
    assert decision_from_json(json.dumps(record.decision)) == decision == decide(snapshot, STANDARD)
    assert record.snapshot == json.loads(to_json(snapshot))
    assert record.decision == json.loads(to_json(decision))


async def test_only_what_is_due_is_looked_at_and_a_banned_chip_never(db: Database) -> None:
    async with db.pool.acquire() as conn:
        await add_fleet(conn, chips=3, look_again_at=AT + HOUR)
        await add_fleet(conn, chips=2, name="due")
        await add_fleet(conn, name="never", look_again_at=None)
    assert len((await look(db, again=False)).decisions) == 2
    assert (await look(db, again=False)).decisions == ()


async def test_a_chip_that_another_worker_looks_at_is_passed_over(db: Database, fleet: Fleet) -> None:
    async with transaction(db.pool) as first:
        assert len((await review(first, at=AT, policy=STANDARD)).decisions) == 1
        async with transaction(db.pool) as second:
            assert (await review(second, at=AT, policy=STANDARD)).decisions == ()
    assert await one(db, "select count(*) from decisions") == 1


CHECKLIST = """
    name_approved      update chips set name_status = 'PENDING_REVIEW'
    profile_filled     update chips set profile_filled = false
    pin_set            update chips set pin_set = false
    template_approved  update templates set status = 'REJECTED'
    webhook_heard      with heard as (update chips set webhook_at = null) update accounts set webhook_at = null
    route_set          update chips set route_id = null
"""


@pytest.mark.parametrize("case", [line.split(maxsplit=1) for line in CHECKLIST.strip().splitlines()], ids=lambda case: case[0])
async def test_each_point_of_the_checklist_is_read(db: Database, fleet: Fleet, case: list[str]) -> None:
    name, sql = case
    before, _ = await look_at_one(db)
    assert before.checklist.done
    await db.pool.execute(sql)
    after, _ = await look_at_one(db, at=AT + HOUR)
    assert getattr(after.checklist, name) is False
    assert replace(after.checklist, **{name: True}).done


async def test_a_paused_template_was_approved_and_counts_as_paused(db: Database, fleet: Fleet) -> None:
    snapshot, _ = await look_at_one(db)
    assert (snapshot.templates_green, snapshot.templates_paused) == (1, 0)
    await db.pool.execute("update templates set status = 'PAUSED'")
    snapshot, _ = await look_at_one(db, at=AT + HOUR)
    assert (snapshot.templates_green, snapshot.templates_paused) == (0, 1)
    assert snapshot.checklist.template_approved


async def test_open_stops_that_cover_the_chip_are_seen_and_leave_no_budget(db: Database, fleet: Fleet) -> None:
    for scope, target in (("portfolio", fleet.portfolio), ("account", fleet.account), ("chip", fleet.chips[0] + 99)):
        await add_stop(db, scope, target)
    await add_stop(db, "everything", None, released_at=AT)
    snapshot, decision = await look_at_one(db)
    assert snapshot.stops == ("portfolio: because", "account: because")
    assert (decision.budget.day_max, decision.budget.binding) == (0, "stop: portfolio: because")


async def add_stop(db: Database, scope: str, target: int | None, **more: Any) -> None:
    async with db.pool.acquire() as conn:
        await add(conn, "stops", scope=scope, target_id=target, reason="because", by="ana", at=AT, **more)


async def add_send(db: Database, fleet: Fleet, person: int, state: str, **more: Any) -> None:
    values = {"plan_day": TODAY, "planned_at": AT, "due_at": AT, "expires_at": AT + HOUR, **more}
    async with db.pool.acquire() as conn:
        campaign = await conn.fetchval("select id from campaigns")
        await add(
            conn,
            "sends",
            chip_id=fleet.chips[0],
            portfolio_id=fleet.portfolio,
            contact_id=person,
            campaign_id=campaign,
            kind="campaign",
            purpose="marketing",
            state=state,
            **values,
        )


async def test_a_spend_limit_pays_for_what_it_still_pays_for(db: Database, fleet: Fleet) -> None:
    async with db.pool.acquire() as conn:
        await conn.execute("update portfolios set spend_day_max = 10.00")
        [person] = await add_people(conn, 1)
    for n in range(2):
        await add_send(db, fleet, person, "read", category="marketing", cap_day=TODAY, accepted_at=AT, message_id=f"wamid.{n}")
    assert (await look_at_one(db))[0].spend_left == 0  # nobody told what a message costs
    await db.pool.execute("insert into prices values ('marketing', 3, 'USD', $1), ('utility', 0.5, 'USD', $1)", TODAY)
    assert (await look_at_one(db, at=AT + HOUR))[0].spend_left == 1  # 10 - 2 x 3 pays for one more
    await db.pool.execute("update portfolios set spend_day_max = null")
    assert (await look_at_one(db, at=AT + 2 * HOUR))[0].spend_left is None


async def test_the_highest_score_of_the_last_hours_counts_from_the_rearming_on(db: Database, fleet: Fleet) -> None:
    for minutes, score in ((30, 70), (90, 80), (25 * 60, 99)):
        await db.pool.execute("insert into health_log values ($1, $2, $3)", fleet.chips[0], AT - timedelta(minutes=minutes), score)
    snapshot, _ = await look_at_one(db)
    assert (snapshot.health_max_1h, snapshot.health_max_24h) == (70, 80)
    await db.pool.execute("update chips set rearmed_at = $1", AT - HOUR)
    await db.pool.execute("delete from health_log where at = $1", AT)
    assert (await look_at_one(db))[0].health_max_24h == 70


async def test_a_spam_error_pauses_the_chip_and_takes_back_what_was_planned(db: Database, fleet: Fleet) -> None:
    async with db.pool.acquire() as conn:
        people = await add_people(conn, 3)
        await conn.execute("insert into chip_days values ($1, $2, 30, 30, 4)", fleet.chips[0], TODAY)
    for person, state in zip(people, ("planned", "planned", "calling"), strict=True):
        await add_send(db, fleet, person, state)
    await count(db, fleet.chips[0], 1, accepted=4, spam=1, failed=1)
    _, decision = await look_at_one(db)
    assert decision.state.status is ChipStatus.PAUSED
    sends = await db.pool.fetch("select state, reason from sends order by id")
    assert [(send["state"], send["reason"]) for send in sends] == [("cancelled", "chip paused")] * 2 + [("calling", None)]
    assert await one(db, "select reachable from chip_days where day = $1", TODAY) == 4
    alert = await db.pool.fetchrow("select * from alerts where rule = 'paused'")
    assert (alert["level"], alert["closed_at"]) == ("critical", None)
    assert "131048" in alert["text"]
    await look(db, at=AT + HOUR)
    assert await one(db, "select count(*) from alerts where rule = 'paused'") == 1


async def test_an_alert_is_open_as_long_as_it_is_true(db: Database, fleet: Fleet) -> None:
    await db.pool.execute("update chips set quality = 'RED'")
    await look(db)
    assert await one(db, "select count(*) from alerts where rule = 'paused' and closed_at is null") == 1
    await db.pool.execute("update chips set quality = 'GREEN', status = 'warming', paused_from = null, pauses = '[]', rearmed_at = $1", AT)
    await look(db, at=AT + HOUR)
    assert await one(db, "select closed_at from alerts where rule = 'paused'") == AT + HOUR


async def test_what_happened_once_is_told_and_done(db: Database, fleet: Fleet) -> None:
    await look(db)
    alert = await db.pool.fetchrow("select * from alerts where rule = 'advanced'")
    assert (alert["level"], alert["open_key"], alert["closed_at"]) == ("info", None, AT)
    assert alert["text"].startswith("one-1: advanced, now pre_operation")


async def test_a_portfolios_limit_is_shared_by_need_and_never_exceeded(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=4, limit=100, eligible_people=1000, phase="pre_operation")
        await add_template(conn, fleet)
        for chip in fleet.chips:
            await conn.execute("insert into chip_days values ($1, $2, 50, 50, 50)", chip, TODAY - timedelta(days=1))
    reviewed = await look(db)
    shares = [snapshot.portfolio_share for snapshot in reviewed.snapshots]
    assert sum(share or 0 for share in shares) == 90
    assert all(decision.budget.day_max <= (share or 0) for decision, share in zip(reviewed.decisions, shares, strict=True))
    assert await one(db, "select sum(portfolio_share) from chips") == 90
    assert all(decision == decide(snapshot, STANDARD) for snapshot, decision in zip(reviewed.snapshots, reviewed.decisions, strict=True))


async def test_an_unread_limit_is_250_and_no_limit_is_none(db: Database) -> None:
    async with db.pool.acquire() as conn:
        for name, limit in (("unread", None), ("unlimited", -1)):
            fleet = await add_fleet(conn, chips=20, name=name, limit=limit, eligible_people=1000, phase="pre_operation")
            await add_template(conn, fleet)
            for chip in fleet.chips:
                await conn.execute("insert into chip_days values ($1, $2, 50, 50, 50)", chip, TODAY - timedelta(days=1))
    await look(db)
    sums = await db.pool.fetch("select portfolio_id, sum(portfolio_share) as share from chips group by portfolio_id order by portfolio_id")
    assert [row["share"] for row in sums] == [225, 1000]


async def test_a_chip_that_needs_more_takes_from_its_sisters_at_once(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=2, limit=60, eligible_people=1000, phase="pre_operation", look_again_at=AT + HOUR)
        await add_template(conn, fleet)
        for chip in fleet.chips:
            await conn.execute("insert into chip_days values ($1, $2, 50, 50, 50)", chip, TODAY - timedelta(days=1))
        first, second = fleet.chips
        await conn.execute("update chips set portfolio_share = 50, budget_need = 50, budget_day_max = 50, health = 90 where id = $1", first)
        await conn.execute("update chips set look_again_at = $1 where id = $2", AT, second)
    await look(db, again=False)
    rows = {row["id"]: row for row in await db.pool.fetch("select id, portfolio_share, look_again_at from chips")}
    assert rows[first]["portfolio_share"] + rows[second]["portfolio_share"] == 54
    assert rows[second]["portfolio_share"] > 0
    assert rows[first]["look_again_at"] == AT  # its budget is larger than its share now
    await look(db, again=False)
    assert await one(db, "select bool_and(budget_day_max <= portfolio_share) from chips")


async def test_looking_again_makes_a_chip_due_at_once_and_never_later(db: Database) -> None:
    async with db.pool.acquire() as conn:
        fleet = await add_fleet(conn, chips=2, look_again_at=AT + HOUR)
        await conn.execute("update chips set look_again_at = $1 where id = $2", AT - HOUR, fleet.chips[1])
        await chips.look_again(conn, fleet.chips, at=AT)
    assert [row["look_again_at"] for row in await db.pool.fetch("select look_again_at from chips order by id")] == [AT, AT - HOUR]


async def test_an_unchanged_budget_does_not_plan_the_day_anew(db: Database, fleet: Fleet) -> None:
    await look(db)
    await db.pool.execute("update chips set plan_again_at = $1", AT + HOUR)
    await look(db, at=AT + timedelta(minutes=10))
    assert await one(db, "select plan_again_at from chips") == AT + HOUR
