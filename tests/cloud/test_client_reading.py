"""The client reads numbers, accounts, templates and profiles, page by page, and asks for what it changes. Real HTTP on loopback."""

from typing import Any

from julia_warmer.cloud import encode
from julia_warmer.cloud.answers import Done, Refused, Unclear
from julia_warmer.cloud.client import GraphClient, Limits
from tests.cloud.server import CHIP, TOKEN, WABA, Canned, error, graph

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
