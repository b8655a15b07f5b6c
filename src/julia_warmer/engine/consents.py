"""The ledger's seals: rows are sealed in batches behind the writers' backs, verified from the first to the last, and proved one by one.

What a seal promises: nothing that it covers was changed, added or taken away since, as far as one `chain` value is kept elsewhere.
It must not know what a consent allows; `store/claims` asks that.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from julia_warmer.core.merkle import GENESIS, chain_of, climb, leaf_of, path_of, root_of
from julia_warmer.store import consents as store
from julia_warmer.store.consents import ProofRow, SealRow, open_private
from julia_warmer.store.db import Connection
from julia_warmer.store.seal import Seal

LEAVES_MAX = 20_000  # of one seal: a proof reads all leaves of its seal


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing in the ledger that does not fit. `consent_id` None: a seal as such."""

    seal_id: int | None
    consent_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and the first thing that does not fit (None: all is well). `chain` is the anchor to keep elsewhere."""

    rows: int
    seals: int
    open: int  # rows that the next seal will cover
    chain: bytes
    broken: Broken | None


@dataclass(frozen=True, slots=True)
class Proof:
    """One row with what shows that it stands in the ledger as it was written. `steps` lead from its leaf to the seal's root."""

    row: ProofRow
    evidence: dict[str, Any]
    erased: bool  # its evidence was sealed under a key that is destroyed
    seal: SealRow | None  # None: the next seal will cover it
    steps: tuple[tuple[str, str], ...]  # side and hash
    holds: bool


async def seal_consents(conn: Connection, *, at: datetime, most: int = LEAVES_MAX) -> int:
    """Seal the oldest open rows, in the caller's transaction; returns how many. Imports and opt-outs never wait for it."""
    rows = await store.take_open(conn, most=most)
    if not rows:
        return 0
    leaves = [leaf_of(row.line.encode()) for row in rows]
    last = await store.read_last_seal(conn)
    root = root_of(leaves)
    chain = chain_of(last.chain if last else GENESIS, leaves=len(leaves), root=root, sealed_at=_moment(at))
    seal = SealRow(last.id + 1 if last else 1, len(leaves), root, chain, at)
    await store.add_seal(conn, seal, [row.id for row in rows], leaves)
    return len(rows)


async def verify_ledger(conn: Connection, *, anchor: bytes | None = None) -> Verified:
    """Hash everything again, from the first seal on, and stop at the first thing that does not fit.

    `anchor` is a chain value that was kept elsewhere: it must be among the chains.
    """
    rows, seals, chain, met = 0, 0, GENESIS, anchor is None
    async for seal in _seals(conn):
        broken = await _check(conn, seal, expected_id=seals + 1, before=chain)
        if broken is not None:
            return Verified(rows, seals, await store.count_open(conn), chain, broken)
        rows, seals, chain = rows + seal.leaves, seals + 1, seal.chain
        met = met or seal.chain == anchor
    broken = None if met else Broken(None, None, "the anchor is not among the seals: the ledger, or its end, was replaced")
    if broken is None and (strays := await store.list_unsealed_lines(conn)):
        broken = Broken(None, strays[0].id, "the row is neither sealed nor waiting for a seal: it was written past the ledger")
    return Verified(rows, seals, await store.count_open(conn), chain, broken)


async def _seals(conn: Connection) -> AsyncIterator[SealRow]:
    after = 0
    while found := await store.list_seals(conn, after=after):
        for seal in found:
            yield seal
        after = found[-1].id


async def _check(conn: Connection, seal: SealRow, *, expected_id: int, before: bytes) -> Broken | None:
    """The rows against their leaves, the leaves against the root, the root against the chain."""
    if seal.id != expected_id:
        return Broken(expected_id, None, f"seal {expected_id} is missing")
    leaves = await store.list_leaves(conn, seal.id)
    for leaf in leaves:
        if leaf.line is None:
            return Broken(seal.id, leaf.consent_id, "the row is gone")
        if leaf_of(leaf.line.encode()) != leaf.leaf:
            return Broken(seal.id, leaf.consent_id, "the row is not what was sealed")
    if len(leaves) != seal.leaves:
        return Broken(seal.id, None, f"the seal covers {seal.leaves} rows, and {len(leaves)} leaves are there")
    if root_of([leaf.leaf for leaf in leaves]) != seal.root:
        return Broken(seal.id, None, "the leaves do not lead to the root: one of them was changed")
    if chain_of(before, leaves=seal.leaves, root=seal.root, sealed_at=_moment(seal.sealed_at)) != seal.chain:
        return Broken(seal.id, None, "the seal does not follow from the one before it")
    return None


async def prove_person(conn: Connection, contact_id: int, seal: Seal) -> list[Proof]:
    """Every row of a person's ledger with its proof, oldest first."""
    return [await _prove(conn, row, seal) for row in await store.list_proofs(conn, contact_id)]


async def _prove(conn: Connection, row: ProofRow, seal: Seal) -> Proof:
    evidence = open_private(row.private, row.secret, seal)
    erased = row.private is not None and row.secret is None
    found = await store.read_seal(conn, row.seal_id) if row.seal_id is not None else None
    if found is None or row.place is None or row.leaf is None:
        return Proof(row, evidence, erased, None, (), holds=True)
    leaves = [leaf.leaf for leaf in await store.list_leaves(conn, found.id)]
    path = path_of(leaves, row.place)
    leaf = leaf_of(row.line.encode())
    steps = tuple(("left" if step.is_left else "right", step.hash.hex()) for step in path)
    return Proof(row, evidence, erased, found, steps, holds=leaf == row.leaf and climb(leaf, path) == found.root)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
