"""Recorded decisions made again: the same policy gives the same bytes, another says where it parts, and a changed record is found."""

from dataclasses import replace
from typing import Any

import pytest

from julia_warmer import policies
from julia_warmer.engine.replay import Period, backtest, replay
from julia_warmer.store.db import transaction
from julia_warmer.store.records import pack_record
from tests.conftest import Database
from tests.core.life import People
from tests.core.some import STANDARD
from tests.core.test_beside import Recorded
from tests.engine.crowd import Fleet, add_fleet

pytestmark = pytest.mark.pg15

AT_HAND = {STANDARD.version: STANDARD}


def lived(days: int = 14) -> Recorded:
    life = Recorded(STANDARD, People(reply=0.35), seed="replayed")
    life.run(days)
    return life


async def record(conn: Any, fleet: Fleet, life: Recorded) -> None:
    """The life's decisions as a review writes them, and its days."""
    rows = [
        (fleet.chips[0], snapshot.at, decision.policy, decision.state.status, list(decision.changes), pack_record(snapshot, decision))
        for snapshot, decision in zip(life.snapshots, life.decisions, strict=True)
    ]
    await conn.executemany("insert into decisions (chip_id, at, policy, status, changes, record) values ($1, $2, $3, $4, $5, $6)", rows)
    for day, accepted in life.sent().items():
        await conn.execute("insert into chip_days (chip_id, day, accepted) values ($1, $2, $3)", fleet.chips[0], day, accepted)


async def test_the_same_policy_decides_the_same_byte_for_byte(db: Database) -> None:
    life = lived()
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn), life)
        found = await replay(conn, Period(), at_hand=AT_HAND)
        later = await replay(conn, Period(since=life.snapshots[5].at, until=life.snapshots[9].at), at_hand=AT_HAND)
    assert (found.same, found.differ, found.first, found.not_at_hand) == (len(life.decisions), 0, None, {})
    assert later.same == 4


async def test_a_decision_that_was_not_made_by_its_policy_is_named_with_the_place(db: Database) -> None:
    life = lived(5)
    wrong = life.decisions[7]
    life.decisions[7] = replace(wrong, budget=replace(wrong.budget, day_max=wrong.budget.day_max + 1))
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn), life)
        found = await replay(conn, Period(), at_hand=AT_HAND)
    assert found.differ == 1
    assert found.first is not None
    assert (found.first.at, found.first.chip) == (wrong.at, "one-1")
    assert f'"day_max":{wrong.budget.day_max + 1}' in found.first.recorded
    assert f'"day_max":{wrong.budget.day_max}' in found.first.again


async def test_a_policy_version_that_is_gone_is_counted_apart(db: Database) -> None:
    life = lived(3)
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn), life)
        found = await replay(conn, Period(), at_hand={})
    assert (found.same, found.differ, found.not_at_hand) == (0, 0, {STANDARD.version: len(life.decisions)})


async def test_another_policy_is_followed_chip_by_chip(db: Database) -> None:
    life = lived()
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn), life)
        same, other = [(await backtest(conn, Period(), policy=policy))[0] for policy in (STANDARD, policies.load("cautious"))]
    assert (same.differ, same.held_back, same.partings) == (0, 0, ())
    assert other.differ > 0
    assert other.held_back > 0
    assert other.partings[0].at >= life.snapshots[0].at
