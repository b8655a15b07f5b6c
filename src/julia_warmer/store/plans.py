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
    budget_binding: str
    eligible_people: int  # as the last plan counted them


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a chip has used of its day, and what is planned still."""

    chip_id: int
    used: int
    planned: int

    @property
    def taken(self) -> int:
        return self.used + self.planned


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
