"""Small readers of what Meta writes in JSON: each takes any value and gives a clean one, or None. They never raise, except `ident`."""

import hashlib
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import orjson

Json = dict[str, Any]

ID_MAX = 512  # Meta: wamid up to 128, BSUID up to 128 after the dot, biz_opaque_callback_data up to 512
WORD_MAX = 255
PHONE_MAX = 20
_MS_FROM = 1e11  # seconds reach this in the year 5138; one gateway sent milliseconds
_SECONDS_MAX = 253_402_300_799  # the end of the year 9999
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,140}")
_PHONE = re.compile(r"\+?[0-9 ().\-]+")
_NOT_A_DIGIT = re.compile(r"[^0-9]+")
_TIERS = {"TIER_50": 50, "TIER_250": 250, "TIER_1K": 1000, "TIER_2K": 2000, "TIER_10K": 10_000, "TIER_100K": 100_000, "TIER_UNLIMITED": -1}


class Unreadable(Exception):  # noqa: N818 - the reason why one item goes to the quarantine
    """An item lacks what nobody can do without."""


def record(value: object) -> Json:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def records(value: object) -> list[Json]:
    """The objects of a list; everything else is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """A text that is not empty; whole numbers become text."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def word(value: object) -> str | None:
    """A short text: names, types, reasons. Cut to 255 characters."""
    found = text(value)
    return found[:WORD_MAX] if found else None


def upper(value: object) -> str | None:
    """A short text in capitals: Meta writes its enums in both cases."""
    found = word(value)
    return found.strip().upper() or None if found else None


def maybe_ident(value: object) -> str | None:
    """An id, or None when there is none or it is too long or too odd to be one (Meta's are ASCII)."""
    found = text(value)
    return found if found is None or (len(found) <= ID_MAX and found.isascii()) else None


def ident(value: object, name: str) -> str:
    """An id that must be there. Raises Unreadable."""
    found = maybe_ident(value)
    if found is None:
        raise Unreadable(f"{name} is missing or is no id")
    return found


def integer(value: object) -> int | None:
    """A whole number, also when it is written as text."""
    found = number(value)
    return int(found) if found is not None and abs(found) < 2**53 else None


def number(value: object) -> float | int | None:
    """A finite number, also when it is written as text."""
    if isinstance(value, str):
        return _number_in(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None


def _number_in(value: str) -> float | int | None:
    if value.isdecimal() and value.isascii() and len(value) <= PHONE_MAX:
        return int(value)
    try:
        found = float(value) if len(value) <= PHONE_MAX else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def moment(value: object) -> datetime | None:
    """A moment from seconds or milliseconds since 1970; None when it is not after 1970 or beyond the year 9999."""
    seconds = number(value)
    if seconds is None or seconds <= 0:
        return None
    if seconds > _MS_FROM:
        seconds = seconds / 1000
    return datetime.fromtimestamp(seconds, UTC) if seconds <= _SECONDS_MAX else None


def digits(value: object) -> str | None:
    """The digits of a phone number; None when it holds letters or is too long."""
    return address(value)[0]


def address(value: object) -> tuple[str | None, str | None]:
    """Phone digits or BSUID, whichever it is: some senders put the BSUID where the phone belongs."""
    found = text(value)
    if found is None or len(found) > ID_MAX:
        return None, None
    if found.isdecimal() and found.isascii():
        return (found, None) if len(found) <= PHONE_MAX else (None, None)
    if _PHONE.fullmatch(found):
        plain = _NOT_A_DIGIT.sub("", found)
        return (plain or None) if len(plain) <= PHONE_MAX else None, None
    return None, found if _BSUID.fullmatch(found) else None


def language(value: object) -> str | None:
    """A language code in the form `pt_BR`; Meta also writes `pt-BR`."""
    found = word(value)
    return found.replace("-", "_") if found else None


def limit(value: object) -> int | None:
    """A messaging limit: unique people per moving 24 h, -1 = unlimited, None = not usable (plan with 250)."""
    if isinstance(value, str) and (tier := _TIERS.get(value.strip().upper())) is not None:
        return tier
    found = integer(value)
    return found if found is not None and found >= -1 else None


def canonical(value: object) -> bytes:
    """A value as JSON with sorted keys: equal values give equal bytes. Empty when it is nested too deep to be written."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than orjson writes, or numbers beyond 64 bits
        try:
            return json.dumps(value, sort_keys=True).encode()
        except (RecursionError, ValueError):
            return b""


def digest(*parts: object) -> str:
    """A short hash of some values."""
    return hashlib.blake2b(canonical(list(parts)), digest_size=16).hexdigest()
