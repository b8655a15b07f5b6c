"""`POST /{phone}/messages` and `/marketing_messages`: the request checked as Meta checks it, handed to the world, put into the ledger."""

import hashlib
import re
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from julia_warmer.sandbox.bench import Bench, bench_of
from julia_warmer.sandbox.graph import GraphError, answer, body_of, success
from julia_warmer.sim.state import Chip, Message, Refused, Taken

MEDIA = frozenset({"image", "video", "audio", "document", "sticker"})
TYPES = MEDIA | {"template", "text", "interactive", "reaction", "location", "contacts"}
CALLBACK_MAX = 512  # platform.md 5.1
TEXT_MAX = 4096  # platform.md 6.1
CAPTION_MAX = 1024
PHONE = re.compile(r"\+?[\d\s().-]+")
BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
LAST_DATA_RECV = 52  # where Linux's tcp_info says how many ms ago the newest data came


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a request came: the newest row of the ledger when it was looked at, and the moment at which the machine had it.

    The two differ when this process is slow: what lies in the system's buffers has left the sender all the same.
    """

    began: int
    at: datetime


async def post_message(request: web.Request) -> web.StreamResponse:
    """Send a message, mark one as read, or show that an answer is being written."""
    bench = bench_of(request)
    arrival = Arrival(bench.ledger.seq, bench.moment(ago_s=_lain_s(request)))
    chip = bench.chip(request, request.match_info["node"])
    body = await body_of(request)
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "(#100) The parameter messaging_product is required.")
    if "status" in body:
        return _mark_read(bench, chip, body)
    message, sha = read_message(bench, chip, body)
    fault = bench.faults.pick("messages", phone=chip.id, to=message.to, ours=message.ours or "")
    await bench.faults.before(fault, request)
    reply = _take(bench, chip, message, sha, str(body.get("to") or body.get("recipient")), arrival)
    return await bench.faults.after(fault, request, reply)


async def post_marketing_message(request: web.Request) -> web.StreamResponse:
    """The Marketing Messages API: marketing templates only (platform.md 2.14)."""
    bench = bench_of(request)
    chip = bench.chip(request, request.match_info["node"])
    body = await body_of(request)
    if body.get("type") != "template":
        raise GraphError(100, "Message must be a template message.")
    template = chip.account.templates.get((str(body.get("template", {}).get("name")), _language(body)))
    if template is not None and template.category != "marketing":
        raise GraphError(134100, "Only marketing templates can be sent by this API.")
    return await post_message(request)


def _mark_read(bench: Bench, chip: Chip, body: Mapping[str, Any]) -> web.Response:
    if body["status"] != "read" or not isinstance(body.get("message_id"), str):
        raise GraphError(131009, "status must be `read`, with the message_id of a received message.")
    indicator = body.get("typing_indicator")
    if indicator is not None and indicator != {"type": "text"}:
        raise GraphError(131009, "typing_indicator.type must be `text`.")
    if body["message_id"] not in bench.received.get(chip.id, ()):
        raise GraphError(131009, "The message_id is not that of a message received by this phone number.")
    bench.ledger.append("marked_read", {"at": bench.tick().isoformat(), "chip": chip.id, "message_id": body["message_id"]})
    return success()


def _take(bench: Bench, chip: Chip, message: Message, sha: str, given: str, arrival: Arrival) -> web.Response:
    at = bench.tick()
    taken = bench.world.accept(message, at=at)
    if isinstance(taken, Refused):
        raise GraphError(taken.code, taken.details, http=taken.http, subcode=taken.subcode)
    _write_down(bench, chip, message, taken, sha, arrival)
    contact = {"input": given, "user_id" if BSUID.fullmatch(given) else "wa_id": given if BSUID.fullmatch(given) else taken.wa_id}
    status = {"message_status": "held_for_quality_assessment" if taken.held else "accepted"} if message.kind == "template" else {}
    return answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": taken.message_id, **status}]})


def _write_down(bench: Bench, chip: Chip, message: Message, taken: Taken, sha: str, arrival: Arrival) -> None:
    person = bench.person(message.to)
    template = chip.account.templates.get((message.template or "", message.language)) if message.kind == "template" else None
    row = {
        "at": bench.at.isoformat(),
        "chip": chip.id,
        "account": chip.account.id,
        "portfolio": chip.account.portfolio.id,
        "to": message.to,
        "person": person.phone if person else message.to,
        "type": message.kind,
        "template": message.template,
        "category": template.category if template else "service",
        "ours": message.ours,
        "message_id": taken.message_id,
        "held": taken.held,
        "in_window": not taken.initiated,
        "body": sha,
        "began": arrival.began,
        "arrived_at": arrival.at.isoformat(),
    }
    bench.ledger.append("accepted", row)


def _lain_s(request: web.Request) -> float:
    """For how long the request has lain in the system's buffers, by Linux; elsewhere, and without a connection, 0."""
    sock = request.transport.get_extra_info("socket") if request.transport is not None else None
    if sock is None or not hasattr(socket, "TCP_INFO"):
        return 0.0
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_RECV + 4)
    return struct.unpack_from("=I", info, LAST_DATA_RECV)[0] / 1000


