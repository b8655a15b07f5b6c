"""The consent ledger: sealed behind the writers' backs, proved row by row, and one changed byte is found and named."""

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import asyncpg
import pytest

from julia_warmer.engine.consents import Verified, prove_person, seal_consents, verify_ledger
from julia_warmer.store.consents import digest_of, seal_private
from julia_warmer.store.db import transaction
from julia_warmer.store.seal import Seal
from tests.conftest import Database
from tests.engine.outgoing import add_person

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEAL = Seal(b"k" * 32)
EVIDENCE = {"form": "https://example.com/oi", "ip": "203.0.113.9"}


async def grant(db: Database, contact: int, number: int = 1, *, conn: asyncpg.Connection | None = None) -> None:
    """Grants of one person, each with evidence under the person's key."""
    secret = await db.pool.fetchval("select secret from contacts where id = $1", contact)
    digest = digest_of("v3", "Quero receber plantões.")
    await db.pool.execute("insert into consent_texts values ($1, 'v3', 'Quero receber plantões.') on conflict do nothing", digest)
    await (conn or db.pool).execute(
        "insert into consents (contact_id, purpose, act, source, text_digest, private, at, zone, recorded_at, recorded_by)"
        " select $1, 'marketing', 'granted', 'a|form \"x\"', $2, $3, $4::timestamptz + n * interval '1 s', 'America/Sao_Paulo', $4, 'ana'"
        " from generate_series(1, $5) as n",
        contact,
        digest,
        seal_private(EVIDENCE, secret, SEAL),
        AT,
        number,
    )


async def seal(db: Database, *, at: datetime = AT) -> int:
    async with transaction(db.pool) as conn:
        return await seal_consents(conn, at=at)


async def verify(db: Database, **anchor: bytes) -> Verified:
    async with db.pool.acquire() as conn:
        return await verify_ledger(conn, **anchor)


async def tamper(db: Database, table: str, statement: str, *args: object) -> None:
    """As somebody who owns the server could."""
    await db.owner.execute(f"alter table warmer.{table} disable trigger user")
    await db.owner.execute(statement, *args)
    await db.owner.execute(f"alter table warmer.{table} enable trigger user")


async def test_a_row_is_sealed_once_and_the_seals_follow_each_other(db: Database):
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 3)
    assert await seal(db) == 3
    assert await seal(db, at=AT + timedelta(minutes=1)) == 0
    await grant(db, person)
    assert await seal(db, at=AT + timedelta(minutes=2)) == 1
    found = await verify(db)
    assert (found.rows, found.seals, found.open, found.broken) == (4, 2, 0, None)


async def test_one_changed_byte_in_a_thousand_rows_is_found_and_named(db: Database):
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 1000)
    await seal(db)
    row = await db.pool.fetchval("select id from consents order by id offset 617 limit 1")
    await tamper(db, "consents", "update warmer.consents set private = set_byte(private, 20, get_byte(private, 20) # 1) where id = $1", row)
    broken = (await verify(db)).broken
    assert broken is not None
    assert (broken.consent_id, broken.reason) == (row, "the row is not what was sealed")


