"""Posts signed webhooks over real HTTP, in a process of its own: closed (so many connections, each waits) or open (at a fixed rate).

It speaks just enough HTTP/1.1 for a server that is known, so that of two cores it takes as little as can be.
"""

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from benchmarks.child import Orders

HEAD_END = b"\r\n\r\n"
OK = b"HTTP/1.1 200"
REQUEST = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256={signature}\r\n"
    "Content-Length: {length}\r\n\r\n"
)


class Caller(asyncio.Protocol):
    """One connection that is kept open. One request at a time; `answered` is resolved with whether it was a 200."""

    def __init__(self) -> None:
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[bool] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but does not say so

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head = self._heard.find(HEAD_END)
        if head < 0:
            return
        lower = self._heard[:head].lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(self._heard) >= head + len(HEAD_END) + length:
            is_ok, self._heard = self._heard.startswith(OK), b""
            self._end(is_ok)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whyever it was, there is no answer
        self._end(False)

    def _end(self, is_ok: bool) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_result(is_ok)

    async def ask(self, request: bytes) -> bool:
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered


@asynccontextmanager
async def loading(url: str, secret: str, connections: int) -> AsyncGenerator[Orders]:
    """Opens the connections once. Orders name a file with one body a line; `rate`: so many arrivals a second, whatever is answered."""
    where = urlsplit(url)
    loop = asyncio.get_running_loop()
    callers = [(await loop.create_connection(Caller, where.hostname or "", where.port or 80))[1] for _ in range(connections)]

    async def go(path: str, rate: float | None = None) -> dict[str, Any]:
        requests = [_request(body, url, secret) for body in read_lines(path)]
        began = time.perf_counter()
        waits, failed = await (_closed(callers, requests) if rate is None else _open(callers, requests, rate))
        took_s = time.perf_counter() - began
        waits.sort()
        return {
            "s": took_s,
            "number": len(requests),
            "failed": failed,
            "p50_ms": 1000 * waits[len(waits) // 2],
            "p99_ms": 1000 * waits[len(waits) * 99 // 100],
            "max_ms": 1000 * waits[-1],
        }

    yield go


def read_lines(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines()


def _request(body: bytes, url: str, secret: str) -> bytes:
    where = urlsplit(url)
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return REQUEST.format(path=where.path, host=where.netloc, signature=signature, length=len(body)).encode() + body


async def _closed(callers: Sequence[Caller], requests: Sequence[bytes]) -> tuple[list[float], int]:
    """Each connection asks again as soon as it has its answer."""
    waits: list[float] = []
    failed = 0
    left = iter(requests)

    async def work(caller: Caller) -> None:
        nonlocal failed
        for request in left:
            began = time.perf_counter()
            failed += not await caller.ask(request)
            waits.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(work(caller))
    return waits, failed


async def _open(callers: Sequence[Caller], requests: Sequence[bytes], rate: float) -> tuple[list[float], int]:
    """Request n arrives at n / rate; its wait counts from then on, also while no connection is free."""
    waits: list[float] = []
    failed = 0
    free = asyncio.Queue[Caller]()
    for caller in callers:
        free.put_nowait(caller)
    began = time.perf_counter()

    async def work(nth: int, caller: Caller) -> None:
        nonlocal failed
        failed += not await caller.ask(requests[nth])
        waits.append(time.perf_counter() - began - nth / rate)
        free.put_nowait(caller)

    running = deque[asyncio.Task[None]]()
    for nth in range(len(requests)):
        if (early_s := began + nth / rate - time.perf_counter()) > 0:
            await asyncio.sleep(early_s)
        running.append(asyncio.create_task(work(nth, await free.get())))
        while running and running[0].done():
            running.popleft().result()
    await asyncio.gather(*running)
    return waits, failed
