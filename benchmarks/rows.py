"""What a comparison comes to: one row of the table, with what it must reach. It must not know how anything was measured."""

import json
import operator
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SIGNS = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True, slots=True)
class Must:
    """What a number has to reach: `Must("≥", 0.6)`. `of` names the number: the ratio, or our side itself."""

    sign: str
    bound: float
    of: str = "ratio"

    def __str__(self) -> str:
        return f"{'' if self.of == 'ratio' else self.of + ' '}{self.sign} {self.bound:,g}"

    def holds(self, row: "Row") -> bool:
        value = row.ratio if self.of == "ratio" else row.ours
        return value is not None and SIGNS[self.sign](value, self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `ours` and `against` are medians of rounds that alternated; `ratio` is the one divided by the other."""

    name: str
    ours: float
    unit: str
    against: float | None = None
    ratio: float | None = None
    musts: tuple[Must, ...] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""

    @property
    def ok(self) -> bool:
        return all(must.holds(self) for must in self.musts)

    @property
    def must(self) -> str:
        return ", ".join(str(must) for must in self.musts)

    @property
    def rounds(self) -> int:
        return max((len(values) for values in self.samples.values()), default=1)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": self.ours,
            "against": self.against,
            "unit": self.unit,
            "ratio": self.ratio,
            "must": self.must,
            "ok": self.ok,
            "rounds": self.rounds,
            "samples": self.samples,
            "note": self.note,
        }


def compare(name: str, ours: Sequence[float], against: Sequence[float], *, unit: str, musts: Sequence[Must] = (), note: str = "") -> Row:
    """A row of two sides: medians, and ours divided by the other."""
    mine, other = statistics.median(ours), statistics.median(against)
    samples = {"ours": list(ours), "against": list(against)}
    return Row(name=name, ours=mine, against=other, unit=unit, ratio=mine / other, musts=tuple(musts), samples=samples, note=note)


def alone(name: str, ours: Sequence[float], *, unit: str, musts: Sequence[Must] = (), note: str = "") -> Row:
    """A row of one side: a latency, a size."""
    return Row(name=name, ours=statistics.median(ours), unit=unit, musts=tuple(musts), samples={"ours": list(ours)}, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole run."""

    machine: dict[str, Any]
    sizes: dict[str, Any]
    seed: int
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def to_json(self) -> str:
        body = {"machine": self.machine, "sizes": self.sizes, "seed": self.seed, "rows": [row.to_json() for row in self.rows]}
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
