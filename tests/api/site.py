"""The internal application on a loopback port, over the test's own database, with a client that holds its key."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from pydantic import SecretStr

from julia_warmer import policies
from julia_warmer.api.access import Key
from julia_warmer.api.internal import internal_app
from julia_warmer.api.serve import serving
from julia_warmer.clock import VirtualClock
from julia_warmer.cloud.client import GraphClient
from julia_warmer.config import Settings
from julia_warmer.engine.parts import Parts
from julia_warmer.store.seal import Seal
from tests.conftest import Database

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = "a-key-of-more-than-24-characters"
SEAL = Seal(bytes(32))


def settings_of(**given: Any) -> Settings:
    """Settings of the test alone: the environment has no say."""
    values = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    return Settings.model_construct(_fields_set=None, **values | {"api_key": SecretStr(KEY)} | given)


def parts_of(db: Database, *, graph: GraphClient | None = None, seal: Seal = SEAL, **given: Any) -> Parts:
    return Parts(
        pool=db.pool,
        settings=settings_of(**given),
        policy=policies.load("standard"),
        seal=seal,
        graph=graph or GraphClient(),
        worker="test",
    )


@dataclass(slots=True)
class Site:
    """A client of the application, and the clock that it reads."""

    http: aiohttp.ClientSession
    clock: VirtualClock

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and JSON of one request."""
        async with self.http.request(method, path, json=body, **more) as answer:
            assert answer.headers["content-type"].startswith("application/problem+json" if answer.status >= 400 else "application/json")
            return answer.status, await answer.json(content_type=None)

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The JSON of a request that succeeds."""
        status, said = await self.call(method, path, body, **more)
        assert 200 <= status < 300, said
        return said

    async def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str, str]:
        """Status, last word of the type, and detail with its mend, of a request that is refused."""
        status, said = await self.call(method, path, body, **more)
        assert said["status"] == status >= 400
        return status, said["type"].rsplit(":", 1)[1], f"{said['detail']}: {said['mend']}"


@asynccontextmanager
async def opened(parts: Parts, *, keys: Sequence[Key] = (), key: str = KEY) -> AsyncIterator[Site]:
    """The application served, and a client with a key."""
    clock = VirtualClock(AT)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        serving(internal_app(parts, clock, keys=keys), host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address, headers=headers) as http,
    ):
        yield Site(http, clock)
