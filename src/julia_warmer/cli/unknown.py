"""`warmer unknown`."""

from typing import Annotated

import typer

from julia_warmer.cli.forms import AsJson, Why, group
from julia_warmer.cli.naming import LIST_MAX
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_rows, tell
from julia_warmer.engine import control
from julia_warmer.store import views

app = group("Sends of which nobody knows whether Meta took them.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show them, oldest first. A status webhook settles most within minutes; what stays is for a person."""

    async def work(act: Act) -> list[views.UnknownSend]:
        return await views.list_unknown(act.conn, limit=LIST_MAX)

    columns = {
        "send": lambda row: row.id,
        "chip": lambda row: row.chip,
        "to": lambda row: row.phone,
        "kind": lambda row: row.kind,
        "called (UTC)": lambda row: row.called_at,
        "why": lambda row: row.reason,
    }
    print_rows(do(work), columns, title="Unknown sends", as_json=as_json, empty="none")


@app.command()
def resolve(
    send: Annotated[int, typer.Argument(help="A send's id.", show_default=False)],
    was_sent: Annotated[bool, typer.Option("--was-sent/--was-not-sent", help="What you found out.", show_default=False)],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Say what became of a send. It is never sent again by itself, either way."""

    async def work(act: Act) -> None:
        await control.resolve_unknown(act.conn, send, was_sent, by=act.by, why=why, at=act.at)

    do(work)
    outcome = "was sent" if was_sent else "was not sent"
    tell({"send": send, "outcome": outcome}, f"send {send}: {outcome}", as_json=as_json)
