"""Opens what a command needs, from settings to database to Graph client, and closes it again. Knows no command.

An act of the command line is one transaction, opened and committed here: `do(work)`.
"""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import uvloop

from julia_warmer import policies
from julia_warmer.cli.errors import CommandError
from julia_warmer.clock import Clock, SystemClock
from julia_warmer.config import Settings, data_keys, load_settings
from julia_warmer.core.policy import Policy
from julia_warmer.engine.rules import in_force
from julia_warmer.store import checks, db, migrate, restores
from julia_warmer.store.errors import StoreError
from julia_warmer.store.keeper import ADMIN
from julia_warmer.store.local import local_postgres
from julia_warmer.store.seal import Seal

if TYPE_CHECKING:
    from julia_warmer.engine.journal import Journal
    from julia_warmer.engine.parts import Parts

DATABASE, SANDBOX_DATABASE = "warmer", "warmer_sandbox"  # embedded: what the sandbox plays never meets what is real
TOKEN_BYTES_MAX = 4096
COMMAND_POOL_MAX = 4  # connections of a command that asks Meta for several accounts at a time
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database is, for the app's role and for the owner of the schema."""

    app: str
    owner: str
    embedded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of a person at the command line: a transaction, its moment, and who acts."""

    conn: db.Connection
    at: datetime
    settings: Settings

    @property
    def by(self) -> str:
        return self.settings.operator

    def seal(self) -> Seal:
        return data_seal(self.settings)

    async def policy(self) -> Policy:
        """The policy in force: the one that was applied, or the settings'. Raises PolicyError."""
        return await in_force(self.conn, self.settings_policy(), at=self.at)

    def settings_policy(self) -> Policy:
        """The policy that is in force until one is applied. Raises PolicyError."""
        return policies.load(self.settings.policy)


def do(work: Callable[[Act], Awaitable[T]], *, settings: Settings | None = None) -> T:
    """Run `work` inside one transaction on the database, and commit it; nothing of it is kept when it raises."""
    return run(_do(work, settings or load_settings()))


def data_seal(settings: Settings) -> Seal:
    """The seal of what must not lie open in the database."""
    return Seal(*data_keys(settings.config_dir))


def with_parts(work: Callable[["Parts", Clock], Awaitable[T]], *, journals: bool = False) -> T:
    """Run `work` with everything open, for what also talks to Meta, or `journals`. It opens its own transactions."""
    return run(_with_parts(work, journals=journals))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, on uvloop. A connection that breaks meanwhile is an expected error."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError) as error:
        raise StoreError(f"the connection broke: {error}; check that the database runs, then try again") from error


async def _do(work: Callable[[Act], Awaitable[T]], settings: Settings) -> T:
    clock = SystemClock()
    async with opened_pool(settings, clock=clock, pool_max=1) as pool, db.transaction(pool) as conn:
        return await work(Act(conn=conn, at=clock.now(), settings=settings))


async def _with_parts(work: Callable[["Parts", Clock], Awaitable[T]], *, journals: bool) -> T:
    clock = SystemClock()
    async with opened(load_settings(), clock=clock, pool_max=COMMAND_POOL_MAX, journals=journals) as parts:
        return await work(parts, clock)


@asynccontextmanager
async def opened_database(settings: Settings, *, durable: bool = True) -> AsyncGenerator[Addresses]:
    """The configured database, or the embedded one, started if need be. Raises StoreError with the mend."""
    if settings.database_url is not None:
        app = settings.database_url.get_secret_value()
        owner = settings.owner_database_url.get_secret_value() if settings.owner_database_url else app
        yield Addresses(app, owner, embedded=False)
        return
    name = SANDBOX_DATABASE if settings.sandbox_url else DATABASE
    async with local_postgres(settings.data_dir, durable=durable) as server:
        await server.ensure_database(name)
        yield Addresses(server.dsn(name), server.dsn(name, ADMIN), embedded=True)


async def bring_up_to_date(addresses: Addresses, clock: Clock) -> None:
    """The embedded database migrates itself; another one is only checked, and the error says `warmer migrate`."""
    connection = await db.connect(addresses.owner if addresses.embedded else addresses.app, application_name="warmer start")
    try:
        if addresses.embedded:
            await migrate.migrate(connection, at=clock.now())
        else:
            await migrate.check_schema(connection)
    finally:
        await connection.close()


async def check_start(addresses: Addresses, settings: Settings) -> None:
    """Refuse a start that could not work: StoreError with the mend. Nobody stands between us and the embedded server."""
    await checks.check_start(
        addresses.app, connections=settings.pool_max, application_name="warmer start", may_be_pooler=not addresses.embedded
    )


@asynccontextmanager
async def opened_pool(
    settings: Settings, *, clock: Clock | None = None, durable: bool = True, pool_max: int | None = None
) -> AsyncGenerator[db.Pool]:
    """The database, its schema as this program needs it. Raises StoreError."""
    async with opened_database(settings, durable=durable) as addresses:
        if pool_max is None:  # what lasts; a command asks for few connections, one at first
            await check_start(addresses, settings)
        await bring_up_to_date(addresses, clock or SystemClock())
        name = f"warmer {os.getpid()}"  # so that pg_stat_activity says which process holds what
        pool = await db.open_pool(addresses.app, application_name=name, max_size=pool_max or settings.pool_max)
        try:
            yield pool
        finally:
            await pool.close()


@asynccontextmanager
async def opened(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    durable: bool = True,
    journals: bool = False,
    pool_max: int | None = None,
    **given: Any,
) -> AsyncGenerator["Parts"]:
    """Everything a command or a server works with. Imported here: the HTTP client alone costs 300 ms, which lists need not pay.

    What sends or stops for real `journals`.
    """
    from julia_warmer.cloud.client import GraphClient
    from julia_warmer.engine.closed_days import national_holidays
    from julia_warmer.engine.parts import Parts

    settings = settings or load_settings(**given)
    clock = clock or SystemClock()
    policy = policies.load(settings.policy)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(opened_pool(settings, clock=clock, durable=durable, pool_max=pool_max))
        graph = await stack.enter_async_context(GraphClient(version=settings.graph_version, sandbox_url=settings.sandbox_url))
        seal = data_seal(settings)
        yield Parts(
            pool=pool,
            settings=settings,
            policy=policy,
            shadow=policies.load(settings.shadow_policy) if settings.shadow_policy else None,
            seal=seal,
            graph=graph,
            worker=worker_name(),
            holidays=national_holidays(clock.now()),
            journal=await open_journal(pool, settings, seal) if journals else None,
        )


async def open_journal(pool: db.Pool, settings: Settings, seal: Seal) -> "Journal":
    """This machine's journal of this database."""
    from julia_warmer.engine.journal import Journal

    async with db.transaction(pool) as conn:
        return Journal(settings.data_dir / "journal" / str(await restores.read_identity(conn)), seal)


def worker_name() -> str:
    """A name for this process that no other has: machine, pid and a few random letters."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def read_text(path: Path, what: str) -> str:
    """The text of a file that a person named; `-` is the standard input. Raises CommandError with which and why."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except OSError as error:
        raise CommandError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{what} {path} is not UTF-8 text: save it as UTF-8") from None


def read_token(path: Path) -> str:
    """A token from a file, so that it is in no shell history and no list of processes."""
    token = read_text(path, "the token file").strip()
    if not token or len(token) > TOKEN_BYTES_MAX:
        raise CommandError(f"the token file {path} holds no token: put the token alone into it")
    return token
