"""Numbers, accounts and templates on the wire: reads with `fields`, lists with cursors, registration, review of templates."""

import json
from typing import Any

import pytest

BODY = {"type": "BODY", "text": "Olá, {{1}}! Temos vagas de plantão nesta semana, quer ver?", "example": {"body_text": [["Ana"]]}}
QUICK = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Quero"}, {"type": "QUICK_REPLY", "text": "Parar"}]}


async def test_a_number_shows_the_fields_that_were_asked_for(api):
    chip = api.spec.chips[0].id
    status, default = await api.call("GET", f"/{chip}")
    assert status == 200
    assert set(default) == {"id", "display_phone_number", "verified_name", "quality_rating"}
    fields = "status,quality_rating,name_status,is_pin_enabled,throughput,health_status{can_send_message}"
    fields += ",whatsapp_business_manager_messaging_limit"
    _, node = await api.call("GET", f"/{chip}?fields={fields}")
    assert node["whatsapp_business_manager_messaging_limit"] == "TIER_2K"
    assert (node["status"], node["quality_rating"], node["is_pin_enabled"]) == ("CONNECTED", "UNKNOWN", True)
    assert node["health_status"]["can_send_message"] == "AVAILABLE"
    assert (await api.call("GET", f"/{chip}?fields=nonsense"))[1]["error"]["code"] == 100
    assert (await api.call("GET", "/999?fields=id"))[1]["error"]["code"] == 100


async def test_usage_headers_come_with_management_calls(api):
    url, headers = f"{api.base}/v25.0/{api.spec.accounts[0].id}", {"Authorization": "Bearer sandbox-token-1"}
    async with api.http.get(url, headers=headers) as response:
        usage = json.loads(response.headers["X-Business-Use-Case-Usage"])
        assert usage[api.spec.accounts[0].id][0]["type"] == "whatsapp_business_management"
        assert json.loads(response.headers["X-App-Usage"])["call_count"] == 0


async def test_health_says_what_is_wrong(api):
    chip, account = api.spec.chips[0].id, api.spec.accounts[0].id
    for order, who, worst in (
        ({"do": "set_name_status", "chip": chip, "value": "PENDING_REVIEW"}, chip, "LIMITED"),
        ({"do": "set_paid", "account": account, "value": False}, account, "BLOCKED"),
        ({"do": "set_paid", "account": account, "value": True}, account, "AVAILABLE"),
        ({"do": "lock_account", "account": account}, chip, "BLOCKED"),
    ):
        await api.call("POST", "/_sandbox/platform", order)
        _, node = await api.call("GET", f"/{who}?fields=health_status")
        assert node["health_status"]["can_send_message"] == worst, order


async def test_the_numbers_of_an_account_come_page_by_page(api):
    path = f"/{api.spec.accounts[0].id}/phone_numbers?fields=id,status&limit=1"
    _, first = await api.call("GET", path)
    assert [row["id"] for row in first["data"]] == [api.spec.chips[0].id]
    assert "next" in first["paging"]
    _, second = await api.call("GET", f"{path}&after={first['paging']['cursors']['after']}")
    assert [row["id"] for row in second["data"]] == [api.spec.chips[1].id]
    assert "next" not in second["paging"]
    assert (await api.call("GET", f"{path}&after=rubbish"))[1]["error"]["code"] == 131059


async def test_a_number_is_registered_at_most_ten_times_in_72_hours(api):
    chip = api.spec.chips[0].id
    body = {"messaging_product": "whatsapp", "pin": "123456"}
    assert (await api.call("POST", f"/{chip}/register", {**body, "pin": "12"}))[1]["error"]["code"] == 100
    assert (await api.call("POST", f"/{chip}/deregister"))[0] == 200
    assert (await api.send(0))[1]["error"]["code"] == 133010
    for _ in range(9):
        assert (await api.call("POST", f"/{chip}/register", body))[0] == 200
    assert (await api.call("POST", f"/{chip}/register", body))[1]["error"]["code"] == 133016
    assert (await api.send(0))[0] == 200
    await api.advance(hours=73)
    assert (await api.call("POST", f"/{chip}/register", body))[0] == 200


