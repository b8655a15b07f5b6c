"""`warmer doctor`: every check, as a table or as JSON."""

from collections.abc import Sequence

import typer
from rich.markup import escape
from rich.table import Table

from julia_warmer.cli.checks import Finding, State, own
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.opening import run
from julia_warmer.cli.output import out, print_json, progress
from julia_warmer.clock import SystemClock
from julia_warmer.config import Settings, load_settings

COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check what going live needs, and say the mend for each.

    It starts nothing but the embedded database, and changes nothing. Exits with 1 when a check fails.
    """
    settings = load_settings()
    with progress("looking", None, shown=not as_json):
        findings = run(_examine(settings))
    _show(findings, as_json=as_json)
    raise typer.Exit(any(finding.state is State.FAIL for finding in findings))


async def _examine(settings: Settings) -> Sequence[Finding]:
    from julia_warmer.cli.checks import database, platform

    clock = SystemClock()
    findings = [*own.check_settings(settings), *own.check_folders(settings), own.check_policy(settings)]
    async with database.examined(settings, clock) as patient:
        findings += patient.findings
        if patient.conn is not None:
            findings += await database.check_rows(patient.conn, at=clock.now())
            findings += await database.check_hashes(patient.conn, settings)
            findings += await platform.check_credentials(patient.conn, settings)
    webhook = await platform.check_webhook(settings)
    return [*findings, webhook] if webhook else findings


def _show(findings: Sequence[Finding], *, as_json: bool) -> None:
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    if as_json:
        print_json({"ok": counts[State.FAIL] == 0, "counts": counts, "checks": findings})
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mend = f"\n[dim]→[/] {escape(finding.mend)}" if finding.mend else ""
        colour = COLOURS[finding.state]
        table.add_row(f"[{colour}]{finding.state}[/]", escape(finding.check), f"{escape(finding.found)}{mend}")
    out.print(table)
    out.print(f"{counts[State.OK]} ok, {counts[State.WARN]} to look at, {counts[State.FAIL]} to mend")
