"""One chip's own rules, laid over the policy in force: which rules a chip may have of its own, and how far they may be loosened.

What is not in `BOUNDS` is the same for every chip: alarms, evidence, pauses, courtesy and hours. Nothing here is read or kept.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from julia_warmer.core.policy import LimitRules, Policy, from_tables
from julia_warmer.core.policy_rules import differences
from julia_warmer.core.tables import PolicyError, near, read_toml, table_of

OWN = "+own"  # after the policy's name, so that a decision's version says that the chip has rules of its own
TABLES = ("phases", "gates", "budget")


@dataclass(frozen=True, slots=True)
class Bound:
    """On which side of a rule it is tighter, and the loosest that a chip's own may be, given the policy's."""

    tighter_is_less: bool
    loosest: Callable[[float, LimitRules], float]

    def allows(self, value: float, policy_has: float, limits: LimitRules) -> bool:
        end = self.loosest(policy_has, limits)
        return value <= end if self.tighter_is_less else value >= end


def _as_it_is(value: float, _limits: LimitRules) -> float:
    return value


def _ceiling(value: float, limits: LimitRules) -> float:
    return min(1.0, value * limits.harm_factor_max)


BOUNDS: dict[str, Bound] = {
    "phases.cap_day_max": Bound(True, lambda value, limits: math.floor(value * limits.cap_factor_max)),
    "phases.days_min": Bound(False, lambda value, limits: math.ceil(value * limits.days_factor_min)),
    "phases.health_min": Bound(False, lambda value, limits: max(0, value - limits.health_less_max)),
    "phases.reply_floor": Bound(False, lambda value, limits: min(value, limits.reply_floor_min)),
    "gates.opt_outs_max": Bound(True, _ceiling),
    "gates.undeliverable_max": Bound(True, _ceiling),
    "gates.limited_max": Bound(True, _ceiling),
    "gates.held_max": Bound(True, _ceiling),
    "gates.used_min": Bound(False, _as_it_is),
    "gates.calm_h": Bound(False, _as_it_is),
    "gates.return_health_below": Bound(False, _as_it_is),
    "budget.growth_ratio": Bound(True, _as_it_is),
    "budget.operation_growth": Bound(True, _as_it_is),
    "budget.yellow_speed": Bound(True, _as_it_is),
}


def lay_over(policy: Policy, text: str, *, file: str) -> Policy:
    """The policy of a chip that has these rules (TOML) of its own. Raises PolicyError with file, table, key and what is allowed."""
    raw = read_toml(text, file)
    for key in _keys(raw, file):
        _bound_of(key, file)
    own = from_tables(policy.name + OWN, raw, file=file, under=policy)
    for key, policy_has, value in differences(policy, own):
        _check_bound(key, policy_has, value, policy.limits, file)
    return own


def _keys(raw: Mapping[str, Any], file: str) -> Iterator[str]:
    """Every key that the text says, whether it changes anything or not: the policy may change below it."""
    for name, table in raw.items():
        if name not in TABLES:
            raise PolicyError(f"{file}: [{name}] is the same for every chip{near(name, TABLES)}")
        keys = table_of(table, f"{file}: [{name}]")
        if name != "phases":
            yield from (f"{name}.{key}" for key in keys)
            continue
        for phase, row in keys.items():
            yield from (f"phases.{phase}.{key}" for key in table_of(row, f"{file}: [phases.{phase}]"))


def _bound_of(key: str, file: str) -> Bound:
    parts = key.split(".")
    bound = BOUNDS.get(f"{parts[0]}.{parts[-1]}")
    if bound is None:
        names = [name.partition(".")[2] for name in BOUNDS if name.startswith(f"{parts[0]}.")]
        raise PolicyError(f"{file}: [{'.'.join(parts[:-1])}] {parts[-1]} is the same for every chip{near(parts[-1], names)}")
    return bound


def _check_bound(key: str, policy_has: float, value: float, limits: LimitRules, file: str) -> None:
    bound = _bound_of(key, file)
    if not bound.allows(value, policy_has, limits):
        side = "at most" if bound.tighter_is_less else "at least"
        end = f"{bound.loosest(policy_has, limits):g}"
        where, _, name = key.rpartition(".")
        raise PolicyError(f"{file}: [{where}] {name} = {value:g}: must be {side} {end}, the policy's hard limit for one chip ([limits])")
