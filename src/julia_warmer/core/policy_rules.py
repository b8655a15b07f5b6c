"""The rules of a policy as flat keys, and where two policies differ. Knows no meaning of any of them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from julia_warmer.core.policy import Policy


def differences(standard: Policy, policy: Policy) -> Iterator[tuple[str, Any, Any]]:
    """Every rule that differs, as (table.key, there, here); None where a policy has no such rule."""
    before, after = dict(rules_of(standard)), dict(rules_of(policy))
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)


def rules_of(policy: Policy) -> Iterator[tuple[str, Any]]:
    """Every rule as (table.key, value)."""
    for part in fields(policy):
        if part.init and part.name != "name":
            yield from _flat(part.name, getattr(policy, part.name))


def _flat(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        for part in fields(value):
            yield from _flat(f"{where}.{part.name}", getattr(value, part.name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{where}.{key}", inner)
    elif isinstance(value, tuple):  # rows with a name: the alarms
        for row in value:
            yield from _flat(f"{where}.{row.name}", row)
    else:
        yield where, value
