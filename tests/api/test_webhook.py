"""The webhook over real HTTP: who is let in, what is refused, and that nothing odd is ever a 5xx."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from pydantic import SecretStr

from julia_warmer import policies
from julia_warmer.api.public import public_app
from julia_warmer.api.serve import serving
from julia_warmer.clock import VirtualClock
from julia_warmer.cloud.client import GraphClient
from julia_warmer.config import Settings
from julia_warmer.engine.parts import Parts
from julia_warmer.store.seal import Seal
from tests.conftest import Database

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
OLD, NEW, TOKEN = "old-secret", "new-secret", "a phrase of ours"
BODY = b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[]}]}'
HEADER = "X-Hub-Signature-256"


def signed(body: bytes, secret: str = NEW) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def parts_of(db: Database, **more: object) -> Parts:
    given = {"app_secrets": (SecretStr(OLD), SecretStr(NEW)), "verify_token": SecretStr(TOKEN), "webhook_body_max": 100_000} | more
    settings = Settings.model_construct(
        _fields_set=None, **{name: f.get_default(call_default_factory=True) for name, f in Settings.model_fields.items()} | given
    )
    return Parts(
        pool=db.pool,
        settings=settings,
        policy=policies.load("standard"),
        seal=Seal(bytes(32)),
        graph=GraphClient(),
        worker="test",
        holidays=frozenset(),
    )


@pytest.fixture
async def site(db: Database) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serving(public_app(parts_of(db), VirtualClock(AT)), host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address) as http,
    ):
        yield http


SIGNATURES: dict[str, tuple[str | None, bytes, int]] = {
    "the new secret": (signed(BODY), BODY, 200),
    "the old secret, while it is rotated": (signed(BODY, OLD), BODY, 200),
    "no signature": (None, BODY, 403),
    "an empty one": ("", BODY, 403),
    "sha1": ("sha1=" + hmac.new(NEW.encode(), BODY, hashlib.sha1).hexdigest(), BODY, 403),
    "upper case": (signed(BODY).upper(), BODY, 403),
    "a wrong secret": (signed(BODY, "other"), BODY, 403),
    "appended bytes": (signed(BODY), BODY + b" ", 403),
    "written again": (signed(BODY), BODY.replace(b":", b": "), 403),
    "not ascii": ("sha256=é", BODY, 403),
}


async def test_only_a_signature_over_the_raw_bytes_opens(site: aiohttp.ClientSession, db: Database) -> None:
    for name, (signature, body, status) in SIGNATURES.items():
        headers = {} if signature is None else {HEADER: signature}
        async with site.post("/webhooks/meta", data=body, headers=headers) as answer:
            assert answer.status == status, name
            assert await answer.text() == ("ok\n" if status == 200 else "refused\n"), name
        kept = await db.owner.fetchval("delete from warmer.inbox returning digest")
        assert kept == (hashlib.sha256(body).digest() if status == 200 else None), name


async def test_two_signatures_leave_open_which_one_counts(site: aiohttp.ClientSession) -> None:
    headers = [(HEADER, signed(BODY)), (HEADER, signed(BODY, "other"))]
    async with site.post("/webhooks/meta", data=BODY, headers=headers) as answer:
        assert answer.status == 403


async def test_without_a_secret_everything_is_refused(db: Database) -> None:
    app = public_app(parts_of(db, app_secrets=()), VirtualClock(AT))
    async with (
        serving(app, host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address) as http,
        http.post("/webhooks/meta", data=BODY, headers={HEADER: signed(BODY, "")}) as answer,
    ):
        assert answer.status == 403


HANDSHAKES = {
    "right": ({"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": TOKEN}, 200, "1158201444"),
    "a wrong token": ({"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": "x"}, 403, "refused\n"),
    "no token": ({"hub.mode": "subscribe", "hub.challenge": "1"}, 403, "refused\n"),
    "another mode": ({"hub.mode": "x", "hub.challenge": "1", "hub.verify_token": TOKEN}, 403, "refused\n"),
    "no challenge": ({"hub.mode": "subscribe", "hub.verify_token": TOKEN}, 403, "refused\n"),
}


async def test_the_handshake_answers_the_raw_challenge(site: aiohttp.ClientSession) -> None:
    for name, (query, status, text) in HANDSHAKES.items():
        async with site.get("/webhooks/meta", params=query) as answer:
            assert (answer.status, await answer.text()) == (status, text), name
            assert answer.headers["content-type"].startswith("text/plain")


async def test_a_body_past_the_limit_is_413_also_when_its_length_is_not_announced(site: aiohttp.ClientSession, db: Database) -> None:
    large = b" " * 100_001

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    for data in (large, in_pieces()):
        async with site.post("/webhooks/meta", data=data, headers={HEADER: signed(large)}) as answer:
            assert answer.status == 413
    assert await db.owner.fetchval("select count(*) from warmer.inbox") == 0


ODD = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b'{"entry": 5}',
    b'{"entry": [null, 7, {"changes": "x"}]}',
    b"[" * 20_000,
    b'{"entry":[{"id":NaN}]}',
]


async def test_an_odd_body_that_is_signed_is_kept(site: aiohttp.ClientSession, db: Database) -> None:
    for body in ODD:
        async with site.post("/webhooks/meta", data=body, headers={HEADER: signed(body)}) as answer:
            assert answer.status == 200, body[:40]
    assert await db.owner.fetchval("select count(*) from warmer.inbox") == len(ODD)


async def test_a_body_that_never_ends_keeps_nothing_and_nobody_waiting(site: aiohttp.ClientSession, db: Database) -> None:
    host, port = site._base_url.host, site._base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\nhalf")
    await writer.drain()
    async with site.get("/healthz") as answer:
        assert answer.status == 200
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    assert await db.owner.fetchval("select count(*) from warmer.inbox") == 0


async def test_there_is_nothing_else_on_the_public_port(site: aiohttp.ClientSession) -> None:
    for path in ("/", "/docs", "/openapi.json", "/warmer/chips", "/readyz"):
        async with site.get(path) as answer:
            assert answer.status == 404


async def test_while_the_database_is_away_meta_is_asked_to_come_again(db: Database) -> None:
    await db.pool.close()
    async with (
        serving(public_app(parts_of(db), VirtualClock(AT)), host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address) as http,
        http.post("/webhooks/meta", data=BODY, headers={HEADER: signed(BODY)}) as answer,
    ):
        assert answer.status == 503
