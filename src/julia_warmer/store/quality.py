"""Typed calls for the quality of consents by source and age, and for sources that are held. It must not know when one does badly."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCounts:
    """What came of the messages to people of one source, whose grants had one age."""

    source: str
    age: str
    accepted: int
    reached: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int

    def __add__(self, other: "SourceCounts") -> "SourceCounts":
        """Of one source and age, or of one source with the age of the first."""
        return SourceCounts(source=self.source, age=self.age, **{name: getattr(self, name) + getattr(other, name) for name in NUMBERS})


NUMBERS = tuple(field.name for field in fields(SourceCounts) if field.name not in ("source", "age"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """The same of the messages of one day (UTC)."""

    day: date
    source: str
    age: str
    accepted: int
    reached: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int

    @property
    def counts(self) -> SourceCounts:
        return SourceCounts(source=self.source, age=self.age, **{name: getattr(self, name) for name in NUMBERS})


@dataclass(frozen=True, slots=True)
class Counted:
    """A day, and when its messages were last counted."""

    day: date
    counted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSource:
    """A source of which nobody is planned for, or was not for a while."""

    id: int
    source: str
    reason: str
    at: datetime
    by: str
    released_at: datetime | None
    released_by: str | None
    released_why: str | None


async def count_sources(
    conn: Connection,
    bands: Sequence[tuple[str, timedelta, timedelta]],
    *,
    undeliverable: Sequence[int],
    limited: Sequence[int],
    since: datetime,
    until: datetime,
) -> list[DayCounts]:
    """By day, source and age band (name, from, to) of the grant: the messages accepted after `since`, up to `until`."""
    return await queries.count_sources.fetch_as(
        DayCounts,
        conn,
        names=[name for name, _, _ in bands],
        from_ds=[start / timedelta(days=1) for _, start, _ in bands],
        to_ds=[end / timedelta(days=1) for _, _, end in bands],
        undeliverable=undeliverable,
        limited=limited,
        since=since,
        until=until,
    )


async def list_counted(conn: Connection, *, since: date) -> dict[date, datetime]:
    """Days that were counted, and when."""
    return {row.day: row.counted_at for row in await queries.list_counted.fetch_as(Counted, conn, since=since)}


async def put_days(conn: Connection, days: Sequence[date], rows: Sequence[DayCounts], *, at: datetime) -> None:
    """Keep what these days came to, in the place of what was kept of them."""
    numbers: dict[str, list[int]] = {name: [getattr(row, name) for row in rows] for name in NUMBERS}
    await queries.drop_days.execute(conn, days=days)
    await queries.put_days.execute(
        conn, days=[row.day for row in rows], sources=[row.source for row in rows], ages=[row.age for row in rows], at=at, **numbers
    )


async def forget_days(conn: Connection, *, before: date) -> None:
    await queries.forget_days.execute(conn, before=before)


async def list_days(conn: Connection, *, since: date) -> list[SourceCounts]:
    """Counted days by source and age."""
    return await queries.list_days.fetch_as(SourceCounts, conn, since=since)


async def hold_source(conn: Connection, source: str, *, reason: str, by: str, at: datetime) -> bool:
    """Plan for nobody of this source any more; false when it is held already."""
    return await queries.hold_source.fetchval(conn, source=source, reason=reason, by=by, at=at) is not None


async def release_source(conn: Connection, source: str, *, by: str, why: str, at: datetime) -> bool:
    """Let it go on; false when it was not held."""
    return await queries.release_source.fetchval(conn, source=source, by=by, why=why, at=at) is not None


async def list_holds(conn: Connection, *, open_only: bool, limit: int) -> list[HeldSource]:
    """Held sources, newest first."""
    return await queries.list_holds.fetch_as(HeldSource, conn, open_only=open_only, limit=limit)


async def count_people(conn: Connection, source: str) -> int:
    """How many people may be written to by a grant of this source."""
    return await queries.count_people.fetchval(conn, source=source)
