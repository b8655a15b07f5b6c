"""What a webhook body says, as JSON lines for `warmer explain webhook`. It must not know files, screens or exit codes."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import orjson

from julia_warmer.cloud.decode import NOT_JSON, decode
from julia_warmer.core.events import (
    AccountChanged,
    Event,
    LimitChanged,
    MessageReceived,
    OptInResumed,
    OptOutDoubted,
    OptOutRequested,
    SignupReceived,
    Unrecognised,
    kind_of,
)
from julia_warmer.core.opt_out import NO_WORDS

# A fact's field to the name under which the line shows it; the first that is there wins.
_SHOWN: dict[str, str] = {
    "message_id": "id",
    "call_id": "id",
    "phone_number_id": "phone_number_id",
    "phone": "from",
    "user_id": "user_id",
    "to": "to",
    "code": "code",
    "text": "text",
    "template": "template",
    "value": "value",
    "reason": "reason",
}
HANDSHAKE = "WEBHOOK_HANDSHAKE"

Line = dict[str, Any]


def lines_for(file_name: str, body: bytes, received_at: datetime, words: frozenset[str] = NO_WORDS) -> Iterator[Line]:
    """One line per fact of a webhook body; `words` are the owner's own requests to stop.

    A description of Meta's GET handshake, which has no body, is told as such.
    """
    if _is_handshake(body):
        yield {"file": file_name, "kind": "account_changed", "value": HANDSHAKE}
        return
    for event in decode(body, received_at=received_at, words=words):
        yield _line(file_name, event)


def is_not_json(line: Line) -> bool:
    """Whether a line says that its file was no JSON at all: the command then exits with 2."""
    return str(line.get("reason", "")).startswith(NOT_JSON)


def _line(file_name: str, event: Event) -> Line:
    line: Line = {"file": file_name, "kind": str(kind_of(event))}
    for field in fields(event):
        shown = _SHOWN.get(field.name)
        value = getattr(event, field.name)
        if shown and value is not None and shown not in line:
            line[shown] = value
    line["at"] = event.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    line |= _special(event)
    return line


def _special(event: Event) -> Line:
    match event:
        case Unrecognised():
            return {"path": event.path}
        case OptOutRequested() | OptOutDoubted() | OptInResumed():
            return {"value": event.purpose}
        case SignupReceived():
            return {"value": event.signup_id}
        case MessageReceived():
            return {"value": event.message_type}
        case LimitChanged() if event.value.removeprefix("-").isdecimal():
            return {"value": int(event.value)}
        case AccountChanged() if event.field != "account_update":
            return {"field": event.field}
        case _:
            return {}


def _is_handshake(body: bytes) -> bool:
    """Whether this describes `GET ?hub.mode=subscribe&hub.challenge=…`, by which Meta verifies an address (platform.md 6.6)."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    request = document.get("request") if isinstance(document, dict) else None
    query = request.get("query") if isinstance(request, dict) else None
    return isinstance(query, dict) and {"hub.mode", "hub.challenge", "hub.verify_token"} <= query.keys()
