"""`warmer contacts`."""

import csv
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from julia_warmer.cli import rights
from julia_warmer.cli.contacts_merge import merge
from julia_warmer.cli.errors import CommandError, Misused
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import fail, plural, print_facts, print_json, progress, warn
from julia_warmer.clock import SystemClock
from julia_warmer.engine.contacts import AUDIENCE, ImportReport, store_contacts
from julia_warmer.engine.contacts_csv import COLUMNS, BadRow, Proof, Sheet, read_contacts
from julia_warmer.engine.errors import Wrong

app = group("People, and the proof of their consent.")
app.command()(merge)

COUNTS = ("read", "imported", "updated", "unchanged", "repeated", "suppressed", "no_consent")
ADDED_COLUMNS = ("line", "column", "reason")  # of the file of bad rows, behind the row's own


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help=f"CSV in UTF-8; its first line names columns out of: {', '.join(COLUMNS)}.", show_default=False)
    ],
    source: Annotated[str | None, typer.Option("--source", help="How people agreed: form, sign-up link, in person …")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="What they agreed to: marketing, utility, or both.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="What they read when they agreed.")] = None,
    text_version: Annotated[str | None, typer.Option("--text-version", help="Which version of that text.")] = None,
    evidence: Annotated[str | None, typer.Option("--evidence", help="Where the proof is: a JSON object, or an address or a note.")] = None,
    audience: Annotated[str, typer.Option("--audience", help="Label for rows that have none; campaigns draw by it.")] = AUDIENCE,
    as_json: AsJson = False,
) -> None:
    """Import people and their consents; what an option says holds for every row whose own cell is empty.

    It can be repeated: who is known and unchanged stays as is, who asked to stop stays stopped. Rows without the whole proof of consent
    (consent_at, source, purpose, text or text_version, evidence) are stored and never written to. Bad rows go to FILE.bad.csv with the
    column and the reason; the others are imported, and the command exits with 1.
    """
    began = time.perf_counter()
    proof = Proof(source=source, purpose=purpose, text=text, text_version=text_version, evidence=_evidence(evidence))
    sheet = _read(file, proof, shown=not as_json)
    bad_file = _write_bad(file, sheet.bad)
    with progress("storing", None, shown=not as_json):
        report = do(lambda act: _store(act, sheet, audience))
    _show(report, time.perf_counter() - began, bad_file, as_json)
    if sheet.ignored_columns and not as_json:
        warn(f"columns that nobody reads: {', '.join(sheet.ignored_columns)}; known are {', '.join(COLUMNS)}")
    if bad_file:
        fail(f"{plural(len(sheet.bad), 'row')} not imported, {_first(sheet.bad)}: mend them in {bad_file} and import that file")


async def _store(act: Act, sheet: Sheet, audience: str) -> ImportReport:
    return await store_contacts(act.conn, sheet, audience=audience, seal=act.seal(), at=act.at, by=act.by)


def _read(file: Path, proof: Proof, *, shown: bool) -> Sheet:
    try:
        total = _count_lines(file)
        with file.open(encoding="utf-8", newline="") as stream, progress("reading", total, shown=shown) as bar:
            return read_contacts(stream, proof, at=SystemClock().now(), progress=bar.reach)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from None
    except Wrong as error:
        raise Wrong(f"{file}: {error}", mend=error.mend) from None


def _count_lines(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(1 for _ in stream)


def _write_bad(file: Path, bad: tuple[BadRow, ...]) -> Path | None:
    """The rows that were not imported, with line, column and reason, ready to be mended and imported. Written before anything is stored."""
    path = file.with_name(f"{file.name}.bad.csv")
    if not bad:
        return None
    columns = list(dict.fromkeys(name for row in bad for name in row.cells)) or ["phone"]
    names = [*columns, *(name for name in ADDED_COLUMNS if name not in columns)]
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it names people
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows({**row.cells, "line": row.line, "column": row.column or "", "reason": row.reason} for row in bad)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror or error}), so nothing was imported: {_first(bad)}") from None
    return path


def _first(bad: tuple[BadRow, ...]) -> str:
    row = bad[0]
    return f"the first in line {row.line}{f', column {row.column}' if row.column else ''}: {row.reason}"


def _show(report: ImportReport, wall_s: float, bad_file: Path | None, as_json: bool) -> None:
    value: dict[str, Any] = {name: getattr(report, name) for name in COUNTS}
    value |= {"bad": len(report.bad), "wall_s": round(wall_s, 3), "rows_per_s": round(report.read / wall_s, 1)}
    if as_json:
        print_json({**value, "bad_file": str(bad_file) if bad_file else None, "ignored_columns": report.ignored_columns})
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
    print_facts("Import", {**facts, "took": f"{wall_s:.1f} s, {value['rows_per_s']:,.0f} rows/s"})


def _evidence(text: str | None) -> Mapping[str, Any]:
    """A JSON object, or a plain note."""
    if not text:
        return {}
    if not text.lstrip().startswith("{"):
        return {"note": text}
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Misused('--evidence is not a JSON object: write it like \'{"form": "site"}\', or as plain text') from None


# ------------------------------------------------------------------ one person

for command in (rights.show, rights.export, rights.erase, rights.request, rights.requests, rights.answer, rights.engagement):
    app.command()(command)
