"""S4 consent ledger: no message without a consent that was valid at that moment, as plain SQL proves beside the sandbox's ledger.

The program's role can change nothing of it, and one byte flipped in a thousand sealed rows is found and named by the command.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.platform import SandboxProcess
from tests.faults.process import until
from tests.faults.row import Draw, Findings, Row
from tests.faults.stage import Stage

NAME = "S4"
LIMIT_S = (300.0, 120.0)
ROWS = 1000  # of the ledger, at least
TABLES = ("consents", "consent_texts", "consent_seals", "consent_leaves")

# What the people of each kind said, as rows of (purpose, act, days from now); and whether a message of the purpose may go to them.
KINDS: dict[str, tuple[tuple[tuple[str, str, float], ...], bool]] = {
    "agreed": ((("marketing", "granted", -60),), True),
    "never": ((), False),
    "withdrew": ((("marketing", "granted", -60), ("marketing", "withdrawn", -1)), False),
    "withdrew at the same moment": ((("marketing", "granted", -2), ("marketing", "withdrawn", -2)), False),
    "agreed again": ((("marketing", "granted", -60), ("marketing", "withdrawn", -9), ("marketing", "granted", -3)), True),
    "another purpose": ((("utility", "granted", -60),), False),
    "only tomorrow": ((("marketing", "granted", 1),), False),
    "withdraws tomorrow": ((("marketing", "granted", -60), ("marketing", "withdrawn", 1)), True),
}

# For each message of the sandbox's ledger: what the person had said last about its purpose by the moment at which it was taken.
PROOF = """
    select count(*) filter (where said.act is distinct from 'granted')::int as without, count(*)::int as messages
    from unnest($1::text[], $2::timestamptz[]) as sent (person, at)
    left join contacts on contacts.phone = '+' || sent.person
    left join lateral (
        select consents.act from consents
        where consents.contact_id = contacts.id and consents.purpose = 'marketing' and consents.at <= sent.at
        order by consents.at desc, consents.id desc limit 1
    ) as said on true
