"""Typed calls for forecasts: what one needs, how it was made, what came of it. It must not know how it is made."""

from dataclasses import dataclass
from datetime import date, datetime

from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A chip, its portfolio's limit (-1 unlimited, None never read) and how many chips share it."""

    chip: str
    status: ChipStatus
    registered_at: datetime
    messaging_limit: int | None
    sharers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    day: date
    accepted: int
    reachable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A forecast and the day of ready, if there was one by now. Days count from the registration, the first being 1."""

    chip: str
    phase: Phase
    policy: str
    made_at: datetime
    day_low: float | None
    day_high: float | None
    band_share: float  # of its lives within the band
    horizon_d: int
    ready_day: int | None
    today: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasted:
    """A forecast as it is kept."""

    chip_id: int
    made_at: datetime
    policy: str
    phase: Phase
    day_now: int
    day_low: float | None
    day_median: float | None
    day_high: float | None
    band_share: float  # of its lives within the band
    horizon_d: int
    ready_share: float
    risk: str
    lives: int


async def read_outlook(conn: Connection, chip_id: int) -> Outlook | None:
    return await queries.read_outlook.fetchrow_as(Outlook, conn, chip_id=chip_id)


async def list_days(conn: Connection, chip_id: int, *, since: date) -> list[Day]:
    return await queries.list_days.fetch_as(Day, conn, chip_id=chip_id, since=since)


async def list_warming(conn: Connection) -> list[int]:
    """Ids of the chips of which there is something to forecast."""
    return [row["id"] for row in await queries.list_warming.fetch(conn)]


async def list_due(conn: Connection, *, made_before: datetime, limit: int) -> list[int]:
    """Ids of those chips whose last forecast is older than this, or that have none."""
    return [row["id"] for row in await queries.list_due.fetch(conn, made_before=made_before, limit=limit)]


async def add(conn: Connection, one: Forecasted) -> None:
    await queries.add_forecast.execute(
        conn,
        chip_id=one.chip_id,
        made_at=one.made_at,
        policy=one.policy,
        phase=one.phase,
        day_now=one.day_now,
        day_low=one.day_low,
        day_median=one.day_median,
        day_high=one.day_high,
        band_share=one.band_share,
        horizon_d=one.horizon_d,
        ready_share=one.ready_share,
        risk=one.risk,
        lives=one.lives,
    )


async def list_judged(conn: Connection, *, at: datetime) -> list[Judged]:
    """Of each chip the first forecast in each phase, with what came of it by this moment."""
    return await queries.list_judged.fetch_as(Judged, conn, at=at)
