"""The sandbox as a server: Graph's paths, its own `/_sandbox/*`, and, under a running clock, a task that lets time pass."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from aiohttp import web

from julia_warmer.clock import Clock
from julia_warmer.sandbox import control, messages, nodes, signups, templates
from julia_warmer.sandbox.bench import SHELF, Bench, Shelf, bench_of
from julia_warmer.sandbox.graph import GraphError
from julia_warmer.sandbox.spec import WorldSpec

WORLD_BODY_MAX = 64 * 1024 * 1024  # the body of `POST /_sandbox/world` may hold 100,000 people
TICK_S = 0.2  # under a running clock

log = logging.getLogger(__name__)


class Sandbox:
    """Owns the server, the world on it and their connections.

    Without a clock it stands still between advances (lockstep); with one it follows it, `speed` times as fast. `ledger_path` keeps the
    ledger in a file as well, each row on disk before its message is answered.
    """

    def __init__(
        self, spec: WorldSpec | None = None, *, clock: Clock | None = None, speed: float = 1.0, ledger_path: Path | None = None
    ) -> None:
        self._shelf = Shelf(clock=clock, speed=speed, ledger_path=ledger_path)
        self._shelf.bench = self._shelf.make(spec) if spec else None
        self._follows_clock = clock is not None
        self._runner: web.AppRunner | None = None
        self._running: asyncio.Task[None] | None = None
        self.app = self._build()
        self.url = ""

    @property
    def bench(self) -> Bench:
        """The world that is on it. Raises LookupError before there is one."""
        if self._shelf.bench is None:
            raise LookupError("there is no world on this sandbox yet")
        return self._shelf.bench

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 takes a free one. The address, without a slash at the end. Raises OSError when the port is taken."""
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.url = f"http://{host}:{runner.addresses[0][1]}"
        if self._follows_clock:
            self._running = asyncio.create_task(self._run())
        return self.url

    async def advance(self, to: datetime) -> dict[str, object]:
        """What `POST /_sandbox/advance` does, without the HTTP."""
        return await control.step(self.bench, to)

    async def close(self) -> None:
        """Stop listening, and close everything."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None
        if self._shelf.bench is not None:
            self._shelf.bench.faults.clear()
            await self._shelf.bench.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _run(self) -> None:
        """Under a running clock: let time pass and deliver what is due. A fault of one round does not end the next."""
        while True:
            try:
                if self._shelf.bench is not None:
                    await self._shelf.bench.mailer.deliver(self._shelf.bench.tick().timestamp())
            except Exception:
                log.exception("a round of the sandbox failed")
            await asyncio.sleep(TICK_S)

    def _build(self) -> web.Application:
        app = web.Application(client_max_size=WORLD_BODY_MAX, middlewares=[_speak_graph])
        app[SHELF] = self._shelf
        app.add_routes(control_routes())
        app.add_routes(graph_routes())
        return app


def graph_routes() -> list[web.RouteDef]:
    """Graph's paths. The version is taken as it comes: `v25.0`, `v24.0` …"""
    v, node = r"/{version:v\d+\.\d+}", "/{node}"
    return [
        web.post(f"{v}{node}/messages", messages.post_message),
        web.post(f"{v}{node}/marketing_messages", messages.post_marketing_message),
        web.get(f"{v}{node}/phone_numbers", nodes.get_phone_numbers),
        web.get(f"{v}{node}/message_templates", templates.get_list),
        web.post(f"{v}{node}/message_templates", templates.create),
        web.delete(f"{v}{node}/message_templates", templates.delete),
        web.post(f"{v}{node}/unpause", templates.unpause),
        web.post(f"{v}{node}/register", nodes.register),
        web.post(f"{v}{node}/deregister", nodes.deregister),
        web.get(f"{v}{node}/whatsapp_business_profile", nodes.get_profile),
        web.post(f"{v}{node}/whatsapp_business_profile", nodes.post_profile),
        web.get(f"{v}{node}/subscribed_apps", nodes.get_subscriptions),
        web.post(f"{v}{node}/subscribed_apps", nodes.post_subscription),
        web.delete(f"{v}{node}/subscribed_apps", nodes.delete_subscription),
        web.get(f"{v}/signups{node}", signups.get_one),
        web.post(f"{v}/signups{node}", signups.update),
        web.get(f"{v}{node}/signups", signups.get_list),
        web.post(f"{v}{node}/signups", signups.create),
        web.get(f"{v}{node}", nodes.get_node),
        web.post(f"{v}{node}", nodes.post_node),
    ]


def control_routes() -> list[web.RouteDef]:
    """The sandbox's own paths."""
    return [
        web.get("/_sandbox/state", control.get_state),
        web.post("/_sandbox/world", control.put_world),
        web.post("/_sandbox/advance", control.advance),
        web.get("/_sandbox/ledger", control.get_ledger),
        web.get("/_sandbox/truth", control.get_truth),
        web.get("/_sandbox/faults", control.get_faults),
        web.post("/_sandbox/faults", control.post_faults),
        web.delete("/_sandbox/faults", control.delete_faults),
        web.post("/_sandbox/release", control.post_release),
        web.post("/_sandbox/say", control.post_say),
        web.post("/_sandbox/signup", control.post_signup),
        web.post("/_sandbox/platform", control.post_platform),
        web.post("/_sandbox/handshake", control.post_handshake),
    ]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _speak_graph(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say errors as Graph says them; meet the faults that are set for everything but messages."""
    try:
        if request.path.startswith("/_sandbox/"):
            return await handler(request)
        if request.path.endswith("messages"):
            return await handler(request)
        faults = bench_of(request).faults
        fault = faults.pick("other", phone=request.match_info.get("node", ""))
        await faults.before(fault, request)
        answer = await handler(request)
        return await faults.after(fault, request, answer) if isinstance(answer, web.Response) else answer
    except GraphError as error:
        return error.answer()
    except web.HTTPNotFound:
        return GraphError(2500, "Unknown path components", http=400).answer()
