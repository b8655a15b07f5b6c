"""Typed calls for all that is held about a person. It must not know who may ask, nor how it is shown."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A contact with every field but the key to its evidence. `engagement` is 0 when it is not `scored`."""

    id: int
    phone: str
    phone_key: str
    wa_id: str | None
    user_id: str | None
    name: str | None
    zone: str
    audience: str
    chip: str | None
    assigned_at: datetime | None
    opted_in_at: datetime | None
    engagement: float
    scored: bool
    may_marketing: bool
    may_utility: bool
    stopped_at: datetime | None
    platform_stopped_at: datetime | None
    undeliverable_at: datetime | None
    cooldown_until: datetime | None
    cooldowns: int
    next_marketing_at: datetime | None
    last_received_at: datetime | None
    last_accepted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message to them, planned or out."""

    id: int
    kind: str
    purpose: str
    chip: str
    campaign: str | None
    template: str | None
    state: str
    reason: str | None
    code: int | None
    body: dict[str, Any]
    canary: bool
    message_id: str | None
    planned_at: datetime
    due_at: datetime
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    replied_at: datetime | None
    opted_out_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message of theirs, sealed."""

    at: datetime
    chip: str
    type: str
    text: bytes | None = field(repr=False)
    details: bytes | None = field(repr=False)
    routed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    at: datetime
    kind: str
    value: str | None
    code: int | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    chip: str
    window_until: datetime | None
    last_received_at: datetime | None
    last_sent_at: datetime | None
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How many rows there are beside: `deliveries` are webhook bodies, sealed."""

    deliveries: int
    slots: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """What the score of a contact is made of: their campaign messages that arrived, and those they answered."""

    id: int
    engagement: float
    scored: bool
    delivered: int
    replied: int


async def read_person(conn: Connection, contact_id: int) -> Person | None:
    return await queries.read_person.fetchrow_as(Person, conn, contact_id=contact_id)


async def list_sent(conn: Connection, contact_id: int, *, limit: int) -> list[Sent]:
    return await queries.list_sent.fetch_as(Sent, conn, contact_id=contact_id, limit=limit)


async def list_written(conn: Connection, contact_id: int, *, limit: int) -> list[Written]:
    return await queries.list_written.fetch_as(Written, conn, contact_id=contact_id, limit=limit)


async def list_facts(conn: Connection, contact_id: int, *, limit: int) -> list[Fact]:
    return await queries.list_facts.fetch_as(Fact, conn, contact_id=contact_id, limit=limit)


async def list_talks(conn: Connection, contact_id: int) -> list[Talk]:
    return await queries.list_talks.fetch_as(Talk, conn, contact_id=contact_id)


async def read_rest(conn: Connection, contact_id: int) -> Rest:
    rest = await queries.read_rest.fetchrow_as(Rest, conn, contact_id=contact_id)
    assert rest is not None
    return rest


async def read_engagement(conn: Connection, contact_id: int) -> Engagement | None:
    return await queries.read_engagement.fetchrow_as(Engagement, conn, contact_id=contact_id)


async def set_scored(conn: Connection, known: Engagement, scored: bool, *, weight: float, at: datetime) -> None:
    """Score a contact from now on, or no more."""
    await queries.set_scored.execute(
        conn, contact_id=known.id, scored=scored, delivered=known.delivered, replied=known.replied, weight=weight, at=at
    )
