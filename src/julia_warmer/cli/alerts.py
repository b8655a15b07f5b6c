"""`warmer alerts`."""

from typing import Annotated

import typer

from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_rows, tell
from julia_warmer.engine import setup
from julia_warmer.store import views


def alerts(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most alerts to show.")] = 100,
    close: Annotated[list[int] | None, typer.Option("--close", help="Close this alert: a person has seen to it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Alerts that wait for a person, newest first."""
    if close:
        _close(close, as_json)
        return

    async def work(act: Act) -> list[views.Alert]:
        return await views.list_alerts(act.conn, open_only=not everything, limit=limit)

    columns = {
        "id": lambda row: row.id,
        "at (UTC)": lambda row: row.at,
        "level": lambda row: row.level,
        "chip": lambda row: row.chip,
        "rule": lambda row: row.rule,
        "what": lambda row: row.text,
        "closed by": lambda row: row.closed_by,
    }
    if not everything:
        del columns["closed by"]
    print_rows(do(work), columns, title="Alerts", as_json=as_json, empty="none wait")


def _close(ids: list[int], as_json: bool) -> None:
    async def work(act: Act) -> None:
        for alert_id in ids:
            await setup.close_alert(act.conn, alert_id, at=act.at, by=act.by)

    do(work)
    tell({"closed": ids}, f"closed {', '.join(map(str, ids))}", as_json=as_json)
