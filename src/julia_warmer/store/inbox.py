"""Typed calls for webhook bodies and the quarantine. It must not know what a body says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A delivery that is stored. `repeated`: the same bytes had come before."""

    id: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A body that is to be applied; locked to the end of the transaction."""

    id: int
    received_at: datetime
    bytes: int  # sealed


@dataclass(frozen=True, slots=True)
class Body:
    """A stored body, sealed."""

    id: int
    received_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """What could not be used. `item` is sealed by the caller."""

    inbox_id: int | None
    kind: str
    path: str
    reason: str
    item: bytes | None


async def keep_body(conn: Connection, *, digest: bytes, sealed: bytes, at: datetime) -> Kept:
    """Store a delivery. The transaction holds its row, so that a simultaneous second one waits for what this one does."""
    kept = await queries.keep_body.fetchrow_as(Kept, conn, digest=digest, body=sealed, at=at)
    assert kept is not None
    return kept


async def take_waiting(conn: Connection, *, limit: int, bytes_max: int) -> list[Body]:
    """The oldest bodies that wait, at most so many and so many bytes, but never none because the first is large."""
    waiting = await queries.lock_waiting.fetch_as(Waiting, conn, limit=limit)
    taken: list[int] = []
    total = 0
    for one in waiting:
        total += one.bytes
        if taken and total > bytes_max:
            break
        taken.append(one.id)
    return await queries.read_bodies.fetch_as(Body, conn, ids=taken) if taken else []


async def mark_applied(conn: Connection, ids: Sequence[int], *, at: datetime) -> None:
    await queries.mark_applied.execute(conn, ids=ids, at=at)


async def add_quarantined(conn: Connection, rows: Sequence[Quarantined], *, at: datetime) -> None:
    if not rows:
        return
    await queries.add_quarantined.execute(
        conn,
        inbox_ids=[row.inbox_id for row in rows],
        kinds=[row.kind for row in rows],
        paths=[row.path for row in rows],
        reasons=[row.reason for row in rows],
        items=[row.item for row in rows],
        at=at,
    )
