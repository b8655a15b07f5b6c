"""Typed calls for people's requests. It must not know the law's clock, nor what a request asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request as it is stored: `said` and `answer` are sealed by the caller."""

    id: int
    kind: str
    contact_id: int | None
    person: str
    said: bytes | None = field(repr=False)
    received_at: datetime
    due_at: datetime
    recorded_by: str
    closed_at: datetime | None
    closed_by: str | None
    outcome: str | None
    answer: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pressing:
    """An open request whose time is nearly over, or is over."""

    id: int
    kind: str
    due_at: datetime


async def add_request(
    conn: Connection,
    *,
    kind: str,
    contact_id: int | None,
    person: str,
    said: bytes,
    received_at: datetime,
    due_at: datetime,
    by: str,
) -> int:
    return await queries.add_request.fetchval(
        conn, kind=kind, contact_id=contact_id, person=person, said=said, received_at=received_at, due_at=due_at, by=by
    )


async def list_requests(
    conn: Connection, *, person: str | None = None, open_only: bool = True, after: tuple[datetime, int], limit: int
) -> Sequence[RequestRow]:
    """By the end of their time."""
    return await queries.list_requests.fetch_as(
        RequestRow, conn, person=person, open_only=open_only, after_at=after[0], after_id=after[1], limit=limit
    )


async def lock_request(conn: Connection, request_id: int) -> RequestRow | None:
    return await queries.lock_request.fetchrow_as(RequestRow, conn, id=request_id)


async def close_request(conn: Connection, request_id: int, *, outcome: str, answer: bytes, by: str, at: datetime) -> None:
    await queries.close_request.execute(conn, id=request_id, outcome=outcome, answer=answer, by=by, at=at)


async def list_pressing(conn: Connection, *, before: datetime, limit: int) -> list[Pressing]:
    return await queries.list_pressing.fetch_as(Pressing, conn, before=before, limit=limit)
