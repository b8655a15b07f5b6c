"""`warmer explain webhook` says every fact of a body in one JSON line."""

import json
from typing import Any

import orjson
import pytest

from julia_warmer.cli.explain_webhook import is_not_json, lines_for
from julia_warmer.core.events import Kind
from tests.cloud.webhooks import FIXTURES, NOW

KEYS = {
    "file",
    "kind",
    "id",
    "phone_number_id",
    "from",
    "user_id",
    "to",
    "code",
    "at",
    "text",
    "template",
    "value",
    "reason",
    "path",
    "field",
}
CHIP = {"phone_number_id": "100000000000001"}
AT = "2026-11-18T11:06:40Z"
CASES: dict[str, list[dict[str, Any]]] = {
    "status_failed_131050": [
        {"kind": "message_failed", "id": "wamid.OUT1", "to": "5511987650001", "code": 131050, "at": AT, **CHIP},
        {"kind": "opt_out_requested", "id": "wamid.OUT1", "from": "5511987650001", "value": "marketing", "at": AT, **CHIP},
    ],
    "in_text_stop": [
        {"kind": "message_received", "id": "wamid.IN1", "from": "5511987650001", "text": "SAIR", "value": "text", "at": AT, **CHIP},
        {"kind": "opt_out_requested", "id": "wamid.IN1", "from": "5511987650001", "text": "SAIR", "value": "all", "at": AT, **CHIP},
    ],
    "status_delivered_phone_hidden": [
        {"kind": "message_delivered", "id": "wamid.OUT1", "user_id": "BR.90000000000000000001", "at": AT, **CHIP},
    ],
    "limit_number": [{"kind": "limit_changed", "value": 2000, "at": AT}],
    "limit_tier": [{"kind": "limit_changed", "value": "TIER_250", "at": AT}],
    "limit_v23": [{"kind": "limit_changed", "value": -1, "at": AT}],
    "template_paused": [{"kind": "template_status_changed", "template": "plantao_convite", "value": "PAUSED", "at": AT}],
    "preference_signup": [
        {
            "kind": "signup_received",
            "from": "5511987650001",
            "user_id": "BR.90000000000000000001",
            "value": "600000000000001",
            "at": AT,
            **CHIP,
        }
    ],
    "call_connect_by_person": [
        {
            "kind": "call_received",
            "id": "wacid.1",
            "from": "5511987650001",
            "user_id": "BR.90000000000000000001",
            "value": "connect",
            "at": AT,
            **CHIP,
        }
    ],
    "unknown_field": [
        {"kind": "unrecognised", "reason": "unknown field flows_of_tomorrow", "path": "entry[0].changes[0].value", "at": AT},
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_a_line_holds_what_applies(name: str) -> None:
    assert list(lines_for(name, FIXTURES[name], NOW)) == [{"file": name, **line} for line in CASES[name]]


@pytest.mark.parametrize("name", FIXTURES)
def test_every_line_is_json_of_known_keys_and_kinds(name: str) -> None:
    lines = list(lines_for(name, FIXTURES[name], NOW))
    assert lines
    for line in lines:
        assert json.loads(orjson.dumps(line)) == line
        assert line.keys() <= KEYS
        assert line["kind"] in set(Kind)
        assert (line["kind"] == "unrecognised") <= {"reason", "path"}.issubset(line)
        assert not is_not_json(line)


def test_what_is_no_json_is_one_line_that_says_so() -> None:
    (line,) = lines_for("x", b"\x89PNG", NOW)
    assert (line["kind"], line["path"]) == ("unrecognised", "")
    assert is_not_json(line)
    (line,) = lines_for("x", b"[" * 50_000, NOW)
    assert not is_not_json(line)


def test_a_handshake_is_told_as_one_without_its_token() -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "42", "hub.verify_token": "a-verify-token"}
    (line,) = lines_for("x", orjson.dumps({"request": {"method": "GET", "query": query}}), NOW)
    assert line == {"file": "x", "kind": "account_changed", "value": "WEBHOOK_HANDSHAKE"}
