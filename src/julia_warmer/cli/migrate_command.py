"""`warmer migrate`."""

from typing import Annotated

import typer

from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.opening import opened_database, run
from julia_warmer.cli.output import print_json, print_rows, say
from julia_warmer.clock import SystemClock
from julia_warmer.config import load_settings
from julia_warmer.store import db
from julia_warmer.store import migrate as store


def migrate(
    status: Annotated[bool, typer.Option("--status", help="Only show what is applied and what is missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema up to date. Runs as the role of WARMER_OWNER_DATABASE_URL; the embedded database needs no call."""
    if status:
        _show(run(_status()), as_json)
        return
    applied = run(_migrate())
    if as_json:
        print_json({"applied": [migration.file for migration in applied]})
    else:
        say("\n".join(f"applied {migration.file}" for migration in applied) or "nothing to do: the schema is up to date")


async def _migrate() -> tuple[store.Migration, ...]:
    async with opened_database(load_settings()) as addresses:
        connection = await db.connect(addresses.owner, application_name="warmer migrate")
        try:
            return await store.migrate(connection, at=SystemClock().now())
        finally:
            await connection.close()


async def _status() -> tuple[store.Status, ...]:
    async with opened_database(load_settings()) as addresses:
        connection = await db.connect(addresses.app, application_name="warmer migrate")
        try:
            return await store.status(connection)
        finally:
            await connection.close()


def _show(rows: tuple[store.Status, ...], as_json: bool) -> None:
    if as_json:
        print_json([{"number": row.migration.number, "file": row.migration.file, "applied_at": row.applied_at} for row in rows])
        return
    columns = {"migration": lambda row: row.migration.file, "applied (UTC)": lambda row: row.applied_at or "not yet"}
    print_rows(rows, columns, title="Migrations", as_json=False)
