"""Reads the items of the fields `messages`, `calls` and `user_preferences`: what people write and what became of our messages. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from julia_warmer.cloud import wire
from julia_warmer.cloud.codes import Action, lookup
from julia_warmer.cloud.place import Common, Person, Place
from julia_warmer.cloud.wire import Json, Unreadable
from julia_warmer.core.events import (
    AccountChanged,
    AccountRestricted,
    CallReceived,
    Event,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    MessageSent,
    NumberChanged,
    OptInResumed,
    OptOutDoubted,
    OptOutRequested,
    OptOutSource,
    SignupReceived,
    Unrecognised,
)
from julia_warmer.core.opt_out import Outcome, classify

ItemReader = Callable[[Json, Place, str, bool], list[Event]]
STOPPED_MARKETING = 131050
_STOPS = frozenset({Action.STOP_ACCOUNT, Action.STOP_PORTFOLIO, Action.PAUSE_CHIP})


# ---------------------------------------------------------------- statuses


def read_status(item: Json, place: Place, path: str, alone: bool) -> list[Event]:
    """One status of one message, or of one call. `read` implies delivered, and `played` implies read."""
    if place.field == "calls" or item.get("type") == "call":
        return [_call_status(item, place, path, alone)]
    message_id = wire.ident(item.get("id"), "id")
    common = place.common(path, wire.moment(item.get("timestamp")))
    phone, user_id = wire.address(item.get("recipient_id"))
    person = place.people.match(phone, wire.maybe_ident(item.get("recipient_user_id")) or user_id, alone=alone)
    ours = wire.maybe_ident(item.get("biz_opaque_callback_data"))
    to, user_id = person.phone, person.user_id
    status = item.get("status")
    match status.lower() if isinstance(status, str) else None:
        case "sent":
            category, kind = _pricing(item)
            return [MessageSent(**common, message_id=message_id, to=to, user_id=user_id, ours=ours, category=category, pricing_type=kind)]
        case "delivered":
            category, kind = _pricing(item)
            return [
                MessageDelivered(**common, message_id=message_id, to=to, user_id=user_id, ours=ours, category=category, pricing_type=kind)
            ]
        case "read":
            return [MessageRead(**common, message_id=message_id, to=to, user_id=user_id, ours=ours)]
        case "played":
            return [MessageRead(**common, message_id=message_id, to=to, user_id=user_id, ours=ours, played=True)]
        case "failed":
            return _failed(item, common, person, message_id, ours)
        case "deleted":
            raise Unreadable("status deleted says nothing about delivery")
        case _:
            raise Unreadable(f"unknown status {wire.word(status) or ''}".strip())


def _pricing(item: Json) -> tuple[str | None, str | None]:
    pricing = item.get("pricing")
    if not isinstance(pricing, dict):
        return None, None
    return wire.word(pricing.get("category")), wire.word(pricing.get("type"))


def _failed(item: Json, common: Common, person: Person, message_id: str, ours: str | None) -> list[Event]:
    """A failure; 131050 is also an opt-out from marketing, on WhatsApp's own switch."""
    code, title, details = _error(item)
    failed = MessageFailed(
        **common, message_id=message_id, to=person.phone, user_id=person.user_id, ours=ours, code=code, title=title, details=details
    )
    if code != STOPPED_MARKETING:
        return [failed]
    source = OptOutSource.CODE
    stopped = OptOutRequested(
        **common, phone=person.phone, user_id=person.user_id, source=source, purpose="marketing", message_id=message_id
    )
    return [failed, stopped]


def _error(item: Json) -> tuple[int | None, str | None, str | None]:
    """Code, title and details of the first error that has a code."""
    errors = wire.records(item.get("errors"))
    error = next((error for error in errors if wire.integer(error.get("code")) is not None), errors[0] if errors else {})
    return _error_parts(error)


def _error_parts(error: Json) -> tuple[int | None, str | None, str | None]:
    title = wire.word(error.get("title")) or wire.word(error.get("message"))
    details = wire.text(wire.record(error.get("error_data")).get("details")) or wire.text(error.get("message"))
    return wire.integer(error.get("code")), title, details


# ---------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class _Said:
    """What a person would read of a message, and how it may ask us to stop."""

    text: str | None = None
    payload: str | None = None
    about: str | None = None  # wamid of the message that it is about
    source: OptOutSource | None = None


