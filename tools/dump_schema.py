"""Writes docs/schema.sql: the schema as the catalog of a freshly migrated database knows it, in plain readable SQL. Part of `make docs`.

A test compares the file with the catalog on every release that we support, so the text must not depend on the release.
"""

import asyncio
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from julia_warmer.store import db
from julia_warmer.store.keeper import ADMIN
from julia_warmer.store.local import local_postgres
from julia_warmer.store.migrate import migrate

queries = db.load(__file__)

TARGET = Path(__file__).parents[1] / "docs" / "schema.sql"
QUOTED = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|(\$\w*\$).*?\1""", re.DOTALL)
HEADER = "-- The schema `warmer`. Made from the catalog of a migrated database by `make docs`; edit store/migrations instead.\n"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and what follows its closing bracket."""

    id: int
    name: str
    tail: str


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the script, and the object it belongs to."""

    name: str
    line: str


async def describe(conn: db.Connection, schema: str = db.SCHEMA) -> str:
    """The script of a schema."""
    async with conn.transaction(readonly=True):
        await conn.execute("set local search_path to pg_catalog")  # so that every name is written in full
        tables = await queries.list_tables.fetch_as(Table, conn, schema=schema)
        names = ("types", "columns", "constraints", "indexes", "triggers", "functions", "grants")
        parts = {name: await queries.by_name[f"list_{name}"].fetch_as(Part, conn, schema=schema) for name in names}
    blocks = [part.line for part in parts["types"]]
    for table in tables:
        inside = [part.line for kind in ("columns", "constraints") for part in parts[kind] if part.name == table.name]
        after = [part.line for kind in ("indexes", "triggers") for part in parts[kind] if part.name == table.name]
        body = ",\n".join(f"    {line}" for line in inside)
        blocks.append("\n".join([f"create table {table.name} (\n{body}\n){table.tail};", *after]))
    blocks += [part.line for part in parts["functions"]]
    blocks.append("\n".join(part.line for part in parts["grants"]))
    return HEADER + "\n" + calm("\n\n".join(blocks) + "\n")


def calm(script: str) -> str:
    """The server shouts its keywords and spells types out; what stands in quotes stays as it is."""
    parts, end = [], 0
    for quoted in QUOTED.finditer(script):
        parts += [_calm(script[end : quoted.start()]), quoted[0]]
        end = quoted.end()
    return "".join([*parts, _calm(script[end:])])


def _calm(code: str) -> str:
    return code.lower().replace("timestamp with time zone", "timestamptz")


async def dump() -> str:
    """The script of a database that was migrated just for this."""
    with tempfile.TemporaryDirectory(prefix="warmer-docs-") as folder:
        async with local_postgres(Path(folder), durable=False) as server:
            await server.ensure_database("warmer")
            conn = await db.connect(server.dsn("warmer", ADMIN), application_name="dump_schema")
            try:
                await migrate(conn, at=datetime(2026, 1, 1, tzinfo=UTC))
                return await describe(conn)
            finally:
                await conn.close()


def main() -> None:
    """Write the file."""
    TARGET.write_text(asyncio.run(dump()), "utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
