"""Facts of the world in Meta's webhook JSON, quirks included (platform.md 6.3-6.5).

Written apart from `cloud`, which reads this JSON, so that each checks the other.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from julia_warmer.core.events import (
    AccountChanged,
    AccountRestricted,
    Event,
    LimitChanged,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageReceived,
    MessageSent,
    OptOutRequested,
    QualityChanged,
    SignupReceived,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from julia_warmer.sim.draws import Draws

ERRORS_PAGE = "/documentation/business-messaging/whatsapp/support/error-codes"
PAUSE_TEXT = {
    "FIRST_PAUSE": "Your WhatsApp message template has been paused for 3 hours.",
    "SECOND_PAUSE": "Your WhatsApp message template has been paused for 6 hours.",
    "RATE_LIMITING_PAUSE": "Your WhatsApp message template has been paused because its first messages were not received well.",
    "UNPAUSE": "Your WhatsApp message template has been unpaused.",
    "DISABLED": "Your WhatsApp message template has been disabled.",
}


@dataclass(frozen=True, slots=True)
class Update:
    """One change of a webhook body.

    `name` is unique to the fact; `time` is the entry's, for account fields; `stop` the ledger's row of the opt-out that it carries.
    """

    name: str
    account_id: str
    field: str
    value: dict[str, Any]
    time: int | None = None
    stop: int | None = None


@dataclass(slots=True)
class _Entry:
    account_id: str
    time: int | None
    changes: list[dict[str, Any]] = field(default_factory=list)


def encode(fact: Event, draws: Draws, *, callback_in_failed: float = 1.0, stop: int | None = None) -> Update:
    """The update that tells of a fact. Raises TypeError for a fact that this world never produces."""
    match fact:
        case MessageSent() | MessageDelivered() | MessageRead() | MessageFailed():
            return _status(fact, draws, callback_in_failed)
        case MessageReceived():
            return _change(fact, f"in|{fact.message_id}", "messages", _received(fact), stop=stop)
        case OptOutRequested():
            return _change(fact, f"stop|{fact.phone_number_id}|{fact.user_id}|{_s(fact.at)}", "user_preferences", _stop(fact), stop=stop)
        case SignupReceived():
            return _change(fact, f"signup|{fact.signup_id}|{fact.phone}|{_s(fact.at)}", "user_preferences", _signup(fact))
        case LimitChanged():
            return _account(fact, f"limit|{fact.limit}", "business_capability_update", _limit(fact, draws))
        case TemplateStatusChanged() | TemplateQualityChanged():
            return _template(fact, draws)
        case AccountRestricted():
            return _account(fact, fact.value, "account_update", _restricted(fact))
        case AccountChanged():
            return _account(fact, fact.value, "account_alerts", _alert(fact))
        case QualityChanged():
            raise TypeError("a change of quality is not pushed: platform.md 1.7")
        case other:
            raise TypeError(f"this world does not produce {type(other).__name__}")


def body_of(updates: Iterable[Update]) -> bytes:
    """The bytes of one POST. Neighbours of one account share an entry, neighbouring statuses of one number a value.

    Meta escapes what is not ASCII, and slashes: whoever serialises again before checking the signature is found out.
    """
    entries: list[_Entry] = []
    for update in updates:
        last = entries[-1] if entries else None
        if last is None or last.account_id != update.account_id or last.time != update.time:
            last = _Entry(update.account_id, update.time)
            entries.append(last)
        if not (last.changes and _joined(last.changes[-1], update)):
            last.changes.append({"value": dict(update.value), "field": update.field})
    rows = [{"id": e.account_id, **({} if e.time is None else {"time": e.time}), "changes": e.changes} for e in entries]
    text = json.dumps({"object": "whatsapp_business_account", "entry": rows}, separators=(",", ":"))
    return text.replace("/", "\\/").encode("ascii")


def _joined(change: dict[str, Any], update: Update) -> bool:
    """Put a status into the value before it, if that holds statuses of the same number."""
    value = change["value"]
    if "statuses" not in value or "statuses" not in update.value or value["metadata"] != update.value["metadata"]:
        return False
    value["statuses"] = value["statuses"] + update.value["statuses"]
    if "contacts" in update.value:
        value["contacts"] = value.get("contacts", []) + update.value["contacts"]
    return True


# --- messages ----------------------------------------------------------------------------------------------------------------


def _status(fact: MessageSent | MessageDelivered | MessageRead | MessageFailed, draws: Draws, callback_in_failed: float) -> Update:
    status: dict[str, Any] = {"id": fact.message_id, "status": "", "timestamp": str(_s(fact.at)), "recipient_id": fact.to}
    match fact:
        case MessageSent() | MessageDelivered():
            status["status"] = "sent" if isinstance(fact, MessageSent) else "delivered"
            status["pricing"] = {
                "billable": fact.pricing_type == "regular",
                "pricing_model": "PMP",
                "type": fact.pricing_type,
                "category": fact.category,
            }
        case MessageRead():
            status["status"] = "read"
        case MessageFailed():
            status["status"] = "failed"
            error = {"code": fact.code, "title": fact.title, "message": fact.title, "error_data": {"details": fact.details}}
            status["errors"] = [{**error, "href": ERRORS_PAGE}]
    name = f"{status['status']}|{fact.message_id}"
    value = _value(fact)
    if fact.user_id:  # absent on failed: platform.md 6.3
        status["recipient_user_id"] = fact.user_id
        value["contacts"] = [_without_none({"wa_id": fact.to, "user_id": fact.user_id})]
    if fact.ours is not None and not (isinstance(fact, MessageFailed) and draws.one(f"echo|{name}") >= callback_in_failed):
        status["biz_opaque_callback_data"] = fact.ours
    value["statuses"] = [_without_none(status)]
    return _change(fact, name, "messages", value)


def _received(fact: MessageReceived) -> dict[str, Any]:
    message: dict[str, Any] = {
        "from": fact.phone,
        "from_user_id": fact.user_id,
        "id": fact.message_id,
        "timestamp": str(_s(fact.at)),
        "type": fact.message_type,
        **_content(fact),
    }
    if fact.reply_to:
        message["context"] = {"from": fact.display_phone, "id": fact.reply_to}
    contact = {"profile": {"name": fact.name or ""}, "wa_id": fact.phone, "user_id": fact.user_id}
    return {**_value(fact), "contacts": [_without_none(contact)], "messages": [_without_none(message)]}


def _content(fact: MessageReceived) -> dict[str, Any]:
    media = str(int.from_bytes(fact.message_id.encode()[-7:], "big"))
    match fact.message_type:
        case "button":
            return {"button": {"payload": fact.payload, "text": fact.text}}
        case "audio":
            return {"audio": {"mime_type": "audio/ogg; codecs=opus", "sha256": "c2FuZGJveA==", "id": media, "voice": True}}
        case "image":
            return {"image": {"mime_type": "image/jpeg", "sha256": "c2FuZGJveA==", "id": media}}
        case _:
            return {"text": {"body": fact.text}}


def _stop(fact: OptOutRequested) -> dict[str, Any]:
    contact = _without_none({"wa_id": fact.phone, "user_id": fact.user_id})
    preference = {
        **contact,
        "detail": "User requested to stop marketing messages",
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": _s(fact.at),  # an integer here, a string in messages and statuses
    }
    return {**_value(fact), "contacts": [contact], "user_preferences": [preference]}


def _signup(fact: SignupReceived) -> dict[str, Any]:
    contact = _without_none({"wa_id": fact.phone, "user_id": fact.user_id})
    preference = {
        **contact,
        "detail": "User signed up via signup link",
        "category": "marketing_messages",
        "value": "signup",
        "signup_id": fact.signup_id,
        "timestamp": _s(fact.at),
    }
    return {**_value(fact), "contacts": [contact], "user_preferences": [preference]}


def _value(fact: Event) -> dict[str, Any]:
    metadata = {"display_phone_number": fact.display_phone, "phone_number_id": fact.phone_number_id}
    return {"messaging_product": "whatsapp", "metadata": metadata}


def _change(fact: Event, name: str, kind: str, value: dict[str, Any], *, stop: int | None = None) -> Update:
    return Update(name, fact.account_id or "", kind, value, stop=stop)


# --- accounts and templates --------------------------------------------------------------------------------------------------


def _limit(fact: LimitChanged, draws: Draws) -> dict[str, Any]:
    """Meta's table says a string, its example an integer: now one, now the other (platform.md 1.7)."""
    as_number = draws.one(f"limit|{fact.account_id}|{_s(fact.at)}") < 0.5
    numbers = {"max_phone_numbers_per_business": 2} if fact.limit == 250 else {"max_phone_numbers_per_waba": 25}
    return {"max_daily_conversations_per_business": fact.limit if as_number and fact.limit != -1 else fact.value, **numbers}


