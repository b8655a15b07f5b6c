"""Typed calls for what a restored database forgot: found by the ids of attempts, and put back. It must not know where the ids come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """An attempt that began, and that the database may not know."""

    attempt_id: UUID
    at: datetime
    send_id: int
    phone: str = field(repr=False)
    phone_key: str = field(repr=False)
    phone_number_id: str
    campaign_id: int | None
    kind: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A request to stop by every name under which it may stand."""

    phone_key: str | None = field(repr=False)
    hashed_key: str | None
    user_id: str | None = field(repr=False)
    hashed_id: str | None
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Key:
    id: int
    phone_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PutBack:
    """What became known again: attempts, in sends that were there and in sends made for them."""

    attempts: int
    sends_found: int
    sends_made: int


async def read_identity(conn: Connection) -> UUID:
    return await queries.read_identity.fetchval(conn)


async def lock_comparison(conn: Connection) -> None:
    await queries.lock_comparison.fetch(conn)


async def find_forgotten(conn: Connection, attempt_ids: Sequence[UUID]) -> set[UUID]:
    """Of these attempts those that the database does not know."""
    return {row["id"] for row in await queries.find_forgotten.fetch(conn, attempt_ids=list(attempt_ids))}


async def find_forgotten_stops(conn: Connection, stops: Sequence[Stop]) -> set[int]:
    """Of these requests to stop those that the database does not know, by their places."""
    rows = await queries.find_forgotten_stops.fetch(
        conn,
        ordinals=list(range(len(stops))),
        phone_keys=[one.phone_key for one in stops],
        hashed_keys=[one.hashed_key for one in stops],
        user_ids=[one.user_id for one in stops],
        hashed_ids=[one.hashed_id for one in stops],
        sources=[one.source for one in stops],
        ats=[one.at for one in stops],
    )
    return {row["ordinal"] for row in rows}


async def find_forgotten_erasures(conn: Connection, persons: Sequence[str], ats: Sequence[datetime]) -> set[int]:
    """Of these erasures those that the database does not know, by their places."""
    rows = await queries.find_forgotten_erasures.fetch(conn, ordinals=list(range(len(persons))), persons=persons, ats=ats)
    return {row["ordinal"] for row in rows}


async def list_keys(conn: Connection, *, after: int, limit: int) -> list[Key]:
    return await queries.list_keys.fetch_as(Key, conn, after=after, limit=limit)


async def put_back(conn: Connection, entries: Sequence[Forgotten], *, reason: str, at: datetime) -> PutBack:
    """Make them known again, as unknown sends. Those of numbers that are not ours any more are left out."""
    phones, keys, numbers = ([getattr(one, name) for one in entries] for name in ("phone", "phone_key", "phone_number_id"))
    await queries.add_lost_people.execute(conn, phones=phones, phone_keys=keys, phone_number_ids=numbers, at=at)
    found = await queries.put_back.fetchrow_as(
        PutBack,
        conn,
        attempt_ids=[one.attempt_id for one in entries],
        ats=[one.at for one in entries],
        send_ids=[one.send_id for one in entries],
        phone_keys=keys,
        phone_number_ids=numbers,
        campaign_ids=[one.campaign_id for one in entries],
        kinds=[one.kind for one in entries],
        workers=[one.worker for one in entries],
        reason=reason,
        at=at,
    )
    return found or PutBack(0, 0, 0)


async def cancel_planned(conn: Connection, *, reason: str, at: datetime) -> int:
    """Cancel all that is planned or claimed; gives how many, and lets every chip plan anew."""
    cancelled = await queries.cancel_planned.fetchval(conn, reason=reason, at=at)
    await queries.plan_anew.execute(conn)
    return cancelled


async def presume_written(conn: Connection, *, reason: str, at: datetime) -> int:
    """Count everybody as written to by the campaigns that stand; gives how many pairs of campaign and person."""
    return await queries.presume_written.fetchval(conn, reason=reason, at=at)


async def count_unknown(conn: Connection) -> int:
    return await queries.count_unknown.fetchval(conn)


async def find_release(conn: Connection) -> datetime | None:
    """When a person last let sending go on after a restore."""
    return await queries.find_release.fetchval(conn)
