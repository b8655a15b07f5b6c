"""The sandbox's own paths: worlds, lockstep and running clocks, the ledger, the truth, faults."""

import asyncio
import json
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from julia_warmer.clock import SystemClock
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import demo_world
from julia_warmer.sandbox.spec import SpecError, WorldSpec, read_spec


async def test_lockstep_moves_only_when_told_and_says_what_comes_next(api):
    assert (await api.call("GET", "/_sandbox/state"))[1]["next_at"] is None
    await api.send(0)
    state = (await api.call("GET", "/_sandbox/state"))[1]
    assert datetime.fromisoformat(state["next_at"]) - api.spec.at < timedelta(seconds=30)
    assert state["at"] == api.spec.at.isoformat()
    answer = await api.advance(hours=1)
    assert answer["at"] == (api.spec.at + timedelta(hours=1)).isoformat()
    back = {"to": api.spec.at.isoformat()}
    status, answer = await api.call("POST", "/_sandbox/advance", back)
    assert (status, "already" in answer["error"]) == (422, True)
    assert (await api.call("POST", "/_sandbox/advance", {"to": "2026-03-03"}))[0] == 422


def _invitation(spec: WorldSpec) -> dict[str, Any]:
    components = [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]
    template = {"name": "convite_plantao", "language": {"code": "pt_BR"}, "components": components}
    return {"messaging_product": "whatsapp", "to": f"+{spec.people[0].phone}", "type": "template", "template": template}


async def test_a_running_clock_delivers_by_itself(hook):
    spec = replace(demo_world(1, 5, 7, webhook_url=hook.url), webhooks={"delay_low_s": 0.0, "delay_high_s": 0.1, "batch_span_s": 0.0})
    sandbox = Sandbox(spec, clock=SystemClock(), speed=3600)
    base = await sandbox.start()
    body = _invitation(spec)
    async with aiohttp.ClientSession() as http:
        url = f"{base}/v25.0/{spec.chips[0].id}/messages"
        async with http.post(url, json=body, headers={"Authorization": "Bearer sandbox-token-1"}) as response:
            assert response.status == 200
        async with asyncio.timeout(10):
            await hook.heard.wait()
    assert hook.statuses()[0]["status"] in {"sent", "failed"}
    await sandbox.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux says how long a request lay in its buffers")
async def test_a_request_arrives_when_the_machine_has_it_however_busy_the_sandbox_is():
    clock = SystemClock()
    sandbox = Sandbox(demo_world(1, 5, 7, webhook_url="http://127.0.0.1:9/"), clock=clock, speed=60)
    url = urlsplit(await sandbox.start())
    body = json.dumps(_invitation(sandbox.bench.spec))
    head = f"POST /v25.0/{sandbox.bench.spec.chips[0].id}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-token-1\r\n"
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    sent = sandbox.bench.moment(ago_s=0)
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    time.sleep(0.4)  # noqa: ASYNC251 - the sandbox, which lives in this loop, is busy with something else
    async with asyncio.timeout(10):
        assert b"200" in await reader.readline()
    row = next(row for row in sandbox.bench.ledger.rows() if row["kind"] == "accepted")
    arrived, taken = (datetime.fromisoformat(row[what]) for what in ("arrived_at", "at"))
    assert taken - sent >= timedelta(seconds=0.4) * 60
    assert arrived - sent < timedelta(seconds=0.1) * 60
    writer.close()
    await sandbox.close()


async def test_a_taken_port_is_an_error_of_the_system(api):
    with pytest.raises(OSError, match="in use"):
        await Sandbox().start(port=int(api.base.rsplit(":", 1)[1]))


async def test_before_there_is_a_world_graph_says_unavailable():
    sandbox = Sandbox()
    base = await sandbox.start()
    async with aiohttp.ClientSession() as http, http.get(f"{base}/v25.0/1") as response:
        assert response.status == 503
        assert (await response.json())["error"]["code"] == 2
    with pytest.raises(LookupError):
        _ = sandbox.bench
    await sandbox.close()


async def test_a_world_of_thirty_thousand_people_is_put_up_in_seconds():
    spec = demo_world(60, 30_000, 7)
    sandbox = Sandbox()
    base = await sandbox.start()
    async with aiohttp.ClientSession() as http, http.post(f"{base}/_sandbox/world", data=spec.to_json()) as response:
        assert response.status == 200
        assert (await response.json())["people"] == 30_000
    await sandbox.close()


def test_a_world_survives_its_json():
    spec = demo_world(3, 10, 7)
    assert read_spec(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.update(extra=1), "extra"),
        (lambda w: w["chips"][0].update(colour="red"), r"chips\[0\].*colour"),
        (lambda w: w["people"][0].pop("phone"), r"people\[0\].*phone"),
        (lambda w: w.update(at="yesterday"), "yesterday"),
        (lambda w: w.update(at="2026-03-02T12:00:00"), "time zone"),
        (lambda w: w["accounts"][0].update(token="EAAG-real"), "sandbox-"),
    ],
)
def test_a_world_with_a_mistake_is_refused_by_name(change, says: str):
    world = orjson.loads(demo_world(1, 1, 7).to_json())
    change(world)
    with pytest.raises(SpecError, match=says):
        read_spec(orjson.dumps(world))


