"""A durable PostgreSQL of the run's own, and a fresh migrated database for whoever asks. It must not know the properties."""

import asyncio
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
CONNECTIONS_MAX = 1000  # sixteen workers with ten each, more than once


@dataclass(slots=True)
class Database:
    """A fresh, migrated database. `pool` is the program's role, `owner` the schema's owner: what a test does from outside."""

    dsn: str
    pool: asyncpg.Pool
    owner: asyncpg.Pool


class Server:
    """One run's server. Its databases are copies of one that was migrated."""

    def __init__(self, server: LocalPostgres) -> None:
        self.server = server
        self._made = 0

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """A fresh one, for as long as it is needed."""
        self._made += 1
        name = f"faults_{self._made}"
        async with AsyncExitStack() as stack:
            await self._admin(f"create database {name} template {TEMPLATE} owner {ADMIN}")
            stack.push_async_callback(self._admin, f"drop database {name} with (force)")
            dsn, owner_dsn = self.server.dsn(name), self.server.dsn(name, ADMIN)
            pool = await store_db.open_pool(dsn, application_name="faults", min_size=0, max_size=80)
            stack.callback(pool.terminate)
            owner = await store_db.open_pool(owner_dsn, application_name="faults-owner", min_size=0, max_size=10)
            stack.callback(owner.terminate)
            yield Database(dsn, pool, owner)

    async def make_template(self) -> None:
        """A migrated database that the others are copied from."""
        await self.server.ensure_database(TEMPLATE)
        connection = await store_db.connect(self.server.dsn(TEMPLATE, ADMIN), application_name="faults")
        try:
            await migrate(connection, at=SystemClock().now())
        finally:
            await connection.close()

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.admin_dsn)
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
        ours = Server(server)
        await ours.make_template()
        yield ours
    finally:
        await asyncio.to_thread(server.close)
