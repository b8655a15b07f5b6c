"""Fills a database as two months of a large fleet would. It must not know which statements are asked afterwards."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from julia_warmer.core.days import hour_of
from julia_warmer.core.month import DAYS_BACK, LANES, fold_hours, hour_number
from julia_warmer.engine.upkeep import FOLD_AGE, FOLD_EVERY
from julia_warmer.store import db
from julia_warmer.store.db import Connection
from julia_warmer.store.local import APP

AT = datetime(2026, 6, 22, 14, 10, tzinfo=UTC)  # a Monday, 11:10 in São Paulo: everybody may be written to
CHIPS, PEOPLE, SENDS, EVENTS = 1_000, 200_000, 1_000_000, 10_000_000
LAST_AT = AT - timedelta(hours=1)  # of the last fact
EVENTS_S = 3  # facts a second
MONTHS = (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
TABLES = (
    ("contacts", ("add_people",)),
    ("suppressions", ("add_suppressions",)),
    ("conversations", ("add_conversations",)),
    ("sends", ("add_past_sends", "add_open_sends")),
    ("attempts", ("add_attempts",)),
    ("budget_uses", ("add_slots",)),
    ("received", ("add_received",)),
    ("inbox", ("add_bodies",)),
    ("chip_days", ("add_days",)),
    ("health_log", ("add_scores",)),
    ("decisions", ("add_decisions",)),
)

queries = db.load(__file__)


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An index, as it can be made again."""

    name: str
    definition: str


async def fill(conn: Connection) -> None:
    """Fill a fresh, migrated database, over a connection of its owner. About 45 s of a processor."""
    await queries.hurry_up.execute(conn)
    for name in ("add_owners", "add_chips", "add_consents"):
        await _run(conn, name)
    for table, names in TABLES:
        await _fill_table(conn, table, names)
    await _fill_counts(conn)
    await _fill_events(conn)
    await conn.execute("vacuum analyze")


async def _fill_table(conn: Connection, table: str, names: tuple[str, ...]) -> None:
    """Fill an empty table, then make its indexes: that is many times faster than the other way round."""
    indexes = await queries.list_indexes.fetch_as(IndexRow, conn, name=table)
    for index in indexes:
        await conn.execute(f"drop index warmer.{index.name}")
    for name in names:
        await _run(conn, name)
    for index in indexes:
        await conn.execute(index.definition)


async def _fill_counts(conn: Connection) -> None:
    """Thirty days of every chip, twelve hours a day, the older ones packed; upkeep would fold them again now."""
    folded_at = AT - FOLD_EVERY
    since, now = hour_of(folded_at - FOLD_AGE), hour_number(AT)
    old = [hour for hour in range(now - DAYS_BACK * 24, hour_number(since)) if 11 <= hour % 24 < 23]
    packed = fold_hours(None, [(hour, 4, 4, 4, 2, 1, *[0] * (LANES - 5), 1) for hour in old], since=0)
    await queries.add_counts.execute(conn, at=AT, since=since)
    await queries.add_months.execute(conn, folded_at=folded_at, hours=packed)


async def _fill_events(conn: Connection) -> None:
    """Each month apart: filled bare and unlogged by the transaction that makes it, then attached, which makes the indexes."""
    first = 1
    for month, end in pairwise(MONTHS):
        name = f"events_{month:%Y%m}"
        last = EVENTS - max(0, int((LAST_AT - end).total_seconds()) + 1) * EVENTS_S
        async with conn.transaction():
            await queries.make_month.execute(conn)
            await queries.add_events.execute(conn, first=first, last=last, last_at=LAST_AT)
            await conn.execute(f"alter table events_filling rename to {name}")
            await conn.execute(f"grant select, insert, update, delete on {name} to {APP}")
            await conn.execute(
                f"alter table events attach partition {name} for values from ('{month:%Y-%m-%d} 00:00+00') to ('{end:%Y-%m-%d} 00:00+00')"
            )
        first = last + 1
    await _run(conn, "add_early_events")


async def _run(conn: Connection, name: str) -> None:
    """One step; it is given the moment if it asks for it."""
    query = queries.by_name[name]
    await query.execute(conn, **({"at": AT} if "at" in query.params else {}))