async def test_a_world_that_does_not_hang_together_is_refused_over_http(api):
    world = orjson.loads(api.spec.to_json())
    world["chips"][0]["account"] = "nobody"
    status, answer = await api.call("POST", "/_sandbox/world", world)
    assert (status, "nobody" in answer["error"]) == (422, True)
    assert (await api.send(0))[0] == 200  # the old world stands


async def test_the_truth_says_what_nobody_may_know(api):
    await api.send(0)
    await api.advance(days=2)
    _, truth = await api.call("GET", "/_sandbox/truth")
    assert [(c["name"], c["list"], c["reply_rate"]) for c in truth["chips"]] == [(c.name, c.list, c.reply_rate) for c in api.spec.chips]
    assert set(truth["chips"][0]) == {"id", "name", "list", "reply_rate", "quality", "delivered", "negatives"}


async def test_the_ledger_comes_as_lines_and_from_a_number_on(api):
    for i in range(5):
        await api.send(i)
    async with api.http.get(f"{api.base}/_sandbox/ledger?after=3") as response:
        rows = [orjson.loads(line) for line in (await response.read()).splitlines()]
    assert [row["seq"] for row in rows] == [4, 5]


async def test_a_ledger_file_holds_each_row_before_its_answer(tmp_path: Path):
    spec = demo_world(1, 5, 7)
    sandbox = Sandbox(spec, ledger_path=tmp_path / "ledger.jsonl")
    await sandbox.start()
    sandbox.bench.ledger.append("limit", {"at": datetime(2026, 3, 2, tzinfo=UTC).isoformat(), "portfolio": "p", "limit": 250})
    [line] = (tmp_path / "ledger.jsonl").read_bytes().splitlines()
    assert orjson.loads(line)["seq"] == 1
    await sandbox.close()


# --- faults ------------------------------------------------------------------------------------------------------------------


async def set_fault(api, **fault: object) -> None:
    status, answer = await api.call("POST", "/_sandbox/faults", {"faults": [fault]})
    assert status == 200, answer


@pytest.mark.parametrize("what", ["accept_then_drop", "half_answer"])
async def test_an_answer_can_be_lost_after_the_message_was_taken(api, what: str):
    await set_fault(api, what=what, count=1)
    with pytest.raises(aiohttp.ClientError):
        await api.send(0)
    assert len(api.rows("accepted")) == 1
    assert (await api.send(1))[0] == 200


async def test_a_message_can_be_taken_and_answered_500(api):
    await set_fault(api, what="error_500", count=1)
    status, answer = await api.send(0)
    assert (status, answer["error"]["code"], len(api.rows("accepted"))) == (500, 131000, 1)


async def test_a_message_can_be_refused_or_throttled_without_being_taken(api):
    await set_fault(api, what="refuse", code=130429, phone=api.spec.chips[0].id, count=2)
    assert [(await api.send(i))[1].get("error", {}).get("code") for i in range(3)] == [130429, 130429, None]
    assert (await api.send(4, chip=1))[0] == 200
    assert len(api.rows("accepted")) == 2


async def test_an_answer_can_be_held_until_it_is_released(api):
    await set_fault(api, what="hold", to=api.spec.people[0].phone)
    waiting = asyncio.create_task(api.send(0))
    async with asyncio.timeout(5):
        while not (await api.call("GET", "/_sandbox/state"))[1]["holding"]:
            pass
    assert len(api.rows("accepted")) == 1
    assert (await api.send(1))[0] == 200
    assert (await api.call("POST", "/_sandbox/release"))[1] == {"released": 1}
    assert (await waiting)[0] == 200


async def test_an_answer_can_hang_and_a_request_can_be_slow(api):
    await set_fault(api, what="hang", s=5.0, ours="slow")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await api.send(0, biz_opaque_callback_data="slow-1")
    assert len(api.rows("accepted")) == 1
    await set_fault(api, what="slow", s=5.0, ours="late")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await api.send(1, biz_opaque_callback_data="late-1")
    assert len(api.rows("accepted")) == 1


async def test_faults_are_drawn_shown_and_taken_away(api):
    await set_fault(api, what="refuse", code=2, http=503, route="other")
    assert (await api.call("GET", f"/{api.spec.chips[0].id}"))[0] == 503
    assert (await api.send(0))[0] == 200
    assert (await api.call("GET", "/_sandbox/faults"))[1]["faults"][0]["hits"] == 1
    assert (await api.call("DELETE", "/_sandbox/faults"))[1] == {"faults": []}
    await set_fault(api, what="refuse", code=130429, probability=0.5)
    refused = [(await api.send(i))[0] != 200 for i in range(1, 40)]
    assert 10 < sum(refused) < 30
    assert (await api.call("POST", "/_sandbox/faults", {"faults": [{"what": "magic"}]}))[0] == 422


async def test_orders_that_do_not_exist_are_refused(api):
    assert (await api.call("POST", "/_sandbox/platform", {"do": "nothing"}))[0] == 422
    assert (await api.call("POST", "/_sandbox/platform", {"do": "set_quality", "chip": "none", "value": "RED"}))[0] == 422
    assert (await api.call("POST", "/_sandbox/say", {"chip": "none", "phone": "1", "text": "Oi"}))[0] == 422
