"""A start is refused where it could not work, and each refusal names the setting."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from julia_warmer.store import checks
from julia_warmer.store.errors import StoreError
from tests.conftest import Database
from tests.store.pooler import pooling

ROLE = "warmer_small"


def socket_of(db: Database) -> Path:
    where = parse_qs(urlsplit(db.dsn).query)
    return Path(where["host"][0]) / f".s.PGSQL.{where['port'][0]}"


@pytest.fixture
async def admin(db: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(db.owner_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("sessions", [1, 2, 3])
async def test_a_transaction_pooler_is_refused_with_the_mend(db: Database, sessions: int):
    async with pooling(socket_of(db), "warmer_app", db.name, sessions=sessions) as address:
        with pytest.raises(StoreError, match=r"transaction pooler stands between.*session mode.*WARMER_DATABASE_URL"):
            await checks.check_start(address, connections=2, application_name="tests")


async def test_a_direct_address_is_taken(db: Database):
    assert await checks.find_pooler(db.dsn, application_name="tests") is None
    await checks.check_start(db.dsn, connections=2, application_name="tests")


async def test_the_port_of_supabases_transaction_pooler_is_refused_unasked():
    with pytest.raises(StoreError, match="6543"):
        await checks.check_start("postgresql://warmer@db.example:6543/postgres", connections=2, application_name="tests")


async def test_more_connections_than_the_server_has_are_refused(db: Database):
    with pytest.raises(StoreError, match=r"200 connections.*max_connections.*WARMER_POOL_MAX"):
        await checks.check_start(db.dsn, connections=200, application_name="tests")


@pytest.mark.parametrize(
    ("limit", "named"),
    [
        ("alter role warmer_small connection limit 3", f"connection limit of the role {ROLE}"),
        ("alter database {name} connection limit 4", "connection limit of the database"),
    ],
)
async def test_limits_of_role_and_database_count(db: Database, admin: asyncpg.Connection, limit: str, named: str):
    await admin.execute(f"create role {ROLE} login; grant connect on database {db.name} to {ROLE}")
    try:
        await admin.execute(limit.format(name=db.name))
        with pytest.raises(StoreError, match=named):
            await checks.check_start(db.dsn.replace("warmer_app", ROLE), connections=5, application_name="tests")
    finally:
        await admin.execute(f"revoke connect on database {db.name} from {ROLE}")
        await admin.execute(f"drop role {ROLE}")
