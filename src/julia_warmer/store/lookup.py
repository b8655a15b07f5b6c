"""Typed calls for what a person looks up: the sends to a contact, and how many people there are. It must not know why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The people of one audience."""

    audience: str
    people: int
    marketing: int
    utility: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    purpose: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One message to a person, and what became of it."""

    id: int
    chip: str
    campaign: str | None
    kind: str
    state: str
    reason: str | None
    code: int | None
    due_at: datetime
    accepted_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    replied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    id: int
    phone: str


async def count_people(conn: Connection, *, limit: int) -> list[People]:
    return await queries.count_people.fetch_as(People, conn, limit=limit)


async def list_suppressions(conn: Connection, phone_key: str, *, limit: int) -> list[Suppression]:
    return await queries.list_suppressions.fetch_as(Suppression, conn, phone_key=phone_key, limit=limit)


async def list_sends(conn: Connection, contact_id: int, *, limit: int) -> list[Send]:
    return await queries.list_sends.fetch_as(Send, conn, contact_id=contact_id, limit=limit)


async def list_phones(conn: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The numbers of contacts, by their ids."""
    return {row.id: row.phone for row in await queries.list_phones.fetch_as(Phone, conn, ids=ids)}
