"""Typed calls for hours that grew old: out of the counts, into one packed row a chip. It must not know any window."""

from dataclasses import dataclass, field
from datetime import datetime

from julia_warmer.core.month import fold_hours
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipMonth:
    """A chip's older hours, as core/month.py packs them; None before the first fold."""

    chip_id: int
    hours: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenHours:
    """Hours of a chip that are counts no longer, as rows of core/month.py."""

    chip_id: int
    hours: list[list[int]]


async def add_months(conn: Connection) -> int:
    """See to it that every chip can be folded. How many could not."""
    return await queries.add_months.execute(conn)


async def fold_months(conn: Connection, *, at: datetime, before: datetime, folded_before: datetime, since: int, limit: int) -> int:
    """Move hours before `before` (a whole hour) of chips that were last folded before `folded_before`; those before the hour `since` are
    forgotten. How many chips were folded.

    A review sees an hour in one place or the other, never in both or none: it reads both in one statement.
    """
    months = await queries.lock_months.fetch_as(ChipMonth, conn, before=folded_before, limit=limit)
    chip_ids = [month.chip_id for month in months]
    taken = {row["chip_id"]: row["hours"] for row in await queries.take_hours.fetch(conn, chip_ids=chip_ids, before=before)}
    hours = [fold_hours(month.hours, taken.get(month.chip_id, ()), since=since) for month in months]
    await queries.put_months.execute(conn, at=at, chip_ids=chip_ids, hours=hours)
    return len(months)
