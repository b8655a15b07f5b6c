"""The three ways in which a request ends: taken, refused, unclear. Pure: from status and bytes to a value; it must not know the net."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from julia_warmer.cloud import wire
from julia_warmer.cloud.codes import UNREACHABLE, Acceptance, Code, Outcome, lookup
from julia_warmer.cloud.wire import Json

DETAILS_MAX = 1000
HELD = "held_for_quality_assessment"
_TOKENS = re.compile(r"\b(?:EA[A-Za-z0-9]{16,}|sandbox-[\w-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The platform took the message for processing; nothing is said of delivery. `held`: waits for template or portfolio pacing."""

    message_id: str
    wa_id: str | None = None  # may lack Brazil's ninth digit
    user_id: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The platform did as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The platform, or we before it, said no. Build on `meaning`, never on `http`."""

    code: int
    http: int | None
    message: str
    details: str | None = None
    fbtrace: str | None = None
    subcode: int | None = None
    retry_after_s: float | None = None  # at least this long, where asking again is right

    @property
    def meaning(self) -> Code:
        """What to do about it."""
        return lookup(self.code, subcode=self.subcode)

    @property
    def accepted(self) -> Acceptance:
        """NO: surely not taken, and a send may be asked again by itself. MAYBE: never by itself."""
        return self.meaning.accepted

    @property
    def outcome(self) -> Outcome:
        """What the send becomes: retry, unknown (the platform was in trouble, a status settles it) or failed."""
        return self.meaning.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Nobody knows: a timeout, a lost connection, an answer that cannot be read. A send becomes unknown and is not sent again by itself."""

    reason: str
    http: int | None = None


Failure = Refused | Unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A JSON object that is no error."""

    http: int
    document: Json


def read_answer(http: int, raw: bytes, *, token: str, regain_s: float = 0, headers: Mapping[str, str] | None = None) -> Answer | Failure:
    """What an HTTP answer means. `regain_s` is what the usage headers of this answer ask to wait."""
    if 300 <= http < 400:
        return Unclear(reason="a redirect, which is never followed", http=http)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Unclear(reason="the answer is no JSON", http=http)
    if not isinstance(document, dict):
        return Unclear(reason="the answer is no JSON object", http=http)
    error = wire.record(document.get("error"))
    if wire.integer(error.get("code")) is not None:
        return _refused(http, error, token, regain_s, headers or {})
    if "error" in document or not 200 <= http < 300:
        return Unclear(reason="an error without a Graph code", http=http)
    return Answer(http=http, document=document)


def _refused(http: int, error: Json, token: str, regain_s: float, headers: Mapping[str, str]) -> Refused:
    number, subcode = wire.integer(error.get("code")), wire.integer(error.get("error_subcode"))
    details = wire.text(wire.record(error.get("error_data")).get("details")) or wire.text(error.get("error_user_msg"))
    wait = lookup(number, subcode=subcode).wait
    asked = max(regain_s, _seconds(headers.get("Retry-After")))
    return Refused(
        code=number or 0,
        subcode=subcode,
        http=http,
        message=redact(wire.text(error.get("message")) or "", token)[:DETAILS_MAX],
        details=redact(details, token)[:DETAILS_MAX] if details else None,
        fbtrace=wire.maybe_ident(error.get("fbtrace_id")),
        retry_after_s=max(asked, wait.seconds()) if wait else None,
    )


def _seconds(value: str | None) -> float:
    """Seconds of a Retry-After header; Meta documents none, a proxy may send one."""
    return float(value) if value and value.isdecimal() and value.isascii() and len(value) < 7 else 0.0


def unreachable(reason: str) -> Refused:
    """The request never began: no name, no connection, no TLS."""
    wait = lookup(UNREACHABLE).wait
    return Refused(code=UNREACHABLE, http=None, message=reason, retry_after_s=wait.seconds() if wait else None)


def read_accepted(answer: Answer) -> Accepted | Unclear:
    """The answer to a send."""
    message = next(iter(wire.records(answer.document.get("messages"))), {})
    contact = next(iter(wire.records(answer.document.get("contacts"))), {})
    message_id = wire.maybe_ident(message.get("id"))
    if message_id is None:
        return Unclear(reason="the answer names no message", http=answer.http)
    wa_id, user_id = wire.address(contact.get("wa_id"))
    return Accepted(
        message_id=message_id,
        wa_id=wa_id,
        user_id=wire.maybe_ident(contact.get("user_id")) or user_id,
        held=message.get("message_status") == HELD,
    )


def read_done(answer: Answer) -> Done | Unclear:
    """The answer `{"success": true}`."""
    return Done() if answer.document.get("success") is True else Unclear(reason="the answer does not say success", http=answer.http)


def redact(text: str, token: str) -> str:
    """The text without the token, whole or in a form that looks like one: Meta repeats a malformed token in its error."""
    plain = text.replace(token, "***") if token else text
    return _TOKENS.sub("***", plain)