async def test_the_business_profile_can_be_read_and_changed(api):
    path = f"/{api.spec.chips[0].id}/whatsapp_business_profile"
    body = {"messaging_product": "whatsapp", "about": "Plantões", "websites": ["https://example.com"]}
    assert (await api.call("POST", path, body))[1] == {"success": True}
    _, shown = await api.call("GET", f"{path}?fields=about,websites,email")
    assert shown["data"] == [{"about": "Plantões", "websites": ["https://example.com"], "messaging_product": "whatsapp"}]
    assert (await api.call("POST", path, {**body, "about": "x" * 140}))[1]["error"]["code"] == 100


async def create(api, **changes: Any) -> tuple[int, Any]:
    body = {"name": "novo", "language": "pt_BR", "category": "MARKETING", "components": [BODY, QUICK], **changes}
    return await api.call("POST", f"/{api.spec.accounts[0].id}/message_templates", body)


async def test_a_template_is_created_reviewed_and_told_of(api, hook):
    status, made = await create(api)
    assert (status, made["status"], made["category"]) == (200, "PENDING", "MARKETING")
    assert (await api.send(0, template={"name": "novo", "language": {"code": "pt_BR"}}))[1]["error"]["code"] == 132001
    await api.advance(hours=5)
    [change] = hook.changes()
    assert (change["field"], change["value"]["event"]) == ("message_template_status_update", "APPROVED")
    assert change["value"]["message_template_id"] == int(made["id"])
    _, node = await api.call("GET", f"/{made['id']}?fields=status,name,quality_score,components,parameter_format")
    assert (node["status"], node["name"], node["quality_score"]["score"]) == ("APPROVED", "novo", "UNKNOWN")


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("Olá, {{1}}{{2}}! Temos vagas de plantão nesta semana.", "REJECTED"),
        ("Olá, {{1}} e {{3}}! Temos vagas de plantão nesta semana.", "REJECTED"),
        ("Oi {{1}} {{2}} {{3}} ok", "REJECTED"),
        ("COMPRE AGORA MESMO COM DESCONTO IMPERDÍVEL SÓ HOJE!!!", "REJECTED"),
        ("Olá! Temos vagas de plantão nesta semana.", "APPROVED"),
    ],
)
async def test_the_reviewer_rejects_what_is_badly_formed(api, hook, text: str, event: str):
    await create(api, components=[{**BODY, "text": text}, QUICK])
    await api.advance(hours=5)
    assert [change["value"]["event"] for change in hook.changes()] == [event]


@pytest.mark.parametrize(
    ("changes", "subcode"),
    [
        ({"name": "Com Espaço"}, None),
        ({"category": "SPAM"}, None),
        ({"name": "convite_plantao"}, 2388024),
        ({"components": [{**BODY, "text": "{{1}}, temos vagas de plantão"}]}, 2388299),
        ({"components": [{**BODY, "text": "temos vagas de plantão, {{1}}"}]}, 2388299),
        ({"components": [{**BODY, "text": "x" * 1025}]}, 2388040),
        ({"components": [{**BODY, "example": None}]}, 2388043),
        ({"components": [BODY, {"type": "FOOTER", "text": "x" * 61}]}, 2388073),
        ({"components": [QUICK]}, 2388047),
        ({"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "a"}] * 3}]}, 2388047),
        ({"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x" * 26}]}]}, 2388047),
    ],
)
async def test_what_cannot_be_a_template_is_refused_at_once(api, changes: dict[str, Any], subcode: int | None):
    status, answer = await create(api, **changes)
    assert (status, answer["error"]["code"], answer["error"].get("error_subcode")) == (400, 100, subcode)


