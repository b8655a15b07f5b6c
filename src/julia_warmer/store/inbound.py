"""Typed calls for what people write to us, the conversations it opens, and the road to whoever answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message of a person. `text` and `details` (JSON) are sealed by the caller for the uses below."""

    message_id: str
    chip_id: int
    contact_id: int | None
    at: datetime
    type: str
    text: bytes | None
    details: bytes | None


TEXT_USE = "received.text"
DETAILS_USE = "received.details"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message or call of a contact. `answers`: it may count as a two-way conversation; `waits`: somebody should answer it."""

    chip_id: int
    contact_id: int
    at: datetime
    answers: bool
    waits: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """A conversation that counts, in the hour of this moment."""

    chip_id: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A message that is to go to its webhook now; url None: the chip's answers do not go to a webhook any more."""

    message_id: str
    chip_id: int
    contact_id: int | None
    at: datetime
    type: str
    text: bytes | None = field(repr=False)
    details: bytes | None = field(repr=False)
    tries: int  # this one included
    chip: str
    phone_number_id: str
    phone: str | None = field(repr=False)
    name: str | None = field(repr=False)
    user_id: str | None
    window_until: datetime | None
    route_id: int | None
    url: str | None
    secret: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteResult:
    """What became of a message on its road; neither moment: given up."""

    message_id: str
    routed_at: datetime | None = None
    next_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where an answer would go, and how long it may."""

    chip_id: int
    portfolio_id: int
    zone: str
    contact_id: int
    stopped_at: datetime | None
    window_until: datetime | None


async def add_received(conn: Connection, messages: Sequence[Received], *, at: datetime) -> set[str]:
    """Keep messages, each once; returns the ids of those that are new. They go to their webhook from `at` on."""
    if not messages:
        return set()
    rows = await queries.add_received.fetch(
        conn,
        message_ids=[one.message_id for one in messages],
        chip_ids=[one.chip_id for one in messages],
        contact_ids=[one.contact_id for one in messages],
        ats=[one.at for one in messages],
        types=[one.type for one in messages],
        texts=[one.text for one in messages],
        details=[one.details for one in messages],
        at=at,
    )
    return {row["message_id"] for row in rows}


async def open_windows(conn: Connection, heard: Sequence[Heard]) -> list[Counted]:
    """Open the service windows of these conversations; returns those that count as two-way from now on."""
    if not heard:
        return []
    return await queries.open_windows.fetch_as(
        Counted,
        conn,
        chip_ids=[one.chip_id for one in heard],
        contact_ids=[one.contact_id for one in heard],
        ats=[one.at for one in heard],
        answers=[one.answers for one in heard],
        waits=[one.waits for one in heard],
    )


async def take_due_routes(conn: Connection, *, at: datetime, lease_until: datetime, limit: int) -> list[Due]:
    """Take messages that are to go to their webhook; nobody else takes them before the lease is over."""
    return await queries.take_due_routes.fetch_as(Due, conn, at=at, lease_until=lease_until, limit=limit)


async def settle_routes(conn: Connection, results: Sequence[RouteResult]) -> None:
    if not results:
        return
    await queries.settle_routes.execute(
        conn,
        message_ids=[one.message_id for one in results],
        routed_ats=[one.routed_at for one in results],
        next_ats=[one.next_at for one in results],
        errors=[one.error for one in results],
    )


async def find_conversation(conn: Connection, chip_id: int, contact_id: int) -> Conversation | None:
    return await queries.find_conversation.fetchrow_as(Conversation, conn, chip_id=chip_id, contact_id=contact_id)


async def add_reply(
    conn: Connection, conversation: Conversation, body: Mapping[str, Any], *, day: date, expires_at: datetime, at: datetime
) -> int:
    """Plan an answer for this moment; returns the send."""
    return await queries.add_reply.fetchval(
        conn,
        chip_id=conversation.chip_id,
        portfolio_id=conversation.portfolio_id,
        contact_id=conversation.contact_id,
        body=body,
        day=day,
        expires_at=expires_at,
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The answer that confirms an opt-out of `confirms_at`."""

    chip_id: int
    contact_id: int
    confirms_at: datetime


async def add_confirmations(conn: Connection, asked: Sequence[Confirmation], *, text: str, within: timedelta, at: datetime) -> list[int]:
    """Plan these confirmations; returns the sends that were planned."""
    if not asked:
        return []
    rows = await queries.add_confirmations.fetch(
        conn,
        chip_ids=[one.chip_id for one in asked],
        contact_ids=[one.contact_id for one in asked],
        confirms_ats=[one.confirms_at for one in asked],
        body={"type": "text", "text": text},
        within_s=within.total_seconds(),
        at=at,
    )
    return [row["id"] for row in rows]
