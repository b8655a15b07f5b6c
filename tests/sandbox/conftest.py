"""A sandbox on loopback, with a server beside it that keeps the webhooks it gets."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import demo_world
from julia_warmer.sandbox.spec import WorldSpec

TOKEN = {"Authorization": "Bearer sandbox-token-1"}


@dataclass
class Hook:
    """The address that webhooks go to. `answers` are the statuses of the next POSTs; then 200."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.heard.set()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def get(self, request: web.Request) -> web.Response:
        right = request.query["hub.verify_token"] == "let me in"
        return web.Response(text=request.query["hub.challenge"], status=200 if right else 403)

    def changes(self) -> list[dict[str, Any]]:
        """Every change of every body, in order."""
        return [change for body in self.bodies for entry in json.loads(body)["entry"] for change in entry["changes"]]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for change in self.changes() for status in change["value"].get("statuses", [])]

    def messages(self) -> list[dict[str, Any]]:
        return [message for change in self.changes() for message in change["value"].get("messages", [])]


@dataclass
class Api:
    """A client of the sandbox, and the world that it holds."""

    base: str
    http: aiohttp.ClientSession
    spec: WorldSpec
    sandbox: Sandbox

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN["Authorization"]) -> tuple[int, Any]:
        headers = {"Authorization": token} if token else {}
        path = path if path.startswith("/_sandbox") else f"/v25.0{path}"
        async with self.http.request(method, self.base + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def send(self, person: int = 0, *, chip: int = 0, **changes: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/{self.spec.chips[chip].id}/messages", self.body(person, **changes))

    def body(self, person: int = 0, **changes: Any) -> dict[str, Any]:
        parameters = [{"type": "text", "text": "Ana"}]
        components = [{"type": "body", "parameters": parameters}]
        template = {"name": "convite_plantao", "language": {"code": "pt_BR"}, "components": components}
        body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": f"+{self.spec.people[person].phone}"}
        return {**body, "type": "template", "template": template, **changes}

    async def advance(self, **by: float) -> Any:
        to = self.sandbox.bench.at + timedelta(**by)
        return (await self.call("POST", "/_sandbox/advance", {"to": to.isoformat()}))[1]

    async def say(self, person: int, text: str, *, chip: int = 0, **more: Any) -> str:
        body = {"chip": self.spec.chips[chip].id, "phone": self.spec.people[person].phone, "text": text, **more}
        return (await self.call("POST", "/_sandbox/say", body))[1]["message_id"]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.sandbox.bench.ledger.rows() if row["kind"] == kind]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/hook", hook.post)
    app.router.add_get("/hook", hook.get)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield hook
    await runner.cleanup()


@pytest.fixture
async def api(hook: Hook) -> AsyncIterator[Api]:
    """Two chips and forty people, posted to an empty sandbox. Webhooks come once and in order, except where a test wants otherwise."""
    spec = demo_world(2, 40, 7, webhook_url=hook.url, verify_token="let me in")
    spec = replace(spec, webhooks={**spec.webhooks, "duplicate": 0.0, "reorder": 0.0, "delay_low_s": 1.0, "delay_high_s": 1.0})
    sandbox = Sandbox()
    base = await sandbox.start()
    async with aiohttp.ClientSession() as http:
        api = Api(base, http, spec, sandbox)
        async with http.post(f"{base}/_sandbox/world", data=spec.to_json()) as response:
            assert response.status == 200, await response.text()
        yield api
    await sandbox.close()
