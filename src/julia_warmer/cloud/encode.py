"""Writes the JSON of every request that sends something. Pure: it checks Meta's limits and must not know tokens, hosts or budgets.

Meta's pages on sending (2026-04-23), template limits and time-to-live (2026-05-21). A recipient is E.164 with `+` (without it Meta
puts the business number's country before it) or a business-scoped user id such as `BR.1349`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from julia_warmer.core.errors import WarmerError

Body = dict[str, Any]

TEXT_MAX = 4096
CAPTION_MAX = 1024
SIGNUP_TEXT_MAX = 300
PARAMETER_MAX = 1024
OURS_MAX = 512
BUTTONS_MAX = 3
BUTTON_TITLE_MAX, BUTTON_ID_MAX = 20, 256
SECTIONS_MAX, ROWS_MAX = 10, 10
ROW_TITLE_MAX, ROW_ID_MAX, ROW_DESCRIPTION_MAX = 24, 200, 72
INTERACTIVE_BODY_MAX, INTERACTIVE_EDGE_MAX = 1024, 60
LIST_BODY_MAX = 4096
TEMPLATE_NAME_MAX = 512
TEMPLATE_BUTTONS_MAX = 10
TTL_S = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,140}")
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,3})?")


class WrongMessage(WarmerError, ValueError):  # noqa: N818 - what is wrong is the message
    """The message breaks one of the platform's limits."""


