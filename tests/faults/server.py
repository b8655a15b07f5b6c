"""A durable PostgreSQL of the run's own, and a fresh migrated database for whoever asks. It must not know the properties."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from julia_warmer.clock import SystemClock
from julia_warmer.store import db as store_db
from julia_warmer.store.keeper import ADMIN
from julia_warmer.store.local import LocalPostgres
from julia_warmer.store.migrate import migrate

TEMPLATE = "faults_template"
NAME = "NAME_OF_THE_DATABASE"
CUT_MS = 5_000  # for somebody who is cut off to be gone
CONNECTIONS_MAX = 1000  # sixteen workers with ten each, more than once


@dataclass(slots=True)
class Database:
    """A fresh, migrated database. `pool` is the program's role, `owner` the schema's owner: what a test does from outside."""

    name: str
    dsn: str
    pool: asyncpg.Pool
    owner: asyncpg.Pool


@dataclass(frozen=True, slots=True)
class Server:
    """Where a run's server is; another process may be told. Its databases are copies of one that was migrated."""

    app: str  # addresses, with NAME in place of the database's
    owner: str

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """A fresh one, for as long as it is needed."""
        name = f"faults_{secrets.token_hex(6)}"
        async with AsyncExitStack() as stack:
            await self._admin(f"create database {name} template {TEMPLATE} owner {ADMIN}")
            stack.push_async_callback(self._admin, f"drop database {name} with (force)")
            dsn, owner_dsn = self.app.replace(NAME, name), self.owner.replace(NAME, name)
            pool = await store_db.open_pool(dsn, application_name="faults", min_size=0, max_size=80)
            stack.callback(pool.terminate)
            owner = await store_db.open_pool(owner_dsn, application_name="faults-owner", min_size=0, max_size=10)
            stack.callback(owner.terminate)
            yield Database(name, dsn, pool, owner)

    async def back_up(self, db: Database) -> str:
        """Copy it as it stands, for `restore`. Everybody who is connected is cut off for a moment."""
        copy = f"{db.name}_backup"
        async with self.away(db):
            await self._admin(f"create database {copy} template {db.name} owner {ADMIN}")
        return copy

    async def restore(self, db: Database, copy: str) -> None:
        """Put the copy in its place, under its name."""
        async with self.away(db):
            await self._admin(f"drop database {db.name} with (force)")
            await self._admin(f"alter database {copy} rename to {db.name}")

    @asynccontextmanager
    async def away(self, db: Database) -> AsyncGenerator[None]:
        """Everybody is cut off, and nobody can connect until the block ends."""
        await self._admin(f"alter database {db.name} allow_connections false")
        try:
            await self._admin(f"select pg_terminate_backend(pid, {CUT_MS}) from pg_stat_activity where datname = '{db.name}'")
            yield
        finally:
            await self._admin(f"alter database {db.name} allow_connections true")

    async def make_template(self) -> None:
        """Migrate the database that the others are copied from."""
        connection = await store_db.connect(self.owner.replace(NAME, TEMPLATE), application_name="faults")
        try:
            await migrate(connection, at=SystemClock().now())
        finally:
            await connection.close()

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self.owner.replace(NAME, "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Server]:
    """A durable server of this run's own, ready to hand out databases."""
    settings = {"max_connections": str(CONNECTIONS_MAX)}
    server = await asyncio.to_thread(LocalPostgres.start, folder / "postgres", settings=settings)
    try:
        await server.ensure_database(TEMPLATE)
        ours = Server(server.dsn(NAME), server.dsn(NAME, ADMIN))
        await ours.make_template()
        yield ours
    finally:
        await asyncio.to_thread(server.close)
