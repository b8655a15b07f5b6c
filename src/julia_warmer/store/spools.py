"""Typed calls for the leases of spools. It must not know what lies in them."""

from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A spool whose lease has run out: nothing is sent. `waiting`: webhooks in it, as far as its process could tell."""

    id: str
    holder: str
    clear_until: datetime
    waiting: int


async def put_spool(conn: Connection, spool_id: str, *, holder: str, clear_until: datetime, waiting: int) -> None:
    await queries.put_spool.execute(conn, id=spool_id, holder=holder, clear_until=clear_until, waiting=waiting)


async def tell_waiting(conn: Connection, spool_id: str, *, waiting: int) -> None:
    await queries.tell_waiting.execute(conn, id=spool_id, waiting=waiting)


async def delete_spool(conn: Connection, spool_id: str) -> str | None:
    """Gives its holder; None when there was no such spool."""
    return await queries.delete_spool.fetchval(conn, id=spool_id)


async def list_overdue(conn: Connection, *, before: datetime) -> list[Overdue]:
    return await queries.list_overdue.fetch_as(Overdue, conn, before=before)


async def close_told(conn: Connection, *, at: datetime) -> None:
    await queries.close_told.execute(conn, at=at)
