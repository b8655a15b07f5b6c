"""Brings the schema forward: numbered files, each in one transaction, never back. It must not know any table but its own record.

It needs no superuser: a role that may create a schema in the database is enough. Where the owner is also the app's role (a foreign server
with one role) everything works, but the app could then change what is meant to only grow; `warmer doctor` says so.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg

from julia_warmer.store.db import SCHEMA, Connection, load
from julia_warmer.store.errors import MigrationError, SchemaNewerError, SchemaOlderError, StoreError

queries = load(__file__)

FOLDER = Path(__file__).with_name("migrations")
APP_ROLE = "warmer_app"
LOCK_KEY = 0x77_61_72_6D_65_72  # "warmer"

_FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_APP_ROLE_PLACE = re.compile(r"(?<![:\w]):app_role\b")

_BOOTSTRAP = """
create table if not exists warmer.migrations (
    number     integer primary key check (number > 0),
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder."""

    number: int
    name: str
    sha256: str
    sql: str = field(repr=False)

    @property
    def file(self) -> str:
        return f"{self.number:04d}_{self.name}.sql"


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the record."""

    number: int
    name: str
    sha256: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """A migration and when it was applied here; None: not yet."""

    migration: Migration
    applied_at: datetime | None


def read_migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The files in order, numbered from 1 without a gap. Raises MigrationError."""
    migrations: list[Migration] = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        parts = _FILE_NAME.fullmatch(path.name)
        if parts is None or int(parts["number"]) != number:
            raise MigrationError(f"{path.name}: the next migration is named {number:04d}_what_it_does.sql")
        sql = path.read_text("utf-8")
        migrations.append(Migration(number, parts["name"], hashlib.sha256(sql.encode()).hexdigest(), sql))
    return tuple(migrations)


async def migrate(conn: Connection, *, at: datetime, app_role: str | None = None, folder: Path = FOLDER) -> tuple[Migration, ...]:
    """Apply what is missing, as the schema's owner; return what was applied. Several may call it at once.

    `app_role` gets the rights that the files grant to `:app_role`: by default `warmer_app` where the server has it, else the role itself.
    Raises MigrationError, and SchemaNewerError when the database knows migrations that this program does not.
    """
    migrations = read_migrations(folder)
    await queries.lock_migrations.execute(conn, key=LOCK_KEY)
    try:
        app_role = app_role or await _default_app_role(conn)
        await _make_record(conn)
        applied = await queries.list_applied.fetch_as(Applied, conn)
        pending = _compare(migrations, applied)
        for migration in pending:
            await _apply(conn, migration, app_role, at)
        if pending:
            await _close_record(conn, app_role)
    finally:
        await queries.unlock_migrations.execute(conn, key=LOCK_KEY)
    return pending


async def status(conn: Connection, *, folder: Path = FOLDER) -> tuple[Status, ...]:
    """Every migration of this program, and when it was applied here. Raises like `migrate`."""
    migrations, applied = read_migrations(folder), await _read_applied(conn)
    _compare(migrations, applied)
    moments = {row.number: row.applied_at for row in applied}
    return tuple(Status(migration, moments.get(migration.number)) for migration in migrations)


async def check_schema(conn: Connection, *, folder: Path = FOLDER) -> None:
    """Raise SchemaOlderError or SchemaNewerError, which say the mend, unless the schema is just what this program needs."""
    migrations, applied = read_migrations(folder), await _read_applied(conn)
    if pending := _compare(migrations, applied):
        raise SchemaOlderError(f"the database's schema is at {len(applied)}, this program needs {pending[-1].number}: run `warmer migrate`")


async def _read_applied(conn: Connection) -> list[Applied]:
    """The record; empty where nothing was ever applied."""
    if not await queries.find_record.fetchval(conn, schema=SCHEMA):
        return []
    try:
        return await queries.list_applied.fetch_as(Applied, conn)
    except asyncpg.InsufficientPrivilegeError as error:
        raise StoreError(f"{error}: run `warmer migrate` as the schema's owner, which grants this role what it needs") from None


def _compare(migrations: tuple[Migration, ...], applied: list[Applied]) -> tuple[Migration, ...]:
    """What is missing. Raises MigrationError for a file that was changed since, SchemaNewerError for rows that we have no file for."""
    if len(applied) > len(migrations):
        raise SchemaNewerError(
            f"the database's schema is at {applied[-1].number}, newer than this program ({len(migrations)}): upgrade julia-warmer"
        )
    for migration, row in zip(migrations, applied, strict=False):
        if row.number != migration.number:
            raise MigrationError(f"migration {migration.number} was skipped in this database: restore a backup, or apply it by hand")
        if (row.name, row.sha256) != (migration.name, migration.sha256):
            raise MigrationError(f"{migration.file} was changed after it was applied: put it back, and write a new migration instead")
    return migrations[len(applied) :]


async def _default_app_role(conn: Connection) -> str:
    if await queries.find_role.fetchval(conn, role=APP_ROLE):
        return APP_ROLE
    return await queries.find_self.fetchval(conn)


async def _make_record(conn: Connection) -> None:
    """Our schema and the record, where they are missing. `create schema if not exists` would need the right even when it exists."""
    try:
        if not await queries.find_schema.fetchval(conn, schema=SCHEMA):
            await conn.execute(f"create schema {SCHEMA}")
        if not await queries.find_record.fetchval(conn, schema=SCHEMA):
            await conn.execute(_BOOTSTRAP)
    except asyncpg.InsufficientPrivilegeError as error:
        mend = await queries.find_schema_mend.fetchval(conn)
        raise MigrationError(f"{error}: let an administrator run `{mend}`") from None


async def _apply(conn: Connection, migration: Migration, app_role: str, at: datetime) -> None:
    """Run one file and record it, both or neither."""
    quoted = _quote(app_role)
    sql = _APP_ROLE_PLACE.sub(lambda _: quoted, migration.sql)
    try:
        async with conn.transaction():
            await conn.execute(sql)
            await queries.add_applied.execute(conn, number=migration.number, name=migration.name, sha256=migration.sha256, at=at)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.file}{_line(sql, error)}: {error}; nothing of it was kept") from error


def _line(sql: str, error: asyncpg.PostgresError) -> str:
    """Where in the file the server stopped, when it says so."""
    position = getattr(error, "position", None)
    return f":{sql.count(chr(10), 0, int(position) - 1) + 1}" if position else ""


async def _close_record(conn: Connection, app_role: str) -> None:
    """The app's role reads the record and never writes it (a schema-wide grant in a migration may have said otherwise)."""
    if app_role != await queries.find_self.fetchval(conn):
        await conn.execute(f"revoke all on {SCHEMA}.migrations from {_quote(app_role)}")
        await conn.execute(f"grant select on {SCHEMA}.migrations to {_quote(app_role)}")


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