def _template(fact: TemplateStatusChanged | TemplateQualityChanged, draws: Draws) -> Update:
    hyphen = draws.one(f"hyphen|{fact.template_id}|{_s(fact.at)}") < 0.5
    value: dict[str, Any] = {
        "message_template_id": int(fact.template_id or 0),
        "message_template_name": fact.template,
        "message_template_language": (fact.language or "").replace("_", "-") if hyphen else fact.language,
    }
    name = f"{fact.template_id}|{fact.value}"
    if isinstance(fact, TemplateQualityChanged):
        value |= {"previous_quality_score": fact.previous, "new_quality_score": fact.value}
        # Meta's page prints the wrong field for this payload: platform.md 6.5
        wrong = draws.one(f"field|{fact.template_id}|{_s(fact.at)}") < 0.5
        return _account(fact, name, "message_template_status_update" if wrong else "message_template_quality_update", value)
    by_pacing = fact.title == "RATE_LIMITING_PAUSE"
    value |= {"event": fact.value.lower() if by_pacing else fact.value, "reason": fact.reason or "NONE"}
    if fact.title:
        value["other_info"] = {"title": fact.title, "description": PAUSE_TEXT.get(fact.title, "")}
    if fact.value == "REJECTED":
        value["rejection_info"] = {"reason": fact.reason or "", "recommendation": "Edit the template and submit it again."}
    return _account(fact, name, "message_template_status_update", value)


