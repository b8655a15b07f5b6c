"""Every named query of every store/*.sql: it has a sentence, is well written, the database takes it, and its columns fit its row."""

import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from julia_warmer.store import db as store_db
from julia_warmer.store.db import Query
from tests.conftest import Database

FILES = sorted(store_db.FOLDER.glob("*.sql"))
OWNERS_FILES = {"migrate.sql"}  # all others are run by the app's role

SCALARS = {
    "bool": {"bool"},
    "int": {"int2", "int4", "int8"},
    "float": {"float4", "float8"},
    "str": {"text", "varchar", "name"},
    "bytes": {"bytea"},
    "Recorded": {"bytea"},  # store/records.py
    "date": {"date"},
    "datetime": {"timestamptz"},
    "Decimal": {"numeric"},
    "UUID": {"uuid"},
    "dict": {"jsonb"},
    "list": {"jsonb"},
}
BANNED = {
    "names its columns (no `*`)": r"\b(select|distinct|returning)\s+\*|,\s*\*\s*(,|from\b)|\w\.\*",
    "is given the moment (no clock)": (
        r"\b(now|(clock|statement|transaction)_timestamp|timeofday)\s*\(|\b(current_(date|time|timestamp)|localtime(stamp)?)\b"
    ),
    "is lower case": r"[A-Z]",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_query_has_a_sentence_and_is_well_written(path: Path):
    assert not [problem for query in store_db.load(str(path)) for problem in style_problems(query)]


@pytest.mark.pg15
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_the_database_takes_each_query_and_returns_its_row(path: Path, db: Database):
    pool = db.owner if path.name in OWNERS_FILES else db.pool
    async with pool.acquire() as conn:
        for query in store_db.load(str(path)):
            if query.name == "make_staging":  # others of its file work on what it makes
                await query.execute(conn)
        problems = [await database_problem(query, conn) for query in store_db.load(str(path))]
    assert not [problem for problem in problems if problem]


def style_problems(query: Query) -> Iterator[str]:
    if not re.match(r"[A-Z].*[.?]$", query.about, re.DOTALL):
        yield f"{query.name}: its comment is no sentence: {query.about!r}"
    code = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"", " ", query.sql, flags=re.DOTALL)
    for rule, pattern in BANNED.items():
        if found := re.search(pattern, code):
            yield f"{query.name}: a query {rule}: {found[0]!r}"


async def database_problem(query: Query, conn: Any) -> str | None:
    """What the server or the row says against a query; None: nothing."""
    try:
        statement = await conn.prepare(query.sql)
        await check_rights(query, conn)
    except asyncpg.PostgresError as error:
        return f"{query.name}: {error}"
    columns = {column.name: column.type.name for column in statement.get_attributes() if column.type.name != "void"}
    match query.row:
        case "none":
            return f"{query.name}: returns {sorted(columns)}, not none" if columns else None
        case scalar if scalar in SCALARS:
            fits = len(columns) == 1 and set(columns.values()) <= SCALARS[scalar]
            return None if fits else f"{query.name}: returns {columns}, not one {scalar}"
        case name:
            return row_problem(query, name, columns)


async def check_rights(query: Query, conn: Any) -> None:
    """Plan it for any parameters, which asks for the rights too. Only releases from 16 on can."""
    if conn.get_server_version().major >= 16 and not query.sql.startswith("create temp table"):
        await conn.execute(f"explain (generic_plan) {query.sql}")


def row_problem(query: Query, name: str, columns: dict[str, str]) -> str | None:
    module = f"julia_warmer.store.{query.path.stem}"
    row = getattr(importlib.import_module(module), name, None) if importlib.util.find_spec(module) else None
    if row is None or not is_dataclass(row):
        return f"{query.name}: {module} has no dataclass {name}"
    named = {item.name for item in fields(row) if item.init}
    if lacking := named - set(columns):
        return f"{query.name}: lacks {sorted(lacking)} of {name}"
    if extra := set(columns) - named:
        return f"{query.name}: {name} has no {sorted(extra)}"
    return None


# ------------------------------------------------------------------ the checks are checked

STYLE_CASES = [
    ("Counts all.", "select count(*) from chips", None),
    ("Doubles.", "select 2 * hour from chips where zone = 'America/Sao_Paulo' -- LOUD", None),
    ("no capital", "select id from chips", "no sentence"),
    ("Takes all.", "select * from chips", "names its columns"),
    ("Takes all of one.", "select c.*, p.name from chips c join portfolios p on true", "names its columns"),
    ("Gives all back.", "delete from chips returning *", "names its columns"),
    ("Reads the clock.", "select id from chips where created_at < now()", "given the moment"),
    ("Reads the clock.", "select current_date - 1", "given the moment"),
    ("Shouts.", "SELECT id from chips", "lower case"),
]


@pytest.mark.parametrize(("about", "sql", "problem"), STYLE_CASES)
def test_the_style_check_finds(about: str, sql: str, problem: str | None):
    found = list(style_problems(Query("list_chips", "none", about, sql, (), Path("x.sql"))))
    assert (problem is None) == (not found)
    assert problem is None or problem in found[0]


DATABASE_CASES = [
    ("none", "select from chips", None),
    ("none", "select id from chips", "not none"),
    ("int", "select id from chips where name = $1", None),
    ("int", "select name from chips", "not one int"),
    ("int", "select id, phase_since from chips", "not one int"),
    ("none", "select from no_such_table", "does not exist"),
    ("none", "delete from migrations", "permission denied"),
    ("Applied", "select number, name, sha256, applied_at from migrations", None),
    ("Applied", "select number, name, sha256 from migrations", "lacks ['applied_at']"),
    ("Applied", "select number, name, sha256, applied_at, 1 as more from migrations", "has no ['more']"),
    ("NoSuchRow", "select number from migrations", "no dataclass NoSuchRow"),
]


async def test_the_database_check_finds(db: Database):
    async with db.pool.acquire() as conn:
        for row, sql, problem in DATABASE_CASES:
            found = await database_problem(Query("list_chips", row, "Lists.", sql, (), Path("migrate.sql")), conn)
            assert problem in found if problem and found else problem == found, (sql, found)
