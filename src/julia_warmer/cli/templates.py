"""`warmer templates`."""

from typing import TYPE_CHECKING, Annotated

import typer

from julia_warmer.cli.errors import CommandError
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.naming import LIST_MAX, find_account
from julia_warmer.cli.opening import Act, do, with_parts
from julia_warmer.cli.output import Columns, plural, print_rows, progress
from julia_warmer.clock import Clock
from julia_warmer.store import db, views

if TYPE_CHECKING:
    from julia_warmer.engine.parts import Parts

app = group("Approved message forms, as Meta has them.")

COLUMNS: Columns = {
    "id": lambda row: row.id,
    "name": lambda row: row.name,
    "language": lambda row: row.language,
    "category": lambda row: row.category,
    "status": lambda row: row.status,
    "quality": lambda row: row.quality,
    "account": lambda row: row.account_id,
    "synced (UTC)": lambda row: row.synced_at,
}


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option("--account", help="Only templates of this account: id, WABA id or name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the templates as they were last synced."""

    async def work(act: Act) -> list[views.Template]:
        account_id = (await find_account(act.conn, account)).id if account else None
        return await views.list_templates(act.conn, account_id=account_id, limit=LIST_MAX)

    print_rows(do(work), COLUMNS, title="Templates", as_json=as_json, empty="none yet; `warmer templates sync` asks Meta")


@app.command()
def sync(as_json: AsJson = False) -> None:
    """Ask Meta for the templates of every account, and show them. A worker does the same by itself, a few times an hour."""
    from julia_warmer.engine import upkeep

    async def work(parts: "Parts", clock: Clock) -> tuple[upkeep.Synced, list[views.Template]]:
        synced = await upkeep.sync_templates(parts, at=clock.now(), max_age_s=0)
        async with db.transaction(parts.pool) as conn:
            return synced, await views.list_templates(conn, limit=LIST_MAX)

    with progress("asking Meta", None, shown=not as_json):
        synced, rows = with_parts(work)
    print_rows(rows, COLUMNS, title="Templates", as_json=as_json)
    if synced.failed:
        raise CommandError(f"{synced.failed} of {plural(synced.accounts, 'account')} could not be read: `warmer alerts` says why")
