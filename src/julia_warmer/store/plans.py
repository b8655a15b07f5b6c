"""Typed calls for the plan of a day: whom to write to, by which chip, when. It must not know hours, holidays or rules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

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
class Draw:
    """One message to be: a new one (`send_id` None), or one that is planned already and gets another time."""

    send_id: int | None
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
class AddedSend:
    send_id: int
    chip_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one chip asks of a draw: so many people for its day, so many of them canaries."""

    chip_id: int
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


async def count_people(conn: Connection, asked: Mapping[int, tuple[datetime, int]], *, at: datetime) -> dict[int, int]:
    """By chip: how many people it could write to until a moment, counted up to a number."""
    people = await queries.count_people.fetch_as(
        People,
        conn,
        at=at,
        chip_ids=list(asked),
        untils=[until for until, _ in asked.values()],
        mosts=[most for _, most in asked.values()],
    )
    return {row.chip_id: row.number for row in people}


async def draw_sends(
    conn: Connection, orders: Sequence[Order], hours: Sequence[Hours], *, at: datetime, overdue: datetime, spacing_s: float
) -> list[Draw]:
    """Choose people and times for these orders. Nothing is written."""
    if not orders or not hours:
        return []
    return await queries.draw_sends.fetch_as(
        Draw,
        conn,
        at=at,
        overdue=overdue,
        spacing_s=spacing_s,
        until=max(row.closes_at for row in hours),
        chip_ids=[order.chip_id for order in orders],
        needs=[order.need for order in orders],
        canaries=[order.canaries for order in orders],
        days=[order.day for order in orders],
        span_homes=[row.home for row in hours],
        span_zones=[row.zone for row in hours],
        span_opens=[row.opens_at for row in hours],
        span_closes=[row.closes_at for row in hours],
    )


async def add_sends(conn: Connection, draws: Sequence[Draw], *, at: datetime) -> list[AddedSend]:
    """Write new sends; gives those that were written."""
    return await queries.add_sends.fetch_as(
        AddedSend,
        conn,
        at=at,
        chip_ids=[draw.chip_id for draw in draws],
        contact_ids=[draw.contact_id for draw in draws],
        campaign_ids=[draw.campaign_id for draw in draws],
        template_rows=[draw.template_row for draw in draws],
        purposes=[draw.purpose for draw in draws],
        canaries=[draw.canary for draw in draws],
        days=[draw.day for draw in draws],
        due_ats=[draw.due_at for draw in draws],
        expires_ats=[draw.expires_at for draw in draws],
    )


async def move_sends(conn: Connection, draws: Sequence[Draw]) -> int:
    """Give planned sends other times."""
    return await queries.move_sends.execute(
        conn,
        send_ids=[draw.send_id for draw in draws],
        due_ats=[draw.due_at for draw in draws],
        expires_ats=[draw.expires_at for draw in draws],
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
