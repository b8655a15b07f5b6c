"""The road of messages to whoever answers, over real HTTP on this machine; and the answers that go back."""

import ipaddress
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from julia_warmer import policies
from julia_warmer.clock import SystemClock
from julia_warmer.cloud.client import GraphClient
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.reply import queue_reply
from julia_warmer.engine.route import TRIES_MAX, TRIES_TOLD, OutsideOnly, Routed, is_local, is_outside, route_received
from julia_warmer.engine.setup import RouteKind, add_route, set_route
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.incoming import SEAL, Fleet, add_fleet, add_person, apply, change, message, messages, phone_of, row, webhook
from tests.engine.outgoing import settings

NOW = SystemClock().now().replace(microsecond=0)
SANDBOX = "http://127.0.0.1:9"


@dataclass
class Julia:
    """Whoever answers: a real server that keeps what it gets and answers as told."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"location": f"{self.url}/elsewhere"})

    def texts(self) -> list[str]:
        return [json.loads(body)["data"]["text"] for _, body in self.got]


@pytest.fixture
async def julia() -> AsyncIterator[Julia]:
    server = Julia()
    app = web.Application()
    app.router.add_post("/{path:.*}", server.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def parts(db: Database, *, sandbox_url: str | None = SANDBOX) -> Parts:
    given = settings(sandbox_url=sandbox_url)
    return Parts(pool=db.pool, settings=given, policy=policies.load("standard"), seal=SEAL, graph=GraphClient(), worker="one")


async def add_julia(db: Database, fleet: Fleet, url: str) -> str:
    """A route to Julia for every chip; gives its secret."""
    async with transaction(db.pool) as conn:
        route = await add_route(conn, SEAL, name="julia", kind=RouteKind.WEBHOOK, url=url, local=True, at=NOW, by="ana")
        await set_route(conn, route.id, list(fleet.chips), at=NOW, by="ana")
    assert route.secret is not None
    return route.secret


async def write(db: Database, *texts: str, nth: int = 0) -> None:
    items = [message(f"wamid.{nth}.{text}", text, NOW + timedelta(seconds=turn), nth=nth) for turn, text in enumerate(texts)]
    assert (await apply(db, messages(*items), at=NOW)).quarantined == 0


async def test_a_message_goes_signed_to_the_chips_route(db: Database, julia: Julia):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    secret = await add_julia(db, fleet, julia.url)
    named = {"contacts": [{"wa_id": phone_of(0), "profile": {"name": "Aninha"}, "user_id": "BR.1"}]}
    now = SystemClock().now().replace(microsecond=0)  # the receiver's library takes nothing that is five minutes old
    button = message("wamid.b", at=now, kind="button", content={"text": "Quero", "payload": "yes-7"})
    await apply(db, webhook(change(**named, messages=[button])), at=now)
    assert await route_received(parts(db), at=now) == Routed(taken=1)
    ((headers, body),) = julia.got
    said = Webhook(secret).verify(body, headers)
    assert said["type"] == "message.received"
    assert said["data"] == {
        "message_id": "wamid.b",
        "received_at": now.isoformat(),
        "message_type": "button",
        "text": "Quero",
        "payload": "yes-7",
        "reply_to": None,
        "chip_id": fleet.chips[0],
        "chip": "one-0",
        "phone_number_id": "pn-one-0",
        "contact_id": person,
        "phone": "+5531988000000",
        "user_id": "BR.1",
        "name": "Ana",
        "answer_until": (now + timedelta(days=1)).isoformat(),
    }
    assert await route_received(parts(db), at=now + timedelta(days=1)) == Routed()
    assert len(julia.got) == 1


async def test_a_page_needs_no_road(db: Database, julia: Julia):
    fleet = await add_fleet(db.pool)
    await add_person(db.pool)
    async with transaction(db.pool) as conn:
        route = await add_route(conn, SEAL, name="page", kind=RouteKind.PAGE, at=NOW, by="ana")
        await set_route(conn, route.id, list(fleet.chips), at=NOW, by="ana")
    await write(db, "Oi")
    assert await route_received(parts(db), at=NOW + timedelta(days=1)) == Routed()
    assert await db.pool.fetchval("select waiting from conversations")


async def test_what_is_not_taken_comes_again_later_with_the_same_name(db: Database, julia: Julia):
    fleet = await add_fleet(db.pool)
    await add_person(db.pool)
    await add_julia(db, fleet, julia.url)
    await write(db, "Oi")
    julia.answers = [500, 302, 404]
    waits: list[float] = []
    at = NOW
    for _ in range(3):
        assert await route_received(parts(db), at=at) == Routed(put_off=1)
        next_at: datetime = await db.pool.fetchval("select route_next_at from received")
        assert await route_received(parts(db), at=next_at - timedelta(seconds=1)) == Routed()
        waits.append((next_at - at).total_seconds())
        at = next_at
    assert waits == [30, 60, 120]
    assert await route_received(parts(db), at=at) == Routed(taken=1)
    assert len({headers["webhook-id"] for headers, _ in julia.got}) == 1
    assert len(julia.got) == 4  # and no redirect was followed


async def test_messages_of_one_person_keep_their_order(db: Database, julia: Julia):
    fleet = await add_fleet(db.pool)
    await add_person(db.pool)
    await add_person(db.pool, 1)
    await add_julia(db, fleet, julia.url)
    await write(db, "a", "b", "c")
    julia.answers = [204, 503]
    assert await route_received(parts(db), at=NOW) == Routed(taken=1, put_off=2)
    await write(db, "z", nth=1)
    assert await route_received(parts(db), at=NOW) == Routed(taken=1)
    assert await route_received(parts(db), at=NOW + timedelta(minutes=1)) == Routed(taken=2)
    assert julia.texts() == ["a", "b", "z", "b", "c"]


async def test_a_route_that_does_not_answer_is_told_and_in_the_end_given_up(db: Database):
    fleet = await add_fleet(db.pool)
    await add_person(db.pool)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        await add_julia(db, fleet, f"http://127.0.0.1:{free.getsockname()[1]}")
    await write(db, "Oi")
    alerts: list[int] = []
    for turn in range(TRIES_MAX):
        done = await route_received(parts(db), at=NOW + timedelta(hours=2 * turn))
        alerts.append(await db.pool.fetchval("select count(*) from alerts where rule = 'route'"))
        assert done == (Routed(put_off=1) if turn < TRIES_MAX - 1 else Routed(given_up=1))
    assert alerts == [0] * (TRIES_TOLD - 1) + [1] * (TRIES_MAX - TRIES_TOLD + 1)
    found = await db.pool.fetchrow("select routed_at, route_next_at, route_error from received")
    assert (found["routed_at"], found["route_next_at"]) == (None, None)
    assert "ClientConnectorError" in found["route_error"]
    assert await db.pool.fetchval("select waiting from conversations")  # a person still sees who waits


async def test_a_route_that_answers_again_closes_its_alert(db: Database, julia: Julia):
    fleet = await add_fleet(db.pool)
    await add_person(db.pool)
    await add_julia(db, fleet, julia.url)
    await write(db, "Oi")
    julia.answers = [500] * TRIES_TOLD
    for turn in range(TRIES_TOLD + 1):
        await route_received(parts(db), at=NOW + timedelta(hours=2 * turn))
    assert await db.pool.fetchval("select closed_by from alerts where rule = 'route'") == "the route"


# ------------------------------------------------------------------ where it may not go


ADDRESSES = """
    93.184.216.34          outside
    2606:2800:220:1::1     outside
    127.0.0.1              inside
    10.1.2.3               inside
    192.168.0.1            inside
    100.64.0.1             inside
    169.254.169.254        inside
    0.0.0.0                inside
    224.0.0.1              inside
    ::1                    inside
    fd00:ec2::254          inside
    fe80::1                inside
    ::ffff:169.254.169.254 inside
    64:ff9b::a9fe:a9fe     inside
    2002:7f00:1::1         inside
