"""Typed calls that look at the server: for every start, and for `warmer doctor`. They must not know which process starts.

A start is refused where it could not work: too few connections left, or a pooler in between that gives each transaction another session.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import asyncpg

from julia_warmer.store.db import SCHEMA, Connection, connect, load
from julia_warmer.store.errors import StoreError

TRANSACTION_POOLER_PORT = 6543  # Supabase's
LOOKS = 3  # at each connection
IN_ROW = 2  # transactions in a row: a pooler that lends its sessions in turns shows itself there, one that lends the warmest at the other's
POOLER_MEND = "use the server's direct address, or its pooler's session mode (at Supabase port 5432), in WARMER_DATABASE_URL"
POOLER_ERRORS = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError, asyncpg.ProtocolViolationError)

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says."""

    version: int  # 150004 is 15.4
    at: datetime | None  # when it began to answer, by its own clock
    pid: int  # of the process that serves this connection
    role: str
    connections_max: int  # without what is kept for administrators
    connections_used: int
    role_max: int  # -1: no limit
    role_used: int
    database_max: int  # -1: no limit
    database_used: int
    tables_owned: int  # of our schema, by our role


@dataclass(frozen=True, slots=True)
class Room:
    """The limit that leaves the fewest connections free, and the setting that it comes from."""

    free: int
    limit: int
    setting: str


async def read_server(conn: Connection) -> Server:
    server = await queries.read_server.fetchrow_as(Server, conn, schema=SCHEMA)
    assert server is not None  # one row, always
    return server


def room_of(server: Server) -> Room:
    """How many connections are free for our role in this database."""
    limits = [Room(server.connections_max - server.connections_used, server.connections_max, "max_connections of the server")]
    if server.role_max >= 0:
        limits.append(Room(server.role_max - server.role_used, server.role_max, f"connection limit of the role {server.role}"))
    if server.database_max >= 0:
        limits.append(Room(server.database_max - server.database_used, server.database_max, "connection limit of the database"))
    return min(limits, key=lambda room: room.free)


async def check_start(dsn: str, *, connections: int, application_name: str, may_be_pooler: bool = True) -> None:
    """Raise StoreError, with the mend, where a process that asks for so many connections could not work at this address."""
    if may_be_pooler and (pooler := await find_pooler(dsn, application_name=application_name)):
        raise StoreError(f"{pooler}: {POOLER_MEND}")
    connection = await connect(dsn, application_name=application_name)
    try:
        room = room_of(await read_server(connection))
    finally:
        await connection.close()
    free = room.free + 1  # this one's own
    if free < connections:
        raise StoreError(
            f"{connections} connections are asked for (WARMER_POOL_MAX), {max(free, 0)} of {room.limit} are free ({room.setting}): "
            "lower WARMER_POOL_MAX, end a process, or raise that limit"
        )


async def find_pooler(dsn: str, *, application_name: str) -> str | None:
    """What shows that a transaction pooler stands at this address; None: every transaction has the same session.

    Two connections that are open at a time must be two sessions; one connection must keep its session, and what was set and prepared in it.
    """
    if _port(dsn) == TRANSACTION_POOLER_PORT:
        return f"port {TRANSACTION_POOLER_PORT} is a transaction pooler's"
    try:
        first = await connect(dsn, application_name=application_name)
        second = await connect(dsn, application_name=application_name)
    except StoreError as error:
        if isinstance(error.__cause__, POOLER_ERRORS):
            return f"a transaction pooler stands between ({_first_line(error.__cause__)})"
        raise
    try:
        return await _look(first, second)
    except POOLER_ERRORS as error:
        return f"a transaction pooler stands between ({_first_line(error)})"
    finally:
        for connection in (first, second):
            await connection.close()


async def _look(first: asyncpg.Connection, second: asyncpg.Connection) -> str | None:
    """Use both in turns, so that a pooler has a reason to lend their sessions to each other."""
    seen: dict[str, set[int]] = {"first": set(), "second": set()}
    for _ in range(LOOKS):
        for name, connection in (("first", first), ("second", second)):
            seen[name] |= {await queries.read_session.fetchval(connection) for _ in range(IN_ROW)}
    if len(seen["first"]) > 1 or len(seen["second"]) > 1 or seen["first"] & seen["second"]:
        return "a transaction pooler stands between: a connection's session changes between its transactions"
    return None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _port(dsn: str) -> int | None:
    try:
        return urlsplit(dsn).port
    except ValueError:
        return None
