"""`POST /{phone}/messages`: the answers have Meta's shapes, and what Meta would refuse is refused with its code."""

from typing import Any

import pytest

from julia_warmer.sim.people import without_ninth_digit


async def test_a_template_is_accepted_and_written_into_the_ledger(api):
    status, answer = await api.send(0, biz_opaque_callback_data="send-1")
    phone = api.spec.people[0].phone
    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"][0]["input"] == f"+{phone}"
    assert answer["messages"][0]["message_status"] == "accepted"
    [row] = api.rows("accepted")
    assert row["message_id"] == answer["messages"][0]["id"]
    assert row["message_id"].startswith("wamid.")
    assert (row["person"], row["ours"], row["category"], row["in_window"]) == (phone, "send-1", "marketing", False)


async def test_some_numbers_come_back_without_their_ninth_digit_and_reach_the_same_person(api):
    shown = [(p.phone, (await api.send(i))[1]["contacts"][0]["wa_id"]) for i, p in enumerate(api.spec.people)]
    short = [(phone, wa_id) for phone, wa_id in shown if phone != wa_id]
    assert short
    assert all(wa_id == without_ninth_digit(phone) for phone, wa_id in short)
    status, _ = await api.call("POST", f"/{api.spec.chips[1].id}/messages", api.body(to=f"+{short[0][1]}"))
    assert status == 200
    assert api.rows("accepted")[-1]["person"] == short[0][0]


async def test_a_text_needs_an_open_window(api):
    status, answer = await api.send(0, type="text", text={"body": "Oi"})
    assert (status, answer["error"]["code"]) == (400, 131047)
    assert "24 hours" in answer["error"]["error_data"]["details"]
    await api.say(0, "Oi")
    status, answer = await api.send(0, type="text", text={"body": "Oi"})
    assert status == 200
    assert "message_status" not in answer["messages"][0]
    assert api.rows("accepted")[0]["in_window"]


async def test_a_message_can_go_to_a_business_scoped_id(api, hook):
    await api.say(0, "Oi")
    await api.advance(minutes=5)
    bsuid = hook.messages()[0]["from_user_id"]
    body = api.body(type="text", text={"body": "Oi"}, recipient=bsuid)
    del body["to"]
    status, answer = await api.call("POST", f"/{api.spec.chips[0].id}/messages", body)
    assert status == 200
    assert answer["contacts"] == [{"input": bsuid, "user_id": bsuid}]


async def test_a_received_message_can_be_marked_read_with_typing(api):
    message_id = await api.say(0, "Oi")
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
    path = f"/{api.spec.chips[0].id}/messages"
    assert await api.call("POST", path, body) == (200, {"success": True})
    assert await api.call("POST", path, {**body, "typing_indicator": {"type": "text"}}) == (200, {"success": True})
    assert (await api.call("POST", path, {**body, "message_id": "wamid.unknown"}))[1]["error"]["code"] == 131009
    assert len(api.rows("marked_read")) == 2


