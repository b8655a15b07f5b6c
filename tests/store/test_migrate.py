"""The migrations: applied once, in order, by whoever comes first, and never changed afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from julia_warmer.store import db as store_db
from julia_warmer.store.errors import MigrationError, SchemaNewerError, SchemaOlderError, StoreError
from julia_warmer.store.local import APP
from julia_warmer.store.migrate import Migration, check_schema, migrate, read_migrations, status
from tests.conftest import MIGRATED_AT, Database, Servers

AT = MIGRATED_AT
PLANTS = {
    "0001_plants.sql": "create table warmer.plants (id integer primary key);\ngrant usage on schema warmer to :app_role;\n"
    "grant select on all tables in schema warmer to :app_role;\n",
    "0002_names.sql": "alter table warmer.plants add column name text not null default ':app_role_x ::app_role';\n",
}


Connect: TypeAlias = Callable[..., AbstractAsyncContextManager[asyncpg.Connection]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small migrations folder of the test's own."""
    for name, sql in PLANTS.items():
        (tmp_path / name).write_text(sql)
    return tmp_path


@pytest.fixture
async def empty(servers: Servers, postgres_major: str, worker_name: str) -> AsyncIterator[Connect]:
    """A database where nothing was ever applied. Call it to connect as its owner, or as another role."""
    name, owner = f"empty_{worker_name}", servers.owner(postgres_major)
    server = servers.get(postgres_major)
    await server.ensure_database(name, owner=owner)

    @asynccontextmanager
    async def connected(role: str = owner) -> AsyncIterator[asyncpg.Connection]:
        connection = await store_db.connect(server.dsn(name, role), application_name="tests")
        try:
            yield connection
        finally:
            await connection.close()

    yield connected
    await servers.drop(postgres_major, name)


# ------------------------------------------------------------------ the program's own


@pytest.mark.pg15
async def test_the_app_role_finds_the_schema_current(db: Database):
    async with db.pool.acquire() as conn:
        await check_schema(conn)
        assert all(step.applied_at == MIGRATED_AT for step in await status(conn))


