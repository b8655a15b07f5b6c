"""`warmer contacts import`: a file of people, with progress, a summary, and its bad rows beside it."""

import csv
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, TextIO

import typer

from julia_warmer.cli.errors import CommandError, Misused
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.opening import data_seal, opened_pool, run
from julia_warmer.cli.output import fail, plural, print_facts, print_json, progress, say, warn
from julia_warmer.clock import SystemClock
from julia_warmer.config import Settings, load_settings
from julia_warmer.engine.columns import COLUMNS
from julia_warmer.engine.contacts import AUDIENCE, ImportReport
from julia_warmer.engine.contacts_csv import BadRow, Proof, begins_like_a_formula, open_table, read_evidence
from julia_warmer.engine.errors import Wrong
from julia_warmer.engine.imports import LANES, Given, Progress, import_file, try_import
from julia_warmer.engine.sheets import Look, look_at, read_table

COUNTS = ("read", "imported", "updated", "unchanged", "repeated", "suppressed", "no_consent", "bad")
ADDED_COLUMNS = ("line", "column", "reason")  # of the file of bad rows, behind the row's own
CONNECTIONS = LANES + 2  # who holds the import, and who writes down texts


def import_(
    file: Annotated[
        Path, typer.Argument(help="A CSV, or an .xlsx: its first sheet. The first line names the columns.", show_default=False)
    ],
    source: Annotated[str | None, typer.Option("--source", help="How people agreed: form, sign-up link, in person …")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="What they agreed to: marketing, utility, or both.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="What they read when they agreed.")] = None,
    text_version: Annotated[str | None, typer.Option("--text-version", help="Which version of that text.")] = None,
    evidence: Annotated[str | None, typer.Option("--evidence", help="Where the proof is: a JSON object, or an address or a note.")] = None,
    audience: Annotated[str, typer.Option("--audience", help="Label for rows that have none; campaigns draw by it.")] = AUDIENCE,
    column: Annotated[
        list[str] | None, typer.Option("--column", help=f"Where something stands, as phone=Celular: of {', '.join(COLUMNS)}.")
    ] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a CSV, if it is not found out rightly: latin-1 …")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import people and their consents; what an option says holds for every row whose own cell is empty.

    It can be repeated: who is known and unchanged stays as is, who asked to stop stays stopped. One that was broken off goes on where it
    stopped. Rows without the whole proof of consent (consent_at, source, purpose, text or text_version, evidence) are stored and never
    written to. Bad rows go to FILE.bad.csv with the column and the reason; the others are imported, and the command exits with 1.
    """
    began = time.perf_counter()
    proof = Proof(source=source, purpose=purpose, text=text, text_version=text_version, evidence=_evidence(evidence))
    given = Given(proof=proof, audience=audience, columns=_columns(column or []), encoding=encoding)
    settings = load_settings()
    with _opened(file) as stream, _said_of(file):
        look = look_at(stream, encoding)
        header = _header(stream, look, given)
        with _BadFile(file, header, is_kept=not dry_run) as bad, progress("importing", look.lines, shown=not as_json) as bar:
            report = run(_import(stream, look, given, settings, file.name, bar.reach, bad.write, dry_run=dry_run))
    _show(report, time.perf_counter() - began, bad.path, dry_run=dry_run, as_json=as_json)
    if report.bad and not dry_run:
        first = _first(report.bad_rows[0])
        fail(f"{plural(report.bad, 'row')} not imported, {first}: mend them in {bad.path} and import that file")


async def _import(
    stream: IO[bytes],
    look: Look,
    given: Given,
    settings: Settings,
    name: str,
    moved: Progress,
    sink: Callable[[Sequence[BadRow]], None],
    *,
    dry_run: bool,
) -> ImportReport:
    clock = SystemClock()
    async with opened_pool(settings, clock=clock, pool_max=CONNECTIONS) as pool:
        how: dict[str, Any] = {"seal": data_seal(settings), "clock": clock, "by": settings.operator, "progress": moved, "sink": sink}
        if dry_run:
            return await try_import(pool, stream, look, given, **how)
        return await import_file(pool, stream, look, given, name=name, at=clock.now(), **how)


@contextmanager
def _opened(file: Path) -> Generator[IO[bytes]]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from None
    with stream:
        yield stream


@contextmanager
def _said_of(file: Path) -> Generator[None]:
    """Which file it is that cannot be used."""
    try:
        yield
    except Wrong as error:
        raise Wrong(f"{file}: {error}", mend=error.mend) from None


def _header(stream: IO[bytes], look: Look, given: Given) -> Sequence[str]:
    """The names of the file's columns. Raises Wrong before anything is opened, when the file cannot be used."""
    open_table(read_table(stream, look), given.proof, at=SystemClock().now(), columns=given.columns)
    return [name.strip() for name in next(read_table(stream, look)).values if name.strip()]


def _columns(options: Sequence[str]) -> Mapping[str, str]:
    pairs = [option.partition("=") for option in options]
    if wrong := next((option for option, (_, sign, name) in zip(options, pairs, strict=True) if not sign or not name), None):
        raise Misused(f"--column {wrong!r} does not name a column: write it like phone=Celular")
    return {what.strip(): name for what, _, name in pairs}


def _evidence(text: str | None) -> Mapping[str, Any]:
    """A JSON object, or a plain note."""
    try:
        return read_evidence(text or "")
    except Wrong as error:
        raise Misused(f"--evidence {error}") from None


# ------------------------------------------------------------------ bad rows


@dataclass(slots=True)
class _BadFile:
    """The rows that were not imported, with line, column and reason, ready to be mended and imported. There is none while all are good."""

    file: Path
    header: Sequence[str]
    is_kept: bool
    path: Path | None = None
    stream: TextIO | None = None

    def __enter__(self) -> "_BadFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self.stream:
            self.stream.close()

    def write(self, rows: Sequence[BadRow]) -> None:
        """Append rows. Raises CommandError."""
        if not self.is_kept:
            return
        path = self.file.with_name(f"{self.file.name}.bad.csv")
        names = [*self.header, *(name for name in ADDED_COLUMNS if name not in self.header)]
        try:
            if self.stream is None:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it names people
                self.stream, self.path = os.fdopen(handle, "w", encoding="utf-8", newline=""), path
                csv.writer(self.stream).writerow(names)
            writer = csv.DictWriter(self.stream, names, extrasaction="ignore")
            for row in rows:
                cells = {name: _harmless(cell) for name, cell in row.cells.items()}
                writer.writerow({**cells, "line": row.line, "column": row.column or "", "reason": row.reason})
        except OSError as error:
            mend = f"let it be written, and import again: {_first(rows[0])}"
            raise CommandError(f"{path} cannot be written ({error.strerror or error}): {mend}") from None


def _harmless(cell: str) -> str:
    """A formula is not carried out by the spreadsheet in which the row is mended."""
    return f"'{cell}" if begins_like_a_formula(cell) else cell


def _first(row: BadRow) -> str:
    return f"the first in line {row.line}{f', column {row.column}' if row.column else ''}: {row.reason}"


# ------------------------------------------------------------------ the summary


def _show(report: ImportReport, wall_s: float, bad_file: Path | None, *, dry_run: bool, as_json: bool) -> None:
    value: dict[str, Any] = {name: getattr(report, name) for name in COUNTS}
    value |= {"wall_s": round(wall_s, 3), "rows_per_s": round(report.read / wall_s, 1)}
    if as_json:
        told = {"bad_file": str(bad_file) if bad_file else None, "columns": report.columns, "ignored_columns": report.ignored_columns}
        print_json({**value, **told, "resumed_rows": report.resumed_rows, "dry_run": dry_run})
        return
    words = {
        "read": "rows read",
        "imported": "new people",
        "updated": "known people with something new",
        "unchanged": "known people, nothing new",
        "repeated": "further rows of the same people",
        "suppressed": "asked to stop: left as they are",
        "no_consent": "without proof of consent in this file: not written to on its account",
        "bad": "bad rows",
    }
    facts = {what: f"{value[name]:,}" for name, what in words.items()}
    taken = ", ".join(f"{what} from {name!r}" for what, name in (report.columns or {}).items())
    title = "What an import would do" if dry_run else "Import"
    print_facts(title, {**facts, "columns": taken, "took": f"{wall_s:.1f} s, {value['rows_per_s']:,.0f} rows/s"})
    if report.resumed_rows:
        say(f"It went on where it had stopped: {plural(report.resumed_rows, 'row')} were stored before.")
    if report.ignored_columns:
        warn(f"columns that nobody reads: {', '.join(report.ignored_columns)}; known are {', '.join(COLUMNS)}")
