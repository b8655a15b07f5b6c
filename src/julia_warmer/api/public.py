"""The public application: Meta's webhook and nothing else. It has no documentation page, no key, and no other way in.

`GET` answers Meta's handshake; `POST` verifies the signature over the raw bytes, takes the delivery in one transaction, then says 200.
Why there are two applications: docs/decisions/0009-two-applications.md.
"""

import asyncio
import hmac
from datetime import datetime

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from julia_warmer.api.telemetry import NO_TELEMETRY
from julia_warmer.clock import Clock
from julia_warmer.cloud.signature import HEADER, is_signed
from julia_warmer.engine.confirm import hearing_of
from julia_warmer.engine.door import Door
from julia_warmer.engine.group import Crowded
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.spool import NotYet, Spool
from julia_warmer.store.db import FAILED
from julia_warmer.store.spool import SpoolFull

PATH = "/webhooks/meta"
CHALLENGE_MAX = 256  # characters; Meta sends about ten digits
READ_MAX_S = 30  # for the whole of a body, however slowly it drips
NOT_KEPT = (*FAILED, Crowded, NotYet, SpoolFull)

log = structlog.get_logger(__name__)


def public_app(parts: Parts, clock: Clock, spool: Spool | None = None) -> FastAPI:
    """The application. Without an app secret in the settings it refuses every delivery."""
    app = FastAPI(title="Julia Warmer webhook", docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
    secrets = tuple(secret.get_secret_value() for secret in parts.settings.app_secrets)
    token = parts.settings.verify_token.get_secret_value() if parts.settings.verify_token else ""
    most = parts.settings.webhook_body_max
    door = Door(parts.pool, parts.seal, spool, parts.journal, words=hearing_of(parts.settings).words)

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get(PATH)
    async def handshake(request: Request) -> Response:
        return answer_handshake(request, token)

    @app.post(PATH)
    async def deliver(request: Request) -> Response:
        try:
            async with asyncio.timeout(READ_MAX_S):
                body = await read_body(request, most)
        except TimeoutError:
            return cut_off("too slow\n", 408)
        except ClientDisconnect:
            return cut_off("incomplete\n", 400)  # nobody hears it
        if body is None:
            return cut_off("too large\n", 413)
        if not is_signed(body, only(request, HEADER), secrets):
            return refused()
        return await take(door, body, at=clock.now())

    _ = healthz, handshake, deliver
    return app


def refused() -> Response:
    """One short answer for whatever is wrong with a signature or a token: a caller learns nothing from it."""
    return PlainTextResponse("refused\n", 403)


def cut_off(text: str, status: int) -> Response:
    """An answer to a body that was not read to its end: the connection is of no more use."""
    return PlainTextResponse(text, status, headers={"Connection": "close"})


def only(request: Request, header: str) -> str | None:
    """A header that comes just once: two of them leave open which one counts."""
    values = request.headers.getlist(header)
    return values[0] if len(values) == 1 else None


def answer_handshake(request: Request, token: str) -> Response:
    """The raw challenge, when the mode and the token are right (Meta: "Create a webhook endpoint", 2026-04-21). No token refuses all."""
    query = request.query_params
    given = query.get("hub.verify_token", "")
    is_right = bool(token) and hmac.compare_digest(given.encode(), token.encode())
    challenge = query.get("hub.challenge", "")
    if query.get("hub.mode") != "subscribe" or not is_right or not 0 < len(challenge) <= CHALLENGE_MAX:
        return refused()
    return PlainTextResponse(challenge)


async def read_body(request: Request, most: int) -> bytes | None:
    """The raw body, or None as soon as it proves longer than `most` bytes: never more than that is kept."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


async def take(door: Door, body: bytes, *, at: datetime) -> Response:
    """Keep the delivery and act on it, then 200. When it cannot be kept it is 503: Meta comes again for seven days."""
    try:
        await door.take(body, at=at)
    except NOT_KEPT as error:
        log.warning("delivery_not_kept", reason=type(error).__name__)
        return PlainTextResponse("try again\n", 503, headers={"Retry-After": "5"})
    return PlainTextResponse("ok\n")
