"""The client says how a request ended: taken, refused or unclear. Real HTTP on loopback."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from julia_warmer.cloud import encode
from julia_warmer.cloud.answers import Accepted, Done, Refused, Unclear
from julia_warmer.cloud.client import GraphClient, Limits, TooLate, WrongHost, WrongNode
from julia_warmer.cloud.codes import TOKEN_UNFIT, UNREACHABLE, Acceptance, Outcome
from julia_warmer.core.errors import WarmerError
from tests.cloud.server import Canned, Raw, graph, raw, read_request

TOKEN = "sandbox-token-of-a-test"
CHIP, WABA = "100000000000001", "200000000000001"
HELLO = encode.text("+5511987650001", "Olá!")
SHORT = Limits(connect_s=0.3, read_s=0.3, total_s=0.6)
SENT = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+5531987650001", "wa_id": "553187650001"}],
    "messages": [{"id": "wamid.1"}],
}


def error(code: Any, **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"(#{code}) Something", "type": "OAuthException", "code": code, "fbtrace_id": "Atrace", **more}}


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


# ---------------------------------------------------------------- reading


NUMBER = {
    "id": CHIP,
    "display_phone_number": "+55 11 90000-0001",
    "verified_name": "Hospital Teste",
    "status": "CONNECTED",
    "quality_rating": "GREEN",
    "name_status": "APPROVED",
    "code_verification_status": "VERIFIED",
    "account_mode": "LIVE",
    "platform_type": "CLOUD_API",
    "throughput": {"level": "STANDARD"},
    "is_pin_enabled": True,
    "is_official_business_account": False,
    "whatsapp_business_manager_messaging_limit": "TIER_2K",
    "health_status": {
        "can_send_message": "LIMITED",
        "entities": [
            {"entity_type": "PHONE_NUMBER", "id": CHIP, "can_send_message": "LIMITED", "additional_info": ["Display name not approved."]},
            {
                "entity_type": "WABA",
                "id": WABA,
                "can_send_message": "BLOCKED",
                "errors": [{"error_code": 141006, "error_description": "No payment method.", "possible_solution": "Add one."}],
            },
            {"entity_type": "BUSINESS", "id": "700000000000001", "can_send_message": "AVAILABLE"},
        ],
    },
}


async def test_a_number_is_read_with_its_health() -> None:
    async with graph([Canned(NUMBER)]) as server, GraphClient(sandbox_url=server.url) as client:
        number = await client.read_phone_number(CHIP, TOKEN)
    assert not isinstance(number, Refused | Unclear)
    assert (number.display_phone, number.status, number.quality, number.limit, number.limit_value) == (
        "5511900000001",
        "CONNECTED",
        "GREEN",
        2000,
        "TIER_2K",
    )
    assert (number.health.can_send, number.health.business_id) == ("LIMITED", "700000000000001")
    assert [(issue.entity, issue.code, issue.sentence) for issue in number.health.issues] == [
        ("PHONE_NUMBER", None, "Display name not approved."),
        ("WABA", 141006, "No payment method. Add one."),
    ]
    assert "health_status" in server.asked[0]["query"]["fields"]


async def test_a_number_of_which_little_is_told_may_not_send() -> None:
    async with graph([Canned({"id": CHIP, "quality_rating": "NA"})]) as server, GraphClient(sandbox_url=server.url) as client:
        number = await client.read_phone_number(CHIP, TOKEN)
    assert not isinstance(number, Refused | Unclear)
    assert (number.status, number.quality, number.limit, number.is_pin_enabled, number.health.can_send) == (
        "UNKNOWN",
        "UNKNOWN",
        None,
        None,
        "UNKNOWN",
    )


def pages(rows: list[dict[str, Any]], size: int) -> list[Canned]:
    parts = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    return [
        Canned(
            {
                "data": part,
                "paging": {"cursors": {"after": f"c{index}"}} | ({"next": "https://example.com/x"} if index < len(parts) - 1 else {}),
            }
        )
        for index, part in enumerate(parts)
    ]


async def test_all_pages_are_read_by_their_cursors() -> None:
    rows = [NUMBER | {"id": str(index)} for index in range(7)]
    async with graph(pages(rows, 3)) as server, GraphClient(sandbox_url=server.url) as client:
        numbers = await client.read_phone_numbers(WABA, TOKEN)
    assert not isinstance(numbers, Refused | Unclear)
    assert [number.id for number in numbers] == [str(index) for index in range(7)]
    assert [asked["query"].get("after") for asked in server.asked] == [None, "c0", "c1"]


async def test_a_page_that_fails_fails_the_listing() -> None:
    first = pages([NUMBER, NUMBER], 1)[0]
    for bad in (Canned(error(80007), 400), Canned(b"x", 500), Canned({"data": "x"}), Canned({"data": [{}]})):
        async with graph([first, bad]) as server, GraphClient(sandbox_url=server.url) as client:
            assert isinstance(await client.read_phone_numbers(WABA, TOKEN), Refused | Unclear)


async def test_a_listing_restarts_once_when_its_cursor_is_too_old() -> None:
    first, last = pages([NUMBER, NUMBER | {"id": "2"}], 1)
    stale = Canned(error(131059), 400)
    async with graph([first, stale, first, last]) as server, GraphClient(sandbox_url=server.url) as client:
        numbers = await client.read_phone_numbers(WABA, TOKEN)
        assert isinstance(numbers, tuple)
        assert len(numbers) == 2
    async with graph([first, stale, first, stale]) as server, GraphClient(sandbox_url=server.url) as client:
        assert isinstance(await client.read_phone_numbers(WABA, TOKEN), Refused)


async def test_a_listing_without_end_is_cut() -> None:
    forever = [Canned({"data": [], "paging": {"cursors": {"after": f"c{index}"}, "next": "x"}}) for index in range(9)]
    async with graph(forever) as server, GraphClient(sandbox_url=server.url, limits=Limits(pages=5)) as client:
        assert isinstance(await client.read_phone_numbers(WABA, TOKEN), Unclear)
    assert len(server.asked) == 5


async def test_templates_accounts_and_profiles_are_read() -> None:
    template = {
        "id": "300000000000001",
        "name": "convite",
        "language": "pt-BR",
        "status": "approved",
        "category": "MARKETING",
        "quality_score": {"score": "YELLOW", "date": 1795000000},
        "rejected_reason": "NONE",
        "components": [{"type": "BODY", "text": "Oi"}, 5],
    }
    account = {
        "id": WABA,
        "name": "Teste",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified",
        "country": "BR",
    }
    profile = {
        "data": [
            {
                "about": "Plantões",
                "vertical": "HEALTH",
                "profile_picture_url": "https://example.com/p.jpg",
                "websites": ["https://example.com", 5],
            }
        ]
    }
    answers = [Canned({"data": [template]}), Canned(account), Canned(profile), Canned({"data": []})]
    async with graph(answers) as server, GraphClient(sandbox_url=server.url) as client:
        templates = await client.read_templates(WABA, TOKEN)
        read = await client.read_account(WABA, TOKEN)
        filled = await client.read_business_profile(CHIP, TOKEN)
        empty = await client.read_business_profile(CHIP, TOKEN)
    assert isinstance(templates, tuple)
    (one,) = templates
    assert (one.language, one.status, one.quality, one.rejected_reason, one.parameter_format) == (
        "pt_BR",
        "APPROVED",
        "YELLOW",
        None,
        "POSITIONAL",
    )
    assert one.components == ({"type": "BODY", "text": "Oi"},)
    assert not isinstance(read, Refused | Unclear)
    assert (read.review_status, read.business_verification, read.limit) == ("APPROVED", "VERIFIED", None)
    assert not isinstance(filled, Refused | Unclear)
    assert filled.missing == ()
    assert not isinstance(empty, Refused | Unclear)
    assert empty.missing == ("description", "vertical")


async def test_what_is_asked_for_is_asked_as_the_platform_reads_it() -> None:
    created = {"id": "300000000000001", "status": "PENDING", "category": "UTILITY"}
    async with graph([Canned(created), *[Canned({"success": True})] * 6]) as server, GraphClient(sandbox_url=server.url) as client:
        draft = encode.new_template("convite", "pt_BR", "MARKETING", [{"type": "BODY", "text": "Oi"}])
        handed_in = await client.create_template(WABA, draft, TOKEN)
        assert not isinstance(handed_in, Refused | Unclear)
        assert (handed_in.status, handed_in.category) == ("PENDING", "UTILITY")
        done = [
            await client.delete_template(WABA, "convite", TOKEN, template_id="3"),
            await client.unpause_template("300000000000001", TOKEN),
            await client.register(CHIP, "123456", TOKEN),
            await client.subscribe_app(WABA, TOKEN),
            await client.mark_read(CHIP, "wamid.IN1", TOKEN),
            await client.typing(CHIP, "wamid.IN1", TOKEN),
        ]
    assert done == [Done()] * 6
    assert [(asked["method"], asked["path"].removeprefix("/v25.0/"), asked["query"], asked["body"]) for asked in server.asked] == [
        ("POST", f"{WABA}/message_templates", {}, draft),
        ("DELETE", f"{WABA}/message_templates", {"name": "convite", "hsm_id": "3"}, None),
        ("POST", "300000000000001/unpause", {}, None),
        ("POST", f"{CHIP}/register", {}, {"messaging_product": "whatsapp", "pin": "123456"}),
        ("POST", f"{WABA}/subscribed_apps", {}, None),
        ("POST", f"{CHIP}/messages", {}, encode.mark_read("wamid.IN1")),
        ("POST", f"{CHIP}/messages", {}, encode.mark_read("wamid.IN1", typing=True)),
    ]


async def test_success_that_is_not_said_is_unclear() -> None:
    async with graph([Canned({"success": False})]) as server, GraphClient(sandbox_url=server.url) as client:
        assert isinstance(await client.subscribe_app(WABA, TOKEN), Unclear)


async def test_only_the_last_accounts_usage_is_remembered() -> None:
    def headers(account: int) -> dict[str, str]:
        return {"X-Business-Use-Case-Usage": f'{{"{account}":[{{"call_count":{account}}}]}}', "X-App-Usage": '{"call_count":3}'}

    answers = [Canned(NUMBER, 200, headers(account)) for account in range(5)]
    async with graph(answers) as server, GraphClient(sandbox_url=server.url, limits=Limits(accounts_remembered=2)) as client:
        for _ in range(5):
            await client.read_phone_number(CHIP, TOKEN)
        assert [client.usage_of(str(account)) is not None for account in range(5)] == [False, False, False, True, True]
        assert client.app_usage is not None
        assert client.app_usage.calls == 3
