"""The natural key of a fact: the same in every delivery of it, so that a fact counts once. Pure; it never holds the path.

Message id; message id and status; for what has no id, a hash of entry id, time, field and value (platform.md 6.8).
"""

from dataclasses import fields

from julia_warmer.cloud import wire
from julia_warmer.core.events import (
    CallReceived,
    Event,
    MessageRead,
    MessageReceived,
    NumberChanged,
    OptOutDoubted,
    OptOutRequested,
    StatusFact,
    kind_of,
)


def natural_key(event: Event) -> str:
    """The key of a fact; unique among facts of its kind."""
    kind = kind_of(event)
    match event:
        case MessageRead(message_id=message_id, played=True):
            return f"{kind}:{message_id}:played"
        case StatusFact(message_id=message_id) | MessageReceived(message_id=message_id) | OptOutDoubted(message_id=message_id):
            return f"{kind}:{message_id}"
        case OptOutRequested(message_id=str(message_id)) | NumberChanged(message_id=str(message_id)):
            return f"{kind}:{message_id}"
        case CallReceived(call_id=call_id, value=value):
            return f"{kind}:{call_id}:{value}"
        case _:
            return f"{kind}:{event.key or _hash(event)}"


def _hash(event: Event) -> str:
    """For facts that did not come from the wire: everything but where they were read."""
    return wire.digest(*(str(getattr(event, field.name)) for field in fields(event) if field.name not in ("path", "key")))
