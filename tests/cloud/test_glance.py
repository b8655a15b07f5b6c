"""The look at a body's bytes: never calm about what has to act before its 200."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from julia_warmer.cloud.decode import decode
from julia_warmer.cloud.glance import is_calm
from julia_warmer.engine.urgent import is_urgent
from tests.cloud.webhooks import FIXTURES, NOW

METADATA = {"display_phone_number": "5511900000001", "phone_number_id": "1"}
NAMES = st.sampled_from(["errors", "messages", "user_preferences", "statuses", "field", "value", "status", "code", "x", "object"])
FIELDS = st.sampled_from(["messages", "account_update", "message_template_status_update", "user_preferences", "calls", "errors"])
STOP = {"from": "5531988000001", "id": "wamid.a", "timestamp": "1780000000", "type": "text", "text": {"body": "PARAR"}}
FAILED = {"id": "wamid.b", "status": "failed", "timestamp": "1780000000", "recipient_id": "5531988000001"}
SPAM = FAILED | {"errors": [{"code": 131048}]}
DELIVERED = FAILED | {"status": "delivered"}
BANNED = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"}]}
PAUSED = {"event": "PAUSED", "message_template_id": 5, "message_template_name": "x", "message_template_language": "pt_BR"}
WHO = {"wa_id": "5531988000001", "category": "marketing_messages", "value": "stop"}
VALUES = st.one_of(
    st.fixed_dictionaries(
        {"metadata": st.just(METADATA)},
        optional={
            "messages": st.lists(st.sampled_from([STOP, {}, "messages"]), max_size=2),
            "statuses": st.lists(st.sampled_from([DELIVERED, FAILED, SPAM]), max_size=3),
            "user_preferences": st.just([WHO]),
            "errors": st.just([{"code": 131031}]),
        },
    ),
    st.sampled_from([BANNED, PAUSED]),
    st.dictionaries(NAMES, st.one_of(NAMES, st.lists(st.sampled_from([STOP, SPAM, WHO]), max_size=1)), max_size=3),
)
CHANGES = st.one_of(
    st.fixed_dictionaries({"field": FIELDS, "value": VALUES}),
    st.fixed_dictionaries({"value": VALUES, "field": FIELDS, "extra": NAMES}),
    st.dictionaries(NAMES, VALUES, max_size=3),
)
ENTRY = st.fixed_dictionaries({"id": st.just("1"), "changes": st.lists(CHANGES, max_size=3)})
DOCUMENTS = st.fixed_dictionaries({"object": st.just("whatsapp_business_account"), "entry": st.lists(ENTRY, max_size=2)})


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A document in one of the ways in which JSON can be written: spaces, escapes, a name spelt with escapes, cut, doubled names."""
    body = json.dumps(draw(DOCUMENTS), separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")])))
    match draw(st.integers(0, 6)):
        case 0:
            name = draw(NAMES)
            body = body.replace(f'"{name}"', '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"')
        case 1:
            body = body.replace("messages", draw(st.sampled_from(["mess\\u0061ges", "messages\\/", 'messages\\"'])), 1)
        case 2:
            body = body[: draw(st.integers(0, len(body)))]
        case 3:
            body = body.replace('{"field"', '{"field":"messages","field"', 1)
        case 4:
            at_ = draw(st.integers(0, len(body)))
            body = body[:at_] + draw(st.sampled_from(['"', "\\", "\\/", '"field":"messages"', "\ufffd", "{", "NaN"])) + body[at_:]
        case _:
            pass
    return body.encode()


@settings(max_examples=1500, deadline=None)
@given(written())
@example(json.dumps({"entry": [{"changes": [{"field": "messages", "value": {"messages": [STOP]}}]}]}, separators=(",", ":")).encode())
@example(b'{"entry":[{"changes":[{"field":"messages","value":{"x":"\\"","mess\\u0061ges":[]}}]}]}')
def test_a_calm_body_holds_nothing_that_has_to_act_at_once(body: bytes):
    if is_calm(body):
        assert not [event for event in decode(body, received_at=NOW) if is_urgent(event)]


def test_statuses_without_errors_are_calm_and_what_people_write_is_not():
    cases = {
        "a status": ({"field": "messages", "value": {"metadata": METADATA, "statuses": [DELIVERED]}}, True),
        "a text": ({"field": "messages", "value": {"metadata": METADATA, "messages": [STOP]}}, False),
        "a failure with its error": ({"field": "messages", "value": {"metadata": METADATA, "statuses": [SPAM]}}, False),
        "an account's news": ({"field": "account_update", "value": BANNED}, False),
        "a switch": ({"field": "user_preferences", "value": {"metadata": METADATA, "user_preferences": [WHO]}}, False),
    }
    for name, (change, calm) in cases.items():
        for separators in ((",", ":"), (", ", ": ")):
            body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}, separators=separators)
            assert is_calm(body.encode()) is calm, name
    slashes = rb'{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"wamid.HBg\/x=="}]}}]}]}'
    assert is_calm(slashes)


def test_no_sample_of_the_platform_that_has_to_act_is_calm():
    for name, body in FIXTURES.items():
        urgent = [event for event in decode(body, received_at=NOW) if is_urgent(event)]
        assert not (urgent and is_calm(body)), name
