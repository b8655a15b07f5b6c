"""Typed calls for what came of a call: taken, refused, or nobody knows. It must not know the provider's codes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.core.model import Media
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSend:
    """The provider took a send: from the answer to its request, or from a status that carries our id."""

    send_id: int
    message_id: str | None
    held: bool = False
    wa_id: str | None = None
    media: Media = Media.TEXT


@dataclass(frozen=True, slots=True)
class SettledSend:
    """A send that changed: it became `accepted` (or held) or `unknown`."""

    id: int
    became: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSend:
    """The provider refused a send. `due_at` set: surely not taken, try again then. `free`: its slot and its place in the day come back."""

    send_id: int
    code: int
    reason: str
    free: bool
    due_at: datetime | None = None


async def find_sending(conn: Connection, chip_ids: Collection[int]) -> list[int]:
    """Those of these chips that may send."""
    return [row["id"] for row in await queries.find_sending.fetch(conn, chip_ids=sorted(chip_ids))] if chip_ids else []


async def lock_people_of(conn: Connection, send_ids: Sequence[int]) -> None:
    await queries.lock_people_of.execute(conn, send_ids=send_ids)


async def settle_sends(conn: Connection, accepted: Sequence[AcceptedSend], lost: Sequence[int] = (), *, at: datetime) -> set[int]:
    """The one place where a send becomes accepted (or held), from `calling` or `unknown` only, once; and where `lost` calls become unknown.

    Returns the ids that were accepted by this call. The people of these sends must be locked by then, in the order of their ids:
    `lock_people_of`, or the caller's own lock.
    """
    if not accepted and not lost:
        return set()
    changed = await queries.settle_sends.fetch_as(
        SettledSend,
        conn,
        send_ids=[row.send_id for row in accepted],
        message_ids=[row.message_id for row in accepted],
        held=[row.held for row in accepted],
        wa_ids=[row.wa_id for row in accepted],
        media=[int(row.media) for row in accepted],
        lost_ids=lost,
        at=at,
    )
    return {row.id for row in changed if row.became == "accepted"}


async def accept_sends(conn: Connection, rows: Sequence[AcceptedSend], *, at: datetime) -> set[int]:
    """`settle_sends` for what was taken. Returns the ids that were accepted by this call."""
    return await settle_sends(conn, rows, at=at)


async def lose_sends(conn: Connection, send_ids: Sequence[int], *, at: datetime) -> None:
    """`settle_sends` for what nobody knows."""
    await settle_sends(conn, (), send_ids, at=at)


async def mark_held(conn: Connection, send_ids: Sequence[int]) -> None:
    """For sends that a status had accepted before our answer said that they are held."""
    await queries.mark_held.execute(conn, send_ids=send_ids)


async def refuse_sends(conn: Connection, rows: Sequence[RefusedSend], *, at: datetime) -> list[int]:
    """Settle refusals: planned again, or failed. Returns the ids that changed."""
    changed = await queries.refuse_sends.fetch(
        conn,
        send_ids=[row.send_id for row in rows],
        again=[row.due_at is not None for row in rows],
        free=[row.free for row in rows],
        due_at=[row.due_at for row in rows],
        codes=[row.code for row in rows],
        reasons=[row.reason for row in rows],
        at=at,
    )
    return [row["id"] for row in changed]


async def note_people(
    conn: Connection,
    *,
    undeliverable: Sequence[int],
    limited: Sequence[int],
    limited_wait_h: float,
    limited_wait_h_max: float,
    at: datetime,
) -> None:
    """What a refusal said about people, by contact id. They must be locked."""
    await queries.note_people.execute(
        conn,
        undeliverable=undeliverable,
        limited=limited,
        limited_wait_h=limited_wait_h,
        limited_wait_h_max=limited_wait_h_max,
        at=at,
    )
