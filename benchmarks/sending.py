"""Four ways to send the same messages, each in a process of its own: our worker, a bare loop, pywa, and our client with given bodies."""

import asyncio
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import httpx
import orjson
from pywa.types.templates import BodyText, TemplateLanguage
from pywa_async.client import WhatsApp

from benchmarks import seeding
from benchmarks.child import Orders
from julia_warmer.clock import VirtualClock
from julia_warmer.cloud import encode
from julia_warmer.cloud.answers import Accepted
from julia_warmer.cloud.client import GraphClient
from julia_warmer.engine.dispatch import Dispatched, dispatch
from julia_warmer.engine.parts import Parts
from julia_warmer.store import db

PHONE_NUMBER_ID = "pn-1"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {seeding.TOKEN}"}


@asynccontextmanager
async def ours(dsn: str, url: str, **settings: Any) -> AsyncGenerator[Orders]:
    """One worker of the product with its own settings: everything that is due, from the outbox to the settled send."""
    chosen = seeding.settings().model_copy(update=settings)
    pool = await db.open_pool(dsn, application_name="bench-worker", max_size=chosen.pool_max)
    try:
        async with GraphClient(sandbox_url=url) as graph:
            parts = Parts(pool=pool, settings=chosen, policy=seeding.POLICY, seal=seeding.SEAL, graph=graph, worker="bench")

            async def go(at: str) -> dict[str, Any]:
                began = time.perf_counter()
                done: Dispatched = await dispatch(parts, clock=VirtualClock(datetime.fromisoformat(at)))
                return {"s": time.perf_counter() - began, "sent": done.accepted, "claimed": done.claimed}

            yield go
    finally:
        await pool.close()


@asynccontextmanager
async def bare(url: str, concurrency: int) -> AsyncGenerator[Orders]:
    """A loop over an aiohttp session: bytes that are ready go out, the answer is read and its id taken. Nothing is written down."""
    async with aiohttp.ClientSession(headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post(body: bytes) -> None:
            async with session.post(f"{url}/v25.0/{PHONE_NUMBER_ID}/messages", data=body) as response:
                assert response.status == 200
                assert orjson.loads(await response.read())["messages"][0]["id"]

        async def go(number: int) -> dict[str, Any]:
            bodies = [orjson.dumps(template_body(nth)) for nth in range(number)]
            return {"s": await timed(post, bodies, concurrency), "sent": number}

        yield go


@asynccontextmanager
async def through_client(url: str, concurrency: int) -> AsyncGenerator[Orders]:
    """Our Graph client alone, without the database, with the bodies that pywa would have sent."""
    bodies = [await pywa_body(nth) for nth in range(100)]
    async with GraphClient(sandbox_url=url) as graph:

        async def post(body: dict[str, Any]) -> None:
            assert isinstance(await graph.send(PHONE_NUMBER_ID, body, seeding.TOKEN), Accepted)

        async def go(number: int) -> dict[str, Any]:
            return {"s": await timed(post, [bodies[nth % 100] for nth in range(number)], concurrency), "sent": number}

        yield go


@asynccontextmanager
async def with_pywa(url: str) -> AsyncGenerator[Orders]:
    """pywa's async client in a plain loop, without a database; `concurrency` 1 is one after another."""
    async with httpx.AsyncClient(transport=ToServer(url)) as session:
        client = whatsapp(session)

        async def post(nth: int) -> None:
            await pywa_send(client, nth)

        async def go(number: int, concurrency: int) -> dict[str, Any]:
            return {"s": await timed(post, range(number), concurrency), "sent": number}

        yield go


async def timed(post: Callable[[Any], Awaitable[None]], items: Any, concurrency: int) -> float:
    """Seconds that it took to post all, so many at once."""
    left: Iterator[Any] = iter(items)

    async def work() -> None:
        for item in left:
            await post(item)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return time.perf_counter() - began


# ------------------------------------------------------------------ the messages


def phone_of(nth: int) -> str:
    return f"+55119{80000000 + nth}"


def template_body(nth: int) -> dict[str, Any]:
    """What our worker sends, with an id such as it gives."""
    ours = f"00000000-0000-4000-8000-{nth:012d}"
    return encode.template(phone_of(nth), "shift_invite", "pt_BR", values=[f"Pessoa {nth}"], ours=ours)


class ToServer(httpx.AsyncHTTPTransport):
    """Takes what was meant for Graph to our server; pywa has no setting for the address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return await super().handle_async_request(request)


def whatsapp(session: httpx.AsyncClient) -> WhatsApp:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WhatsApp(phone_id=PHONE_NUMBER_ID, token=seeding.TOKEN, waba_id="waba-1", session=session, api_version=25.0)


async def pywa_send(client: WhatsApp, nth: int) -> None:
    params = [BodyText.params(f"Pessoa {nth}")]  # pyright: ignore[reportArgumentType] - as its own documentation does
    await client.send_template(
        phone_of(nth),
        name="shift_invite",
        language=TemplateLanguage.PORTUGUESE_BR,
        params=params,
        tracker=f"00000000-0000-4000-8000-{nth:012d}",
    )


async def pywa_body(nth: int) -> dict[str, Any]:
    """The body that pywa writes for a message."""
    taken: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        taken.append(request.content)
        answer = {"messaging_product": "whatsapp", "contacts": [{"input": "1", "wa_id": "1"}], "messages": [{"id": "wamid.1"}]}
        return httpx.Response(200, json=answer)

    async with httpx.AsyncClient(transport=httpx.MockTransport(take)) as session:
        await pywa_send(whatsapp(session), nth)
    return orjson.loads(taken[0])
