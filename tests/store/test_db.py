"""Named queries as values: how a file is read, how parameters are given, and how rows become values."""

import asyncio
import enum
import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.store import db as store_db
from julia_warmer.store import sessions
from julia_warmer.store.db import (
    AWAY,
    IDLE_IN_TRANSACTION_S,
    LOCK_WAIT_S,
    Query,
    number_params,
    open_pool,
    parse,
    to_value,
    transaction_within,
)
from julia_warmer.store.errors import QueryFileError, StoreError
from tests.conftest import Database
from tests.faults.line import line_to
from tests.faults.outside import waiting_for_locks

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILE = Path("chips.sql")


# ------------------------------------------------------------------ parameters

PARAM_CASES = [
    ("select 1", "select 1", ()),
    ("where a = $a", "where a = $1", ("a",)),
    ("$b and $a and $b", "$1 and $2 and $1", ("b", "a")),
    ("$name_2, $name", "$1, $2", ("name_2", "name")),
    ("$ids::bigint[]", "$1::bigint[]", ("ids",)),
    ("($at)-interval '1 day'", "($1)-interval '1 day'", ("at",)),
    ("select '$a' || $a", "select '$a' || $1", ("a",)),
    ("select 'it''s $a' || $a", "select 'it''s $a' || $1", ("a",)),
    (r"select e'\'$a' || $a", r"select e'\'$a' || $1", ("a",)),
    ('select "$a", $a', 'select "$a", $1', ("a",)),
    ("select $a -- not $b\n, $c", "select $1 -- not $b\n, $2", ("a", "c")),
    ("select /* not $b,\n nor ' */ $a", "select /* not $b,\n nor ' */ $1", ("a",)),
    ("do $$ begin $a; end $$", "do $$ begin $a; end $$", ()),
    ("do $x$ begin $a; $$ end $x$; $b", "do $x$ begin $a; $$ end $x$; $1", ("b",)),
    ("select $1, a$b, $a", "select $1, a$b, $1", ("a",)),
    ("x ->> $key", "x ->> $1", ("key",)),
]


@pytest.mark.parametrize(("written", "sent", "params"), PARAM_CASES)
def test_named_parameters_get_positions(written: str, sent: str, params: tuple[str, ...]):
    assert number_params(written) == (sent, params)


@given(st.lists(st.sampled_from(["a", "b", "c", "at", "chip_id"]), max_size=12))
def test_each_position_holds_its_own_name(names: list[str]):
    sql, params = number_params(" ".join(f"${name}" for name in names))
    assert [params[int(place[1:]) - 1] for place in sql.split()] == names


def bind(**values: int) -> list[int]:
    return Query("find_it", "int", "Finds it.", "select $1 + $2", ("a", "b"), FILE).bind(values)


def test_values_are_given_in_the_order_of_positions():
    assert bind(b=2, a=1) == [1, 2]


MISTAKES = [
    ({"a": 1}, "query find_it of chips.sql lacks b"),
    ({}, "query find_it of chips.sql lacks a, b"),
    ({"a": 1, "b": 2, "c": 3}, "query find_it of chips.sql does not know c"),
    ({"a": 1, "c": 3}, "query find_it of chips.sql lacks b and does not know c"),
]


@pytest.mark.parametrize(("values", "message"), MISTAKES)
def test_a_missing_or_unknown_parameter_is_named(values: dict[str, int], message: str):
    with pytest.raises(TypeError, match=f"^{message}$"):
        bind(**values)


# ------------------------------------------------------------------ files

GOOD = """\
-- What this file is about.

-- name: find_chip -> Chip
-- The chip of that name.
-- It may be retired.
select id, name
from chips   -- a comment inside stays
where name = $name;

-- name: count_chips -> int
-- How many there are.
select count(*) from chips
"""


def test_a_file_is_read_query_by_query():
    found = parse(GOOD, FILE)
    assert [(query.name, query.row, query.about, query.params) for query in found] == [
        ("find_chip", "Chip", "The chip of that name. It may be retired.", ("name",)),
        ("count_chips", "int", "How many there are.", ()),
    ]
    assert found[0].sql == "select id, name\nfrom chips   -- a comment inside stays\nwhere name = $1"


