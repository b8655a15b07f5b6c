"""What the command line prints: tables for people, JSON for programs, one line for an error. Knows nothing of what it prints."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]


def plain(value: Any) -> Any:
    """A value as JSON knows it; moments as ISO-8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(part) for name, part in asdict(value).items()}
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


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "nothing yet") -> None:
    """A table with one row a thing, or the sentence `empty`."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(cell(value) for value in row))
        count += 1
    if count:
        out.print(table)
    else:
        out.print(f"{title}: {empty}")


def cell(value: Any) -> str:
    """A value as a person reads it in a table."""
    match value:
        case None:
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


@contextmanager
def progress(what: str, total: int | None, *, shown: bool = True):  # noqa: ANN201 - a context of a callable
    """A progress bar with rate and time left on standard error; the context's value takes the number of steps done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=not err.is_terminal, disable=not shown) as bars:
        task = bars.add_task(what, total=total)

        def step(count: int = 1, text: str | None = None) -> None:
            bars.update(task, advance=count, **({} if text is None else {"description": text}))

        yield step


def fail(message: str, *, code: int = 1) -> NoReturn:
    """One line on standard error that says what is wrong and the mend; then exit."""
    err.print(f"[bold red]error:[/] {escaped(message)}", soft_wrap=True)
    raise typer.Exit(code)


def escaped(text: str) -> str:
    """Text in which brackets stay brackets."""
    return text.replace("[", "\\[")