# --- the request -------------------------------------------------------------------------------------------------------------


def read_message(bench: Bench, chip: Chip, body: Mapping[str, Any]) -> tuple[Message, str]:
    """The message and the sha256 of its content. Raises GraphError for what Meta would refuse."""
    kind = str(body.get("type", "text"))
    if kind not in TYPES:
        raise GraphError(131051, f"Unsupported message type: {kind}.")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(131009, "recipient_type must be individual.")
    content = body.get(kind)
    if not content or (not isinstance(content, dict) and kind != "contacts"):
        raise GraphError(131008, f"The parameter {kind} is required.")
    ours = body.get("biz_opaque_callback_data")
    if ours is not None and (not isinstance(ours, str) or len(ours) > CALLBACK_MAX):
        raise GraphError(100, f"biz_opaque_callback_data must be a string of at most {CALLBACK_MAX} characters.")
    reply_to = body.get("context", {}).get("message_id")
    to = _recipient(bench, chip, body)
    sha = hashlib.sha256(orjson.dumps([kind, content], option=orjson.OPT_SORT_KEYS)).hexdigest()
    if kind == "template":
        return _read_template(bench, chip, to, content, ours, reply_to), sha
    _check_content(kind, content)
    return Message(phone_number_id=chip.id, to=to, kind=kind, reply_to=reply_to, ours=ours), sha


def _recipient(bench: Bench, chip: Chip, body: Mapping[str, Any]) -> str:
    """Digits. Without `+` Meta prepends the business number's own country code (platform.md 6.1); `to` wins over `recipient`."""
    to = body.get("to")
    if not to:
        recipient = body.get("recipient")
        if not recipient:
            raise GraphError(131008, "The parameter to is required.")
        return bench.phone_of_bsuid(chip, str(recipient))
    if not isinstance(to, str) or not PHONE.fullmatch(to):
        raise GraphError(131009, f"Parameter value is not valid: to = {to!r}")
    digits = re.sub(r"\D", "", to)
    country = "55" if chip.display_phone.startswith("55") else "1"
    if not to.startswith("+") and not (digits.startswith(country) and len(digits) > 11):
        digits = country + digits
    if not 7 <= len(digits) <= 15:
        raise GraphError(131009, f"Parameter value is not valid: to = {to!r}")
    return digits


def _read_template(bench: Bench, chip: Chip, to: str, content: Mapping[str, Any], ours: str | None, reply_to: str | None) -> Message:
    name = content.get("name")
    if not isinstance(name, str) or not isinstance(content.get("language"), dict) or not content["language"].get("code"):
        raise GraphError(131008, "template.name and template.language.code are required.")
    given = content.get("components", [])
    if not isinstance(given, list) or not all(isinstance(c, dict) for c in given):
        raise GraphError(100, "template.components must be a list of objects.")
    language = _language({"template": content})
    template = chip.account.templates.get((name, language))
    parameters = _body_parameters(given)
    if template is not None and bench.contents[template.id].parameter_format == "NAMED":
        _check_named(bench.contents[template.id].components, given)
    return Message(
        phone_number_id=chip.id,
        to=to,
        template=name,
        language=language,
        parameters=parameters,
        buttons=_payloads(given, len(template.buttons) if template else 0),
        reply_to=reply_to,
        ours=ours,
    )