def read_message(item: Json, place: Place, path: str, alone: bool) -> list[Event]:
    """One inbound message. A request to stop gives two facts, the message and the request; so does what may be one."""
    message_id = wire.ident(item.get("id"), "id")
    kind = wire.word(item.get("type")) or "unknown"
    common = place.common(path, wire.moment(item.get("timestamp")))
    phone, user_id = wire.address(item.get("from"))
    person = place.people.match(phone, wire.maybe_ident(item.get("from_user_id")) or user_id, alone=alone)
    if kind == "system":
        return [_system(wire.record(item.get("system")), common, person, message_id)]
    said = _said(item, kind)
    received = MessageReceived(
        **common,
        phone=person.phone,
        user_id=person.user_id,
        message_id=message_id,
        message_type=kind,
        text=said.text,
        payload=said.payload,
        name=person.name,
        username=person.username,
        reply_to=said.about or wire.maybe_ident(wire.record(item.get("context")).get("id")),
        group_id=wire.maybe_ident(item.get("group_id")),
        code=_error(item)[0],
        referral=bool(item.get("referral")),
    )
    stop = _stop(said, common, person, message_id, place.words)
    return [received, stop] if stop else [received]


def _stop(said: _Said, common: Common, person: Person, message_id: str, words: frozenset[str]) -> Event | None:
    if said.source is None:
        return None
    typed = said.source is OptOutSource.WORD
    verdict = classify(said.text, payload=None if typed else said.payload or "", words=words)
    if verdict.outcome is Outcome.NONE:
        return None
    if not (person.phone or person.user_id):
        return Unrecognised(**common, reason="asks to stop, but names neither phone nor user id", item=message_id, key=message_id)
    if verdict.outcome is Outcome.AMBIGUOUS:
        return OptOutDoubted(
            **common,
            phone=person.phone,
            user_id=person.user_id,
            source=said.source,
            purpose=verdict.purpose,
            message_id=message_id,
            rule=verdict.rule,
            text=said.text,
        )
    return OptOutRequested(
        **common,
        phone=person.phone,
        user_id=person.user_id,
        source=said.source,
        purpose=verdict.purpose,
        message_id=message_id,
        text=said.text,
    )


def _system(system: Json, common: Common, person: Person, message_id: str) -> NumberChanged:
    value = (wire.word(system.get("type")) or "").lower()
    if value not in ("user_changed_number", "customer_changed_number", "user_changed_user_id", "customer_identity_changed"):
        raise Unreadable(f"unknown system message {value}".strip())
    moved = value != "customer_identity_changed"
    phone, user_id = wire.address(system.get("wa_id") or system.get("new_wa_id"))
    return NumberChanged(
        **common,
        phone=person.phone,
        user_id=person.user_id,
        new_phone=phone if moved else None,
        new_user_id=(wire.maybe_ident(system.get("user_id")) or user_id) if moved else None,
        message_id=message_id,
        value=value,
    )


def _said(item: Json, kind: str) -> _Said:
    reader = _READERS.get(kind)
    content = item.get(kind)
    if kind == "contacts":
        return _Said(", ".join(filter(None, map(_card_name, wire.records(content)))) or None)
    return reader(wire.record(content)) if reader else _Said()


def _card_name(card: Json) -> str | None:
    return wire.word(wire.record(card.get("name")).get("formatted_name"))


def _text(content: Json) -> _Said:
    return _Said(wire.text(content.get("body")), source=OptOutSource.WORD)


def _media(content: Json) -> _Said:
    return _Said(wire.text(content.get("caption")), source=OptOutSource.WORD)


def _button(content: Json) -> _Said:
    return _Said(wire.text(content.get("text")), wire.word(content.get("payload")), source=OptOutSource.BUTTON)


def _interactive(content: Json) -> _Said:
    """The answer to an interactive message, whichever of the known kinds is there."""
    if reply := wire.record(content.get("button_reply")):
        return _Said(wire.text(reply.get("title")), wire.word(reply.get("id")), source=OptOutSource.BUTTON)
    if reply := wire.record(content.get("list_reply")):
        return _Said(wire.text(reply.get("title")), wire.word(reply.get("id")), source=OptOutSource.LIST)
    if reply := wire.record(content.get("nfm_reply")):
        return _Said(wire.text(reply.get("body")), wire.word(reply.get("name")))
    if reply := wire.record(content.get("call_permission_reply")):
        return _Said(wire.word(reply.get("response")))
    return _Said()


def _reaction(content: Json) -> _Said:
    """The emoji; a removed reaction has none or an empty one."""
    return _Said(wire.word(content.get("emoji")), about=wire.maybe_ident(content.get("message_id")))


def _location(content: Json) -> _Said:
    return _Said(wire.text(content.get("name")) or wire.text(content.get("address")))


def _order(content: Json) -> _Said:
    return _Said(wire.text(content.get("text")))


def _edit(content: Json) -> _Said:
    """A message edited within 15 minutes: what it says now (coexistence only; Meta: edit webhook, 2026-07-20)."""
    message = wire.record(content.get("message"))
    kind = wire.word(message.get("type")) or "text"
    said = _said(message, kind) if kind != "edit" else _Said()
    return _Said(said.text, said.payload, wire.maybe_ident(content.get("original_message_id")), said.source)


