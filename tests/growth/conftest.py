"""One large database for all tests here, made when the first of them asks for it. They change nothing in it: each ends with a rollback."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from julia_warmer.store import db as store_db
from julia_warmer.store.local import APP
from tests.conftest import Servers
from tests.growth.filling import fill
from tests.growth.reading import Reader

GROWN = "growth"
IS_MADE = "select shobj_description(oid, 'pg_database') = 'filled' from pg_database where datname = $1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need the large database."""
    for item in items:
        if "grown" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.growth)


@pytest.fixture
async def grown(servers: Servers) -> AsyncIterator[Reader]:
    """The app's connection to the large database, in a transaction that is rolled back. It notes what each statement reads."""
    await _make(servers)
    conn = await store_db.connect(servers.get("18").dsn(GROWN, APP), application_name="tests")
    await conn.execute("select pg_advisory_lock(3)")  # one test at a time: they touch the same rows, and keep them locked to their end
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield Reader(conn)
        await transaction.rollback()
    finally:
        await conn.close()


async def _make(servers: Servers) -> None:
    """Make and fill the database where it is missing: once for the run, whichever of xdist's workers comes first."""
    server = servers.get("18")
    admin = await asyncpg.connect(server.admin_dsn)
    try:
        await admin.execute("select pg_advisory_lock(2)")
        if await admin.fetchval(IS_MADE, GROWN):
            return
        await admin.execute(f"drop database if exists {GROWN}")
        await servers.clone("18", GROWN)
        owner = await store_db.connect(server.dsn(GROWN, servers.owner("18")), application_name="tests-filling")
        try:
            await fill(owner)
        finally:
            await owner.close()
        await admin.execute(f"comment on database {GROWN} is 'filled'")
    finally:
        await admin.close()
