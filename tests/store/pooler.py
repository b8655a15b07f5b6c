"""A stand-in for a transaction pooler: it answers the start-up itself, ignores what a client sets, lends a session for a transaction."""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PROTOCOL = 196608
IDLE = b"I"


@dataclass(slots=True)
class Session:
    """One session of the server, and what it said when it began."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes


@dataclass(slots=True)
class Pooler:
    """`sessions` of the server for however many clients; the one that was free for longest is lent next."""

    socket: Path
    user: str
    database: str
    sessions: int
    free: deque[Session] = field(default_factory=deque)
    given_back: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def open_session(self) -> Session:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        body = b"".join(part.encode() + b"\0" for part in ("user", self.user, "database", self.database)) + b"\0"
        writer.write(struct.pack("!ii", len(body) + 8, PROTOCOL) + body)
        greeting = b""
        while not greeting.endswith(b"Z\0\0\0\5I"):
            kind, message = await read_message(reader)
            greeting += kind + message
        return Session(reader, writer, greeting)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            length = struct.unpack("!i", await reader.readexactly(4))[0]
            start = await reader.readexactly(length - 4)
            if struct.unpack("!i", start[:4])[0] != PROTOCOL:  # it asks for TLS first
                writer.write(b"N")
                length = struct.unpack("!i", await reader.readexactly(4))[0]
                await reader.readexactly(length - 4)
            writer.write(self.free[0].greeting)
            said: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
            hearing = asyncio.create_task(hear(reader, said))
            while (first := await said.get())[0] != b"X":
                await self.lend(first, said, writer)
            hearing.cancel()
        writer.close()

    async def lend(self, first: tuple[bytes, bytes], said: "asyncio.Queue[tuple[bytes, bytes]]", writer: asyncio.StreamWriter) -> None:
        """One transaction: what the client says goes to one session until that says that it is idle again."""
        async with self.given_back:
            await self.given_back.wait_for(lambda: self.free)
            session = self.free.popleft()
        session.writer.write(b"".join(first))
        forwarding = asyncio.create_task(forward(said, session.writer))
        kind, body = b"", b""
        while (kind, body[4:5]) != (b"Z", IDLE):
            kind, body = await read_message(session.reader)
            writer.write(kind + body)
        forwarding.cancel()
        async with self.given_back:
            self.free.append(session)
            self.given_back.notify_all()


async def hear(reader: asyncio.StreamReader, said: "asyncio.Queue[tuple[bytes, bytes]]") -> None:
    """What a client says, until it leaves."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            said.put_nowait(await read_message(reader))
    said.put_nowait((b"X", b""))


async def forward(said: "asyncio.Queue[tuple[bytes, bytes]]", writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"".join(await said.get()))


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Kind, and length with content."""
    kind = await reader.readexactly(1)
    size = await reader.readexactly(4)
    return kind, size + await reader.readexactly(struct.unpack("!i", size)[0] - 4)


@asynccontextmanager
async def pooling(socket: Path, user: str, database: str, *, sessions: int) -> AsyncGenerator[str]:
    """A pooler before that server; gives its address."""
    pooler = Pooler(socket, user, database, sessions)
    pooler.free.extend([await pooler.open_session() for _ in range(sessions)])
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    try:
        yield f"postgresql://{user}@127.0.0.1:{server.sockets[0].getsockname()[1]}/{database}?sslmode=disable"
    finally:
        server.close()
        for session in pooler.free:
            session.writer.close()
