"""What the simulator plays, as frozen values read from `scenarios.toml` beside this file. Nothing here draws or decides."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from julia_warmer.core.errors import WarmerError

BEGINS_AT = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)  # a Monday, eight in the morning where the chips are, as in the demo
ZONE = "America/Sao_Paulo"


class UnknownScenario(WarmerError):  # noqa: N818 - a fact, as the reader meets it
    """There is no such scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What ready means for every policy alike."""

    days: int
    messages: int
    negative: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the person at the desk does, and when."""

    resume_after_h: float
    bad_template_after_h: float
    looks_at_h: tuple[int, ...]
    template_again_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario. `lists` are dealt to the chips in turn; -1 for a day says never."""

    name: str
    lists: tuple[str, ...]
    people: int
    chips_per_portfolio: int
    limit: int
    bad_from_d: int
    strike_on_d: int
    strike_h: float
    silent_from_d: int
    silent_h: float
    ready: Ready
    desk: Desk
    closed: frozenset[date] = frozenset()  # days on which nobody is written to, besides those that the policy closes


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(resources.files("julia_warmer.sim").joinpath("scenarios.toml").read_text(encoding="utf-8"))


def names() -> tuple[str, ...]:
    """The scenarios that there are, in the order of the file."""
    return tuple(_tables()["scenarios"])


def load(name: str, *, people: int | None = None, closed: frozenset[date] = frozenset()) -> Scenario:
    """A scenario by its name; `people` on each chip's list, where it shall not be the scenario's own. Raises UnknownScenario."""
    tables = _tables()
    if name not in tables["scenarios"]:
        raise UnknownScenario(f"there is no scenario {name!r}: choose one of {', '.join(names())}")
    row: Mapping[str, Any] = {**tables["defaults"], **tables["scenarios"][name], "lists": tuple(tables["scenarios"][name]["lists"])}
    operator: Mapping[str, Any] = {**tables["operator"], "looks_at_h": tuple(tables["operator"]["looks_at_h"])}
    made = Scenario(**row, name=name, ready=Ready(**tables["ready"]), desk=Desk(**operator), closed=closed)
    return made if people is None else replace(made, people=people)


def last_day(days: int) -> date:
    """The last local day of a run of so many days."""
    return BEGINS_AT.date() + timedelta(days=days - 1)
