"""TOML tables as frozen values: every key checked against the type and the range that its dataclass declares.

Messages name file, table, key and what is allowed. Knows nothing of what the values mean.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from julia_warmer.core.errors import WarmerError

T = TypeVar("T")


class PolicyError(WarmerError):
    """The policy cannot be used."""


@dataclass(frozen=True, slots=True)
class Within:
    """The least and the greatest value that a key may have."""

    low: float
    high: float


def read_toml(text: str, file: str) -> dict[str, Any]:
    """A TOML text as plain values. Raises PolicyError naming the file, with the line from the TOML reader."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file}: not TOML: {error}") from error


def value_of(cls: type[T], table: dict[str, Any], *, where: str, below: T | None) -> T:
    """A table as a frozen value; what it does not say comes from the layer below. Raises PolicyError."""
    hints = keys_of(cls)
    check_known(table, hints, where=where, noun="key")
    missing = [key for key in hints if key not in table and below is None]
    if missing:
        raise PolicyError(f"{where} {missing[0]} is missing: {_allowed(hints[missing[0]])}")
    values = {key: _scalar(hint, table[key], f"{where} {key}") if key in table else getattr(below, key) for key, hint in hints.items()}
    return cls(**values)


def _scalar(hint: Any, value: object, where: str) -> object:
    """One checked value. A whole number is taken where a fraction is asked, never the other way round."""
    kind, within = _kind(hint)
    if issubclass(kind, StrEnum) and value in list(kind):
        return kind(value)
    if kind is float and type(value) is int:
        value = float(value)
    fits = type(value) is kind and (within is None or within.low <= cast("float", value) <= within.high)
    if not fits:
        raise PolicyError(f"{where} = {value!r}: must be {_allowed(hint)}")
    return value


def _allowed(hint: Any) -> str:
    """What a key may be, in words."""
    kind, within = _kind(hint)
    if issubclass(kind, StrEnum):
        return "one of " + ", ".join(kind)
    noun = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}[kind]
    return f"{noun} from {within.low:g} to {within.high:g}" if within else noun


def _kind(hint: Any) -> tuple[type, Within | None]:
    if get_origin(hint) is Annotated:
        kind, within = get_args(hint)
        return kind, within
    return hint, None


@cache
def keys_of(cls: type) -> dict[str, Any]:
    """A value's keys and their types, ranges included."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in fields(cls)} if is_dataclass(cls) else {}


def table_of(raw: object, where: str) -> dict[str, Any]:
    """A copy of a raw value that must be a table. Raises PolicyError."""
    if not isinstance(raw, dict):
        raise PolicyError(f"{where} must be a table of keys, not {raw!r}")
    return dict(cast("dict[str, Any]", raw))


def check_known(table: Mapping[str, object], names: Iterable[str], *, where: str, noun: str) -> None:
    """Raise PolicyError for a key that nobody reads, with the key that was probably meant."""
    allowed = list(names)
    for key in table:
        if key not in allowed:
            raise PolicyError(f"{where} has no {noun} {key!r}{near(key, allowed)}")


def near(word: str, words: Iterable[str]) -> str:
    """A question with the likeliest word meant, or all words when none is near."""
    known = [str(word) for word in words]
    close = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
