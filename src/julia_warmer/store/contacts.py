"""Typed calls for people and their consents. It must not know files, forms or what a grant needs: `engine/contacts` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from julia_warmer.store.consents import add_texts, digest_of, open_private, seal_private
from julia_warmer.store.db import Connection, load
from julia_warmer.store.seal import Seal

queries = load(__file__)

IMPORT_LOCK = 0x63_6F_6E_74_61_63_74  # "contact"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A key that must not be written to: for `everything`, or for marketing only."""

    phone_key: str
    everything: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A person that the store knows."""

    id: int
    phone_key: str
    secret: UUID | None = field(repr=False)  # what the ledger's sealed fields about this person open by; None: erased


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
    """Wait for imports that run; hold the turn to the end of the transaction."""
    await queries.wait_turn.execute(conn, lock=IMPORT_LOCK)


async def list_suppressed(conn: Connection, phone_keys: Sequence[str]) -> list[Suppressed]:
    return await queries.list_suppressed.fetch_as(Suppressed, conn, phone_keys=phone_keys)


async def add_contacts(conn: Connection, people: Sequence[Person], *, audience: str, at: datetime) -> set[str]:
    """Add who is new; returns their keys. `audience` is for those whose file names none."""
    rows = await queries.add_contacts.fetch(
        conn,
        phones=[person.phone for person in people],
        phone_keys=[person.phone_key for person in people],
        names=[person.name for person in people],
        zones=[person.zone for person in people],
        audiences=[person.audience or audience for person in people],
        at=at,
    )
    return {row["phone_key"] for row in rows}


async def lock_contacts(conn: Connection, phone_keys: Sequence[str]) -> dict[str, Known]:
    """Lock these people; returns them by their keys."""
    return {known.phone_key: known for known in await queries.lock_contacts.fetch_as(Known, conn, phone_keys=phone_keys)}


async def change_contacts(conn: Connection, people: Sequence[Person], *, at: datetime) -> set[int]:
    """Write what differs; returns the ids of those who changed."""
    rows = await queries.change_contacts.fetch(
        conn,
        phone_keys=[person.phone_key for person in people],
        names=[person.name for person in people],
        audiences=[person.audience for person in people],
        zones=[person.zone if person.zone_given else None for person in people],
        at=at,
    )
    return {row["id"] for row in rows}


async def add_grants(
    conn: Connection, grants: Sequence[Grant], known: Mapping[str, Known], *, seal: Seal, at: datetime, by: str
) -> set[int]:
    """Append what the ledger does not hold; returns the ids of the people concerned. One call must not hold the same grant twice."""
    await add_texts(conn, {(grant.text_version, grant.text_shown) for grant in grants})
    rows = await queries.add_grants.fetch(
        conn,
        ids=[known[grant.phone_key].id for grant in grants],
        purposes=[grant.purpose for grant in grants],
        sources=[grant.source for grant in grants],
        texts=[digest_of(grant.text_version, grant.text_shown) for grant in grants],
        privates=[seal_private(grant.evidence, known[grant.phone_key].secret, seal) for grant in grants],
        granted_ats=[grant.granted_at for grant in grants],
        at=at,
        by=by,
    )
    return {row["contact_id"] for row in rows}


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
