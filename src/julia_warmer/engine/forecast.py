"""Forecasts of live chips: what the simulator is told of a chip, what it says, and whether it was right. It decides nothing."""

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from multiprocessing import get_context

from julia_warmer.core.days import local_day
from julia_warmer.core.evidence import Rate
from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.core.policy import Policy
from julia_warmer.core.record import decision_from_json, snapshot_from_json
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.rules import rules_of
from julia_warmer.sim.constants import Constants, standard
from julia_warmer.sim.onward import WEEKS_BACK, Past, forecast
from julia_warmer.store import explain, forecasts
from julia_warmer.store.db import Connection, transaction
from julia_warmer.store.forecasts import Forecasted, Judged, Outlook

DAILY = timedelta(hours=20)  # a chip that was forecast within so long is not due
DUE_MAX = 10  # of one run: under a minute
LIVES = 200  # simulated for one forecast: a tenth of them stands at each end of the band
DAYS = 45  # simulated from now on
UNLIMITED = -1
CREDIBLE = 0.95
ALL_PHASES = "all"


async def read_past(conn: Connection, chip_id: int, *, at: datetime, policy: Policy, holidays: frozenset[date]) -> tuple[str, Past]:
    """A chip's name, and all that its forecast rests on. Raises NotFound, Conflict where there is nothing to forecast."""
    outlook = await forecasts.read_outlook(conn, chip_id)
    if outlook is None:
        raise NotFound(f"there is no chip {chip_id}", mend="`warmer chips list` shows them")
    decided = await explain.read_last_decision(conn, chip_id, at=at)
    if outlook.status not in (ChipStatus.WARMING, ChipStatus.PAUSED) or decided is None:
        raise Conflict(
            f"{outlook.chip} is {outlook.status.value}: there is nothing to forecast", mend="only a chip that warms up has a way to go"
        )
    snapshot = snapshot_from_json(json.dumps(decided.record.snapshot))
    state = decision_from_json(json.dumps(decided.record.decision)).state
    since = local_day(snapshot.at, snapshot.zone) - timedelta(weeks=WEEKS_BACK)
    days = {row.day: (row.accepted, row.reachable) for row in await forecasts.list_days(conn, chip_id, since=since)}
    limit = share_of(outlook, snapshot.portfolio_share, policy)
    return outlook.chip, Past(snapshot=snapshot, state=state, days=days, limit=limit, closed=holidays)


def share_of(outlook: Outlook, share: int | None, policy: Policy) -> int:
    """The people a day that a portfolio can leave to one of its chips: an equal part, or what it has now where that is more."""
    limit = policy.budget.limit_unknown if outlook.messaging_limit is None else outlook.messaging_limit
    if limit == UNLIMITED:
        return UNLIMITED
    return max(limit // max(1, outlook.sharers), int((share or 0) / (1 - policy.budget.reserve)))


def forecast_past(
    chip_id: int, past: Past, *, at: datetime, policy: Policy, constants: Constants, seed: int, lives: int = LIVES
) -> Forecasted:
    """Simulate: seconds of processor time, no I/O. The same seed gives the same forecast."""
    said = forecast(past, policy, constants, lives=lives, days=DAYS, seed=seed)
    return Forecasted(
        chip_id=chip_id,
        made_at=at,
        policy=policy.version,
        phase=past.state.phase,
        day_now=said.day_now,
        day_low=said.day_low,
        day_median=said.day_median,
        day_high=said.day_high,
        band_share=said.band_share,
        horizon_d=said.horizon_d,
        ready_share=said.ready_share,
        risk=said.risk,
        lives=said.lives,
    )


# ------------------------------------------------------------------ every day


async def forecast_due(parts: Parts, *, at: datetime) -> int:
    """Forecast the chips that had none within a day, at most `DUE_MAX`, and keep what was said. How many were made.

    The lives are lived in a process of their own: a worker's other steps go on meanwhile. Each chip by its own rules, if it has any.
    """
    async with transaction(parts.pool) as conn:
        due = await forecasts.list_due(conn, made_before=at - DAILY, limit=DUE_MAX)
        rules = await rules_of(conn, parts.policy, due)
        pasts = [(chip_id, await _past_or_none(conn, chip_id, at, rules.of(chip_id), parts.holidays)) for chip_id in due]
    found = [(chip_id, past) for chip_id, past in pasts if past is not None]
    if not found:
        return 0
    constants, seed = standard(), at.date().toordinal()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        for chip_id, past in found:
            say = partial(forecast_past, chip_id, past, at=at, policy=rules.of(chip_id), constants=constants, seed=seed)
            said = await asyncio.get_running_loop().run_in_executor(process, say)
            async with transaction(parts.pool) as conn:
                await forecasts.add(conn, said)
    return len(found)


async def _past_or_none(conn: Connection, chip_id: int, at: datetime, policy: Policy, holidays: frozenset[date]) -> Past | None:
    """None: nothing was decided about it in words of this version, or it moved on meanwhile."""
    try:
        return (await read_past(conn, chip_id, at=at, policy=policy, holidays=holidays))[1]
    except (NotFound, Conflict):
        return None


# ------------------------------------------------------------------ whether they were right


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of the forecasts that are settled, how many had the day of ready within their band, and how many should have had it.

    Bands end on whole days, so that most hold more than 80 % of the lives: what they hold on the mean is what is to be expected.
    """

    phase: str
    right: int
    settled: int
    open: int
    expected: float | None = None  # share of the settled ones

    @property
    def share(self) -> float | None:
        return self.right / self.settled if self.settled else None

    @property
    def interval(self) -> tuple[float, float]:
        """That holds the true share with 95 % probability, under a flat prior."""
        return Rate(self.right, self.settled).interval(CREDIBLE)


def calibrate(judged: Iterable[Judged]) -> list[Calibration]:
    """By the phase in which a forecast was made, and over all."""
    found: dict[str, list[Judged]] = {ALL_PHASES: [], **{phase.value: [] for phase in Phase}}
    for one in judged:
        for name in (one.phase.value, ALL_PHASES):
            found[name].append(one)
    return [_calibration(name, of) for name, of in found.items() if of or name == ALL_PHASES]


def _calibration(phase: str, judged: list[Judged]) -> Calibration:
    answers = [was_right(one) for one in judged]
    settled = [one.band_share for one, answer in zip(judged, answers, strict=True) if answer is not None]
    expected = sum(settled) / len(settled) if settled else None
    return Calibration(phase, answers.count(True), len(settled), answers.count(None), expected)


def was_right(one: Judged) -> bool | None:
    """Whether the day of ready lies within the band; None while nobody can say. An open end means: after the horizon, or never."""
    if one.ready_day is not None and one.ready_day <= one.horizon_d:
        return (one.day_low is not None and one.day_low <= one.ready_day) and (one.day_high is None or one.ready_day <= one.day_high)
    if one.day_high is not None:
        return False if one.today > one.day_high else None
    return True if one.today > one.horizon_d else None
