"""Typed calls for people and their consents. It must not know files, forms or what a grant needs: `engine/contacts` does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from julia_warmer.store.consents import open_private
from julia_warmer.store.db import Connection, load
from julia_warmer.store.seal import Seal

queries = load(__file__)

IMPORT_LOCK = 0x63_6F_6E_74_61_63_74  # "contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as a file brings them; None in a field means that the file does not say."""

    phone: str  # E.164
    phone_key: str
    zone: str  # IANA
    name: str | None = None
    audience: str | None = None
    zone_given: bool = False  # the file itself names the zone: it may then replace the one that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A consent with its proof, as a file brings it."""

    phone_key: str
    purpose: str
    source: str
    text_shown: str | None
    text_version: str | None
    evidence: dict[str, Any]
    granted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person, with what may be sent to them."""

    id: int
    phone: str
    phone_key: str
    wa_id: str | None
    user_id: str | None
    name: str | None
    zone: str
    audience: str
    chip_id: int | None
    chip: str | None
    assigned_at: datetime | None
    opted_in_at: datetime | None
    may_marketing: bool
    may_utility: bool
    stopped_at: datetime | None
    platform_stopped_at: datetime | None
    undeliverable_at: datetime | None
    cooldown_until: datetime | None
    next_marketing_at: datetime | None
    last_received_at: datetime | None
    last_accepted_at: datetime | None
    created_at: datetime
    suppressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One row of the ledger."""

    id: int
    purpose: str
    act: str
    source: str
    text_shown: str | None
    text_version: str | None
    evidence: dict[str, Any]  # empty when the person was erased
    at: datetime
    zone: str | None  # the person's, when it was said
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    """One row of the ledger as it is stored."""

    id: int
    purpose: str
    act: str
    source: str
    text_shown: str | None
    text_version: str | None
    private: bytes | None
    refers_to: int | None
    secret: UUID | None = field(repr=False)
    at: datetime
    zone: str | None
    recorded_at: datetime
    recorded_by: str


async def wait_turn(conn: Connection) -> None:
    """Wait for the batches of imports that are being stored; none is until the end of the transaction."""
    await queries.wait_turn.execute(conn, lock=IMPORT_LOCK)


async def share_turn(conn: Connection) -> None:
    """Store a batch of an import, beside others that are, until the end of the transaction."""
    await queries.share_turn.execute(conn, lock=IMPORT_LOCK)


async def refresh_standing(conn: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Work out anew what these people allow, from the ledger."""
    await queries.refresh_standing.execute(conn, ids=ids, at=at)


async def read_contact(conn: Connection, phone_key: str) -> Contact | None:
    return await queries.read_contact.fetchrow_as(Contact, conn, phone_key=phone_key)


async def list_consents(conn: Connection, contact_id: int, *, seal: Seal, limit: int) -> list[Consent]:
    """The ledger of one person, newest first."""
    rows = await queries.list_consents.fetch_as(ConsentRow, conn, contact_id=contact_id, limit=limit)
    return [
        Consent(
            id=row.id,
            purpose=row.purpose,
            act=row.act,
            source=row.source,
            text_shown=row.text_shown,
            text_version=row.text_version,
            evidence=open_private(row.private, row.secret, seal) or ({"resumes": row.refers_to} if row.refers_to else {}),
            at=row.at,
            zone=row.zone,
            recorded_at=row.recorded_at,
            recorded_by=row.recorded_by,
        )
        for row in rows
    ]
