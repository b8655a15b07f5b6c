"""Typed calls for two contacts that are one person. It must not know how that was learnt; the caller holds the contacts' locks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load
from julia_warmer.store.people import Stopped

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class Kin:
    """Two contacts of one person."""

    contact_id: int
    kin_id: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """How a contact was called before it was merged."""

    id: int
    phone_key: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Carried:
    """What went along. `sends`: by id; `consents`: rows that say an older row again."""

    consents: int
    sends: tuple[int, ...]


async def list_kin(conn: Connection, ids: Sequence[int]) -> dict[int, list[int]]:
    """For each of these contacts the others of the same person, where there are any."""
    kin: dict[int, list[int]] = {}
    for row in await queries.list_kin.fetch_as(Kin, conn, ids=ids) if ids else ():
        kin.setdefault(row.contact_id, []).append(row.kin_id)
    return kin


async def carry_all(conn: Connection, ids: Sequence[int], into: int, *, user_id: str | None, by: str, at: datetime) -> Carried:
    """Make these locked contacts one: `into` stays. `user_id`: the newest one, where it is known."""
    had = await queries.drop_user_ids.fetch_as(Dropped, conn, ids=ids, into=into)
    others = [one.user_id for one in had if one.id != into and one.user_id]
    own = next((one.user_id for one in had if one.id == into), None)
    await queries.carry_contact.execute(conn, ids=ids, into=into, user_id=user_id or own or next(iter(others), None), at=at)
    await queries.leave_contacts.execute(conn, ids=ids, into=into, at=at)
    consents = await queries.carry_consents.fetchval(conn, ids=ids, into=into, by=by, at=at)
    user_ids = sorted({*others, *(name for name in (own, user_id) if name)})
    await queries.carry_suppressions.execute(conn, phone_keys=[one.phone_key for one in had], user_ids=user_ids, into=into)
    sends = tuple(row["id"] for row in await queries.carry_sends.fetch(conn, ids=ids, into=into))
    await queries.carry_slots.execute(conn, send_ids=sends, into=into)
    for carry in (
        queries.carry_received,
        queries.carry_events,
        queries.carry_questions,
        queries.carry_requests,
        queries.carry_conversations,
    ):
        await carry.execute(conn, ids=ids, into=into)
    return Carried(consents, sends)


async def spread_stops(conn: Connection, ids: Sequence[int], *, at: datetime) -> dict[int, str]:
    """Let the stops of merged contacts hold for those that stay; returns these, each with what it covers."""
    return {one.id: one.purpose for one in await queries.spread_stops.fetch_as(Stopped, conn, ids=ids, at=at)} if ids else {}


async def find_root(conn: Connection, contact_id: int) -> int:
    """The contact that a person is written to by: this one, or the one it was merged into."""
    return await queries.find_root.fetchval(conn, id=contact_id) or contact_id


async def follow_merges(conn: Connection) -> list[int]:
    """Re-point what was under way at a merge and is settled by now; returns the sends."""
    return [row["id"] for row in await queries.follow_merges.fetch(conn)]
