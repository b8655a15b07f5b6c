"""The client says how a request ended: taken, refused or unclear. Real HTTP on loopback."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from julia_warmer.cloud import encode
from julia_warmer.cloud.answers import Accepted, Refused, Unclear
from julia_warmer.cloud.client import GraphClient, Limits, TooLate, WrongHost, WrongNode
from julia_warmer.cloud.codes import TOKEN_UNFIT, UNREACHABLE, Acceptance, Outcome
from julia_warmer.core.errors import WarmerError
from tests.cloud.server import CHIP, TOKEN, WABA, Canned, Raw, error, graph, raw, read_request

HELLO = encode.text("+5511987650001", "Olá!")
SHORT = Limits(connect_s=0.3, read_s=0.3, total_s=0.6)
SENT = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+5531987650001", "wa_id": "553187650001"}],
    "messages": [{"id": "wamid.1"}],
}


async def send(answer: Canned, token: str = TOKEN) -> Accepted | Refused | Unclear:
    async with graph([answer]) as server, GraphClient(sandbox_url=server.url) as client:
        return await client.send(CHIP, HELLO, token)


# ---------------------------------------------------------------- sending


async def test_a_send_is_one_post_with_its_token_in_the_header_only() -> None:
    async with graph([Canned(SENT)]) as server, GraphClient(version="v24.0", sandbox_url=server.url) as client:
        assert await client.send(CHIP, HELLO, TOKEN) == Accepted(message_id="wamid.1", wa_id="553187650001")
    (asked,) = server.asked
    assert asked == {
        "method": "POST",
        "path": f"/v24.0/{CHIP}/messages",
        "query": {},
        "body": HELLO,
        "authorization": f"Bearer {TOKEN}",
    }


async def test_a_send_whose_connection_comes_too_late_is_not_asked() -> None:
    """Whether the connection is new or was there; and the next one is asked."""
    loop = asyncio.get_running_loop()
    async with graph([Canned(SENT), Canned(SENT)]) as server, GraphClient(sandbox_url=server.url) as client:
        for _ in range(2):
            with pytest.raises(TooLate):
                await client.send(CHIP, HELLO, TOKEN, begin_by=loop.time() - 0.001)
        assert isinstance(await client.send(CHIP, HELLO, TOKEN, begin_by=loop.time() + 10), Accepted)
        with pytest.raises(TooLate):
            await client.send(CHIP, HELLO, TOKEN, begin_by=loop.time() - 0.001)
        assert isinstance(await client.send(CHIP, HELLO, TOKEN), Accepted)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({**SENT, "messages": [{"id": "wamid.1", "message_status": "accepted"}]}, Accepted(message_id="wamid.1", wa_id="553187650001")),
        (
            {**SENT, "messages": [{"id": "wamid.1", "message_status": "held_for_quality_assessment"}]},
            Accepted(message_id="wamid.1", wa_id="553187650001", held=True),
        ),
        (
            {"contacts": [{"input": "BR.9", "user_id": "BR.9"}], "messages": [{"id": "wamid.1"}]},
            Accepted(message_id="wamid.1", user_id="BR.9"),
        ),
        ({"messages": [{"id": "wamid.1"}]}, Accepted(message_id="wamid.1")),
    ],
)
async def test_a_taken_message_has_an_id_and_may_be_held(answer: dict[str, Any], expected: Accepted) -> None:
    assert await send(Canned(answer)) == expected


@pytest.mark.parametrize(
    ("http", "code", "outcome", "retry_after_s"),
    [
        (400, 4, Outcome.RETRY, 60),
        (400, 80007, Outcome.RETRY, 60),
        (400, 130429, Outcome.RETRY, 5),
        (400, 131056, Outcome.RETRY, 1),
        (500, 131057, Outcome.RETRY, 60),
        (500, 131000, Outcome.UNKNOWN, 5),
        (503, 2, Outcome.UNKNOWN, 5),
        (400, 131026, Outcome.FAILED, None),
        (403, 368, Outcome.FAILED, None),
        (401, 190, Outcome.FAILED, None),
        (418, 999_999, Outcome.FAILED, None),
        (200, 131026, Outcome.FAILED, None),
    ],
)
async def test_a_graph_error_is_a_refusal_by_its_code(http: int, code: int, outcome: Outcome, retry_after_s: float | None) -> None:
    refused = await send(Canned(error(code, error_data={"details": "In words."}, error_subcode=2494055), http))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.http, refused.details, refused.fbtrace) == (code, http, "In words.", "Atrace")
    assert (refused.outcome, refused.retry_after_s) == (outcome, retry_after_s)
    assert (refused.accepted is Acceptance.NO) == (outcome is Outcome.RETRY)


async def test_a_code_written_as_text_counts() -> None:
    refused = await send(Canned(error("131026"), 400))
    assert isinstance(refused, Refused)
    assert refused.code == 131026


async def test_usage_headers_say_how_long_to_wait() -> None:
    usage = {"X-Business-Use-Case-Usage": f'{{"{WABA}":[{{"type":"whatsapp","call_count":100,"estimated_time_to_regain_access":7}}]}}'}
    async with graph([Canned(error(80007), 400, usage)]) as server, GraphClient(sandbox_url=server.url) as client:
        refused = await client.send(CHIP, HELLO, TOKEN)
        usage_seen = client.usage_of(WABA)
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == 420
    assert usage_seen is not None
    assert (usage_seen.calls, usage_seen.regain_s) == (100, 420)


async def test_a_retry_after_of_a_proxy_is_obeyed() -> None:
    refused = await send(Canned(error(130429), 429, {"Retry-After": "33"}))
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == 33


@pytest.mark.parametrize("header", ["", "x", "[]", "{", '{"1":5}', '{"1":[]}', '{"1":[{"call_count":"NaN"}]}', '{"1":[null]}'])
async def test_odd_usage_headers_do_no_harm(header: str) -> None:
    assert isinstance(await send(Canned(SENT, 200, {"X-Business-Use-Case-Usage": header, "X-App-Usage": header})), Accepted)


# ---------------------------------------------------------------- unclear


@pytest.mark.parametrize(
    "answer",
    [
        Canned(b"", 200),
        Canned(b"{", 200),
        Canned(b"<html>OK</html>", 200),
        Canned(b"[]", 200),
        Canned(b"null", 200),
        Canned({}, 200),
        Canned({"messages": []}, 200),
        Canned({"messages": [{}]}, 200),
        Canned({"messages": [{"id": ""}]}, 200),
        Canned({"messages": "wamid.1"}, 200),
        Canned({"error": "down"}, 500),
        Canned({"error": {"message": "down"}}, 500),
        Canned({"error": {"code": None}}, 400),
        Canned(b"<html>Bad gateway</html>", 502),
        Canned(b"", 503),
        Canned(b"no", 403),
        Canned(SENT, 500),
        Canned(b"[" * 100_000, 200),
        Canned(b"", 302, {"Location": "https://example.com/"}),
        Canned(SENT, 307, {"Location": "/elsewhere"}),
        Canned(b"not gzip", 200, {"Content-Encoding": "gzip"}),
        Canned(b'{"messages":[{"id":"wamid.1"}]' + b" " * 5_000_000 + b"}", 200),
        Canned(gzip.compress(b" " * 50_000_000), 200, {"Content-Encoding": "gzip"}),
    ],
    ids=range(23),
)
async def test_what_cannot_be_read_is_unclear(answer: Canned) -> None:
    async with graph([answer]) as server, GraphClient(sandbox_url=server.url) as client:
        assert isinstance(await client.send(CHIP, HELLO, TOKEN), Unclear)
    assert len(server.asked) == 1


def behaviour(*pieces: bytes, then: str) -> Raw:
    """Read the request, write the pieces, then close, reset or hang."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        if then == "reset":
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()
        elif then == "close":
            writer.close()
        else:
            await asyncio.Event().wait()

    return behave


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer that never ends, a little at a time."""
    await read_request(reader)
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "behave",
    [
        behaviour(then="close"),
        behaviour(then="reset"),
        behaviour(then="hang"),
        behaviour(b"HTTP/1.1 200", then="close"),
        behaviour(HEAD, then="hang"),
        behaviour(HEAD + b"Content-Length: 100\r\n\r\n{", then="close"),
        behaviour(HEAD + b"Content-Length: 100\r\n\r\n{", then="reset"),
        behaviour(HEAD + b"Content-Length: 100\r\n\r\n{", then="hang"),
        behaviour(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", then="close"),
        behaviour(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{", then="close"),
        behaviour(b"\x00\xff garbage \r\n\r\n", then="close"),
        behaviour(b"HTTP/1.1 999999 \r\n\r\n", then="close"),
        behaviour(HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n", then="close"),
        drip,
    ],
    ids=range(14),
)
async def test_a_connection_lost_after_writing_is_unclear(behave: Raw) -> None:
    async with raw(behave) as url, GraphClient(sandbox_url=url, limits=SHORT) as client:
        assert isinstance(await client.send(CHIP, HELLO, TOKEN), Unclear)


async def test_a_post_on_a_connection_that_was_closed_meanwhile_is_never_sent_twice() -> None:
    requests = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        if requests == 1:
            body = b'{"messages":[{"id":"wamid.1"}]}'
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            await read_request(reader)
            requests += 1
        writer.transport.abort()

    async with raw(behave) as url, GraphClient(sandbox_url=url) as client:
        assert isinstance(await client.send(CHIP, HELLO, TOKEN), Accepted)
        assert isinstance(await client.send(CHIP, HELLO, TOKEN), Unclear)
    assert requests == 2


# ---------------------------------------------------------------- never began


@pytest.fixture
async def free_port() -> AsyncIterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_a_refused_connection_was_surely_not_taken(free_port: int) -> None:
    async with GraphClient(sandbox_url=f"http://127.0.0.1:{free_port}") as client:
        refused = await client.send(CHIP, HELLO, TOKEN)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.http, refused.accepted, refused.outcome) == (UNREACHABLE, None, Acceptance.NO, Outcome.RETRY)
    assert refused.retry_after_s == 5


async def test_a_name_that_does_not_resolve_was_surely_not_taken() -> None:
    async with GraphClient(sandbox_url="http://no-such-host.invalid") as client:
        refused = await client.send(CHIP, HELLO, TOKEN)
    assert isinstance(refused, Refused)
    assert refused.accepted is Acceptance.NO


async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read(1)


async def test_broken_tls_was_surely_not_taken() -> None:
    async with raw(no_tls) as url, GraphClient(sandbox_url=url.replace("http:", "https:")) as client:
        refused = await client.send(CHIP, HELLO, TOKEN)
    assert isinstance(refused, Refused)
    assert (refused.accepted, refused.message) == (Acceptance.NO, "ClientConnectorSSLError")


async def test_no_free_connection_was_surely_not_taken() -> None:
    limits = Limits(connect_s=0.2, total_s=0.6, connections=1)
    async with raw(behaviour(then="hang")) as url, GraphClient(sandbox_url=url, limits=limits) as client:
        hanging = asyncio.create_task(client.send(CHIP, HELLO, TOKEN))
        await asyncio.sleep(0)
        refused = await client.send(CHIP, HELLO, TOKEN)
        assert isinstance(refused, Refused)
        assert refused.accepted is Acceptance.NO
        assert isinstance(await hanging, Unclear)


# ---------------------------------------------------------------- tokens and hosts


@pytest.mark.parametrize("token", ["EAAreal0000000000000", "", "sandbox-with space", "sandbox-\r\nX: y", "sandbox-é"])
async def test_only_a_sandbox_token_reaches_the_sandbox(token: str) -> None:
    async with graph([Canned(SENT)]) as server, GraphClient(sandbox_url=server.url) as client:
        refused = await client.send(CHIP, HELLO, token)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.outcome) == (TOKEN_UNFIT, Outcome.FAILED)
    assert server.asked == []
    assert not token or token not in repr(refused)


async def test_a_sandbox_token_does_not_reach_meta() -> None:
    async with GraphClient() as client:
        refused = await client.send(CHIP, HELLO, TOKEN)
    assert isinstance(refused, Refused)
    assert refused.code == TOKEN_UNFIT


@pytest.mark.parametrize(
    "address",
    [
        "https://graph.facebook.com",
        "https://GRAPH.facebook.com.:443/",
        "https://facebook.com",
        "ftp://127.0.0.1",
        "127.0.0.1:9",
        "",
        "http://",
        "http://user:secret@127.0.0.1",
        "http://127.0.0.1:port",
        "http://[::1",
    ],
)
def test_the_sandbox_is_never_meta_and_always_an_address(address: str) -> None:
    with pytest.raises(WrongHost):
        GraphClient(sandbox_url=address)


def test_without_a_sandbox_the_host_is_metas() -> None:
    assert repr(GraphClient()) == "GraphClient(https://graph.facebook.com/v25.0)"
    assert repr(GraphClient(sandbox_url="http://[::1]:81/x?y", version="v26.0")) == "GraphClient(http://[::1]:81/v26.0)"
    with pytest.raises(WarmerError, match=r"v25\.0"):
        GraphClient(version="25")


@pytest.mark.parametrize("node", ["", "..", "1/messages", "1?x=y", "1 2", "x" * 200, "é"])
async def test_an_id_never_changes_the_path(node: str) -> None:
    async with GraphClient() as client:
        with pytest.raises(WrongNode):
            await client.send(node, HELLO, TOKEN)


async def test_a_token_that_meta_repeats_is_struck_out() -> None:
    said = error(190, message=f"Malformed access token {TOKEN} and EAAGm0PX4ZCpsBA0000000", error_data={"details": f"token={TOKEN}"})
    refused = await send(Canned(said, 401))
    assert isinstance(refused, Refused)
    assert TOKEN not in repr(refused)
    assert "EAAGm0" not in repr(refused)


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(await send(Canned(SENT)), Accepted)


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await GraphClient().send(CHIP, HELLO, TOKEN)
