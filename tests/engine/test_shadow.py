"""A shadow policy decides beside the first on live snapshots, with states of its own, and touches no chip."""

import asyncio
from datetime import timedelta

import pytest

from julia_warmer import policies
from julia_warmer.config import Settings
from julia_warmer.core.policy import Policy
from julia_warmer.engine.retention import forget_old
from julia_warmer.engine.review import review
from julia_warmer.store import shadows
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, add_campaign, add_fleet, add_people, add_template

pytestmark = pytest.mark.pg15

CAUTIOUS = policies.load("cautious")
CHIPS = "select name, status, phase, budget_day_max, budget_binding, policy, look_again_at from chips order by id"


async def look(db: Database, *, shadow: Policy | None, hours: int = 0) -> None:
    at = AT + timedelta(hours=hours)
    async with transaction(db.pool) as conn:
        await conn.execute("update chips set look_again_at = $1", at)
        await review(conn, at=at, policy=STANDARD, shadow=shadow)


async def stage(db: Database, **more: object) -> None:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, chips=2, eligible_people=400, **more)  # type: ignore[arg-type]
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
        await add_people(conn, 10)


async def test_it_reports_and_changes_no_chip(db: Database) -> None:
    await stage(db)
    async with db.pool.acquire() as conn:
        before = await conn.fetch("select * from chips order by id")
        await look(db, shadow=None)
        alone = [tuple(row.values()) for row in await conn.fetch(CHIPS)]
        await conn.execute("delete from decisions")
        await conn.execute("delete from health_log")
        for row in before:
            await conn.execute(
                "update chips set budget_day_max = $2, portfolio_share = $3, phase = $4, phase_since = $5 where id = $1",
                *(row[name] for name in ("id", "budget_day_max", "portfolio_share", "phase", "phase_since")),
            )
        await look(db, shadow=CAUTIOUS)
        assert [tuple(row.values()) for row in await conn.fetch(CHIPS)] == alone
        rows = await conn.fetch("select live_policy, live_budget, policy, budget from shadow_decisions order by chip_id")
        live = [row["budget_day_max"] for row in await conn.fetch(CHIPS)]
    assert [row["live_budget"] for row in rows] == live
    assert {(row["live_policy"], row["policy"]) for row in rows} == {(STANDARD.version, CAUTIOUS.version)}


async def test_the_policy_in_force_as_its_own_shadow_never_differs(db: Database) -> None:
    await stage(db)
    for hours in (0, 4, 16):
        await look(db, shadow=STANDARD, hours=hours)
    async with transaction(db.pool) as conn:
        courses = await shadows.list_courses(conn, since=AT)
        assert await shadows.list_partings(conn, since=AT, limit=10) == []
    assert [(one.chip, one.decisions, one.differ, one.held_back) for one in courses] == [("one-1", 3, 0, 0), ("one-2", 3, 0, 0)]


async def test_its_state_goes_on_from_look_to_look_and_begins_anew_with_another_version(db: Database) -> None:
    await stage(db)
    await look(db, shadow=CAUTIOUS)
    async with transaction(db.pool) as conn:
        await conn.execute("update shadow_chips set own = jsonb_set(own, '{phase}', '\"first_contacts\"')")
    await look(db, shadow=CAUTIOUS, hours=4)
    async with transaction(db.pool) as conn:
        phases = await conn.fetch("select phase, live_phase from shadow_decisions where at > $1", AT)
        assert {(row["phase"], row["live_phase"]) for row in phases} == {("first_contacts", "expansion")}
        parted = await shadows.list_partings(conn, since=AT, limit=10)
        assert {(one.live_phase, one.phase) for one in parted if one.at > AT} == {("expansion", "first_contacts")}
    await look(db, shadow=STANDARD, hours=8)
    async with transaction(db.pool) as conn:
        phases = await conn.fetch("select phase from shadow_decisions where at > $1", AT + timedelta(hours=4))
    assert {row["phase"] for row in phases} == {"expansion"}


async def test_it_is_forgotten_with_the_decisions(db: Database) -> None:
    await stage(db)
    await look(db, shadow=CAUTIOUS)
    settings = Settings()
    later = AT + timedelta(days=settings.keep_decisions_d + 1)
    gone = await asyncio.wait_for(forget_old(db.pool, at=later, settings=settings), 20)
    assert gone.rows["forget_shadows"] == 2
