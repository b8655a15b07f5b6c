"""Typed calls for the list of whom not to write to. It must not know who may lift what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One row. Of an erased person the names are keyed hashes."""

    id: int
    phone_key: str | None = field(repr=False)
    user_id: str | None = field(repr=False)
    purpose: str  # marketing, all
    source: str
    at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_why: str | None


async def list_suppressions(
    conn: Connection,
    *,
    phone_keys: Sequence[str] | None = None,
    user_ids: Sequence[str] = (),
    open_only: bool = True,
    before: int,
    limit: int,
) -> list[Suppression]:
    """Newest first; of these names, or of everybody."""
    return await queries.list_suppressions.fetch_as(
        Suppression, conn, phone_keys=phone_keys, user_ids=list(user_ids), open_only=open_only, before=before, limit=limit
    )


async def lock_open(conn: Connection, phone_keys: Sequence[str], user_ids: Sequence[str]) -> list[Suppression]:
    return await queries.lock_open.fetch_as(Suppression, conn, phone_keys=phone_keys, user_ids=user_ids)


async def lift(conn: Connection, ids: Sequence[int], *, by: str, why: str, at: datetime) -> None:
    await queries.lift_suppressions.execute(conn, ids=ids, by=by, why=why, at=at)


async def end_stops(conn: Connection, contact_ids: Sequence[int], *, at: datetime) -> None:
    """End the own stops of these contacts, where nothing else covers everything."""
    await queries.end_stops.execute(conn, ids=contact_ids, at=at)
