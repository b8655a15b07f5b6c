"""A policy applied at a moment, and a chip's own rules: decided by from then on, named by each decision, and made again byte for byte."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from julia_warmer import policies
from julia_warmer.core.policy import Policy, parse
from julia_warmer.core.tables import PolicyError
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.engine.explain import explain_chip
from julia_warmer.engine.replay import Period, replay
from julia_warmer.engine.review import review
from julia_warmer.engine.rule_changes import LEAD, apply_policy, end_own_rules, set_own_rules, withdraw_policy
from julia_warmer.engine.rules import in_force
from julia_warmer.store import policies as store
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.crowd import AT, STANDARD, add_campaign, add_fleet, add_people, add_template

pytestmark = pytest.mark.pg15

MINE = parse('name = "mine"\nextends = "standard"\n[phases.expansion]\ncap_day_max = 20', file="mine.toml", base=STANDARD)
CAUTIOUS = policies.load("cautious")
OWN = "[phases.expansion]\ncap_day_max = 12\n"
LAYERS = (("mine.toml", "…"),)


async def stage(db: Database, *, chips: int = 2) -> tuple[int, ...]:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, chips=chips, eligible_people=400)
        await add_template(conn, fleet)
        await add_campaign(conn, fleet)
        await add_people(conn, 10)
        await conn.execute("insert into chip_days (chip_id, day, accepted) select id, $1, 40 from chips", AT.date() - timedelta(days=3))
    return fleet.chips


async def look(db: Database, at: datetime) -> list[Any]:
    """A review at this moment, as a worker makes it: by the policy in force then."""
    async with transaction(db.pool) as conn:
        await conn.execute("update chips set look_again_at = $1", at)
        await review(conn, at=at, policy=await in_force(conn, STANDARD, at=at))
        return await conn.fetch("select policy, budget_day_max from chips order by id")


async def apply(db: Database, policy: Policy, *, at: datetime = AT, valid_from: datetime | None = None) -> int:
    async with transaction(db.pool) as conn:
        done = await apply_policy(
            conn, policy, layers=LAYERS, valid_from=valid_from, effect={}, otherwise=STANDARD, by="ana", why="calmer", at=at
        )
    return done.change_id


async def test_the_live_log_across_a_change_is_made_again_byte_for_byte(db: Database) -> None:
    chips = await stage(db)
    changes_at = AT + timedelta(hours=5)
    before = await look(db, AT)
    await apply(db, MINE, valid_from=changes_at)
    until, since = await look(db, changes_at - timedelta(seconds=1)), await look(db, changes_at)
    async with transaction(db.pool) as conn:
        await set_own_rules(
            conn, chips[1], OWN, chip="one-2", otherwise=STANDARD, by="ana", why="young", at=changes_at + timedelta(hours=1)
        )
    own = await look(db, changes_at + timedelta(hours=1))
    assert [row["policy"] for row in (*before, *until)] == [STANDARD.version] * 4
    assert [tuple(row) for row in since] == [(MINE.version, 20)] * 2
    assert tuple(own[0]) == (MINE.version, 20)
    assert (own[1]["policy"].partition("@")[0], own[1]["budget_day_max"]) == ("mine+own", 12)
    async with transaction(db.pool) as conn:
        found = await replay(conn, Period(), at_hand={})
        records = await conn.fetch("select distinct policy from decisions")
        kept = await store.list_versions(conn)
    assert (found.same, found.differ, found.not_at_hand) == (8, 0, {})
    assert {row["policy"] for row in records} == {one.version for one in kept} == {STANDARD.version, MINE.version, own[1]["policy"]}


async def test_a_change_is_told_with_who_when_why_and_what_differs(db: Database) -> None:
    await stage(db)
    change_id = await apply(db, MINE)
    async with transaction(db.pool) as conn:
        (change,) = await store.list_changes(conn, limit=9)
        audit = await conn.fetchrow("select who, what, target, why, body from audit_log")
    assert (change.id, change.version, change.before, change.made_by, change.why) == (
        change_id,
        MINE.version,
        STANDARD.version,
        "ana",
        "calmer",
    )
    assert (change.made_at, change.valid_from, change.layers) == (AT, AT + LEAD, [["mine.toml", "…"]])
    assert change.differs == [{"key": "phases.expansion.cap_day_max", "before": 30, "now": 20}]
    assert tuple(audit)[:4] == ("ana", "policy applied", f"policy:{change_id}", "calmer")


async def test_a_change_that_cannot_be_is_refused(db: Database) -> None:
    with pytest.raises(Wrong, match="is too soon"):
        await apply(db, MINE, valid_from=AT + LEAD - timedelta(seconds=1))
    with pytest.raises(Conflict, match="is in force then already"):
        await apply(db, STANDARD)
    await apply(db, MINE, valid_from=AT + timedelta(days=2))
    with pytest.raises(Conflict, match="was applied from 2026-06-03"):
        await apply(db, CAUTIOUS, valid_from=AT + timedelta(days=1))
    with pytest.raises(Conflict, match="is in force then already"):
        await apply(db, MINE, valid_from=AT + timedelta(days=3))
    await apply(db, CAUTIOUS)  # as soon as may be: after the one to come
    async with transaction(db.pool) as conn:
        versions = [
            (await in_force(conn, STANDARD, at=AT + timedelta(days=days, minutes=minutes))).name
            for days, minutes in ((0, 0), (1, 0), (2, 0), (2, 1))
        ]
    assert versions == ["standard", "standard", "mine", "cautious"]


async def test_a_change_to_come_is_withdrawn_and_one_in_force_is_not(db: Database) -> None:
    change_id = await apply(db, MINE)
    async with transaction(db.pool) as conn:
        assert await withdraw_policy(conn, change_id, by="rui", why="not yet", at=AT) == MINE.version
        assert (await in_force(conn, STANDARD, at=AT + LEAD)) is STANDARD
    with pytest.raises(NotFound):
        async with transaction(db.pool) as conn:
            await withdraw_policy(conn, change_id, by="rui", why="again", at=AT)
    again = await apply(db, MINE)
    with pytest.raises(NotFound):
        async with transaction(db.pool) as conn:
            await withdraw_policy(conn, again, by="rui", why="too late", at=AT + LEAD)


async def test_own_rules_must_fit_every_policy_to_come_and_a_policy_every_own_rule(db: Database) -> None:
    chips = await stage(db)
    low = parse('name = "low"\nextends = "standard"\n[phases.expansion]\ncap_day_max = 11', file="low.toml", base=STANDARD)
    change_id = await apply(db, low, valid_from=AT + timedelta(days=1))

    async def give(text: str) -> None:
        async with transaction(db.pool) as conn:
            await set_own_rules(conn, chips[0], text, chip="one-1", otherwise=STANDARD, by="ana", why="past", at=AT)

    with pytest.raises(PolicyError, match="cap_day_max = 40: must be at most 16"):
        await give("[phases.expansion]\ncap_day_max = 40")
    with pytest.raises(Wrong, match="change nothing"):
        await give("[gates]\nused_min = 0.8")
    async with transaction(db.pool) as conn:
        await withdraw_policy(conn, change_id, by="ana", why="own rules first", at=AT)
    await give("[phases.expansion]\ncap_day_max = 40")
    with pytest.raises(Conflict, match="own rules of one-1"):
        await apply(db, low)


async def test_own_rules_are_explained_recorded_and_ended(db: Database) -> None:
    chips = await stage(db, chips=1)
    async with transaction(db.pool) as conn:
        await set_own_rules(conn, chips[0], OWN, chip="one-1", otherwise=STANDARD, by="ana", why="young", at=AT)
    await look(db, AT)
    async with transaction(db.pool) as conn:
        told = await explain_chip(conn, chips[0], at=AT, policy=STANDARD)
        assert told is not None
        assert [(rule.key, rule.own, rule.policy) for rule in told.own] == [("phases.expansion.cap_day_max", 12, 30)]
        assert told.decision.policy.startswith("standard+own@")
        await end_own_rules(conn, chips[0], by="rui", why="grown", at=AT)
        with pytest.raises(Conflict, match="no rules of its own"):
            await end_own_rules(conn, chips[0], by="rui", why="grown", at=AT)
        acts = await conn.fetch("select who, what from audit_log order by id")
    assert [tuple(row) for row in acts] == [("ana", "own rules set"), ("rui", "own rules ended")]
    assert tuple((await look(db, AT + timedelta(hours=1)))[0]) == (STANDARD.version, 30)


async def test_what_was_decided_by_cannot_be_changed_by_the_program(db: Database) -> None:
    await stage(db)
    await look(db, AT)
    for change in ("update policies set rules = '{}'", "delete from policies"):
        async with db.pool.acquire() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(change)


async def test_a_kept_policy_whose_rules_are_others_is_not_decided_by(db: Database) -> None:
    odd = replace(MINE, name="odd")
    await apply(db, odd)
    async with db.owner.acquire() as conn:
        await conn.execute(
            "update warmer.policies set rules = replace(rules, '\"growth_min\":10', '\"growth_min\":99') where version like 'odd%'"
        )
    async with transaction(db.pool) as conn:
        with pytest.raises(PolicyError, match="cannot read it"):
            await in_force(conn, STANDARD, at=datetime(2026, 7, 1, tzinfo=UTC))
