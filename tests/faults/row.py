"""What a property hands back, what it is drawn from, and how a run is shown. It must not know any property."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draw:
    """How large one property is played, and all its randomness."""

    seed: int
    short: bool
    random: Random

    @classmethod
    def of(cls, name: str, *, seed: int, short: bool) -> "Draw":
        """The same for the same arguments, whichever other properties run."""
        return cls(seed, short, Random(f"{seed}/{name}"))

    def size(self, full: T, short: T) -> T:
        return short if self.short else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One property, measured. "Sent" is what the sandbox's ledger holds.

    `unknown` is no fault by itself: it counts sends whose outcome nobody can know, and which wait for a person.
    """

    name: str
    done: str
    duplicates: int = 0
    lost: int = 0
    unknown: int = 0
    violations: int = 0
    late: int = 0  # of the violations: bars of time, which a busy machine may miss
    kills: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    recovered_s: float | None = None
    note: str = ""
    seed: int = 0
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        return not (self.duplicates or self.lost or self.violations)

    @property
    def is_only_late(self) -> bool:
        """Nothing is wrong but how long something took."""
        return 0 < self.late == self.violations and not (self.duplicates or self.lost)

    def shown(self) -> dict[str, Any]:
        """As it stands in the JSON."""
        return {
            "property": self.name,
            "ok": self.ok,
            "done": self.done,
            "duplicates": self.duplicates,
            "lost": self.lost,
            "violations": self.violations,
            "late": self.late,
            "unknown": self.unknown,
            "kills": self.kills,
            "p50_ms": _round(self.p50_ms),
            "p99_ms": _round(self.p99_ms),
            "recovered_s": _round(self.recovered_s),
            "seed": self.seed,
            "took_s": _round(self.took_s),
            "note": self.note,
        }


class Findings:
    """Collects what is wrong while a property is judged: each kind counted, the first few told."""

    TOLD_MAX = 4

    def __init__(self) -> None:
        self.duplicates = 0
        self.lost = 0
        self.violations = 0
        self.late = 0
        self.told: list[str] = []

    def duplicate(self, what: str, n: int = 1) -> None:
        self.duplicates += n
        self._tell("duplicate", what, n)

    def lose(self, what: str, n: int = 1) -> None:
        self.lost += n
        self._tell("lost", what, n)

    def violate(self, what: str, n: int = 1) -> None:
        self.violations += n
        self._tell("violated", what, n)

    def expect(self, is_so: bool, what: str) -> None:
        """One violation unless it is so."""
        if not is_so:
            self.violate(what)

    def in_time(self, is_so: bool, what: str) -> None:
        """One violation unless it is so; of a bar of time, not of what was sent, kept or shown."""
        if not is_so:
            self.late += 1
            self.violate(what)

    def row(self, name: str, done: str, *, note: Sequence[str] = (), **more: Any) -> Row:
        """The row; what is wrong stands first in its note."""
        return Row(
            name=name,
            done=done,
            duplicates=self.duplicates,
            lost=self.lost,
            violations=self.violations,
            late=self.late,
            note="; ".join([*self.told, *note]),
            **more,
        )

    def _tell(self, kind: str, what: str, n: int) -> None:
        if n and len(self.told) < self.TOLD_MAX:
            self.told.append(f"{kind.upper()} {what}" + (f" (x{n})" if n > 1 else ""))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of them lie; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def p50_p99_ms(seconds: Sequence[float]) -> dict[str, float | None]:
    """Both, in ms, as a row wants them."""
    shares = {"p50_ms": percentile(seconds, 0.5), "p99_ms": percentile(seconds, 0.99)}
    return {name: None if value is None else value * 1000 for name, value in shares.items()}


def with_draw(row: Row, draw: Draw, took_s: float) -> Row:
    return replace(row, seed=draw.seed, took_s=took_s)


def show(rows: Sequence[Row], console: Console) -> None:
    """The table, each note under it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("property", "done"):
        table.add_column(name, overflow="fold")
    for name in ("duplicates", "lost", "unknown", "violations", "kills", "p50 ms", "p99 ms", "recovered s", "seed", "took s", "ok"):
        table.add_column(name, justify="right")
    for row in rows:
        numbers = (row.duplicates, row.lost, row.unknown, row.violations, row.kills)
        times = (row.p50_ms, row.p99_ms, row.recovered_s)
        told = [*map(str, numbers), *map(_text, times), str(row.seed), _text(row.took_s)]
        table.add_row(row.name, row.done, *told, "[green]yes[/]" if row.ok else "[red]NO[/]")
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", highlight=False, markup=False, soft_wrap=True)


def write_json(path: Path, rows: Sequence[Row], *, seed: int) -> None:
    path.write_text(json.dumps({"seed": seed, "rows": [row.shown() for row in rows]}, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
