"""Typed calls for the quality of consents by source and age, and for sources that are held. It must not know when one does badly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCounts:
    """What came of the messages to people of one source, whose grants had one age."""

    source: str
    age: str
    accepted: int
    people: int
    reached: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int


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


async def list_quality(
    conn: Connection,
    bands: Sequence[tuple[str, timedelta, timedelta]],
    *,
    undeliverable: Sequence[int],
    limited: Sequence[int],
    since: datetime,
    until: datetime,
) -> list[SourceCounts]:
    """By source and age band (name, from, to) of the grant: the messages accepted in this span."""
    return await queries.list_quality.fetch_as(
        SourceCounts,
        conn,
        names=[name for name, _, _ in bands],
        from_ds=[start / timedelta(days=1) for _, start, _ in bands],
        to_ds=[end / timedelta(days=1) for _, _, end in bands],
        undeliverable=undeliverable,
        limited=limited,
        since=since,
        until=until,
    )


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
