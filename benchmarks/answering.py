"""The provider's place: answers each message like Meta's Cloud API, and does nothing else. Runs in a process of its own.

It speaks just enough HTTP for clients that are known, so that of two cores it takes as little as can be: it is on no side.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from benchmarks.child import Orders

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TO = re.compile(rb'"to" ?: ?"\+?(\d+)"')
ANSWER = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+%b","wa_id":"%b"}],'
    b'"messages":[{"id":"wamid.bench.%d","message_status":"accepted"}]}'
)
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Answerer(asyncio.Protocol):
    """One connection that is kept open: a request, its answer, the next."""

    def __init__(self, numbers: "itertools.count[int]") -> None:
        self._numbers = numbers
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but does not say so

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (head := self._heard.find(HEAD_END)) >= 0:
            length = LENGTH.search(self._heard, 0, head + 2)
            end = head + len(HEAD_END) + (int(length[1]) if length else 0)
            if len(self._heard) < end:
                return
            body, self._heard = self._heard[head:end], self._heard[end:]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        found = TO.search(body)
        to = found[1] if found else b"0"
        answer = ANSWER % (to, to, next(self._numbers))
        assert self._transport is not None
        self._transport.write(RESPONSE % (len(answer), answer))


@asynccontextmanager
async def answering() -> AsyncGenerator[Orders]:
    """Listens on a free port of this machine; an order gives the address."""
    numbers = itertools.count(1)
    server = await asyncio.get_running_loop().create_server(lambda: Answerer(numbers), "127.0.0.1", 0)

    async def tell() -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}

    try:
        yield tell
    finally:
        server.close()
