"""From a webhook's bytes to facts: every entry, every change, every item, each on its own. Pure; it never raises and never drops.

What cannot be read becomes `Unrecognised` with its path and reason. The shapes are those of Meta's webhook reference (2025-11 to 2026-07).
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import orjson

from julia_warmer.cloud import wire
from julia_warmer.cloud.decode_account import ACCOUNT_FIELDS
from julia_warmer.cloud.decode_messages import ITEMS
from julia_warmer.cloud.place import Place, place_of
from julia_warmer.cloud.wire import Json, Unreadable
from julia_warmer.core.events import Event, Unrecognised
from julia_warmer.core.opt_out import NO_WORDS

NOT_JSON = "not JSON"  # how the reason of a body that is no JSON begins
TOO_DEEP = "nested too deep to read"
OBJECT = "whatsapp_business_account"
MESSAGE_FIELDS = frozenset({"messages", "calls", "user_preferences"})
ITEM_MAX = 65_536  # characters of an unreadable body that its fact keeps; the inbox keeps all of it
_NUL = b"\\u0000"  # PostgreSQL stores no NUL in text


def decode(body: bytes, *, received_at: datetime, words: frozenset[str] = NO_WORDS) -> list[Event]:
    """The facts of one webhook body, in its order; at least one. `received_at` stands in where the body gives no time.

    `words` are the owner's own requests to stop: core/opt_out.
    """
    try:
        document = _load(body)
    except RecursionError:
        return [_unread_body(body, TOO_DEEP, received_at)]
    except ValueError as error:
        return [_unread_body(body, f"{NOT_JSON}: {error}", received_at)]
    if not isinstance(document, dict):
        return [_unread_body(body, "not an object", received_at)]
    if document.get("object", OBJECT) != OBJECT:
        return [_unread_body(body, f"object is not {OBJECT}", received_at)]
    entries = document.get("entry")
    if not isinstance(entries, list) or not entries:
        return [_unread_body(body, "no entry", received_at)]
    return [event for index, entry in enumerate(entries) for event in _read_entry(entry, f"entry[{index}]", received_at, words)]


def _read_entry(entry: object, path: str, received_at: datetime, words: frozenset[str]) -> Iterator[Event]:
    if not isinstance(entry, dict):
        yield _unread(place_of({}, "", {}, received_at=received_at), path, "entry is not an object", entry)
        return
    changes = entry.get("changes")
    if not isinstance(changes, list) or not changes:
        yield _unread(place_of(entry, "", {}, received_at=received_at), path, "no changes", entry)
        return
    for index, change in enumerate(changes):
        yield from _read_change(entry, change, f"{path}.changes[{index}]", received_at, words)


def _read_change(entry: Json, change: object, path: str, received_at: datetime, words: frozenset[str]) -> Iterator[Event]:
    field, value = (change.get("field"), change.get("value")) if isinstance(change, dict) else (None, None)
    place = place_of(entry, field if isinstance(field, str) else "", wire.record(value), received_at=received_at, words=words)
    if not isinstance(field, str) or not isinstance(value, dict):
        yield _unread(place, path, "field or value is missing", change)
    elif field in MESSAGE_FIELDS:
        yield from _read_items(value, place, f"{path}.value")
    elif (reader := ACCOUNT_FIELDS.get(field)) is not None:
        yield from _read(reader, value, place, f"{path}.value")
    else:
        yield _unread(place, f"{path}.value", f"unknown field {field[: wire.WORD_MAX]}", value)


def _read_items(value: Json, place: Place, path: str) -> Iterator[Event]:
    is_empty = True
    for name, reader in ITEMS:
        items = value.get(name)
        if items is None:
            continue
        if not isinstance(items, list):
            is_empty = False
            yield _unread(place, f"{path}.{name}", f"{name} is not a list", items)
            continue
        for index, item in enumerate(items):
            is_empty = False
            yield from _read(reader, item, place, f"{path}.{name}[{index}]", len(items) == 1)
    if is_empty:
        yield _unread(place, path, "nothing in it that we know", value)


def _read(reader: Callable[..., list[Event]], item: object, place: Place, path: str, *more: bool) -> list[Event]:
    """Read one item. Whatever it holds, its neighbours are read: this is the one place that stops every error."""
    if not isinstance(item, dict):
        return [_unread(place, path, "item is not an object", item)]
    try:
        return reader(item, place, path, *more)
    except Unreadable as error:
        return [_unread(place, path, str(error), item)]
    except Exception as error:  # a shape that nobody foresaw must not cost the batch
        return [_unread(place, path, f"could not be read: {type(error).__name__}", item)]


def _unread(place: Place, path: str, reason: str, item: object) -> Unrecognised:
    raw = wire.canonical(item).decode("utf-8", "replace")
    return Unrecognised(**place.common(path), reason=reason, item=raw, key=place.key([reason, item]))


def _unread_body(body: bytes, reason: str, received_at: datetime) -> Unrecognised:
    item = body[:ITEM_MAX].decode("utf-8", "replace").replace("\0", "\ufffd")
    return Unrecognised(at=received_at, reason=reason, item=item, key=hashlib.blake2b(body, digest_size=16).hexdigest())


def _load(body: bytes) -> object:
    """Parse a body. Raises ValueError when it is no JSON, RecursionError when it is nested too deep."""
    if _NUL not in body:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "depth" in str(error) or "ecursion" in str(error):
                raise RecursionError(str(error)) from error
    return _load_with_care(body)


def _load_with_care(body: bytes) -> object:
    """The slow reader for what the strict one refuses: broken UTF-8, half surrogates, NaN, NUL. One odd name costs no batch."""
    document = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_parse_int, parse_constant=lambda _: None)
    return _clean(document)


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


def _clean(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {_clean(name): _clean(item) for name, item in value.items()}
        case _:
            return value
