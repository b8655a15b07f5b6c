"""Typed calls for holds, which keep everything from being sent, and for who is at work. It must not know why something is held."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from julia_warmer.store.db import Connection, load

queries = load(__file__)


class HoldKind(StrEnum):
    """Why nothing goes out. `restore`: the database forgot what was sent. A spool holds by its lease (spools.py)."""

    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that stands."""

    kind: HoldKind
    holder: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers that the database believes to be at work."""

    workers: int
    seen_at: datetime | None


async def lock_portfolios(conn: Connection) -> None:
    """The first lock of every change to what may be sent: nothing begins until the transaction ends."""
    await queries.lock_portfolios.fetch(conn)


async def list_holds(conn: Connection) -> list[Hold]:
    return await queries.list_holds.fetch_as(Hold, conn)


async def put_hold(conn: Connection, kind: HoldKind, holder: str, *, reason: str, at: datetime, wait: bool = True) -> bool:
    """Hold everything; true when this hold is new. After the commit no claim and no request begins.

    `wait=False` is for who holds locks that come after the portfolios': a batch that is beginning at that moment may still go out.
    """
    if wait:
        await lock_portfolios(conn)
    return await queries.put_hold.fetchval(conn, kind=kind, holder=holder, reason=reason, at=at)


async def end_holds(conn: Connection, kind: HoldKind, holder: str | None = None) -> list[str]:
    """End a kind's holds, or one holder's. Gives the reasons of those that stood."""
    return [row["reason"] for row in await queries.end_holds.fetch(conn, kind=kind, holder=holder)]


async def see_worker(conn: Connection, name: str, *, at: datetime) -> None:
    await queries.see_worker.execute(conn, name=name, at=at)


async def end_worker(conn: Connection, name: str) -> None:
    await queries.end_worker.execute(conn, name=name)


async def forget_workers(conn: Connection, *, before: datetime) -> None:
    await queries.forget_workers.execute(conn, before=before)


async def read_crew(conn: Connection) -> Crew:
    found = await queries.read_workers.fetchrow_as(Crew, conn)
    return found or Crew(0, None)
