"""Typed calls for what was left behind: leases, lost calls, plans whose time is over, unknown sends. It must not know whose they were."""

from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found: leases given back, calls lost with their worker, plans whose time was over."""

    released: int
    lost: int
    expired: int


@dataclass(frozen=True, slots=True)
class UnknownSend:
    """A send of which nobody knows whether it was taken."""

    id: int
    contact_id: int
    message_id: str | None


async def sweep_sends(conn: Connection, *, lost_before: datetime, most: int, at: datetime) -> Swept:
    swept = await queries.sweep_sends.fetchrow_as(Swept, conn, lost_before=lost_before, most=most, at=at)
    return swept or Swept(0, 0, 0)


async def find_unknown(conn: Connection, send_id: int) -> UnknownSend | None:
    return await queries.find_unknown.fetchrow_as(UnknownSend, conn, send_id=send_id)


async def cancel_unknown(conn: Connection, send_id: int, *, reason: str, at: datetime) -> None:
    await queries.cancel_unknown.execute(conn, send_id=send_id, reason=reason, at=at)
