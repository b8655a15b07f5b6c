"""The durable PostgreSQL of a run, its databases, and what they wrote to the disk. It must not know what is measured."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from julia_warmer.store import db
from julia_warmer.store.keeper import ADMIN
from julia_warmer.store.local import LocalPostgres, local_postgres
from julia_warmer.store.migrate import migrate

TEMPLATE = "bench_template"
MIGRATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
DURABLE = ("fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size", "server_version")

queries = db.load(__file__)


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes written since the server began: write-ahead log, and pages."""

    wal: int
    pages: int

    def since(self, before: "Written") -> int:
        return self.wal - before.wal + self.pages - before.pages


@dataclass(slots=True)
class Place:
    """The server of a run. Every subject gets databases of its own, dropped when it is done."""

    server: LocalPostgres
    admin: asyncpg.Connection

    @asynccontextmanager
    async def database(self, name: str, *, like: str = TEMPLATE) -> AsyncGenerator["Database"]:
        """A copy of a database that nobody is connected to."""
        await self.admin.execute(f"create database {name} template {like} strategy file_copy")
        try:
            yield Database(name, self.server.dsn(name), self.server.dsn(name, ADMIN))
        finally:
            await self.admin.execute(f"drop database {name} with (force)")

    async def settings(self) -> dict[str, str]:
        return {name: str(await self.admin.fetchval("select current_setting($1)", name)) for name in DURABLE}

    def cpu_s(self) -> float:
        """Processor seconds of the server's living processes, where the system says so; else 0."""
        try:
            postmaster = int((self.server.data_dir / "postgres" / "postmaster.pid").read_text("ascii").split("\n", 1)[0])
            stats = [_stat(path) for path in Path("/proc").glob("[0-9]*/stat")]
        except (OSError, ValueError):
            return 0.0
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats if len(stat) > 12 and int(stat[1]) == postmaster)
        return ticks / os.sysconf("SC_CLK_TCK")

    async def written(self) -> Written:
        """After a checkpoint, so that nothing waits in memory."""
        await self.admin.execute("checkpoint")
        written = await queries.read_written.fetchrow_as(Written, self.admin)
        assert written is not None
        return written


def _stat(path: Path) -> list[str]:
    """What Linux says of a process, from its state on; nothing if it has just ended."""
    try:
        return path.read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database. `dsn` is for the program's role, `owner_dsn` for seeding."""

    name: str
    dsn: str
    owner_dsn: str

    @asynccontextmanager
    async def owner(self) -> AsyncGenerator[asyncpg.Connection]:
        """The owner's connection, for seeding: no foreign keys are checked and no commit is waited for."""
        conn = await db.connect(self.owner_dsn, application_name="bench-seed")
        try:
            await queries.hurry_up.fetch(conn)
            yield conn
        finally:
            await conn.close()


@asynccontextmanager
async def placed() -> AsyncGenerator[Place]:
    """A durable server in a folder of its own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="warmer-bench-"))
    try:
        async with local_postgres(folder / "data", durable=True) as server:
            await server.ensure_database(TEMPLATE)
            owner = await db.connect(server.dsn(TEMPLATE, ADMIN), application_name="bench")
            await migrate(owner, at=MIGRATED_AT)
            await owner.close()
            admin = await asyncpg.connect(server.admin_dsn)
            try:
                yield Place(server, admin)
            finally:
                await admin.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
