"""Databases for tests: one embedded server for the whole run, one fresh database for each test that asks for `db`.

With `--pg15`, tests marked `pg15` run a second time on Debian's PostgreSQL 15, where the schema's owner is a plain role.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from julia_warmer.store import db as store_db
from julia_warmer.store.keeper import ADMIN
from julia_warmer.store.local import APP, LocalPostgres
from julia_warmer.store.migrate import migrate

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PLAIN_OWNER = "warmer_owner"
TEMPLATE = "warmer_template"
MIGRATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pg15", action="store_true", help="run the tests marked pg15 also on Debian's PostgreSQL 15, as a plain role")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres_major" in metafunc.fixturenames:
        twice = metafunc.config.getoption("--pg15") and metafunc.definition.get_closest_marker("pg15")
        metafunc.parametrize("postgres_major", ["18", "15"] if twice else ["18"])


@dataclass(slots=True)
class Database:
    """A migrated database of one test. `pool` is the app's role, `owner` a connection pool of the schema's owner."""

    name: str
    dsn: str
    owner_dsn: str
    pool: asyncpg.Pool
    owner: asyncpg.Pool


@dataclass(slots=True)
class Servers:
    """The run's servers, each started when first needed; xdist's workers share them."""

    folder: Path
    stack: ExitStack
    running: dict[str, LocalPostgres] = field(default_factory=dict)

    def get(self, major: str) -> LocalPostgres:
        if major not in self.running:
            bin_dir = DEBIAN_15 if major == "15" else None
            server = LocalPostgres.start(self.folder / major, bin_dir=bin_dir, durable=False, settings={"shared_buffers": "64MB"})
            self.stack.callback(server.close)
            self.running[major] = server
        return self.running[major]

    def owner(self, major: str) -> str:
        return PLAIN_OWNER if major == "15" else ADMIN

    async def clone(self, major: str, name: str) -> None:
        """A fresh copy of the migrated database."""
        server = self.get(major)
        admin = await asyncpg.connect(server.admin_dsn)
        try:
            await self._make_template(server, admin, self.owner(major))
            await admin.execute(f"create database {name} template {TEMPLATE} strategy file_copy owner {self.owner(major)}")
        finally:
            await admin.close()

    async def drop(self, major: str, name: str) -> None:
        admin = await asyncpg.connect(self.get(major).admin_dsn)
        try:
            await admin.execute(f"drop database {name} with (force)")
        finally:
            await admin.close()

    async def _make_template(self, server: LocalPostgres, admin: asyncpg.Connection, owner: str) -> None:
        is_made = "select datistemplate from pg_database where datname = $1"
        if await admin.fetchval(is_made, TEMPLATE):
            return
        await admin.execute("select pg_advisory_lock(1)")
        if not await admin.fetchval(is_made, TEMPLATE):
            await admin.execute(f"drop database if exists {TEMPLATE}")
            await server.ensure_database(TEMPLATE, owner=owner)
            connection = await store_db.connect(server.dsn(TEMPLATE, owner), application_name="tests")
            try:
                await migrate(connection, at=MIGRATED_AT)
            finally:
                await connection.close()
            await admin.execute(f"alter database {TEMPLATE} is_template true")
        await admin.execute("select pg_advisory_unlock(1)")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Servers]:
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    with ExitStack() as stack:
        yield Servers(folder / "postgres", stack)


@pytest.fixture
async def db(servers: Servers, postgres_major: str, worker_name: str) -> AsyncIterator[Database]:
    """A fresh, migrated database of the test's own."""
    name = f"test_{worker_name}_{next(_numbers)}"
    server = servers.get(postgres_major)
    await servers.clone(postgres_major, name)
    dsn, owner_dsn = server.dsn(name, APP), server.dsn(name, servers.owner(postgres_major))
    pool = await store_db.open_pool(dsn, application_name="tests", min_size=0, max_size=20)
    owner = await store_db.open_pool(owner_dsn, application_name="tests-owner", min_size=0, max_size=4)
    try:
        yield Database(name, dsn, owner_dsn, pool, owner)
    finally:
        pool.terminate()
        owner.terminate()
        await servers.drop(postgres_major, name)


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    return getattr(request.config, "workerinput", {}).get("workerid", "one")


_numbers = count(1)