def _language(body: Mapping[str, Any]) -> str:
    return str(body.get("template", {}).get("language", {}).get("code", "")).replace("-", "_")


def _body_parameters(given: list[dict[str, Any]]) -> int:
    parameters = [p for c in given if str(c.get("type", "")).lower() == "body" for p in c.get("parameters", [])]
    for parameter in parameters:
        if not isinstance(parameter, dict) or parameter.get("type") not in {"text", "currency", "date_time"}:
            raise GraphError(132012, "A body parameter must be of type text, currency or date_time.")
        if parameter["type"] == "text" and not parameter.get("text"):
            raise GraphError(131008, "Parameter of type text is missing text value.")
    return len(parameters)


def _check_named(components: tuple[Mapping[str, Any], ...], given: list[dict[str, Any]]) -> None:
    """A template with named variables takes exactly its names."""
    text = "".join(str(c.get("text", "")) for c in components if str(c.get("type", "")).upper() == "BODY")
    wanted = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text))
    named = {p.get("parameter_name") for c in given if str(c.get("type", "")).lower() == "body" for p in c.get("parameters", [])}
    if named and named != wanted:
        raise GraphError(100, "Parameter name is missing or empty, or does not match the template.")


def _payloads(given: list[dict[str, Any]], buttons: int) -> tuple[str | None, ...]:
    """The payloads of the quick replies, by position."""
    payloads: list[str | None] = [None] * buttons
    for component in given:
        if str(component.get("type", "")).lower() != "button" or str(component.get("sub_type", "")).lower() != "quick_reply":
            continue
        position = str(component.get("index", ""))
        if not position.isdigit() or int(position) >= buttons:
            raise GraphError(131009, f"There is no quick reply button at index {position!r}.")
        payloads[int(position)] = next((p.get("payload") for p in component.get("parameters", []) if p.get("type") == "payload"), None)
    return tuple(payloads)


def _check_content(kind: str, content: Any) -> None:
    match kind:
        case "text":
            body = content.get("body")
            if not isinstance(body, str) or not body:
                raise GraphError(131008, "Parameter text.body is required.")
            if len(body) > TEXT_MAX:
                raise GraphError(100, f"Param text['body'] must be at most {TEXT_MAX} characters long.")
        case "reaction":
            if not isinstance(content.get("message_id"), str):
                raise GraphError(131008, "Parameter reaction.message_id is required.")
        case "interactive":
            _check_interactive(content)
        case _ if kind in MEDIA:
            if ("id" in content) == ("link" in content):
                raise GraphError(131008, f"Exactly one of {kind}.id and {kind}.link is required.")
            if len(str(content.get("caption", ""))) > CAPTION_MAX:
                raise GraphError(100, f"Param {kind}['caption'] must be at most {CAPTION_MAX} characters long.")
        case _:
            pass


def _check_interactive(content: Mapping[str, Any]) -> None:
    """Reply buttons and lists (platform.md 6.1); other kinds pass unread."""
    action = content.get("action")
    if not isinstance(content.get("type"), str) or not isinstance(action, dict):
        raise GraphError(131008, "interactive.type and interactive.action are required.")
    if len(str(content.get("body", {}).get("text", ""))) > CAPTION_MAX:
        raise GraphError(131009, "interactive.body.text is too long.")
    buttons = action.get("buttons", [])
    if content["type"] == "button" and not 1 <= len(buttons) <= 3:
        raise GraphError(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3.")
    for button in buttons:
        reply = button.get("reply", {})
        if not 1 <= len(str(reply.get("title", ""))) <= 20 or not 1 <= len(str(reply.get("id", ""))) <= 256:
            raise GraphError(131009, "A button needs an id (256) and a title (20).")
    if content["type"] == "list" and not 1 <= len(action.get("sections", [])) <= 10:
        raise GraphError(131009, "A list needs 1 to 10 sections.")