def _revoke(content: Json) -> _Said:
    """A message that its writer took back (coexistence only; Meta: revoke webhook, 2026-05-21)."""
    return _Said(about=wire.maybe_ident(content.get("original_message_id")))


_READERS: dict[str, Callable[[Json], _Said]] = {
    "text": _text,
    "image": _media,
    "video": _media,
    "document": _media,
    "button": _button,
    "interactive": _interactive,
    "reaction": _reaction,
    "location": _location,
    "order": _order,
    "edit": _edit,
    "revoke": _revoke,
}


# ---------------------------------------------------------------- preferences, calls, errors


def read_preference(item: Json, place: Place, path: str, alone: bool) -> list[Event]:
    """WhatsApp's own switch for marketing. A stop of a category that we do not know stops everything."""
    common = place.common(path, wire.moment(item.get("timestamp")))
    key = place.key(item)
    phone, user_id = wire.address(item.get("wa_id"))
    person = place.people.match(phone, wire.maybe_ident(item.get("user_id")) or user_id, alone=alone)
    if not (person.phone or person.user_id):
        raise Unreadable("neither phone nor user id")
    is_marketing = (wire.word(item.get("category")) or "marketing").lower().startswith("marketing")
    value = (wire.word(item.get("value")) or "").lower()
    match value:
        case "stop":
            purpose = "marketing" if is_marketing else "all"
            source = OptOutSource.PLATFORM
            return [OptOutRequested(**common, phone=person.phone, user_id=person.user_id, source=source, purpose=purpose, key=key)]
        case "resume" if is_marketing:
            return [OptInResumed(**common, phone=person.phone, user_id=person.user_id, key=key)]
        case "signup":
            signup_id = wire.ident(item.get("signup_id"), "signup_id")
            return [SignupReceived(**common, phone=person.phone, user_id=person.user_id, signup_id=signup_id, key=key)]
        case _:
            raise Unreadable(f"unknown preference {value}".strip())


def read_call(item: Json, place: Place, path: str, alone: bool) -> list[Event]:
    """One event of a call. A call of a person opens the service window, as a message does."""
    by_person = wire.upper(item.get("direction")) != "BUSINESS_INITIATED"
    value = (wire.word(item.get("event")) or wire.word(item.get("status")) or "").lower()
    if not value:
        raise Unreadable("event is missing")
    ends = (item.get("from"), item.get("to")) if by_person else (item.get("to"), item.get("from"))
    phone, user_id = next((end for end in map(wire.address, ends) if any(end) and end[0] != place.display_phone), (None, None))
    person = place.people.match(phone, wire.maybe_ident(item.get("from_user_id")) or user_id, alone=alone)
    answered = value == "terminate" and (wire.upper(item.get("status")) == "COMPLETED" or (wire.number(item.get("duration")) or 0) > 0)
    return [
        CallReceived(
            **place.common(path, wire.moment(item.get("timestamp"))),
            phone=person.phone,
            user_id=person.user_id,
            call_id=wire.ident(item.get("id"), "id"),
            value=value,
            answered=answered,
            by_person=by_person,
        )
    ]


def _call_status(item: Json, place: Place, path: str, alone: bool) -> CallReceived:
    """How a call of ours goes: RINGING, ACCEPTED, REJECTED."""
    value = (wire.word(item.get("status")) or "").lower()
    if not value:
        raise Unreadable("status is missing")
    phone, user_id = wire.address(item.get("recipient_id"))
    person = place.people.match(phone, wire.maybe_ident(item.get("recipient_user_id")) or user_id, alone=alone)
    return CallReceived(
        **place.common(path, wire.moment(item.get("timestamp"))),
        phone=person.phone,
        user_id=person.user_id,
        call_id=wire.ident(item.get("id"), "id"),
        value=value,
        answered=value == "accepted",
        by_person=False,
    )


def read_error(item: Json, place: Place, path: str, _alone: bool) -> list[Event]:
    """An error of the account or the number, not of one message. Only what stops sending is a restriction."""
    code, title, details = _error_parts(item)
    if code is None:
        raise Unreadable("code is missing")
    common, key = place.common(path), place.key(item)
    said = details or title
    if place.field != "calls" and lookup(code).action in _STOPS:
        return [AccountRestricted(**common, value="ERROR", code=code, details=said, key=key)]
    return [AccountChanged(**common, value="ERROR", field=place.field, code=code, details=said, key=key)]


ITEMS: tuple[tuple[str, ItemReader], ...] = (
    ("messages", read_message),
    ("statuses", read_status),
    ("user_preferences", read_preference),
    ("calls", read_call),
    ("errors", read_error),
)