class MediaKind(StrEnum):
    """Kinds of media; only some may carry a caption."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    STICKER = "sticker"


_CAPTIONED = frozenset({MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.DOCUMENT})
_HEADERS = frozenset({MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.DOCUMENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file, by the id of an upload (lives 30 days) or by an https link (cached 10 minutes)."""

    kind: MediaKind
    id: str | None = None
    link: str | None = None
    filename: str | None = None  # documents only


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A reply button."""

    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a list."""

    id: str
    title: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled group of rows."""

    title: str
    rows: tuple[Row, ...]


# ---------------------------------------------------------------- messages


def text(to: str, body: str, *, preview_url: bool = False, reply_to: str | None = None, ours: str | None = None) -> Body:
    """A free text: inside an open service window only."""
    content = {"preview_url": preview_url, "body": _filled("text", body, TEXT_MAX)}
    return _message(to, "text", content, reply_to=reply_to, ours=ours)


def media(to: str, file: Media, *, caption: str | None = None, reply_to: str | None = None, ours: str | None = None) -> Body:
    """An image, audio, video, document or sticker."""
    content = _media(file)
    if caption is not None:
        if file.kind not in _CAPTIONED:
            raise WrongMessage(f"{file.kind} cannot have a caption")
        content["caption"] = _filled("caption", caption, CAPTION_MAX)
    return _message(to, file.kind, content, reply_to=reply_to, ours=ours)


def reaction(to: str, message_id: str, emoji: str | None, *, ours: str | None = None) -> Body:
    """A reaction to a message of the last 30 days; None takes it back."""
    return _message(to, "reaction", {"message_id": _filled("message id", message_id, OURS_MAX), "emoji": emoji or ""}, ours=ours)


def buttons(
    to: str,
    body: str,
    choices: Sequence[Button],
    *,
    header: str | Media | None = None,
    footer: str | None = None,
    reply_to: str | None = None,
    ours: str | None = None,
) -> Body:
    """A text with one to three reply buttons."""
    _count("buttons", choices, BUTTONS_MAX)
    _unique("button id", [choice.id for choice in choices])
    _unique("button title", [choice.title for choice in choices])
    replies = [
        {
            "id": _filled("button id", choice.id, BUTTON_ID_MAX),
            "title": _filled("button title", choice.title, BUTTON_TITLE_MAX),
        }
        for choice in choices
    ]
    action = {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}
    content = _interactive("button", _filled("body", body, INTERACTIVE_BODY_MAX), action, header, footer)
    return _message(to, "interactive", content, reply_to=reply_to, ours=ours)


def rows(
    to: str,
    body: str,
    open_with: str,
    sections: Sequence[Section],
    *,
    header: str | None = None,
    footer: str | None = None,
    reply_to: str | None = None,
    ours: str | None = None,
) -> Body:
    """A text with a list of at most ten rows over all its sections, opened by the button `open_with`."""
    _count("sections", sections, SECTIONS_MAX)
    every = [row for section in sections for row in section.rows]
    _count("rows", every, ROWS_MAX)
    _unique("row id", [row.id for row in every])
    action = {"button": _filled("list button", open_with, BUTTON_TITLE_MAX), "sections": [_section(section) for section in sections]}
    content = _interactive("list", _filled("body", body, LIST_BODY_MAX), action, header, footer)
    return _message(to, "interactive", content, reply_to=reply_to, ours=ours)


def template(
    to: str,
    name: str,
    language: str,
    *,
    values: Sequence[str] | Mapping[str, str] = (),
    header: str | Mapping[str, str] | Media | None = None,
    payloads: Sequence[str] = (),
    url_suffixes: Mapping[int, str] | None = None,
    ours: str | None = None,
) -> Body:
    """An approved template.

    `values` fill the body: in order, or by name. `header` fills its one variable (by name with a mapping) or brings its file.
    `payloads` come back with the quick replies, in their order; `url_suffixes` fill the link of the button at that index.
    """
    content: Body = {"name": _name(name), "language": {"code": _matching("language", language, _LANGUAGE)}}
    components = [*_header_parts(header), *_body_parts(values), *_button_parts(payloads, url_suffixes or {})]
    if components:
        content["components"] = components
    return _message(to, "template", content, ours=ours)


def mark_read(message_id: str, *, typing: bool = False) -> Body:
    """Mark a received message, and those before it, as read; `typing` also shows the indicator, until the answer or for 25 s."""
    body: Body = {"messaging_product": "whatsapp", "status": "read", "message_id": _filled("message id", message_id, OURS_MAX)}
    return body | {"typing_indicator": {"type": "text"}} if typing else body


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupWording:
    """What an In-App Signup link says (In-App Signup, 2026-07-03)."""

    message: str  # what the person agrees to
    confirmation: str  # what they get when they did
    privacy_url: str
    website_url: str | None = None
    promo_code: str | None = None
    name: str | None = None
    terms: str | None = None  # address of the terms that you accept; Meta asks for it


def new_signup(wording: SignupWording) -> Body:
    """A sign-up link, new or changed. Raises WrongMessage for what the platform would not take."""
    for name, text in (("message", wording.message), ("confirmation", wording.confirmation)):
        if not 1 <= len(text) <= SIGNUP_TEXT_MAX:
            raise WrongMessage(f"the {name} of a sign-up link is 1 to {SIGNUP_TEXT_MAX} characters, not {len(text)}")
    for url in (wording.privacy_url, wording.website_url, wording.terms):
        if url is not None and not url.startswith("https://"):
            raise WrongMessage(f"{url} is no address of a sign-up link: it begins with https://")
    body: Body = {
        "signup_message": wording.message,
        "confirmation_message": wording.confirmation,
        "privacy_policy_url": wording.privacy_url,
        "website_url": wording.website_url,
        "promo_code": wording.promo_code,
        "display_name": wording.name,
        "policy": {"tos": wording.terms, "accepted": True} if wording.terms else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def disabled_signup() -> Body:
    """Take a sign-up link away.

    That the update can do it is Meta's word (In-App Signup, 2026-07-03); the field's name and value are those that other clients send.
    """
    return {"status": "DISABLED"}


def new_template(
    name: str,
    language: str,
    category: str,
    components: Sequence[Body],
    *,
    named: bool = False,
    ttl_s: int | None = None,
    allow_category_change: bool = False,
) -> Body:
    """A template to be reviewed. `ttl_s`: how long delivery is tried; Meta honours it for marketing on its Marketing Messages API only."""
    kind = category.upper()
    if kind not in TTL_S:
        raise WrongMessage(f"category {category} is none of {', '.join(sorted(TTL_S))}")
    body: Body = {
        "name": _name(name),
        "language": _matching("language", language, _LANGUAGE),
        "category": kind,
        "parameter_format": "NAMED" if named else "POSITIONAL",
        "components": list(components),
    }
    if ttl_s is not None:
        low, high = TTL_S[kind]
        if not low <= ttl_s <= high:
            raise WrongMessage(f"the time-to-live of a {kind.lower()} template is {low} to {high} seconds, not {ttl_s}")
        body["message_send_ttl_seconds"] = ttl_s
    return body | {"allow_category_change": True} if allow_category_change else body


# ---------------------------------------------------------------- parts


def _message(to: str, kind: str, content: Body, *, reply_to: str | None = None, ours: str | None = None) -> Body:
    body: Body = {"messaging_product": "whatsapp", "recipient_type": "individual", **_recipient(to), "type": str(kind), str(kind): content}
    if reply_to is not None:
        body["context"] = {"message_id": _filled("message id", reply_to, OURS_MAX)}
    if ours is not None:
        body["biz_opaque_callback_data"] = _filled("our id", ours, OURS_MAX)
    return body


def _recipient(to: str) -> Body:
    if _E164.fullmatch(to):
        return {"to": to}
    if _BSUID.fullmatch(to):
        return {"recipient": to}
    raise WrongMessage("a recipient is a phone number like +5511987654321 or a user id like BR.1349")


def _media(file: Media) -> Body:
    if (file.id is None) == (file.link is None):
        raise WrongMessage(f"{file.kind} needs an id or a link, one of them")
    if file.link is not None and not file.link.startswith(("https://", "http://")):
        raise WrongMessage("a media link begins with https://")
    if file.filename is not None and file.kind is not MediaKind.DOCUMENT:
        raise WrongMessage("only a document has a file name")
    parts = {"id": file.id, "link": file.link, "filename": file.filename}
    return {name: part for name, part in parts.items() if part is not None}


def _interactive(kind: str, body: str, action: Body, header: str | Media | None, footer: str | None) -> Body:
    content: Body = {"type": kind}
    match header:
        case Media():
            content["header"] = _media_header(header)
        case str():
            content["header"] = {"type": "text", "text": _filled("header", header, INTERACTIVE_EDGE_MAX)}
        case None:
            pass
    content["body"] = {"text": body}
    if footer is not None:
        content["footer"] = {"text": _filled("footer", footer, INTERACTIVE_EDGE_MAX)}
    return content | {"action": action}


def _media_header(file: Media) -> Body:
    if file.kind not in _HEADERS:
        raise WrongMessage(f"{file.kind} cannot be a header")
    return {"type": str(file.kind), str(file.kind): _media(file)}


def _section(section: Section) -> Body:
    return {"title": _filled("section title", section.title, ROW_TITLE_MAX), "rows": [_row(row) for row in section.rows]}


def _row(row: Row) -> Body:
    body: Body = {"id": _filled("row id", row.id, ROW_ID_MAX), "title": _filled("row title", row.title, ROW_TITLE_MAX)}
    if row.description is not None:
        body["description"] = _filled("row description", row.description, ROW_DESCRIPTION_MAX)
    return body


def _header_parts(header: str | Mapping[str, str] | Media | None) -> list[Body]:
    match header:
        case None:
            return []
        case Media():
            parameters = [_media_header(header)]
        case str():
            parameters = _parameters([header])
        case _:
            parameters = _parameters(header)
    if len(parameters) != 1:
        raise WrongMessage("a header has one variable")
    return [{"type": "header", "parameters": parameters}]


def _body_parts(values: Sequence[str] | Mapping[str, str]) -> list[Body]:
    return [{"type": "body", "parameters": _parameters(values)}] if values else []


def _parameters(values: Sequence[str] | Mapping[str, str]) -> list[Body]:
    if isinstance(values, str):
        raise WrongMessage("values are a list or a mapping, not one text")
    if isinstance(values, Mapping):
        return [{"type": "text", "parameter_name": name, "text": _parameter(name, value)} for name, value in values.items()]
    return [{"type": "text", "text": _parameter(str(index), value)} for index, value in enumerate(values, 1)]


def _parameter(name: str, value: str) -> str:
    """Meta refuses line breaks, tabs and more than four spaces in a row inside a variable."""
    if re.search(r"[\n\t]| {5}", value):
        raise WrongMessage(f"value {name} holds a line break, a tab or more than four spaces in a row")
    return _filled(f"value {name}", value, PARAMETER_MAX)


def _button_parts(payloads: Sequence[str], url_suffixes: Mapping[int, str]) -> list[Body]:
    if len(payloads) + len(url_suffixes) > TEMPLATE_BUTTONS_MAX:
        raise WrongMessage(f"a template has at most {TEMPLATE_BUTTONS_MAX} buttons")
    if any(index < len(payloads) for index in url_suffixes):
        raise WrongMessage("the buttons with a payload come first, the links after them")
    replies = [
        _button(index, "quick_reply", {"type": "payload", "payload": _filled("payload", payload, BUTTON_ID_MAX)})
        for index, payload in enumerate(payloads)
    ]
    links = [
        _button(index, "url", {"type": "text", "text": _filled("link", suffix, 2000)}) for index, suffix in sorted(url_suffixes.items())
    ]
    return replies + links


def _button(index: int, kind: str, parameter: Body) -> Body:
    return {"type": "button", "sub_type": kind, "index": str(index), "parameters": [parameter]}


def _name(name: str) -> str:
    return _matching("template name (small letters, digits and _)", name, _TEMPLATE_NAME)


# ---------------------------------------------------------------- checks


def _filled(name: str, value: str, longest: int) -> str:
    if not value.strip():
        raise WrongMessage(f"{name} is empty")
    if len(value) > longest:
        raise WrongMessage(f"{name} has {len(value)} characters, at most {longest} are taken")
    return value


def _matching(name: str, value: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(value):
        raise WrongMessage(f"{value!r} is no {name}")
    return value


def _count(name: str, values: Sequence[object], most: int) -> None:
    if not 1 <= len(values) <= most:
        raise WrongMessage(f"1 to {most} {name} are taken, not {len(values)}")


def _unique(name: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise WrongMessage(f"two {name}s are the same")
