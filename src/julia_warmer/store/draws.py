"""Typed calls that find people for chips. They write nothing, and must not know hours, holidays or rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """How many people a chip could write to."""

    chip_id: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Well:
    """A campaign that a chip may draw from now."""

    chip_id: int
    campaign_id: int
    template_row: int
    audience: str
    purpose: str
    priority: int
    ttl_h: int
    repeat_after_d: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One person for one chip. `free_at`: no message of this purpose before."""

    chip_id: int
    contact_id: int
    campaign_id: int
    purpose: str
    zone: str
    free_at: datetime | None
    canary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one chip asks for: so many people for its day, so many of them canaries."""

    chip_id: int
    home: str  # its zone
    need: int
    canaries: int
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When people of a zone may be written to during the day of chips whose home zone is `home`."""

    home: str
    zone: str
    opens_at: datetime
    closes_at: datetime


async def list_zones(conn: Connection) -> list[str]:
    return [record["zone"] for record in await queries.list_zones.fetch(conn)]


async def count_people(
    conn: Connection, asked: Mapping[int, tuple[datetime, int]], wells: Sequence[Well], *, at: datetime
) -> dict[int, int]:
    """By chip: how many people it could write to until a moment, counted up to a number."""
    people = await queries.count_people.fetch_as(
        People,
        conn,
        at=at,
        chip_ids=list(asked),
        untils=[until for until, _ in asked.values()],
        mosts=[most for _, most in asked.values()],
        **_wells(wells),
    )
    return {row.chip_id: row.number for row in people}


async def expect_values(conn: Connection, expects: bool = True) -> None:
    """Until the end of the transaction, let the server plan each statement for the lists it is given; or no longer.

    Not while many rows are written: what each refers to is looked up by a statement of its own, which would be planned for each row.
    """
    await queries.expect_values.execute(conn, expects=expects)


async def list_wells(conn: Connection, chip_ids: Sequence[int]) -> list[Well]:
    return await queries.list_wells.fetch_as(Well, conn, chip_ids=chip_ids)


async def choose_people(
    conn: Connection, orders: Sequence[Order], wells: Sequence[Well], hours: Sequence[Hours], *, at: datetime
) -> list[Choice]:
    """Choose people for these orders, the best first. Nothing is written."""
    if not orders or not wells or not hours:
        return []
    return await queries.choose_people.fetch_as(
        Choice,
        conn,
        at=at,
        until=max(row.closes_at for row in hours),
        chip_ids=[order.chip_id for order in orders],
        homes=[order.home for order in orders],
        needs=[order.need for order in orders],
        canaries=[order.canaries for order in orders],
        days=[order.day for order in orders],
        span_homes=[row.home for row in hours],
        span_zones=[row.zone for row in hours],
        span_closes=[row.closes_at for row in hours],
        well_priorities=[well.priority for well in wells],
        **_wells(wells),
    )


def _wells(wells: Sequence[Well]) -> dict[str, list[Any]]:
    return {
        "well_chip_ids": [well.chip_id for well in wells],
        "well_campaign_ids": [well.campaign_id for well in wells],
        "well_audiences": [well.audience for well in wells],
        "well_purposes": [well.purpose for well in wells],
        "well_repeats": [well.repeat_after_d for well in wells],
    }
