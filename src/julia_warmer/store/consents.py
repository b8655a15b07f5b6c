"""Typed calls for the consent ledger: its texts, its sealed fields and its seals. It must not know what a consent allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from julia_warmer.store.db import Connection, load
from julia_warmer.store.seal import Seal, SealBroken

queries = load(__file__)

SEALER_LOCK = 0x73_65_61_6C_65_72  # "sealer"
PRIVATE_USE = "consents.private"


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A row and its line: what its commitment is made of."""

    id: int
    line: str


@dataclass(frozen=True, slots=True)
class SealRow:
    """A seal over rows of the ledger."""

    id: int
    leaves: int
    root: bytes
    chain: bytes
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A sealed row's leaf, and its line as it is now; None: the row is gone."""

    consent_id: int
    leaf: bytes
    line: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow:
    """A row of a person with all that proves it."""

    id: int
    purpose: str
    act: str
    source: str
    at: datetime
    zone: str | None
    recorded_at: datetime
    recorded_by: str
    text_version: str | None
    text_shown: str | None
    text_digest: bytes | None
    refers_to: int | None
    private: bytes | None
    secret: UUID | None = field(repr=False)
    line: str
    seal_id: int | None
    place: int | None
    leaf: bytes | None


def digest_of(version: str | None, body: str | None) -> bytes | None:
    """A text's digest: sha256 over the JSON list [version, body]. None when there is neither."""
    return sha256(orjson.dumps([version, body])).digest() if version or body else None


def seal_private(evidence: Mapping[str, Any], secret: UUID | None, seal: Seal) -> bytes | None:
    """The evidence under the person's own key; None when there is none, or when the person is erased."""
    return seal.of_person(secret).close(orjson.dumps(dict(evidence)), use=PRIVATE_USE) if evidence and secret else None


def open_private(private: bytes | None, secret: UUID | None, seal: Seal) -> dict[str, Any]:
    """The evidence. Empty when there is none, when its key was destroyed, or when it was sealed under another one."""
    if private is None or secret is None:
        return {}
    try:
        return orjson.loads(seal.of_person(secret).open(private, use=PRIVATE_USE))
    except SealBroken:
        return {}


async def add_texts(conn: Connection, texts: Iterable[tuple[str | None, str | None]]) -> None:
    """Keep texts, given as (version, body)."""
    rows = {digest: text for text in texts if (digest := digest_of(*text)) is not None}
    if rows:
        versions, bodies = [version for version, _ in rows.values()], [body for _, body in rows.values()]
        await queries.add_texts.execute(conn, digests=list(rows), versions=versions, bodies=bodies)


async def take_open(conn: Connection, *, most: int) -> list[OpenRow]:
    """Take the oldest rows that no seal covers, one sealer at a time; they must be sealed in this transaction."""
    await queries.lock_seals.execute(conn, lock=SEALER_LOCK)
    return await queries.take_open.fetch_as(OpenRow, conn, most=most)


async def read_last_seal(conn: Connection) -> SealRow | None:
    return await queries.read_last_seal.fetchrow_as(SealRow, conn)


async def read_seal(conn: Connection, seal_id: int) -> SealRow | None:
    return await queries.read_seal.fetchrow_as(SealRow, conn, id=seal_id)


async def add_seal(conn: Connection, seal: SealRow, ids: Sequence[int], leaves: Sequence[bytes]) -> None:
    """Write a seal and its leaves."""
    await queries.add_seal.execute(conn, id=seal.id, leaves=seal.leaves, root=seal.root, chain=seal.chain, sealed_at=seal.sealed_at)
    await queries.add_leaves.execute(conn, seal_id=seal.id, ids=ids, leaves=leaves)


async def count_open(conn: Connection) -> int:
    return await queries.count_open.fetchval(conn)


async def list_seals(conn: Connection, *, after: int = 0, limit: int = 1000) -> list[SealRow]:
    return await queries.list_seals.fetch_as(SealRow, conn, after=after, limit=limit)


async def list_leaves(conn: Connection, seal_id: int) -> list[LeafRow]:
    return await queries.list_leaves.fetch_as(LeafRow, conn, seal_id=seal_id)


async def list_unsealed_lines(conn: Connection, *, after: int = 0, limit: int = 1) -> list[OpenRow]:
    """Rows that are neither sealed nor on the list of those to be sealed."""
    return await queries.list_unsealed_lines.fetch_as(OpenRow, conn, after=after, limit=limit)


async def list_proofs(conn: Connection, contact_id: int) -> list[ProofRow]:
    """The whole ledger of a person, oldest first."""
    return await queries.list_proofs.fetch_as(ProofRow, conn, contact_id=contact_id)
