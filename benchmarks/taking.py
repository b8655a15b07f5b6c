"""The public application in a process of its own: as it is, or without the step that keeps a delivery."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from starlette.responses import PlainTextResponse, Response

from benchmarks import seeding
from benchmarks.child import Orders
from julia_warmer.api import public
from julia_warmer.api.serve import serving, settle_memory
from julia_warmer.clock import VirtualClock
from julia_warmer.cloud.client import GraphClient
from julia_warmer.engine.door import Door
from julia_warmer.engine.parts import Parts
from julia_warmer.store import db


@asynccontextmanager
async def taking(dsn: str, is_kept: bool, secret: str) -> AsyncGenerator[Orders]:
    """Serves the webhook; an order gives its address and the processor time so far.

    What is not kept is answered after the signature, by the same application.
    """
    if not is_kept:
        public.take = answer_only
    settings = seeding.settings().model_copy(update={"app_secrets": (SecretStr(secret),)})
    pool = await db.open_pool(dsn, application_name="bench-api", max_size=settings.pool_max)
    parts = Parts(pool=pool, settings=settings, policy=seeding.POLICY, seal=seeding.SEAL, graph=GraphClient(), worker="bench")
    app = public.public_app(parts, VirtualClock(seeding.AT))
    try:
        async with serving(app, host="127.0.0.1", port=0) as url:
            settle_memory()

            async def tell() -> dict[str, Any]:
                return {"url": url + public.PATH, "cpu_s": time.process_time()}

            yield tell
    finally:
        await pool.close()


async def answer_only(door: Door, body: bytes, *, at: datetime) -> Response:  # noqa: ARG001 - in the place of `public.take`
    """The floor: 200 at once."""
    return PlainTextResponse("ok\n")
