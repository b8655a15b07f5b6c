"""Serves an application inside the caller's process and loop, and takes no signal from it. It must not know which application."""

import asyncio
import gc
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from julia_warmer.core.errors import WarmerError

BACKLOG = 1024
CONNECTIONS_MAX = 1000  # further callers get 503, and Meta comes back
KEEP_ALIVE_S = 30
SHUTDOWN_S = 10  # what a request in flight gets to end
COLLECT_AFTER = (20_000, 20, 20)  # objects made, and collections of the generation before


class ServeError(WarmerError):
    """The server could not start."""


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it has started and leaves signals to the program that runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(app: Callable[..., Any], *, host: str, port: int, setting: str = "the port") -> AsyncGenerator[str]:
    """Serve `app` until the block ends; gives its address, such as `http://127.0.0.1:8080`. Port 0 picks a free one.

    `setting` is named in the mend of a taken port, such as WARMER_PUBLIC_PORT. Raises ServeError. Requests in flight may end first.
    """
    listener = _listen(host, port, setting)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{port}")
    try:
        await _until_ready(server, running)
        yield _address(listener)
    finally:
        server.should_exit = True
        await asyncio.wait([running])
        listener.close()
    running.result()  # what broke it, if something did


def settle_memory() -> None:
    """Once, when everything is loaded: leave what the start made out of every later collection, and collect more rarely.

    Each request that waits for its commit keeps some hundred objects alive; with the defaults the collector looked through all of the
    program for them again and again, a quarter of the processor time of a delivery and pauses of 50 ms. A worker that decides on a thousand
    chips at once keeps tens of thousands.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _listen(host: str, port: int, setting: str) -> socket.socket:
    """A bound socket: so a taken port is one clear error, and not the end of the process."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServeError(f"{host} is no address to listen on ({error}): set WARMER_HOST") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise ServeError(f"port {port} of {host} cannot be used ({reason}): stop what uses it, or choose another with {setting}") from None
    return listener


async def _until_ready(server: _Server, running: asyncio.Task[None]) -> None:
    started = asyncio.create_task(server.ready.wait())
    await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        raise ServeError(f"the server did not start: {running.exception()}")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
