"""Typed calls for `warmer doctor`: the server as a connection meets it. It must not know what is right."""

from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import SCHEMA, Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server says."""

    version: int  # 150004 is 15.4
    at: datetime | None  # when it began to answer, by its own clock
    pid: int  # of the process that serves this connection
    role: str
    connections_max: int
    connections_used: int
    role_max: int  # -1: no limit
    tables_owned: int  # of our schema, by our role


async def read_server(conn: Connection) -> Server:
    server = await queries.read_server.fetchrow_as(Server, conn, schema=SCHEMA)
    assert server is not None  # one row, always
    return server