TEMPLATE: dict[str, Any] = {"name": "convite_plantao", "language": {"code": "pt_BR"}}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messaging_product": "telegram"}, 100),
        ({"to": None}, 131008),
        ({"to": "not a number"}, 131009),
        ({"to": "+12"}, 131009),
        ({"type": "poem"}, 131051),
        ({"recipient_type": "group"}, 131009),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"template": None}, 131008),
        ({"template": {"name": "convite_plantao"}}, 131008),
        ({"template": {**TEMPLATE, "name": "unknown"}}, 132001),
        ({"template": {**TEMPLATE, "language": {"code": "en_US"}}}, 132001),
        ({"template": TEMPLATE}, 132000),
        ({"template": {**TEMPLATE, "components": [{"type": "body", "parameters": [{"type": "text"}]}]}}, 131008),
        ({"template": {**TEMPLATE, "components": [{"type": "body", "parameters": [{"type": "dance"}]}]}}, 132012),
        ({"template": {**TEMPLATE, "components": [{"type": "button", "sub_type": "quick_reply", "index": "7"}]}}, 131009),
        ({"type": "text", "text": {}}, 131008),
        ({"type": "text", "text": {"body": "x" * 4097}}, 100),
        ({"type": "image", "image": {"id": "1", "link": "https://example.com/a.jpg"}}, 131008),
        ({"type": "image", "image": {"id": "1", "caption": "x" * 1025}}, 100),
        ({"type": "interactive", "interactive": {"type": "button", "action": {"buttons": []}}}, 131009),
        ({"type": "reaction", "reaction": {"emoji": "👍"}}, 131008),
    ],
)
async def test_what_meta_would_refuse_is_refused(api, changes: dict[str, Any], code: int):
    status, answer = await api.send(0, **changes)
    assert (status // 100, answer["error"]["code"]) == (4, code)
    assert answer["error"]["fbtrace_id"]
    assert not api.rows("accepted")


async def test_without_a_plus_the_business_numbers_country_is_prepended(api):
    local = api.spec.people[0].phone.removeprefix("55")
    await api.send(0, to=local)
    assert api.rows("accepted")[0]["person"] == api.spec.people[0].phone


async def test_every_kind_of_content_goes_out_inside_the_window(api):
    await api.say(0, "Oi")
    buttons = [{"type": "reply", "reply": {"id": "y", "title": "Sim"}}]
    kinds = [
        {"type": "text", "text": {"body": "Oi"}},
        {"type": "image", "image": {"link": "https://example.com/a.jpg", "caption": "Veja"}},
        {"type": "audio", "audio": {"id": "123"}},
        {"type": "document", "document": {"id": "123", "filename": "a.pdf"}},
        {"type": "interactive", "interactive": {"type": "button", "body": {"text": "Vamos?"}, "action": {"buttons": buttons}}},
        {"type": "location", "location": {"latitude": -23.5, "longitude": -46.6}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana", "first_name": "Ana"}}]},
        {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}},
    ]
    assert [(await api.send(0, **kind))[0] for kind in kinds] == [200] * len(kinds)


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [(None, 401, 104), ("Bearer sandbox-wrong", 401, 190), ("Bearer EAAG-real", 401, 190), ("Basic x", 401, 104)],
)
async def test_tokens_are_asked_for(api, token: str | None, status: int, code: int):
    found, answer = await api.call("POST", f"/{api.spec.chips[0].id}/messages", api.body(), token=token)
    assert (found, answer["error"]["code"]) == (status, code)


async def test_marketing_messages_take_marketing_templates_only(api):
    path = f"/{api.spec.chips[0].id}/marketing_messages"
    assert (await api.call("POST", path, api.body(0)))[0] == 200
    assert (await api.call("POST", path, api.body(1, type="text", text={"body": "Oi"})))[1]["error"]["code"] == 100
    next(iter(api.sandbox.bench.world.templates.values())).category = "utility"
    assert (await api.call("POST", path, api.body(1)))[1]["error"]["code"] == 134100


async def test_a_burst_is_answered_as_held(api):
    api.sandbox.bench.world.portfolios[api.spec.portfolios[0].id].burst.extend([api.sandbox.bench.at.timestamp()] * 200)
    _, answer = await api.send(0)
    assert answer["messages"][0]["message_status"] == "held_for_quality_assessment"
    assert api.rows("accepted")[0]["held"]


async def test_a_body_that_is_no_json_or_too_large_is_refused_in_graphs_shape(api):
    url = f"{api.base}/v25.0/{api.spec.chips[0].id}/messages"
    headers = {"Authorization": "Bearer sandbox-token-1"}
    for data, status in ((b"{", 400), (b"[]", 400), (b"x" * 2_000_000, 413)):
        async with api.http.post(url, data=data, headers=headers) as response:
            assert response.status == status
            assert (await response.json())["error"]["code"] == 100
    assert (await api.call("GET", "/a/b/c"))[1]["error"]["code"] == 2500