"""


@pytest.mark.parametrize("line", [line.split() for line in ADDRESSES.strip().splitlines()], ids=lambda line: line[0])
def test_addresses_of_the_inside_are_known(line: list[str]):
    address, where = line
    assert is_outside(ipaddress.ip_address(address)) == (where == "outside")


@pytest.mark.parametrize("local", [False, True])
async def test_a_name_that_leads_to_the_inside_is_not_connected_to(local: bool):
    resolver = OutsideOnly(local=local)
    if local:
        assert await resolver.resolve("localhost", 80)
    else:
        with pytest.raises(OSError, match="leads to the inside"):
            await resolver.resolve("localhost", 80)
    await resolver.close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "https://localhost:{port}/", "https://169.254.169.254/latest", "http://julia.example/"]
)
async def test_a_live_system_posts_nothing_to_the_inside(db: Database, julia: Julia, url: str):
    fleet = await add_fleet(db.pool)
    await add_person(db.pool)
    await add_julia(db, fleet, julia.url)
    await db.pool.execute("update routes set url = $1", url.format(port=julia.url.rsplit(":", 1)[1]))
    await write(db, "Oi")
    assert await route_received(parts(db, sandbox_url=None), at=NOW) == Routed(put_off=1)
    assert julia.got == []


def test_only_a_sandbox_on_this_machine_opens_this_machine():
    assert all(is_local(url) for url in ("http://127.0.0.1:8090", "http://localhost:1", "http://[::1]:1"))
    assert not any(is_local(url) for url in (None, "https://sandbox.example", "http://10.0.0.1"))


# ------------------------------------------------------------------ answers


async def answer(db: Database, chip: int, person: int, content: dict[str, Any], *, at: datetime = NOW) -> int:
    async with transaction(db.pool) as conn:
        return await queue_reply(conn, chip, person, content, at=at)


async def test_an_answer_is_planned_for_now_and_for_as_long_as_the_window_is_open(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await write(db, "Oi")
    send = await row(db, "sends", await answer(db, fleet.chips[0], person, {"type": "text", "text": "Olá!"}))
    assert (send["kind"], send["state"], send["body"]) == ("reply", "planned", {"type": "text", "text": "Olá!"})
    assert (send["due_at"], send["expires_at"], send["campaign_id"]) == (NOW, NOW + timedelta(days=1), None)


async def test_when_an_answer_is_refused(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    with pytest.raises(Conflict, match="window is closed"):
        await answer(db, fleet.chips[0], person, {"text": "Olá!"})
    with pytest.raises(NotFound):
        await answer(db, fleet.chips[0], 999, {"text": "Olá!"})
    await write(db, "Oi")
    with pytest.raises(Conflict, match="window is closed"):
        await answer(db, fleet.chips[0], person, {"text": "Olá!"}, at=NOW + timedelta(days=1))
    for wrong in (
        {"text": ""},
        {"text": "x" * 5000},
        {"type": "dance"},
        {"type": "image"},
        {"type": "image", "id": "1", "link": "https://x"},
    ):
        with pytest.raises(Wrong):
            await answer(db, fleet.chips[0], person, wrong)
    await write(db, "SAIR")
    with pytest.raises(Conflict, match="asked to stop"):
        await answer(db, fleet.chips[0], person, {"text": "Olá!"})