@pytest.mark.pg15
async def test_the_app_role_owns_nothing_and_cannot_write_the_record(db: Database):
    owned = "select count(*) from pg_class where relowner = current_user::regrole"
    async with db.pool.acquire() as conn:
        assert await conn.fetchval(owned) == 0
        for statement in ("delete from migrations", "insert into migrations values (99, 'x', 'x', '2026-01-01')", "create table mine ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


@pytest.mark.pg15
async def test_they_work_where_the_owner_is_the_only_role(empty: Connect):
    async with empty() as conn:
        me = await conn.fetchval("select current_user::text")
        assert await migrate(conn, at=AT, app_role=me) == read_migrations()
        assert await migrate(conn, at=AT, app_role=me) == ()
        await check_schema(conn)


def test_our_own_tables_never_read_the_clock():
    ours = [migration for migration in read_migrations() if migration.name != "pgqueuer"]  # its jobs live on the database's clock
    for migration in ours:
        code = "\n".join(line.partition("--")[0] for line in migration.sql.splitlines())
        for banned in ("now()", "current_timestamp", "clock_timestamp"):
            assert banned not in code, f"{migration.file}: every moment comes in as an argument"


# ------------------------------------------------------------------ applying


async def test_what_is_missing_is_applied_in_order_and_once(empty: Connect, folder: Path):
    second = (folder / "0002_names.sql").read_text()
    (folder / "0002_names.sql").unlink()
    async with empty() as conn, empty(APP) as app:
        with pytest.raises(SchemaOlderError, match="at 0, this program needs 1: run `warmer migrate`"):
            await check_schema(conn, folder=folder)
        assert [step.file for step in await migrate(conn, at=AT, folder=folder)] == ["0001_plants.sql"]

        (folder / "0002_names.sql").write_text(second)
        with pytest.raises(SchemaOlderError, match="at 1, this program needs 2: run `warmer migrate`"):
            await check_schema(app, folder=folder)
        assert [step.applied_at for step in await status(app, folder=folder)] == [AT, None]

        later = AT + timedelta(days=1)
        assert [step.file for step in await migrate(conn, at=later, folder=folder)] == ["0002_names.sql"]
        assert [step.applied_at for step in await status(app, folder=folder)] == [AT, later]
        await check_schema(app, folder=folder)


async def test_many_at_once_apply_each_file_once(empty: Connect, folder: Path):
    async def one() -> tuple[Migration, ...]:
        async with empty() as conn:
            return await migrate(conn, at=AT, folder=folder)

    applied = await asyncio.gather(*(one() for _ in range(6)))
    assert sorted(len(steps) for steps in applied) == [0, 0, 0, 0, 0, 2]


async def test_the_place_of_the_app_role_is_filled_with_a_quoted_name(empty: Connect, folder: Path):
    async with empty() as conn:
        await conn.execute('create role "Odd-App"')
        try:
            await migrate(conn, at=AT, folder=folder, app_role="Odd-App")
            assert await conn.fetchval("""select has_table_privilege('Odd-App', 'plants', 'select')""") is True
            default = "select column_default from information_schema.columns where column_name = 'name' and table_name = 'plants'"
            assert ":app_role_x ::app_role" in await conn.fetchval(default)
        finally:
            await conn.execute('drop owned by "Odd-App"; drop role "Odd-App"')


async def test_a_failing_file_leaves_nothing_of_itself_and_names_its_line(empty: Connect, folder: Path):
    (folder / "0003_trees.sql").write_text("create table warmer.trees ();\ncreate table warmer.more (\n    id intager\n);\n")
    async with empty() as conn:
        with pytest.raises(MigrationError, match=r'^0003_trees\.sql:3: type "intager" does not exist; nothing of it was kept$'):
            await migrate(conn, at=AT, folder=folder)
        assert await conn.fetchval("select to_regclass('warmer.trees')") is None
        assert [step.applied_at for step in await status(conn, folder=folder)] == [AT, AT, None]

        (folder / "0003_trees.sql").write_text("create table warmer.trees ();\n")
        assert [step.file for step in await migrate(conn, at=AT, folder=folder)] == ["0003_trees.sql"]


# ------------------------------------------------------------------ refusals


async def test_a_file_changed_after_it_was_applied_is_refused(empty: Connect, folder: Path):
    async with empty() as conn:
        await migrate(conn, at=AT, folder=folder)
        (folder / "0002_names.sql").write_text("select 1;")
        for act in (migrate(conn, at=AT, folder=folder), status(conn, folder=folder), check_schema(conn, folder=folder)):
            with pytest.raises(MigrationError, match=r"0002_names\.sql was changed after it was applied: put it back"):
                await act


async def test_a_schema_newer_than_the_program_is_refused(empty: Connect, folder: Path):
    async with empty() as conn:
        await migrate(conn, at=AT, folder=folder)
        (folder / "0002_names.sql").unlink()
        for act in (migrate(conn, at=AT, folder=folder), check_schema(conn, folder=folder)):
            with pytest.raises(SchemaNewerError, match=r"is at 2, newer than this program \(1\): upgrade julia-warmer"):
                await act


async def test_a_record_with_a_gap_is_refused(empty: Connect, folder: Path):
    async with empty() as conn:
        await migrate(conn, at=AT, folder=folder)
        await conn.execute("delete from migrations where number = 1")
        with pytest.raises(MigrationError, match="migration 1 was skipped in this database"):
            await migrate(conn, at=AT, folder=folder)


WRONG_NAMES = [
    ("0003_x.sql", "0003_x.sql: the next migration is named 0002_what_it_does.sql"),
    ("0001_b.sql", "0001_b.sql: the next migration is named 0002_what_it_does.sql"),
    ("trees.sql", "trees.sql: the next migration is named 0002_what_it_does.sql"),
    ("0002_Trees.sql", "0002_Trees.sql: the next migration is named 0002_what_it_does.sql"),
]


@pytest.mark.parametrize(("name", "message"), WRONG_NAMES)
def test_files_are_numbered_from_one_without_a_gap(tmp_path: Path, name: str, message: str):
    (tmp_path / "0001_a.sql").touch()
    (tmp_path / name).touch()
    with pytest.raises(MigrationError, match=f"^{message}$"):
        read_migrations(tmp_path)


async def test_a_role_without_the_right_is_told_what_an_administrator_must_run(empty: Connect, folder: Path):
    async with empty(APP) as app:
        with pytest.raises(MigrationError, match=r"let an administrator run `grant create on database empty_\w+ to warmer_app`"):
            await migrate(app, at=AT, folder=folder)


async def test_a_role_that_may_not_look_into_the_schema_is_told_who_can_help(empty: Connect, folder: Path):
    (folder / "0001_plants.sql").write_text("create table warmer.plants ();\n")
    async with empty() as conn, empty(APP) as app:
        await migrate(conn, at=AT, folder=folder, app_role=await conn.fetchval("select current_user::text"))
        with pytest.raises(StoreError, match="run `warmer migrate` as the schema's owner"):
            await check_schema(app, folder=folder)
