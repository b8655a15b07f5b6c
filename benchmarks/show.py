"""The run as a person reads it: the machine, the sizes, the table. It must not know how anything was measured."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from benchmarks.rows import Report, Row


def progress(text: str) -> None:
    """One line on the error channel, for whoever waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def facts(machine: dict[str, Any]) -> str:
    """One paragraph about the machine and its settings."""
    durable, settings = (", ".join(f"{name} {value}" for name, value in machine[key].items()) for key in ("postgresql", "settings"))
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}"
    now = f"load {machine['load_1m']} at the start; a commit of one row takes {machine['commit_ms']} ms"
    return f"{where}, {now}\nPostgreSQL: {durable}\nJulia Warmer: {settings}"


def sizes(name: str, given: dict[str, Any]) -> str:
    """One line of what a subject was given."""
    return f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {_number(value)}" for key, value in given.items())


def table(report: Report) -> Table:
    """All rows."""
    shown = Table(title=f"seed {report.seed}", title_justify="left", pad_edge=False)
    for name in ("", "name", "ours", "against", "unit", "ratio", "must", "rounds", "note"):
        shown.add_column(name, justify="right" if name in ("ours", "against", "ratio", "rounds") else "left", overflow="fold")
    for row in report.rows:
        shown.add_row(*_cells(row), style=None if row.ok else "red")
    return shown


def in_short(rows: Sequence[Row]) -> str:
    """What one subject came to, for whoever waits for the table."""
    return "; ".join(f"{mark} {name} {ours} {ratio}".strip() for mark, name, ours, _, _, ratio, *_ in map(_cells, rows))


def _cells(row: Row) -> tuple[str, ...]:
    mark = ("✓" if row.ok else "✗") if row.musts else ""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return mark, row.name, _number(row.ours), _number(row.against), row.unit, ratio, row.must, str(row.rounds), row.note


def _number(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        case _:
            return ", ".join(_number(part) for part in value)
