"""What the command line prints: tables for people, JSON for programs, one line for an error. Knows nothing of what it prints."""

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from julia_warmer.core.errors import WarmerError

PIPE_WIDTH = 240  # columns of a table that no terminal limits
out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False)
Columns = Mapping[str, Callable[[Any], Any]]  # a column's title, and how it is read from a row


def plain(value: Any) -> Any:
    """A value as JSON knows it; moments as ISO-8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


def print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(plain(value), option=orjson.OPT_INDENT_2).decode() + "\n")


def print_json_line(value: Any) -> None:
    sys.stdout.write(orjson.dumps(plain(value)).decode() + "\n")


def say(text: str) -> None:
    """A sentence for a person."""
    out.print(escape(text), soft_wrap=True)


def tell(value: Any, sentence: str, *, as_json: bool) -> None:
    """What a command did: the value for a program, or the sentence for a person."""
    if as_json:
        print_json(value)
    else:
        say(sentence)


def print_rows(rows: Sequence[Any], columns: Columns, *, title: str, as_json: bool, empty: str = "none yet") -> None:
    """Rows as JSON, or as a table with a column for each reader."""
    if as_json:
        print_json(rows)
    else:
        print_table(title, list(columns), ([read(row) for read in columns.values()] for row in rows), empty=empty)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "none yet") -> None:
    """A table with one row a thing, or the sentence `empty`."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row))
    if table.row_count:
        out.print(f"[bold underline]{escape(title)}[/]")
        out.print(table)
    else:
        say(f"{title}: {empty}")


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """What is known of one thing, a line each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, escape(cell(value)))
    out.print(f"[bold underline]{escape(title)}[/]")
    out.print(table)


def cell(value: Any) -> str:
    """A value as a person reads it in a table. Moments are UTC."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case float():
            return f"{value:.2f}"
        case Enum():
            return str(value.value)
        case _:
            return str(value)


def exact(value: object) -> object:
    """A number as it is written: 0.025 is not 0.03."""
    return f"{value:g}" if isinstance(value, float) else value


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Bar:
    """A progress bar that a task moves."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def __call__(self, count: int = 1, text: str | None = None) -> None:
        """So many more are done; with a text, it stands before the bar from now on."""
        self._bars.update(self._task, advance=count, description=text)

    def reach(self, done: int) -> None:
        """So many are done by now."""
        self._bars.update(self._task, completed=done)


@contextmanager
def progress(what: str, total: int | None, *, shown: bool = True) -> Generator[Bar]:
    """A progress bar with rate and time left on standard error; without a total it only shows that something goes on."""
    counted = (MofNCompleteColumn(), _Rate(), TimeElapsedColumn(), TimeRemainingColumn()) if total else (TimeElapsedColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *counted)
    with Progress(*columns, console=err, transient=True, disable=not (shown and err.is_terminal)) as bars:
        yield Bar(bars, bars.add_task(what, total=total))


def line_of(error: WarmerError) -> str:
    """An error and its mend, in one line."""
    mend = getattr(error, "mend", "")
    return f"{error}: {mend}" if mend else str(error)


def fail(message: str, *, code: int = 1) -> NoReturn:
    """One line on standard error that says what is wrong and the mend; then exit."""
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


def warn(message: str) -> None:
    """One line on standard error about something that a person should look at."""
    err.print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)


def plural(count: int, thing: str) -> str:
    """A number of things, as one says it."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
