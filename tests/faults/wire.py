"""Speaks HTTP by hand, as clients do that no library would be: slow, cut off, without an end. It must not know what is posted."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PIECE = 64 * 1024
ANSWER_S = 60.0


async def post_raw(url: str, body: bytes, headers: dict[str, str], *, chunked: bool = False) -> int:
    """One POST that goes on sending whatever is said meanwhile. The status; 0 when no answer could be read."""
    reader, writer = await _connect(url)
    answer = asyncio.create_task(_status(reader))
    try:
        writer.write(_head(url, headers, None if chunked else len(body)))
        for at in range(0, len(body), PIECE):
            if answer.done() or writer.is_closing():
                break
            piece = body[at : at + PIECE]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            with suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0)  # an answer that has come is read first
        if chunked and not (answer.done() or writer.is_closing()):
            writer.write(b"0\r\n\r\n")
        return await asyncio.wait_for(answer, ANSWER_S)
    except (TimeoutError, OSError):
        return 0
    finally:
        answer.cancel()
        writer.close()


@dataclass(slots=True)
class Drips:
    """Clients that never come to an end: some with their headers, some with a body that was announced larger than it will get."""

    url: str
    answers: list[int] = field(default_factory=list)  # what those with a body were told
    begun: int = 0

    async def drip(self, *, with_headers: bool, every_s: float = 0.5) -> None:
        """One such client after another, until cancelled."""
        while True:
            self.begun += 1
            with suppress(OSError):
                self.answers += [status] if (status := await self._one(with_headers, every_s)) else []

    async def _one(self, with_headers: bool, every_s: float) -> int:
        reader, writer = await _connect(self.url)
        answer = asyncio.create_task(_status(reader))
        try:
            writer.write(_head(self.url, {}, 100_000) if with_headers else b"POST / HTTP/1.1\r\n")
            while not answer.done():
                writer.write(b"{" if with_headers else b"X-Slow: 1\r\n")
                await writer.drain()
                await asyncio.wait((answer,), timeout=every_s)
            return answer.result()
        finally:
            answer.cancel()
            writer.close()


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return await asyncio.open_connection(parts.hostname, parts.port)


def _head(url: str, headers: dict[str, str], length: int | None) -> bytes:
    parts = urlsplit(url)
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", size, *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _status(reader: asyncio.StreamReader) -> int:
    """Of the answer's first line; 0 when the connection ends without one."""
    with suppress(OSError, ValueError):
        words = (await reader.readline()).split()
        return int(words[1]) if len(words) > 1 else 0
    return 0