CHANGES = {
    "the purpose": ("consents", "update warmer.consents set purpose = 'utility' where id = {row}", "the row is not what was sealed"),
    "the moment": ("consents", "update warmer.consents set at = at - interval '1 us' where id = {row}", "the row is not what was sealed"),
    "who recorded it": ("consents", "update warmer.consents set recorded_by = 'bia' where id = {row}", "the row is not what was sealed"),
    "a row taken away": ("consents", "delete from warmer.consents where id = {row}", "the row is gone"),
    "a leaf": (
        "consent_leaves",
        "update warmer.consent_leaves set leaf = sha256('x') where consent_id = {row}",
        "the row is not what was sealed",
    ),
    "a leaf taken away": ("consent_leaves", "delete from warmer.consent_leaves where consent_id = {row}", "the seal covers 10 rows, and 9"),
    "a root": ("consent_seals", "update warmer.consent_seals set root = sha256('x') where id = 1", "do not lead to the root"),
    "a seal's moment": ("consent_seals", "update warmer.consent_seals set sealed_at = sealed_at + interval '1 s'", "does not follow"),
    "a seal taken away": ("consent_seals", "delete from warmer.consent_seals where id = 1", "seal 1 is missing"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_is_changed_is_found(db: Database, change: str):
    table, statement, reason = CHANGES[change]
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 10)
    await seal(db)
    await grant(db, person)
    await seal(db, at=AT + timedelta(minutes=1))
    row = await db.pool.fetchval("select min(id) + 4 from consents")
    await tamper(db, table, statement.format(row=row))
    broken = (await verify(db)).broken
    assert broken is not None
    assert reason in broken.reason


async def test_a_row_written_past_the_ledger_is_found(db: Database):
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 2)
    await seal(db)
    await tamper(
        db,
        "consents",
        "insert into warmer.consents (contact_id, purpose, act, source, private, at, recorded_at, recorded_by)"
        " values ($1, 'marketing', 'granted', 'form', 'x', $2, $2, 'eve')",
        person,
        AT,
    )
    broken = (await verify(db)).broken
    assert broken is not None
    assert "past the ledger" in broken.reason


async def test_an_anchor_kept_elsewhere_shows_that_the_whole_ledger_was_replaced(db: Database):
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 2)
    await seal(db)
    anchor = (await verify(db)).chain
    assert (await verify(db, anchor=anchor)).broken is None
    assert (await verify(db, anchor=sha256(b"another").digest())).broken is not None


@pytest.mark.parametrize("table", ["consents", "consent_texts", "consent_seals", "consent_leaves"])
@pytest.mark.parametrize(
    "statement", ["update warmer.{table} set {column} = {column}", "delete from warmer.{table}", "truncate warmer.{table} cascade"]
)
async def test_the_apps_role_cannot_change_what_only_grows(db: Database, table: str, statement: str):
    column = {"consents": "zone", "consent_texts": "version", "consent_seals": "root", "consent_leaves": "place"}[table]
    await grant(db, await add_person(db.pool, 1, consent=None))
    await seal(db)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.pool.execute(statement.format(table=table, column=column))


async def test_sealing_waits_for_nobody_and_nobody_for_it(db: Database):
    """An import that is still under way keeps its rows for the next seal, and an opt-out that comes meanwhile is written at once."""
    first, second = await add_person(db.pool, 1, consent=None), await add_person(db.pool, 2, consent=None)
    async with db.pool.acquire() as importing:
        importing_in = importing.transaction()
        await importing_in.start()
        await grant(db, first, 5, conn=importing)
        async with db.pool.acquire() as sealing, sealing.transaction():
            await grant(db, second, 2)
            assert await asyncio.wait_for(seal_consents(sealing, at=AT), 5) == 2
            await asyncio.wait_for(grant(db, second), 5)
        await importing_in.commit()
    assert await seal(db, at=AT + timedelta(minutes=1)) == 6
    assert (await verify(db)).broken is None


async def test_a_proof_can_be_checked_by_hand(db: Database):
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 5)
    await seal(db)
    async with db.pool.acquire() as conn:
        proofs = await prove_person(conn, person, SEAL)
    assert [proof.evidence for proof in proofs] == [EVIDENCE] * 5
    proof = proofs[2]
    value = sha256(b"\x00" + proof.row.line.encode()).digest()
    for side, other in proof.steps:
        left, right = (bytes.fromhex(other), value) if side == "left" else (value, bytes.fromhex(other))
        value = sha256(b"\x01" + left + right).digest()
    assert proof.seal is not None
    assert value == proof.seal.root
    assert "203.0.113.9" not in proof.row.line


async def test_when_a_persons_secret_is_destroyed_the_evidence_is_unreadable_and_the_ledger_still_holds(db: Database):
    person = await add_person(db.pool, 1, consent=None)
    await grant(db, person, 2)
    await seal(db)
    await db.pool.execute("update contacts set secret = null where id = $1", person)
    async with db.pool.acquire() as conn:
        proofs = await prove_person(conn, person, SEAL)
    assert [(proof.evidence, proof.erased, proof.holds) for proof in proofs] == [({}, True, True)] * 2
    assert (await verify(db)).broken is None
