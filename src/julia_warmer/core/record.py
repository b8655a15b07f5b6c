"""Snapshots and decisions as canonical JSON, and back: what the decisions table keeps and what a replay reads.

Canonical: sorted keys, no spaces, ISO times in UTC, enumerations by value. Equal values give equal text, byte for byte.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from enum import IntFlag, StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from julia_warmer.core.errors import WarmerError
from julia_warmer.core.model import ChipState, Decision, Snapshot

T = TypeVar("T")


class RecordError(WarmerError):
    """A record is not what this version of the program writes."""


def to_json(value: Snapshot | Decision) -> str:
    """A snapshot or a decision as canonical JSON."""
    return json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def snapshot_from_json(text: str) -> Snapshot:
    """A snapshot as it was recorded. Fields that were added since take their defaults. Raises RecordError."""
    return _read(Snapshot, text)


def decision_from_json(text: str) -> Decision:
    """A decision as it was recorded. Raises RecordError."""
    return _read(Decision, text)


def state_from_json(text: str) -> ChipState:
    """A chip's state as it was recorded. Raises RecordError."""
    return _read(ChipState, text)


def decisions_sha256(decisions: Iterable[tuple[str, Decision]]) -> str:
    """One hash for (chip's name, decision) pairs in any order; database ids do not count, so two runs of a seed agree."""
    lines = sorted((decision.at, name, to_json(replace(decision, chip_id=0))) for name, decision in decisions)
    sha256 = hashlib.sha256()
    for _, name, line in lines:
        sha256.update(f"{name}\t{line}\n".encode())
    return sha256.hexdigest()


def _plain(value: object) -> object:
    """What `json` cannot write by itself: our values and moments."""
    if is_dataclass(value):
        return {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a record")


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _read(cls: type[T], text: str) -> T:
    try:
        return cast("T", _typed(cls, json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"not a {cls.__name__.lower()} as this version writes it: {error}") from error


def _typed(hint: Any, raw: Any) -> Any:
    """A plain value as the type that a field declares."""
    if is_dataclass(hint):
        hints = _hints(cast("type", hint))
        return cast("type", hint)(**{name: _typed(hints[name], value) for name, value in raw.items()})
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return None if raw is None else _typed(next(kind for kind in get_args(hint) if kind is not NoneType), raw)
    if origin is tuple:
        return _typed_tuple(get_args(hint), raw)
    if hint in (datetime, date):
        return hint.fromisoformat(raw)
    return _scalar(hint, raw)


def _typed_tuple(kinds: tuple[Any, ...], raw: list[Any]) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_typed(kinds[0], item) for item in raw)
    return tuple(_typed(kind, item) for kind, item in zip(kinds, raw, strict=True))


def _scalar(hint: type, raw: Any) -> Any:
    if issubclass(hint, (StrEnum, IntFlag)):
        return hint(raw)
    if hint is float and isinstance(raw, int):
        return float(raw)
    if not isinstance(raw, hint):
        raise TypeError(f"{raw!r} is not {hint.__name__}")
    return raw
