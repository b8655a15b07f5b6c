"""What a person sees and does after a restore, at the command line."""

import asyncio
from datetime import UTC, datetime

import asyncpg

from julia_warmer.store import holds
from julia_warmer.store.holds import HoldKind
from tests.cli.conftest import Warmer
from tests.conftest import Database

AT = datetime(2026, 6, 1, 14, tzinfo=UTC)


async def _hold(db: Database, holder: str) -> None:
    connection = await asyncpg.connect(db.dsn, server_settings={"search_path": "warmer"})
    try:
        async with connection.transaction():
            await holds.put_hold(connection, HoldKind.RESTORE, holder, reason="a test put it", at=AT)
    finally:
        await connection.close()


def test_a_hold_is_shown_with_its_mend_and_released_with_a_reason(on_database: Warmer, db: Database):
    warmer = on_database
    assert "nothing is held" in warmer("reconcile").out
    assert "nothing is held after a restore" in warmer("release", "--restore", "--why", "x").line
    asyncio.run(_hold(db, "status"))
    assert "warmer release --restore" in warmer("stop", "--list").err
    checks = {check["check"]: check for check in warmer("doctor", "--json").json["checks"]}
    assert (checks["held"]["state"], checks["held"]["found"]) == ("fail", "nothing is sent: a test put it")
    assert warmer("reconcile", "--json").json["held"][0]["holder"] == "status"
    assert "say why" in warmer("release", "--restore").line
    assert "--people everybody" in warmer("release", "--restore", "--why", "compared").line
    assert "sending goes on" in warmer("release", "--restore", "--why", "compared", "--people", "everybody").out
    assert warmer("stop", "--list").err == ""
