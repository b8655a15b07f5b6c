"""Webhooks: signed over the raw bytes, in Meta's shapes, sometimes twice or late, and again until they are answered 200."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta

import aiohttp

from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import demo_world


async def send_all(api) -> None:
    for i in range(len(api.spec.people)):
        await api.send(i, chip=i % 2, biz_opaque_callback_data=f"send-{i}")


async def test_the_signature_is_over_the_raw_bytes(api, hook):
    await api.say(0, "não / sim")
    await api.advance(minutes=1)
    [body], [headers] = hook.bodies, hook.headers
    wanted = hmac.new(b"sandbox-secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={wanted}"
    assert body.isascii()
    assert rb"n\u00e3o \/ sim" in body
    assert body != json.dumps(json.loads(body), separators=(",", ":")).encode()  # who serialises again is found out


async def test_statuses_have_metas_shape(api, hook):
    await send_all(api)
    await api.advance(days=3)
    by_status = {}
    for status in hook.statuses():
        by_status.setdefault(status["status"], []).append(status)
    assert {"sent", "delivered", "read"} <= by_status.keys()
    for status in by_status["sent"]:
        assert status["pricing"] == {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
        assert status["biz_opaque_callback_data"].startswith("send-")
    for status in hook.statuses():
        assert isinstance(status["timestamp"], str)
        assert ("recipient_user_id" in status) == (status["status"] != "failed")
    for change in hook.changes():
        assert change["value"]["metadata"]["phone_number_id"] in {chip.id for chip in api.spec.chips}


async def test_a_failure_names_its_code_and_carries_no_contacts(api, hook):
    await api.call("POST", f"/{api.spec.chips[0].id}/messages", api.body(to="+5511912345678"))
    await api.advance(minutes=1)
    [change] = hook.changes()
    assert "contacts" not in change["value"]
    [error] = change["value"]["statuses"][0]["errors"]
    assert error["code"] == 131026
    assert error["error_data"]["details"]


async def test_what_people_write_has_metas_shape(api, hook):
    message_id = await api.say(0, "Oi")
    await api.advance(minutes=1)
    [change] = hook.changes()
    [message] = change["value"]["messages"]
    [contact] = change["value"]["contacts"]
    assert message["id"] == message_id
    assert (message["type"], message["text"]) == ("text", {"body": "Oi"})
    assert isinstance(message["timestamp"], str)
    assert contact["profile"]["name"] == "Contato 0001"
    assert contact["wa_id"] == message["from"]
    assert contact["user_id"] == message["from_user_id"]
    assert contact["user_id"].startswith("BR.")


async def test_the_switch_comes_as_user_preferences_with_a_number_as_timestamp(api, hook):
    await api.say(0, "", switch=True)
    await api.advance(minutes=1)
    [change] = hook.changes()
    assert change["field"] == "user_preferences"
    [preference] = change["value"]["user_preferences"]
    assert (preference["category"], preference["value"]) == ("marketing_messages", "stop")
    assert isinstance(preference["timestamp"], int)


async def test_account_updates_carry_a_time_and_no_metadata(api, hook):
    account, chip = api.spec.accounts[0].id, api.spec.chips[0].id
    template = api.spec.templates[0].id
    orders = [
        {"do": "set_limit", "portfolio": api.spec.portfolios[0].id, "value": 10000},
        {"do": "restrict_account", "account": account, "hours": 24},
        {"do": "lock_account", "account": account},
        {"do": "pause_template", "template": template},
        {"do": "set_quality", "chip": chip, "value": "RED"},
    ]
    for order in orders:
        assert (await api.call("POST", "/_sandbox/platform", order))[0] == 200
    await api.advance(minutes=1)
    entries = [entry for body in hook.bodies for entry in json.loads(body)["entry"]]
    fields = [change["field"] for change in hook.changes()]
    assert sorted(fields) == ["account_update", "account_update", "business_capability_update", "message_template_status_update"]
    assert all(isinstance(entry["time"], int) for entry in entries)
    assert not any("metadata" in change["value"] for change in hook.changes())
    limit = next(c["value"] for c in hook.changes() if c["field"] == "business_capability_update")
    assert limit["max_daily_conversations_per_business"] in {10000, "TIER_10K"}
    paused = next(c["value"] for c in hook.changes() if c["field"] == "message_template_status_update")
    assert (paused["event"], paused["other_info"]["title"]) == ("paused", "RATE_LIMITING_PAUSE")  # the pacing page writes it small


async def test_some_updates_come_twice_and_some_out_of_order(api, hook):
    api.sandbox.bench.mailer.rules = replace(api.sandbox.bench.mailer.rules, duplicate=0.3, reorder=0.5, reorder_s=7200)
    await send_all(api)
    answer = await api.advance(days=3)
    seen = [(status["id"], status["status"]) for status in hook.statuses()]
    received = [message["id"] for message in hook.messages()]
    doubles = len(seen) + len(received) - len(set(seen)) - len(set(received))
    assert doubles == answer["duplicates"] > 5
    first = {}
    for i, name in enumerate(seen):
        first.setdefault(name, i)
    overtaken = [m for m, s in first if s == "sent" and first.get((m, "delivered"), 1e9) < first[m, "sent"]]
    assert overtaken


async def test_many_updates_share_a_post_and_neighbouring_statuses_a_value(api, hook):
    await send_all(api)
    answer = await api.advance(hours=1)
    assert answer["delivered"] > 3 * answer["posts"]
    assert any(len(change["value"].get("statuses", [])) > 1 for change in hook.changes())


async def test_a_refused_post_is_repeated_at_once_and_then_later(api, hook):
    hook.answers = [500, 500, 503]
    await api.say(0, "Oi")
    answer = await api.advance(seconds=3)
    assert (answer["delivered"], answer["refused"], len(hook.bodies)) == (0, 2, 2)
    answer = await api.advance(seconds=5)
    assert (answer["delivered"], answer["refused"], len(hook.bodies)) == (0, 1, 3)
    answer = await api.advance(minutes=1)
    assert answer["delivered"] == 1
    assert len(set(hook.bodies)) == 1


async def test_after_seven_days_a_body_is_given_up(api, hook):
    hook.answers = [500] * 10_000
    await api.say(0, "Oi")
    await api.advance(days=9)
    tries = len(hook.bodies)
    assert (await api.call("GET", "/_sandbox/state"))[1]["webhooks"]["given_up"] == 1
    await api.advance(days=9)
    assert len(hook.bodies) == tries


async def test_without_a_subscription_nothing_arrives(api, hook):
    path = f"/{api.spec.accounts[0].id}/subscribed_apps"
    assert len((await api.call("GET", path))[1]["data"]) == 1
    assert (await api.call("DELETE", path))[0] == 200
    await api.say(0, "Oi")
    await api.advance(minutes=5)
    assert not hook.bodies
    await api.call("POST", path)
    await api.say(0, "Oi")
    await api.advance(minutes=5)
    assert len(hook.messages()) == 1


async def test_the_address_proves_itself_with_the_verify_token(api):
    assert (await api.call("POST", "/_sandbox/handshake"))[1] == {"verified": True}


async def test_an_opt_out_is_noted_when_said_and_when_its_webhook_was_answered(api, hook):
    hook.answers = [500, 500]
    await api.say(0, "PARAR", stop=True)
    await api.advance(seconds=3)
    assert (len(api.rows("asked_to_stop")), len(api.rows("stop_heard"))) == (1, 0)
    await api.advance(minutes=5)
    [stop], [heard] = api.rows("asked_to_stop"), api.rows("stop_heard")
    assert heard["stop"] == stop["seq"]
    assert stop["person"] == api.spec.people[0].phone


async def test_the_same_seed_delivers_the_same_bytes(hook):
    async def run(seed: int) -> list[bytes]:
        hook.bodies.clear()
        spec = demo_world(2, 30, seed, webhook_url=hook.url)
        sandbox = Sandbox(spec)
        base = await sandbox.start()
        async with aiohttp.ClientSession() as http:
            for i, person in enumerate(spec.people):
                template = {"name": "convite_plantao", "language": {"code": "pt_BR"}}
                template["components"] = [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]
                body = {"messaging_product": "whatsapp", "to": f"+{person.phone}", "type": "template", "template": template}
                headers = {"Authorization": "Bearer sandbox-token-1"}
                async with http.post(f"{base}/v25.0/{spec.chips[i % 2].id}/messages", json=body, headers=headers) as response:
                    assert response.status == 200
        for hours in (1, 5, 24, 72):
            await sandbox.advance(spec.at + timedelta(hours=hours))
        await sandbox.close()
        return list(hook.bodies)

    once = await run(7)
    assert once == await run(7)
    assert once != await run(8)
