"""From a send to the JSON of its request. Pure; it must not know tokens, hosts or the database."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from julia_warmer.cloud import encode
from julia_warmer.cloud.encode import Body, MediaKind, WrongMessage
from julia_warmer.cloud.encode import Media as File
from julia_warmer.core.fold import media_of
from julia_warmer.core.model import Media
from julia_warmer.store.attempts import Call

_NAME = re.compile(r"\{name(?:\|(?P<otherwise>[^{}]*))?\}")  # {name}, or {name|colega} for people without one
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def body_of(call: Call) -> Body:
    """The request of a send, with the attempt's id for the statuses to carry. Raises WrongMessage."""
    ours = str(call.attempt_id)
    if call.kind == "reply":
        return _reply(call, ours)
    if call.template is None or call.language is None:
        raise WrongMessage("a campaign message needs a template")
    given: Sequence[Any] = call.body.get("parameters") or call.parameters or []
    filled = [fill(str(value), call.contact_name) for value in given]
    return encode.template(call.phone, call.template, call.language, values=_values(filled, call), ours=ours)


def media_in(call: Call) -> Media:
    """The kind of media of a send; a template counts as a text."""
    return Media.TEXT if call.kind == "campaign" else media_of(str(call.body.get("type", "text")))


def fill(value: str, name: str | None) -> str:
    """A template parameter with the person's name in its place. Raises WrongMessage when they have none and nothing stands in for it."""

    def put(place: re.Match[str]) -> str:
        filled = (name or "").strip() or place["otherwise"]
        if not filled:
            raise WrongMessage("the template asks for a name, and the person has none: write {name|…} with what stands in for it")
        return filled

    return _NAME.sub(put, value)


def _values(filled: Sequence[str], call: Call) -> Sequence[str] | Mapping[str, str]:
    """The parameters in order, or by the names of the body's places."""
    if call.named_components is None:
        return filled
    text = next((str(part.get("text", "")) for part in call.named_components if str(part.get("type", "")).upper() == "BODY"), "")
    places = list(dict.fromkeys(_PLACE.findall(text)))
    if len(places) != len(filled):
        raise WrongMessage(f"the template's body has {len(places)} places, {len(filled)} parameters were given")
    return dict(zip(places, filled, strict=True))


def _reply(call: Call, ours: str) -> Body:
    """What a reply's body says: `type`, and `text` or a file by `id` or `link`; `reply_to` quotes a message."""
    said = call.body
    kind, reply_to = str(said.get("type", "text")), said.get("reply_to")
    if kind == "text":
        return encode.text(call.phone, str(said.get("text", "")), preview_url=bool(said.get("preview_url")), reply_to=reply_to, ours=ours)
    try:
        file = File(kind=MediaKind(kind), id=said.get("id"), link=said.get("link"), filename=said.get("filename"))
    except ValueError:
        raise WrongMessage(f"a reply of the type {kind} is not known") from None
    return encode.media(call.phone, file, caption=said.get("caption"), reply_to=reply_to, ours=ours)
