"""Typed calls for the plan that leads to a portfolio's next messaging limit. Reads only; it must not know what leads there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from julia_warmer.core.model import ChipStatus, Quality
from julia_warmer.store.db import Connection, load
from julia_warmer.store.draws import Well
from julia_warmer.store.records import Recorded

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A portfolio: its limit (-1 unlimited, None never read) and what its messages may cost a day."""

    portfolio_id: int
    name: str
    messaging_limit: int | None
    spend_day_max: Decimal | None
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A chip as it is now."""

    chip_id: int
    chip: str
    zone: str
    status: ChipStatus
    quality: Quality
    phone_status: str
    stops: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDecided:
    """The last decision about a chip, as it was recorded."""

    chip_id: int
    policy: str
    record: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedDay:
    chip_id: int
    day: date
    accepted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachedDay:
    """Unique people whose last delivery was on a day."""

    day: date
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """People who may be written to and count anew so many days ahead; of a chip, or of the pool."""

    chip_id: int | None
    audience: str
    ahead: int
    people: int


async def read_owner(conn: Connection, portfolio_id: int) -> Owner | None:
    return await queries.read_owner.fetchrow_as(Owner, conn, portfolio_id=portfolio_id)


async def list_standing(conn: Connection, portfolio_id: int) -> list[Standing]:
    """Its chips, but for those that are gone."""
    return await queries.list_standing.fetch_as(Standing, conn, portfolio_id=portfolio_id)


async def list_low_templates(conn: Connection, portfolio_id: int) -> list[str]:
    return [row["name"] for row in await queries.list_low_templates.fetch(conn, portfolio_id=portfolio_id)]


async def list_decided(conn: Connection, chip_ids: Sequence[int], *, at: datetime) -> list[LastDecided]:
    return await queries.list_decided.fetch_as(LastDecided, conn, chip_ids=chip_ids, at=at)


async def list_accepted(conn: Connection, chip_ids: Sequence[int], *, since: date) -> list[AcceptedDay]:
    return await queries.list_accepted.fetch_as(AcceptedDay, conn, chip_ids=chip_ids, since=since)


async def list_reached(conn: Connection, portfolio_id: int, *, since: datetime, zone: str) -> list[ReachedDay]:
    """People reached after a moment, by the day (in a zone) of their last delivery."""
    return await queries.list_reached.fetch_as(ReachedDay, conn, portfolio_id=portfolio_id, since=since, zone=zone)


async def count_ahead(
    conn: Connection, wells: Sequence[Well], *, at: datetime, today: date, zone: str, days: int, horizon: int, most: int
) -> list[Ahead]:
    """Whom these wells may reach within the horizon, by the first day on which they count anew in a span of `days`."""
    return await queries.count_ahead.fetch_as(
        Ahead,
        conn,
        at=at,
        today=today,
        zone=zone,
        days=days,
        horizon=horizon,
        most=most,
        well_chip_ids=[well.chip_id for well in wells],
        well_campaign_ids=[well.campaign_id for well in wells],
        well_audiences=[well.audience for well in wells],
        well_purposes=[well.purpose for well in wells],
        well_repeats=[well.repeat_after_d for well in wells],
    )