"""

# One byte of one row, and back: each column that the program could care for. `$1` is the row.
FLIPS = {
    "the evidence": "update consents set private = set_byte(private, 3, get_byte(private, 3) # 1) where id = $1",
    "the source": "update consents set source = overlay(source placing chr(ascii(substr(source, 2, 1)) # 1) from 2 for 1) where id = $1",
    "who recorded it": "update consents set recorded_by = overlay(recorded_by placing chr(ascii(recorded_by) # 1) from 1) where id = $1",
    "the moment": """update consents
        set at = at + case extract(microseconds from at)::int % 2 when 0 then interval '1 us' else interval '-1 us' end
        where id = $1""",
    "the text's digest": "update consents set text_digest = set_byte(text_digest, 9, get_byte(text_digest, 9) # 64) where id = $1",
    "the person": "update consents set contact_id = contact_id # 1 where id = $1",
    "its leaf": "update consent_leaves set leaf = set_byte(leaf, 31, get_byte(leaf, 31) # 128) where consent_id = $1",
}


@dataclass(frozen=True, slots=True)
class People:
    """Who of the fleet is of which kind, by number."""

    kinds: tuple[str, ...]

    @property
    def may(self) -> set[str]:
        return {phone_of(n) for n, kind in enumerate(self.kinds) if KINDS[kind][1]}


async def run(stage: Stage, draw: Draw) -> Row:
    each, flips = draw.size((40, 35), (5, 4))
    found = Findings()
    people = People(tuple(kind for kind in KINDS for _ in range(each)))
    size = len(people.kinds)
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), chips=2, people=size, purpose="marketing", due_in=timedelta(hours=1)
    )
    await _say(stage, fleet, people, draw)
    sandbox = await stage.sandbox()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret))
    worker = await stage.worker()
    sent = await _judge_sends(stage, people, sandbox, found)
    await worker.end()  # it would seal in between
    tried = await _judge_rights(stage, found)
    rows = await _judge_flips(stage, draw, flips, found)
    done = f"{size} messages planned to people of {len(KINDS)} kinds, {sent} sent; {tried} changes tried; {flips} flips in {rows:,} rows"
    return found.row(NAME, done)


async def _say(stage: Stage, fleet: Fleet, people: People, draw: Draw) -> None:
    """The ledger of these people, and enough of others that it has its thousand rows."""
    async with stage.db.owner.acquire() as conn, conn.transaction():
        await _unlocked(conn, "truncate consents", "truncate consents_open")
        said = [
            (fleet.people[n], purpose, act, fleet.at + timedelta(days=days), draw.random.randbytes(40))
            for n, kind in enumerate(people.kinds)
            for purpose, act, days in KINDS[kind][0]
        ]
        long_ago = fleet.at - timedelta(days=90)
        while len(said) < ROWS:
            said.append((draw.random.choice(fleet.people), "utility", "withdrawn", long_ago, draw.random.randbytes(40)))
        columns = [list(column) for column in zip(*said, strict=True)]
        await conn.execute("insert into consent_texts (digest, version, body) values ($1, 'v1', 'Quero receber plantões')", b"d" * 32)
        await conn.execute(
            """insert into consents (contact_id, purpose, act, source, text_digest, private, at, zone, recorded_at, recorded_by)
               select t.person, t.purpose, t.act, 'form', $6, t.private, t.at, 'America/Sao_Paulo', $7, 'faults'
               from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[])
                    as t (person, purpose, act, at, private)""",
            *columns, b"d" * 32, fleet.at,
        )  # fmt: skip


async def _unlocked(conn: Any, *statements: str) -> None:
    """As the owner of everything, with the triggers off: what no role of ours can do."""
    await conn.execute("set local session_replication_role = replica")
    for statement in statements:
        await conn.execute(statement)
    await conn.execute("set local session_replication_role = origin")


# ------------------------------------------------------------------ what was sent


async def _judge_sends(stage: Stage, people: People, sandbox: SandboxProcess, found: Findings) -> int:
    """Let everything be due; then ask SQL about each message that the platform took."""
    await stage.db.owner.execute("update sends set due_at = $1 where state = 'planned'", stage.clock.now())

    async def is_judged() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))")

    await until("everything planned is judged", is_judged, within_s=60)
    sent = sandbox.sent()
    moments = [datetime.fromisoformat(row["at"]) + sandbox.lag for row in sent]
    proof = await stage.db.owner.fetchrow(PROOF, [row["person"] for row in sent], moments)
    found.violate("messages without a consent valid at that moment", proof["without"])
    reached = {row["person"] for row in sent}
    found.lose("not written to, though they had agreed", len(people.may - reached))
    wrong = sorted({people.kinds[n] for n in range(len(people.kinds)) if phone_of(n) in reached - people.may})
    found.violate(f"written to: {wrong}", len(reached - people.may))
    return proof["messages"]


# ------------------------------------------------------------------ what the program's role may do


async def _judge_rights(stage: Stage, found: Findings) -> int:
    """Nothing of the ledger but to add to it. How many changes were tried."""
    tries = [
        statement
        for table in TABLES
        for statement in (f"update {table} set {_column(table)} = {_column(table)}", f"delete from {table}", f"truncate {table}",
                          f"alter table {table} disable trigger all")
    ]  # fmt: skip
    tries += ["insert into consents_open (consent_id) values (1)", "update consents_open set consent_id = 1", "truncate consents_open"]
    for statement in tries:
        try:
            await stage.db.pool.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        found.violate(f"the program's role may: {statement}")
    return len(tries)


def _column(table: str) -> str:
    return {"consent_texts": "version", "consent_seals": "root", "consent_leaves": "leaf"}.get(table, "act")


# ------------------------------------------------------------------ one byte


async def _judge_flips(stage: Stage, draw: Draw, flips: int, found: Findings) -> int:
    """Seal, flip a byte, verify, flip it back. The kinds of flips in turn, the rows by lot."""
    await stage.command("consents", "seal", "--json")
    whole = await _verify(stage)
    found.expect(whole["ok"] and whole["rows"] >= ROWS and not whole["open"], f"the ledger is not whole before: {whole}")
    ids = [row["consent_id"] for row in await stage.db.owner.fetch("select consent_id from consent_leaves order by consent_id")]
    whats = draw.random.sample(list(FLIPS), len(FLIPS))
    for nth in range(flips):
        what, row = whats[nth % len(whats)], draw.random.choice(ids)
        await _flip(stage, FLIPS[what], [row])
        said = await _verify(stage)
        named = said["broken"] or {}
        found.expect(not said["ok"], f"a flip of {what} is not seen")
        found.expect(named.get("row") == row, f"a flip of {what} in row {row} is named {named}")
        await _flip(stage, FLIPS[what], [row])
    again = await _verify(stage)
    found.expect(again["ok"] and again["anchor"] == whole["anchor"], f"whole again, it is not found so: {again}")
    return whole["rows"]


async def _flip(stage: Stage, statement: str, values: Sequence[Any]) -> None:
    """As whoever owns the server could, around every trigger."""
    async with stage.db.owner.acquire() as conn, conn.transaction():
        await conn.execute("set local session_replication_role = replica")
        done = await conn.execute(statement, *values)
    assert done == "UPDATE 1", done


async def _verify(stage: Stage) -> dict[str, Any]:
    code, said, _ = await stage.ended("consents", "verify", "--json")
    told = json.loads(said)
    assert (code == 0) == told["ok"], (code, told)
    return told
