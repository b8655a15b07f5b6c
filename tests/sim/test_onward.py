"""Lives that begin in the middle: the past that is laid down is the chip's own, and what comes of it is what the chip then lives."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.core.life import BORN, People
from tests.core.some import STANDARD
from tests.core.test_beside import Recorded

from julia_warmer.core.model import Change
from julia_warmer.sim import constants
from julia_warmer.sim.onward import Forecast, Past, Watch, band, draw_rates, forecast

LIVES = 40


def lived(reply: float, days: int, *, seed: str = "onward") -> Recorded:
    life = Recorded(STANDARD, People(reply=reply, opt_out=0.01), seed=seed)
    life.eligible = 800
    life.run(days)
    return life


def past_of(life: Recorded) -> Past:
    sent = life.sent()
    return Past(
        snapshot=life.snapshots[-1], state=life.state, days={day: (n, n) for day, n in sent.items()}, limit=2000, closed=frozenset()
    )


def say(life: Recorded, *, lives: int = LIVES, seed: int = 1) -> Forecast:
    return forecast(past_of(life), STANDARD, constants.standard(), lives=lives, days=35, seed=seed)


@pytest.fixture(scope="module")
def good() -> Recorded:
    return lived(0.35, 12)


def test_the_first_snapshot_is_the_chips_own(good: Recorded) -> None:
    watch = Watch(2)
    forecast(past_of(good), STANDARD, constants.standard(), lives=2, days=1, seed=1, watch=watch)
    begun, real = watch.first[0], good.snapshots[-1]
    same = ("accepted_today", "best_day_7d", "accepted_last_day", "idle_days", "received_30d", "conversations_7d", "sending_days_in_phase")
    assert {name: getattr(begun, name) for name in same} == {name: getattr(real, name) for name in same}
    assert abs((begun.at - begun.registered_at) - (real.at - real.registered_at)) < timedelta(hours=9)
    assert abs(begun.accepted_30d - real.accepted_30d) <= real.accepted_today
    for window in ("phase_matured", "recent_matured"):
        ours, its = getattr(begun, window), getattr(real, window)
        assert ours.accepted == pytest.approx(its.accepted, abs=25), window
        assert ours.replied / ours.reached == pytest.approx(its.replied / its.reached, abs=0.06), window


def test_a_good_chip_becomes_ready_within_the_band(good: Recorded) -> None:
    said = say(good)
    life = lived(0.35, 12)
    life.run(30)
    day = next((one.at - BORN).days + 1 for one in life.decisions if Change.BECAME_READY in one.changes)
    assert said.day_low is not None
    assert said.day_low <= day <= (said.day_high or said.horizon_d)  # an end that is open lies behind the horizon
    assert said.ready_share > 0.8
    assert said.day_now == 12


def test_the_same_seed_says_the_same_and_a_poor_list_gets_ready_less_often(good: Recorded) -> None:
    said = say(good, lives=20)
    assert said == say(good, lives=20)
    poor = say(lived(0.12, 12), lives=20)
    assert poor.ready_share < said.ready_share
    assert poor.risk.startswith(("paused", "demoted", "not ready for"))


def test_rates_are_drawn_around_what_was_seen(good: Recorded) -> None:
    snapshot = good.snapshots[-1]
    seen = snapshot.recent_matured
    drawn = draw_rates(snapshot, constants.standard(), lives=400, seed=3)
    assert sum(one.reply_low for one in drawn.values()) / 400 == pytest.approx(seen.replied / seen.reached, abs=0.03)
    more = replace(snapshot, recent_matured=replace(seen, opted_out=seen.opted_out + 8))
    worse = draw_rates(more, constants.standard(), lives=400, seed=3)
    assert sum(one.block for one in worse.values()) > 2 * sum(one.block for one in drawn.values())


NEVER = float("inf")
BANDS = [
    pytest.param([20] * 8 + [30, 40], (20, 20, 0.8), id="most end on one day"),
    pytest.param([20, 21, 22, 23, 24, 25, 26, 27, 35, 50], (20, 27, 0.8), id="a long tail is left out"),
    pytest.param([10, 19, 30, 30, 30, 30, 30, 31, 31, 31], (30, 31, 0.8), id="so is an early few"),
    pytest.param([20] * 9 + [NEVER], (20, 20, 0.9), id="whole days hold more than asked"),
    pytest.param([20] * 5 + [30] * 2 + [NEVER] * 3, (20, None, 1.0), id="too many never: no end"),
    pytest.param([20, 30, *[NEVER] * 8], (None, None, 0.8), id="nearly all never"),
]


@pytest.mark.parametrize(("days", "said"), BANDS)
def test_the_band_is_the_narrowest_that_holds_its_share(days: list[float], said: tuple[float | None, float | None, float]) -> None:
    assert band(np.array(days, np.float64)) == pytest.approx(said)
