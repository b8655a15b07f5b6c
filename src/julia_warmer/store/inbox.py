"""Typed calls for webhook bodies and the quarantine. It must not know what a body says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


BODY_USE = "inbox.body"
ITEM_USE = "quarantine.item"


@dataclass(frozen=True, slots=True, eq=False)
class NewBody:
    """A delivery to be stored, sealed, under the sha256 of its bytes."""

    received_at: datetime
    digest: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A body as its row says: how often it came."""

    id: int
    digest: bytes
    deliveries: int


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


async def keep_bodies(conn: Connection, given: Sequence[NewBody]) -> list[Kept]:
    """Store deliveries, in the order of their arrival. The transaction holds their rows: simultaneous second ones wait for it.

    The same bytes twice in one call are one body; the second of them counts as repeated.
    """
    times = Counter(one.digest for one in given)
    first = {one.digest: one for one in reversed(given)}
    distinct = [first[digest] for digest in times]
    rows = await queries.keep_bodies.fetch_as(
        Stored,
        conn,
        received_ats=[one.received_at for one in distinct],
        digests=[one.digest for one in distinct],
        bodies=[one.sealed for one in distinct],
        times=[times[one.digest] for one in distinct],
    )
    stored = {row.digest: row for row in rows}
    new = {row.digest for row in rows if row.deliveries == times[row.digest]}
    return [Kept(stored[one.digest].id, one.digest not in new or one is not first[one.digest]) for one in given]


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


async def empty_bodies(conn: Connection, ids: Sequence[int], *, nothing: bytes) -> None:
    """Keep of these bodies only that they came: they speak of somebody who was erased."""
    if ids:
        await queries.empty_bodies.execute(conn, ids=ids, nothing=nothing)


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
