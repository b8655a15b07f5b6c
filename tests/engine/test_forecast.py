"""Forecasts of live chips: what they are told, that they are kept, and whether they were right."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.cloud.client import GraphClient
from julia_warmer.config import Settings
from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.forecast import DAILY, calibrate, forecast_due, forecast_past, read_past, share_of, was_right
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.rule_changes import set_own_rules
from julia_warmer.sim.constants import standard
from julia_warmer.store import forecasts
from julia_warmer.store.db import transaction
from julia_warmer.store.forecasts import Judged, Outlook
from julia_warmer.store.seal import Seal
from tests.conftest import Database
from tests.core.some import STANDARD
from tests.engine.crowd import AT, add_fleet
from tests.engine.test_replay import lived, record

pytestmark = pytest.mark.pg15

DAY = timedelta(days=1)


def judged(**given: Any) -> Judged:
    values: dict[str, Any] = {"chip": "c", "phase": Phase.EXPANSION, "policy": "p", "made_at": AT, "day_low": 22.0, "day_high": 26.0}
    values["band_share"] = 0.85
    values |= {"horizon_d": 57, "ready_day": None, "today": 20, **given}
    return Judged(**values)


CASES = [
    pytest.param({"ready_day": 24}, True, id="ready within the band"),
    pytest.param({"ready_day": 26}, True, id="ready on its last day"),
    pytest.param({"ready_day": 21}, False, id="ready before it"),
    pytest.param({"ready_day": 27}, False, id="ready after it"),
    pytest.param({"today": 26}, None, id="not ready, and the band has not passed"),
    pytest.param({"today": 27}, False, id="not ready, and the band has passed"),
    pytest.param({"day_high": None, "ready_day": 40}, True, id="ready within a band without an end"),
    pytest.param({"day_high": None, "today": 57}, None, id="a band without an end is open until the horizon"),
    pytest.param({"day_high": None, "today": 58}, True, id="after which never was what it said"),
    pytest.param({"day_low": None, "day_high": None, "ready_day": 30}, False, id="never was said, and it got ready"),
    pytest.param({"day_low": None, "day_high": None, "ready_day": 90}, None, id="ready after the horizon is as good as not ready by it"),
]


@pytest.mark.parametrize(("given", "right"), CASES)
def test_a_forecast_is_right_when_the_day_of_ready_lies_within_its_band(given: dict[str, Any], right: bool | None) -> None:
    assert was_right(judged(**given)) is right


def test_calibration_counts_what_is_settled_by_phase_and_over_all() -> None:
    found = calibrate([judged(ready_day=24), judged(ready_day=30), judged(), judged(phase=Phase.SETUP, ready_day=22)])
    told = {one.phase: (one.right, one.settled, one.open) for one in found}
    assert told == {"all": (2, 3, 1), "setup": (1, 1, 0), "expansion": (1, 2, 1)}
    low, high = found[0].interval
    assert low < found[0].share < high  # type: ignore[operator]


@pytest.mark.parametrize(
    ("limit", "sharers", "share", "people"),
    [(2000, 4, None, 500), (250, 10, 40, 44), (-1, 3, 10, -1), (None, 5, None, STANDARD.budget.limit_unknown // 5)],
)
def test_a_chip_has_an_equal_part_of_the_limit_or_what_it_has_now(limit: int | None, sharers: int, share: int | None, people: int) -> None:
    outlook = Outlook(chip="c", status=ChipStatus.WARMING, registered_at=AT, messaging_limit=limit, sharers=sharers)
    assert share_of(outlook, share, STANDARD) == people


async def test_a_chip_is_forecast_from_its_last_decision_kept_and_judged(db: Database) -> None:
    life = lived(12)
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, chips=2, registered_at=life.snapshots[0].registered_at)
        await record(conn, fleet, life)
        at, chip_id = life.snapshots[-1].at, fleet.chips[0]
        name, past = await read_past(conn, chip_id, at=at, policy=STANDARD, holidays=frozenset())
        assert name == "one-1"
        assert past.state == life.decisions[-1].state
        assert sum(accepted for accepted, _ in past.days.values()) == sum(life.sent().values())
        said = await asyncio.to_thread(forecast_past, chip_id, past, at=at, policy=STANDARD, constants=standard(), seed=1, lives=20)
        for made in (said, said):
            await forecasts.add(conn, made)
        open_now = calibrate(await forecasts.list_judged(conn, at=at))
        assert [(one.phase, one.settled, one.open) for one in open_now] == [("all", 0, 1), (said.phase.value, 0, 1)]
        assert said.day_median is not None
        ready_at = life.snapshots[0].registered_at + DAY * (said.day_median - 0.5)
        await conn.execute("update decisions set at = $2, changes = '{became_ready}' where chip_id = $1 and at = $3", chip_id, ready_at, at)
        settled = calibrate(await forecasts.list_judged(conn, at=ready_at + DAY))
        assert [(one.right, one.settled) for one in settled] == [(1, 1), (1, 1)]


async def test_there_is_nothing_to_forecast_of_a_chip_without_a_decision_or_of_none(db: Database) -> None:
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn)
        with pytest.raises(Conflict, match="nothing to forecast"):
            await read_past(conn, fleet.chips[0], at=AT, policy=STANDARD, holidays=frozenset())
        with pytest.raises(NotFound):
            await read_past(conn, 10_000, at=AT, policy=STANDARD, holidays=frozenset())
        assert await forecasts.list_warming(conn) == list(fleet.chips)


async def test_a_worker_forecasts_each_chip_once_a_day_by_its_own_rules(db: Database) -> None:
    life = lived(12)
    async with transaction(db.pool) as conn:
        fleet = await add_fleet(conn, chips=2, registered_at=life.snapshots[0].registered_at)
        await record(conn, fleet, life)
        own = "[phases.expansion]\ncap_day_max = 12"
        await set_own_rules(conn, fleet.chips[0], own, chip="one-1", otherwise=STANDARD, by="ana", why="young", at=AT)
    at = life.snapshots[-1].at
    async with GraphClient() as graph:
        parts = Parts(pool=db.pool, settings=Settings(), policy=STANDARD, seal=Seal(bytes(32)), graph=graph, worker="one")  # type: ignore[call-arg]
        assert await forecast_due(parts, at=at) == 1  # nothing was decided about the second one
        assert await forecast_due(parts, at=at + timedelta(hours=1)) == 0
        made = await db.pool.fetch("select chip_id, made_at, policy, day_now from forecasts")
        assert [(row["chip_id"], row["made_at"], row["day_now"]) for row in made] == [(fleet.chips[0], at, 12)]
        assert made[0]["policy"].startswith("standard+own@")
        async with transaction(db.pool) as conn:
            assert await forecasts.list_due(conn, made_before=at - DAILY + DAY, limit=9) == [fleet.chips[0]]
