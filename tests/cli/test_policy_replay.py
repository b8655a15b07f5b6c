"""`warmer policy replay` on a database that holds a chip's life."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from julia_warmer.store.db import transaction
from julia_warmer.store.records import pack_record
from tests.cli.conftest import Ran, Warmer
from tests.conftest import Database
from tests.engine.crowd import add_fleet
from tests.engine.test_replay import lived, record


async def run(command: Warmer, *words: str) -> Ran:
    """A command has an event loop of its own."""
    return await asyncio.to_thread(command, *words)


async def test_it_says_how_many_came_out_the_same_and_exits_with_1_when_one_did_not(db: Database, on_database: Warmer) -> None:
    life = lived(6)
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn), life)
    said = await run(on_database, "policy", "replay", "--chip", "one-1", "--json")
    assert (said.code, said.json["same"]) == (0, len(life.decisions))
    wrong = replace(life.decisions[9], reasons=("nobody said so",))
    changed = pack_record(life.snapshots[9], wrong)
    await db.pool.execute("update decisions set record = $1 where at = $2", changed, wrong.at)
    said = await run(on_database, "policy", "replay")
    assert said.code == 1
    assert "nobody said so" in said.out
    said = await run(on_database, "policy", "replay", "--rebuild")  # these messages were never stored
    assert said.code == 1
    assert "The first that differs: chip, " in said.out
    assert (await run(on_database, "policy", "replay", "--rebuild", "--policy", "cautious")).code == 2


async def test_it_shows_where_another_policy_parts(db: Database, on_database: Warmer) -> None:
    life = lived(14)
    async with transaction(db.pool) as conn:
        await record(conn, await add_fleet(conn), life)
    since = (life.snapshots[-1].at - timedelta(days=12)).date().isoformat()
    said = await run(on_database, "policy", "replay", "--policy", "cautious", "--since", since)
    assert said.code == 0, said.err
    assert "Where the policies part" in said.out
    said = await run(on_database, "policy", "replay", "--policy", "cautious", "--json")
    assert said.json["chips"][0]["held_back"] > 0
