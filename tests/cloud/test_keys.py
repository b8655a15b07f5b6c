"""A fact has one key, however often and wherever it is delivered; two facts have two."""

import json
from typing import Any

import pytest

from julia_warmer.cloud.decode import decode
from julia_warmer.cloud.keys import natural_key
from julia_warmer.core.events import AccountChanged, kind_of
from tests.cloud.webhooks import FIXTURES, NOW, body, change, status, text


def keys(raw: bytes) -> list[str]:
    return [natural_key(event) for event in decode(raw, received_at=NOW)]


@pytest.mark.parametrize("name", [name for name in FIXTURES if name != "in_duplicate_in_one_batch"])
def test_the_facts_of_one_body_have_keys_of_their_own(name: str) -> None:
    found = keys(FIXTURES[name])
    assert len(set(found)) == len(found)


def test_the_same_message_twice_has_one_key() -> None:
    assert len(set(keys(FIXTURES["in_duplicate_in_one_batch"]))) == 1


@pytest.mark.parametrize("name", FIXTURES)
def test_a_key_is_the_same_when_the_item_comes_in_another_batch(name: str) -> None:
    document: dict[str, Any] = json.loads(FIXTURES[name])
    filler = json.loads(body(change(statuses=[status(message_id="wamid.FILLER")])))["entry"][0]
    document["entry"].insert(0, filler)
    for entry in document["entry"][1:]:
        entry["changes"].insert(0, change(messages=[text(message_id="wamid.OTHER")]))
    again = [key for key in keys(json.dumps(document, indent=3, sort_keys=True).encode()) if "FILLER" not in key and "OTHER" not in key]
    assert again == keys(FIXTURES[name])


def test_statuses_of_one_message_have_a_key_each() -> None:
    raw = body(change(statuses=[status(name) for name in ("sent", "delivered", "read", "played", "failed", "sent")]))
    assert keys(raw) == [
        "message_sent:wamid.9",
        "message_delivered:wamid.9",
        "message_read:wamid.9",
        "message_read:wamid.9:played",
        "message_failed:wamid.9",
        "message_sent:wamid.9",
    ]


def test_account_events_of_two_moments_are_two() -> None:
    value = {"field": "account_update", "value": {"event": "ACCOUNT_VIOLATION"}}
    assert keys(body(value, time=1795000000)) != keys(body(value, time=1795000001))
    assert keys(body(value, time=1795000000)) == keys(body(value, time=1795000000))


def test_a_fact_that_did_not_come_from_the_wire_has_a_key_too() -> None:
    one, same, other = (
        AccountChanged(at=NOW, value="X"),
        AccountChanged(at=NOW, value="X", path="elsewhere"),
        AccountChanged(at=NOW, value="Y"),
    )
    assert natural_key(one) == natural_key(same) != natural_key(other)
    assert natural_key(one).startswith(f"{kind_of(one)}:")
