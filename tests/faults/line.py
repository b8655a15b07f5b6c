"""The line between one process and its database, as a proxy that can be cut, or can hang and say nothing. It must not know what passes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

PIECE = 64 * 1024


class Line:
    """Forwards connections until told otherwise. `dsn` is the database's address on this side."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        where = parse_qs(parts.query)
        self._socket = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
        self._user, self._name = parts.username, parts.path
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def dsn(self) -> str:
        return f"postgresql://{self._user}@127.0.0.1:{self._port}{self._name}"

    async def open(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()

    def hang(self) -> None:
        """Connections stay, new ones are taken, and nothing is said on any of them."""
        self._flowing.clear()

    async def mend(self) -> None:
        """What hung comes through now."""
        self._flowing.set()
        if self._server is None:
            await self.open()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._socket)
        carrying = asyncio.create_task(self._carry((reader, far_writer), (far_reader, writer)))
        self._connections.add(carrying)
        await asyncio.wait([carrying])
        self._connections.discard(carrying)
        for end in (writer, far_writer):
            end.transport.abort()

    async def _carry(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        await asyncio.gather(*(self._pump(reader, writer) for reader, writer in ways))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
            await self._flowing.wait()
            writer.write_eof()


@asynccontextmanager
async def line_to(dsn: str) -> AsyncGenerator[Line]:
    """A line to the database of that address (a socket's), until the block ends."""
    line = Line(dsn)
    await line.open()
    try:
        yield line
    finally:
        await line.cut()