def _restricted(fact: AccountRestricted) -> dict[str, Any]:
    match fact.value:
        case "DISABLED_UPDATE":
            state = fact.restrictions[0] if fact.restrictions else "DISABLE"
            return {"event": fact.value, "ban_info": {"waba_ban_state": state, "waba_ban_date": fact.at.strftime("%B %d, %Y")}}
        case "ACCOUNT_VIOLATION":
            return {"event": fact.value, "violation_info": {"violation_type": "SPAM"}}
        case _:
            until = {} if fact.until is None else {"expiration": _s(fact.until)}
            return {"event": fact.value, "restriction_info": [{"restriction_type": kind, **until} for kind in fact.restrictions]}


def _alert(fact: AccountChanged) -> dict[str, Any]:
    info = {"alert_severity": "WARNING", "alert_status": "ACTIVE", "alert_type": fact.value}
    text = "Limits cannot be increased for your business. Use the platform actively for several days and follow our messaging policies."
    return {"entity_type": "BUSINESS", "entity_id": fact.account_id, "alert_info": {**info, "alert_description": text}}


def _account(fact: Event, name: str, kind: str, value: dict[str, Any]) -> Update:
    return Update(f"{kind}|{fact.account_id}|{name}|{_s(fact.at)}", fact.account_id or "", kind, value, time=_s(fact.at))


def _s(at: datetime) -> int:
    return int(at.timestamp())


def _without_none(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}
