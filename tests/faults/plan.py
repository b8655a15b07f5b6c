"""Which properties are played, how large, and which side by side: from their costs and the budget. Pure; it must not know any property."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import heapify, heapreplace

AT_ONCE = 4  # most of these wait most of the time: for leases, for time-outs, for the platform
FULL_MIN, SHORT_MIN = 45.0, 4.0  # budgets, unless another is given


class Quiet(StrEnum):
    """When a property wants the machine for itself: what it measures would be spoiled by others."""

    NEVER = "never"
    IN_FULL = "in full"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds on two quiet cores, as measured."""

    full_s: float
    short_s: float
    quiet: Quiet = Quiet.NEVER


@dataclass(frozen=True, slots=True)
class Part:
    """One property of a run."""

    name: str
    cost: Cost
    short: bool

    @property
    def cost_s(self) -> float:
        return self.cost.short_s if self.short else self.cost.full_s

    @property
    def is_alone(self) -> bool:
        return self.cost.quiet is Quiet.ALWAYS or (self.cost.quiet is Quiet.IN_FULL and not self.short)


@dataclass(frozen=True, slots=True)
class Plan:
    """First those that may be played side by side, longest first; then those that want the machine for themselves."""

    together: tuple[Part, ...]
    alone: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*self.together, *self.alone)

    @property
    def expected_s(self) -> float:
        lanes = [0.0] * AT_ONCE
        heapify(lanes)
        for part in self.together:
            heapreplace(lanes, lanes[0] + part.cost_s)
        return max(lanes) + sum(part.cost_s for part in self.alone)

    def said(self, budget_min: float) -> str:
        """The first line of a run."""
        cut = [part.name for part in self.parts if part.short]
        short = "" if not cut else ", all short" if len(cut) == len(self.parts) else f", short to keep the budget: {' '.join(cut)}"
        about = f"{len(self.parts)} properties, about {self.expected_s / 60:.0f} of {budget_min:g} minutes"
        together, alone = (" ".join(part.name for part in some) for some in (self.together, self.alone))
        return f"{about}{short}\n  side by side: {together or '-'}\n  alone: {alone or '-'}"


def make(costs: Sequence[tuple[str, Cost]], *, short: bool, budget_min: float) -> Plan:
    """Everything at the size that is asked for; what costs most is played short, one after the other, until the budget holds the rest."""
    parts = [Part(name, cost, short) for name, cost in costs]
    plan = _order(parts)
    while plan.expected_s > budget_min * 60 and any(not part.short for part in parts):
        worst = max((part for part in parts if not part.short), key=lambda part: part.cost_s)
        parts[parts.index(worst)] = replace(worst, short=True)
        plan = _order(parts)
    return plan


def _order(parts: Sequence[Part]) -> Plan:
    together = sorted((part for part in parts if not part.is_alone), key=lambda part: -part.cost_s)
    return Plan(tuple(together), tuple(part for part in parts if part.is_alone))
