"""Whatever the body holds, decode answers: no exception, no item lost, nothing that a database would refuse."""

import copy
import json
import random
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.cloud.decode import decode
from julia_warmer.cloud.keys import natural_key
from julia_warmer.core.events import Event
from tests.cloud.webhooks import FIXTURES, NOW, body, change, status, text

LISTS = ("messages", "statuses", "user_preferences", "calls", "errors")
DOCUMENTS = [json.loads(raw) for raw in FIXTURES.values()]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4), max_leaves=12
)
odd = anything | st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e999",
        "\x00",
        "\ud800",
        "9" * 400,
        2**63,
        2**64,
        -(2**70),
        1e308,
        [],
        {},
        [[]],
        [{}],
        {"body": None},
        "BR.1",
        "+",
        "STOP",
    ]
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for step, inner in steps for found in paths(inner, (*path, step)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    document = copy.deepcopy(document)
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return document


def expected_paths(document: Any) -> set[str]:
    """Where the items of a document are, found without the decoder."""
    if not isinstance(document, dict) or document.get("object", "") != "whatsapp_business_account":
        return {""}
    found: set[str] = set()
    entries = document.get("entry")
    for i, entry in enumerate(entries if isinstance(entries, list) else []):
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if not isinstance(changes, list) or not changes:
            found.add(f"entry[{i}]")
            continue
        for j, one in enumerate(changes):
            found |= items_of(one, f"entry[{i}].changes[{j}]")
    return found or {""}


def items_of(one: Any, path: str) -> set[str]:
    field, value = (one.get("field"), one.get("value")) if isinstance(one, dict) else (None, None)
    if not isinstance(field, str) or not isinstance(value, dict):
        return {path}
    if field not in ("messages", "calls", "user_preferences"):
        return {f"{path}.value"}
    lists = {name: value[name] for name in LISTS if isinstance(value.get(name), list)}
    items = {f"{path}.value.{name}[{index}]" for name, found in lists.items() for index in range(len(found))}
    wrong = {f"{path}.value.{name}" for name in LISTS if value.get(name) is not None and name not in lists}
    return items | wrong or {f"{path}.value"}


def check(raw: bytes) -> list[Event]:
    events = decode(raw, received_at=NOW)
    assert events
    for event in events:
        assert event.at.tzinfo is not None
        assert len(natural_key(event)) < 2000
        for field in fields(event):
            value = getattr(event, field.name)
            if isinstance(value, str):
                assert "\x00" not in value
                value.encode()
    return events


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(raw: bytes) -> None:
    check(raw)


@given(anything)
@settings(max_examples=200)
def test_any_json_is_answered(document: Any) -> None:
    check(json.dumps(document).encode())


@given(st.sampled_from(DOCUMENTS), st.data())
@settings(max_examples=1500)
def test_a_mutated_webhook_loses_no_item(document: Any, data: st.DataObject) -> None:
    changed = replaced(document, data.draw(st.sampled_from(paths(document))), data.draw(odd))
    raw = json.dumps(changed).encode()
    try:
        seen = json.loads(raw)
    except ValueError:
        seen = changed
    assert expected_paths(seen) <= {event.path for event in check(raw)}


@given(st.sampled_from(list(FIXTURES.values())), st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
@settings(max_examples=500)
def test_a_webhook_with_broken_bytes_is_answered(raw: bytes, place: int, broken: bytes) -> None:
    place %= len(raw)
    check(raw[:place] + broken + raw[place + len(broken) :])
    check(raw[:place])


def test_a_batch_of_three_hundred_loses_only_its_bad_item() -> None:
    draw = random.Random(7)
    good = [
        json.loads(raw)["entry"][0]["changes"][0] for name, raw in FIXTURES.items() if name.startswith(("status_sent", "in_text_reply"))
    ]
    for place in range(0, 300, 7):
        changes: list[Any] = [draw.choice(good) for _ in range(300)]
        changes[place] = draw.choice([None, 5, {}, {"field": "messages", "value": {"statuses": [{}]}}])
        events = check(body(*changes))
        assert [event.path.split(".")[1] for event in events if "unrec" in natural_key(event)] == [f"changes[{place}]"]
        assert len(events) == 300


def test_deep_nesting_inside_one_item_is_answered() -> None:
    for depth in (100, 400, 900, 5000):
        nested = json.loads("[" * 300 + "]" * 300)
        raw = body(change(statuses=[status(errors=nested)], messages=[text(context=nested)]))
        check(raw.replace(b"[" * 300 + b"]" * 300, b"[" * depth + b"]" * depth))


def test_a_body_of_many_megabytes_is_answered() -> None:
    check(b"[" * 20_000_000)
    check(b'"' + b"x" * 20_000_000)
    check(body(change(messages=[text("x" * 5_000_000)])))
