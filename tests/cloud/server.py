"""A tiny Graph on loopback that answers from a list, and a raw one that misbehaves as told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TOKEN = "sandbox-token-of-a-test"
CHIP, WABA = "100000000000001", "200000000000001"


@dataclass(slots=True)
class Canned:
    """One answer."""

    body: Any = None
    http: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Graph:
    """What was asked, and where."""

    url: str
    answers: list[Canned]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "body": body,
                "authorization": request.headers.get("Authorization"),
            }
        )
        canned = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(canned.body, bytes):
            return web.Response(body=canned.body, status=canned.http, headers=canned.headers)
        return web.json_response(canned.body, status=canned.http, headers=canned.headers)


@asynccontextmanager
async def graph(answers: Sequence[Canned]) -> AsyncIterator[Graph]:
    """A server that gives these answers one after the other, then the last one for ever."""
    found = Graph("", list(answers))
    server = web.Server(found.answer)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(behave: Raw) -> AsyncIterator[str]:
    """A server that does with each connection what `behave` says."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await behave(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole HTTP request with a Content-Length, so that what comes next surely comes after writing."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    return head + await reader.readexactly(length)


def error(code: Any, **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"(#{code}) Something", "type": "OAuthException", "code": code, "fbtrace_id": "Atrace", **more}}
