"""Stands in for `warmer api` and `warmer worker` until both are there. To be deleted then."""

import asyncio
import contextlib
import json
import sys

from aiohttp import web

from julia_warmer.cli.opening import opened
from julia_warmer.cli.running import last
from julia_warmer.clock import SystemClock
from julia_warmer.cloud import signature
from julia_warmer.config import load_settings
from julia_warmer.engine.dispatch import dispatch, sweep
from julia_warmer.engine.intake import apply_inbox, take_delivery
from julia_warmer.engine.logs import set_up_logs
from julia_warmer.store.db import transaction


async def worker() -> None:
    clock = SystemClock()
    async with opened(load_settings(), clock=clock) as parts:
        print(json.dumps({"worker": parts.worker}), flush=True)

        async def send() -> None:
            while True:
                async with transaction(parts.pool) as conn:
                    await sweep(conn, at=clock.now())
                await dispatch(parts, clock=clock)
                await asyncio.sleep(0.1)

        async def apply() -> None:
            while True:
                async with transaction(parts.pool) as conn:
                    applied = await apply_inbox(conn, at=clock.now(), seal=parts.seal)
                if not applied.bodies:
                    await asyncio.sleep(0.1)

        await asyncio.gather(send(), apply())


async def api() -> None:
    clock = SystemClock()
    async with opened(load_settings(), clock=clock) as parts:

        async def receive(request: web.Request) -> web.Response:
            body = await request.read()
            given = request.headers.get("X-Hub-Signature-256")
            secrets = [secret.get_secret_value() for secret in parts.settings.app_secrets]
            if not signature.is_signed(body, given, secrets):
                return web.Response(status=401, text="no")
            await take_delivery(parts.pool, body, at=clock.now(), seal=parts.seal)
            return web.Response(text="")

        app = web.Application(client_max_size=parts.settings.webhook_body_max)
        app.router.add_post("/webhooks/meta", receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        print(json.dumps({"webhook": f"{url}/webhooks/meta", "api": url}), flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await runner.cleanup()


if __name__ == "__main__":
    set_up_logs(level="WARNING")
    last({"worker": worker, "api": api}[sys.argv[1]]())