BAD_FILES = [
    ("select 1", "chips.sql:1: a statement stands before the first"),
    ("-- name: find_chip\n-- Finds.\nselect 1", "chips.sql:1: write `-- name: verb_noun -> Row`"),
    ("-- name: find -> int\n-- Finds.\nselect 1", "chips.sql:1: write `-- name: verb_noun -> Row`"),
    ("-- name: findChip -> int\n-- Finds.\nselect 1", "chips.sql:1: write `-- name: verb_noun -> Row`"),
    ("-- name: find_chip -> int\nselect 1", "chips.sql:1: say in a sentence what find_chip does"),
    ("\n-- name: find_chip -> int\n-- Finds.\n", "chips.sql:2: find_chip has no statement"),
    ("-- name: find_it -> int\n-- A.\nselect 1;\n-- name: find_it -> int\n-- B.\nselect 2", "chips.sql:4: a second query is named find_it"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_a_file_written_wrongly_is_refused_with_its_line(text: str, message: str):
    with pytest.raises(QueryFileError) as refusal:
        parse(text, FILE)
    assert str(refusal.value).startswith(message)


def test_a_query_that_a_file_does_not_have_is_named(tmp_path: Path):
    (tmp_path / "chips.sql").write_text(GOOD)
    queries = store_db.load(str(tmp_path / "chips.py"))
    assert queries.count_chips.row == "int"
    with pytest.raises(AttributeError, match=r"chips\.sql has no query 'find_chips'"):
        queries.find_chips  # noqa: B018
    assert [query.name for file in store_db.scan(tmp_path) for query in file] == ["find_chip", "count_chips"]


# ------------------------------------------------------------------ against a database


class Colour(enum.StrEnum):
    RED = "RED"
    GREEN = "GREEN"


@dataclass(frozen=True, slots=True)
class Painted:
    id: uuid.UUID
    colour: Colour
    other: Colour | None
    tags: tuple[str, ...]
    colours: tuple[Colour, ...]
    body: dict[str, object]
    at: datetime


def query(row: str, statement: str) -> Query:
    return parse(f"-- name: make_it -> {row}\n-- Makes it.\n{statement}", FILE)[0]


PAINTED = query(
    "Painted",
    "select $at::timestamptz as at, $id::uuid as id, $colour::text as colour, null::text as other, array['a', 'b'] as tags, "
    "array['RED', 'GREEN'] as colours, $body::jsonb as body",
)


@pytest.mark.pg15
async def test_rows_become_values_with_enums_tuples_and_json(db: Database):
    id_ = uuid.UUID(int=7)
    body = {"text": "ção 🌱", "list": [1, 2.5, None, {"deep": True}]}
    expected = Painted(id_, Colour.RED, None, ("a", "b"), (Colour.RED, Colour.GREEN), body, AT)
    async with db.pool.acquire() as conn:
        assert await PAINTED.fetch_as(Painted, conn, at=AT, id=id_, colour=Colour.RED, body=body) == [expected]
        value = await PAINTED.fetchrow_as(Painted, conn, at=AT, id=id_, colour="RED", body=body)
        assert value == expected
        assert [type(getattr(value, item.name)) for item in fields(Painted)][1:5] == [Colour, type(None), tuple, tuple]


async def test_the_ways_to_ask(db: Database):
    one = query("int", "select x from unnest($xs::int[]) x where x > $least")
    async with db.pool.acquire() as conn:
        assert [row["x"] for row in await one.fetch(conn, xs=[1, 2, 3], least=1)] == [2, 3]
        assert (await one.fetchrow(conn, xs=[1, 2, 3], least=2))["x"] == 3
        assert await one.fetchrow(conn, xs=[], least=2) is None
        assert await one.fetchrow_as(Painted, conn, xs=[], least=2) is None
        assert await one.fetchval(conn, xs=[5], least=2) == 5
        assert await one.execute(conn, xs=[1, 2, 3], least=0) == 3


async def test_many_rows_go_in_all_or_none_and_execute_counts_them(db: Database):
    insert = query("none", "insert into api_keys (name, digest, role, created_at) values ($name, $digest, $role, $at)")
    count = query("int", "select count(*)::int from api_keys")

    def rows(roles: list[str]) -> list[dict[str, object]]:
        return [{"role": role, "name": f"key {n}", "digest": bytes([n]), "at": AT} for n, role in enumerate(roles)]

    async with db.pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await insert.many(conn, rows(["viewer", "no such role"]))
        assert await count.fetchval(conn) == 0
        await insert.many(conn, rows(["viewer", "operator"]))
        assert await query("none", "update api_keys set revoked_at = $at").execute(conn, at=AT) == 2


async def test_json_goes_through_copy_too(db: Database):
    columns = ["chip_id", "at", "kind", "key", "body", "recorded_at"]
    async with db.pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "create temporary table copied (chip_id bigint, at timestamptz, kind text, key text, body jsonb, recorded_at timestamptz)"
        )
        await conn.copy_records_to_table("copied", records=[(1, AT, "a", "b", {"x": ["é"]}, AT)], columns=columns)
        assert await conn.fetchval("select body from copied") == {"x": ["é"]}


async def test_a_connection_speaks_utc_and_looks_into_our_schema_only(db: Database):
    async with db.pool.acquire() as conn:
        assert await conn.fetchval("show search_path") == "warmer, pg_catalog"
        assert await conn.fetchval("show timezone") == "UTC"
        assert await conn.fetchval("show application_name") == "tests"


async def test_a_transaction_is_kept_whole_or_not_at_all(db: Database):
    insert = query("none", "insert into audit_log (at, who, what) values ($at, 'me', $what)")

    async def write(what: str, then: str) -> None:
        async with store_db.transaction(db.pool) as conn:
            await insert.execute(conn, at=AT, what=what)
            await conn.execute(then)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await write("lost", then="select 1 / 0")
    await write("kept", then="select 1 / 1")
    async with store_db.transaction(db.pool) as conn:
        assert [row["what"] for row in await conn.fetch("select what from audit_log")] == ["kept"]


def test_a_row_that_lacks_a_field_is_refused():
    with pytest.raises(TypeError, match="colour"):
        to_value(Painted, {"id": uuid.UUID(int=1)})  # pyright: ignore[reportArgumentType]


# ------------------------------------------------------------------ when the database cannot be reached


async def test_an_unreachable_database_is_one_line_without_the_password(db: Database):
    for dsn in ("postgresql://me:s3cret@127.0.0.1:1/warmer", db.dsn.replace(db.name, "no_such_database")):
        with pytest.raises(StoreError, match=r"cannot be used: .*; check WARMER_DATABASE_URL") as refusal:
            await store_db.open_pool(dsn, application_name="tests")
        assert "s3cret" not in str(refusal.value)
        assert "\n" not in str(refusal.value)


async def test_a_bounded_transaction_is_over_in_time_when_the_server_says_nothing_any_more(db: Database):
    async with line_to(db.dsn) as line:
        pool = await open_pool(line.dsn, application_name="tests", max_size=1)

        async def ask() -> int:
            async with transaction_within(pool, 0.1, parting_s=0.1) as conn:
                line.hang()
                return await conn.fetchval("select 1")

        try:
            async with asyncio.timeout(5):
                for _ in ("on an open connection", "on a new one"):
                    with pytest.raises(AWAY):
                        await ask()
            await line.mend()
            async with transaction_within(pool, 5) as conn:
                assert await conn.fetchval("select 1") == 1
        finally:
            pool.terminate()


async def test_what_waits_behind_a_stopped_process_has_let_go_before_that_one_is_ended(db: Database):
    """Else it would get the lock then, and keep its own for as long again: it may be of the same process. Times are a tenth of ours."""
    await db.owner.execute("create table rows_of_ours as select n, 0 as seen from generate_series(1, 2) as n")
    await db.owner.execute("grant select, update on rows_of_ours to warmer_app")
    pool = await open_pool(db.dsn, application_name="stopped", min_size=2)
    first, second = await pool.acquire(), await pool.acquire()
    for n, conn in ((1, first), (2, second)):  # it is stopped: it begins nothing, and answers nothing
        await conn.execute(f"set lock_timeout = '{LOCK_WAIT_S * 100}ms'")
        await conn.execute(f"set idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S * 100}ms'")
        await conn.execute("begin")
        await conn.execute("update rows_of_ours set seen = 1 where n = $1", n)
    waits = asyncio.create_task(second.execute("update rows_of_ours set seen = 1 where n = 1"))
    async with asyncio.timeout(20):
        assert await db.pool.execute("update rows_of_ours set seen = 2 where n = 2") == "UPDATE 1"
    with pytest.raises(asyncpg.LockNotAvailableError):
        await waits
    assert not first.is_closed()
    pool.terminate()


async def test_a_process_that_stopped_between_preparing_and_executing_is_ended_once_others_wait_for_it(db: Database):
    """For the server it is active, whatever its limits: only another session can end it."""
    await db.owner.execute("create table rows_of_ours as select n, 0 as seen from generate_series(1, 2) as n")
    await db.owner.execute("grant select, update on rows_of_ours to warmer_app")
    pool = await open_pool(db.dsn, application_name="stopped")
    stopped = await pool.acquire()
    await stopped.execute("begin")
    await stopped.execute("update rows_of_ours set seen = 1 where n = 1")
    await stopped.prepare("select $1::int")
    async with db.pool.acquire() as other:
        assert await sessions.end_stalled(other, stalled_s=0) == 0  # nobody waits for it
        waiting = asyncio.create_task(db.pool.execute("update rows_of_ours set seen = 2 where n = 1"))
        async with asyncio.timeout(10):
            while not await waiting_for_locks(db.owner):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        assert await sessions.end_stalled(other, stalled_s=3600) == 0
        assert await sessions.end_stalled(other, stalled_s=0) == 1
        assert await waiting == "UPDATE 1"
    with pytest.raises(AWAY):
        await stopped.execute("commit")
    pool.terminate()
