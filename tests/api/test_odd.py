"""Odd requests: whatever is sent to either application, the answer is never a 5xx, and says nothing of what is inside."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from yarl import URL

from julia_warmer.api.internal import bare_app
from julia_warmer.api.public import public_app
from julia_warmer.api.reference import operations
from julia_warmer.api.serve import serving
from julia_warmer.clock import VirtualClock
from tests.api.site import AT, Site, parts_of
from tests.conftest import Database
from tests.engine import outgoing

SECRET = "a-secret"
SAMPLES = sorted((Path(__file__).parents[1] / "fixtures" / "webhooks").glob("*.json"))
NASTY: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**400,
    1e308,
    "",
    " ",
    "x" * 5000,
    "\x00",
    "a\x00b",
    "\ud800",
    "'; drop table warmer.chips; --",
    "../../etc/passwd",
    "٣",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "NaN",
    [],
    [None],
    {},
    {"$ref": "#"},
    [[[[[]]]]],
]
RAW = [b"", b"null", b"{", b"[" * 50_000, b"\xff\xfe", b'{"why": NaN}', b'{"why": 1e999}', b'"\\ud800"', b"{}" * 10, b'{"a":1,"a":2}']
PLACES = ["0", "-1", "1.5", "99999999999999999999999999", "%00", "%ff", "a%2fb", "..", "%F0%9F%98%80", "1e9", "null", "x" * 200]


async def no_5xx(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> None:
    async with http.request(method, path, **more) as answer:
        text = await answer.text()
    assert answer.status < 500, (method, path, more, text)
    assert "Traceback" not in text
    assert "asyncpg" not in text


def bodies_of(operation: dict[str, Any]) -> Iterator[Any]:
    """The example of a request with one field made nasty, or left out."""
    example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    if example is None:
        return
    for name in example:
        yield {field: value for field, value in example.items() if field != name}
        for nasty in NASTY:
            yield {**example, name: nasty}


async def test_no_odd_body_or_field_is_a_5xx(site: Site, db: Database):
    async with db.pool.acquire() as conn:
        await outgoing.add_fleet(conn)
    headers = {"Content-Type": "application/json"}
    for path, method, operation in operations(bare_app().openapi()):
        if operation["operationId"] in ("ready", "add_account", "set_token"):  # these last two ask Meta
            continue
        where = path.format_map({"chip": "one-0", "phone": "5531987654321", "campaign": 1} | dict.fromkeys(_names(path), 1))
        for raw in RAW:
            await no_5xx(site.http, method, where, data=raw, headers=headers)
        for body in bodies_of(operation):
            await no_5xx(site.http, method, where, data=json.dumps(body), headers=headers)


async def test_no_odd_path_or_query_is_a_5xx(site: Site):
    for path, method, operation in operations(bare_app().openapi()):
        if operation["operationId"] in ("ready", "sync_templates"):
            continue
        for place in PLACES:
            where = path.format_map(dict.fromkeys(_names(path), place))
            await no_5xx(site.http, method, URL(where, encoded=True), json={})
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                for place in PLACES:
                    where = f"{path.format_map(dict.fromkeys(_names(path), 1))}?{parameter['name']}={place}"
                    await no_5xx(site.http, method, URL(where, encoded=True), data=b"phone\n1\n", headers={"Content-Type": "text/csv"})


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


# ------------------------------------------------------------------ the webhook

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def replace_one(document: Any, path: list[Any], value: Any) -> Any:
    """A copy of a document with one place changed."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replace_one(document[path[0]], path[1:], value)
    return copy


def paths_of(document: Any) -> Iterator[list[Any]]:
    yield []
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        for rest in paths_of(value):
            yield [key, *rest]


@st.composite
def changed_webhooks(draw: st.DrawFn) -> bytes:
    """One of Meta's shapes with up to three places replaced by something odd."""
    document = orjson.loads(draw(st.sampled_from(SAMPLES)).read_bytes())
    for _ in range(draw(st.integers(1, 3))):
        document = replace_one(document, draw(st.sampled_from(list(paths_of(document)))), draw(odd))
    return json.dumps(document).encode("utf-8", "surrogatepass")


@pytest.fixture
async def webhook(db: Database) -> Any:
    parts = parts_of(db, app_secrets=(SecretStr(SECRET),))
    async with (
        serving(public_app(parts, VirtualClock(AT)), host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address) as http,
    ):
        yield http


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=changed_webhooks() | odd.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")) | st.binary(max_size=200))
async def test_any_signed_body_is_taken(webhook: aiohttp.ClientSession, body: bytes):
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with webhook.post("/webhooks/meta", data=body, headers={"X-Hub-Signature-256": signature}) as answer:
        assert answer.status == 200
