"""Typed calls for the plan of a day: whom to write to, by which chip, when. It must not know hours, holidays or rules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueChip:
    """A chip whose day is to be planned; its row is locked."""

    chip_id: int
    zone: str
    day: date  # its calendar day
    budget_day_max: int
    eligible_people: int  # as the last plan counted them


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a chip has used of its day, and what is planned still."""

    chip_id: int
    used: int
    planned: int


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
class Standing:
    """One message that is planned already."""

    send_id: int
    chip_id: int
    contact_id: int
    campaign_id: int
    purpose: str
    zone: str
    due_at: datetime
    ttl_h: int
    free_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSend:
    """One message to be."""

    chip_id: int
    contact_id: int
    campaign_id: int
    template_row: int
    purpose: str
    canary: bool
    day: date
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Another time for a planned message."""

    send_id: int
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedSend:
    send_id: int
    chip_id: int


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


async def lock_due_chips(conn: Connection, *, at: datetime, overdue: datetime, limit: int) -> list[DueChip]:
    """Lock the sending chips that are to be planned at `at`, or whose sends were due before `overdue`."""
    return await queries.lock_due_chips.fetch_as(DueChip, conn, at=at, overdue=overdue, limit=limit)


async def list_sending_chips(conn: Connection, *, day: date, chip_ids: Sequence[int] | None = None) -> list[DueChip]:
    """The sending chips as they are, for the preview of a day: nothing is locked."""
    return await queries.list_sending_chips.fetch_as(DueChip, conn, day=day, chip_ids=chip_ids)


async def count_loads(conn: Connection, days: Mapping[int, date]) -> dict[int, Load]:
    """By chip: what its day has used and what is planned."""
    loads = await queries.count_loads.fetch_as(Load, conn, chip_ids=list(days), days=list(days.values()))
    return {load.chip_id: load for load in loads}


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


async def expect_values(conn: Connection) -> None:
    """Until the end of the transaction, let the server plan each statement for the lists it is given."""
    await queries.expect_values.execute(conn)


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


async def list_planned(conn: Connection, days: Mapping[int, date]) -> list[Standing]:
    """What these chips have planned for their days, by chip and time."""
    return await queries.list_planned.fetch_as(Standing, conn, chip_ids=list(days), days=list(days.values()))


async def find_late(conn: Connection, chip_ids: Sequence[int], *, overdue: datetime) -> set[int]:
    """Which of these chips have messages that were due before a moment."""
    return {record["chip_id"] for record in await queries.find_late.fetch(conn, chip_ids=chip_ids, overdue=overdue)}


async def add_sends(conn: Connection, sends: Sequence[NewSend], *, at: datetime) -> list[AddedSend]:
    """Write new sends; gives those that were written."""
    return await queries.add_sends.fetch_as(
        AddedSend,
        conn,
        at=at,
        chip_ids=[send.chip_id for send in sends],
        contact_ids=[send.contact_id for send in sends],
        campaign_ids=[send.campaign_id for send in sends],
        template_rows=[send.template_row for send in sends],
        purposes=[send.purpose for send in sends],
        canaries=[send.canary for send in sends],
        days=[send.day for send in sends],
        due_ats=[send.due_at for send in sends],
        expires_ats=[send.expires_at for send in sends],
    )


async def move_sends(conn: Connection, moves: Sequence[Move]) -> int:
    """Give planned sends other times. Gives how many were planned still."""
    return await queries.move_sends.execute(
        conn,
        send_ids=[move.send_id for move in moves],
        due_ats=[move.due_at for move in moves],
        expires_ats=[move.expires_at for move in moves],
    )


async def trim_sends(conn: Connection, excesses: Mapping[int, tuple[date, int]]) -> int:
    """Cancel so many of what each chip has planned for its day, the latest first. Gives how many were."""
    rows = await queries.trim_sends.fetch(
        conn,
        chip_ids=list(excesses),
        days=[day for day, _ in excesses.values()],
        excesses=[number for _, number in excesses.values()],
    )
    return len(rows)


async def cancel_sends(conn: Connection, chip_ids: Collection[int], *, reason: str) -> int:
    """Cancel every campaign message that these chips have planned. Gives how many were."""
    return len(await queries.cancel_sends.fetch(conn, chip_ids=list(chip_ids), reason=reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a plan learnt of a chip."""

    chip_id: int
    day: date
    granted: int
    reachable: int
    people: int
    plan_again_at: datetime


async def put_outcomes(conn: Connection, outcomes: Sequence[Outcome], *, at: datetime) -> None:
    """Write down what could be reached, how many people there are, and when to plan again."""
    chip_ids = [outcome.chip_id for outcome in outcomes]
    await queries.put_reachable.execute(
        conn,
        chip_ids=chip_ids,
        days=[outcome.day for outcome in outcomes],
        granted=[outcome.granted for outcome in outcomes],
        reachable=[outcome.reachable for outcome in outcomes],
    )
    await queries.put_planned.execute(
        conn,
        at=at,
        chip_ids=chip_ids,
        people=[outcome.people for outcome in outcomes],
        plan_again_ats=[outcome.plan_again_at for outcome in outcomes],
    )