async def test_a_hundred_templates_an_hour_and_none_under_review(api):
    made = [await create(api, name=f"novo_{i}") for i in range(101)]
    assert [status for status, _ in made] == [200] * 100 + [400]
    assert made[-1][1]["error"]["code"] == 80007
    await api.advance(hours=2)
    assert (await create(api, name="depois"))[0] == 200
    portfolio = api.sandbox.bench.world.portfolios[api.spec.portfolios[0].id]
    portfolio.review_until = api.sandbox.bench.at.timestamp() + 3600
    assert (await create(api, name="nunca"))[1]["error"]["code"] == 368


async def test_templates_are_listed_filtered_and_paged(api):
    path = f"/{api.spec.accounts[0].id}/message_templates"
    _, whole = await api.call("GET", path)
    assert [row["name"] for row in whole["data"]] == [t.name for t in api.spec.templates]
    assert whole["data"][0]["components"][0]["type"] == "BODY"
    for query, names in (
        ("name=agenda", ["agenda_da_semana"]),
        ("status=PENDING,REJECTED", []),
        ("category=MARKETING&language=pt_BR&content=cursos", ["oferta_imperdivel"]),
    ):
        _, found = await api.call("GET", f"{path}?{query}")
        assert [row["name"] for row in found["data"]] == names
    names, after = [], ""
    while True:
        _, part = await api.call("GET", f"{path}?fields=name&limit=1&after={after}")
        names += [row["name"] for row in part["data"]]
        after = part["paging"]["cursors"]["after"]
        if "next" not in part["paging"]:
            break
    assert names == [t.name for t in api.spec.templates]


async def test_a_template_is_edited_once_a_day_and_deleted_by_name(api):
    template = api.spec.templates[0]
    edit = {"components": [{**BODY, "text": "Olá, {{1}}! Mudamos o texto deste convite."}]}
    assert (await api.call("POST", f"/{template.id}", edit))[0] == 200
    await api.advance(hours=5)
    assert (await api.call("POST", f"/{template.id}", edit))[1]["error"]["error_subcode"] == 2388025
    await api.advance(hours=25)
    assert (await api.call("POST", f"/{template.id}", edit))[0] == 200
    path = f"/{template.account}/message_templates"
    assert (await api.call("DELETE", f"{path}?name={template.name}"))[1] == {"success": True}
    assert (await api.send(0))[1]["error"]["code"] == 132001
    assert (await api.call("DELETE", f"{path}?name={template.name}"))[0] == 400


async def test_only_a_pause_by_pacing_is_lifted_by_hand(api):
    template = api.spec.templates[0].id
    assert (await api.call("POST", f"/{template}/unpause"))[1]["success"] is False
    await api.call("POST", "/_sandbox/platform", {"do": "pause_template", "template": template, "hours": 3})
    assert (await api.call("POST", f"/{template}/unpause"))[1]["success"] is False
    assert (await api.send(0))[1]["error"]["code"] == 132015
    await api.advance(hours=4)
    await api.call("POST", "/_sandbox/platform", {"do": "pause_template", "template": template})
    await api.advance(hours=40)
    assert (await api.send(0))[1]["error"]["code"] == 132015
    assert (await api.call("POST", f"/{template}/unpause"))[1] == {"success": True}
    assert (await api.send(0))[0] == 200


async def test_a_token_opens_its_own_accounts_only(api):
    api.sandbox.bench.tokens["sandbox-other"] = {"another"}
    for path in (f"/{api.spec.chips[0].id}", f"/{api.spec.accounts[0].id}", f"/{api.spec.templates[0].id}"):
        status, answer = await api.call("GET", path, token="Bearer sandbox-other")
        assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)
    await api.call("POST", "/_sandbox/platform", {"do": "revoke_token", "token": "sandbox-token-1"})
    assert (await api.send(0))[1]["error"]["code"] == 190
