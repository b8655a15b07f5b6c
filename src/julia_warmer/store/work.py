"""Typed calls for what is due. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Which steps have something to do at a moment."""

    reviews: bool
    plans: bool
    sends: bool


async def find_work(conn: Connection, *, at: datetime) -> Work:
    found = await queries.find_work.fetchrow_as(Work, conn, at=at)
    return found or Work(reviews=False, plans=False, sends=False)
