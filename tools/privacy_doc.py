"""Writes the table of what is kept into docs/privacy.md, from `store/personal.py`; the rest is written by hand. Part of `make docs`."""

from collections.abc import Mapping
from pathlib import Path

from julia_warmer.config import Settings
from julia_warmer.store.personal import TABLES, Column, Held, Table

TARGET = Path(__file__).parents[1] / "docs" / "privacy.md"
BEGIN, END = "<!-- kept: tools/privacy_doc.py writes between these lines -->", "<!-- kept: end -->"
HEAD = "| table | why | names | says | about | kept | an erasure leaves |\n| --- | --- | --- | --- | --- | --- | --- |"


def dump() -> str:
    """The page, with the table as the schema's list has it."""
    page = TARGET.read_text("utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise AttributeError(f"{TARGET.name} has lost the lines that the table stands between")
    rows = "\n".join(_row(name, table) for name, table in TABLES.items())
    return f"{before}{BEGIN}\n\n{HEAD}\n{rows}\n\n{END}{after}"


def _row(name: str, table: Table) -> str:
    held = [_columns(table.columns, kind) for kind in (Held.NAMES, Held.SAYS, Held.ABOUT)]
    return f"| `{name}` | {table.why} | {' | '.join(held)} | {_kept(table)} | {_left(table.columns)} |"


def _columns(columns: Mapping[str, Column], held: Held) -> str:
    return ", ".join(f"`{name}`" for name, column in columns.items() if column.held is held) or "-"


def _kept(table: Table) -> str:
    if table.days is None:
        return table.ends
    return f"{Settings.model_fields[table.days].default} days (`{table.days}`)"


def _left(columns: Mapping[str, Column]) -> str:
    """By what is left, the columns."""
    left: dict[str, list[str]] = {}
    for name, column in columns.items():
        if column.held in (Held.NAMES, Held.SAYS, Held.ABOUT):
            left.setdefault(column.erased, []).append(f"`{name}`")
    if set(left) <= {"stays"}:
        return "the row, of nobody" if left else "-"
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in left.items() if what != "stays")
