"""`warmer policy apply`, `list`, `withdraw` and `show --applied`; `warmer chips override`."""

from pathlib import Path

from julia_warmer.store.db import transaction
from tests.cli.conftest import Warmer
from tests.cli.test_policy_replay import run
from tests.conftest import Database
from tests.engine.crowd import add_fleet

MINE = 'name = "mine"\nextends = "standard"\n[phases.expansion]\ncap_day_max = 20  # calmer\n'


async def test_a_policy_is_applied_told_and_taken_back(db: Database, on_database: Warmer, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    assert "in force: standard@" in (await run(on_database, "policy", "list")).out.lower()
    said = await run(on_database, "policy", "apply", str(file), "--why", "calmer", "--at", "2099-01-01", "--simulate", "2", "--json")
    assert said.code == 0, said.err
    assert said.json["differs"] == [{"key": "phases.expansion.cap_day_max", "before": 30, "now": 20}]
    assert {one["scenario"] for one in said.json["effect"]["simulated"]} == {"mixed", "good"}
    listed = (await run(on_database, "policy", "list", "--json")).json
    assert (listed["in_force"].split("@")[0], listed["changes"][0]["why"], listed["changes"][0]["effect"]["runs"]) == (
        "standard",
        "calmer",
        2,
    )
    assert "to come" in (await run(on_database, "policy", "list")).out
    assert (await run(on_database, "policy", "withdraw", "1", "--why", "no")).code == 0
    assert "withdrawn by operator: no" in (await run(on_database, "policy", "list")).out
    assert "no change 1 to come" in (await run(on_database, "policy", "withdraw", "1", "--why", "no")).line
    said = await run(on_database, "policy", "apply", str(file), "--why", "calmer", "--simulate", "0")
    assert "is in force from" in said.out
    await db.owner.execute("update warmer.policy_changes set valid_from = valid_from - interval '1 hour'")
    shown = (await run(on_database, "policy", "show", "--applied")).out
    assert "cap_day_max = 20  # calmer" in shown
    assert (await run(on_database, "policy", "show", "--applied", "standard")).code == 2
    assert "too soon" in (await run(on_database, "policy", "apply", "cautious", "--why", "x", "--at", "2020-01-01", "--simulate", "0")).line


async def test_a_chip_gets_rules_of_its_own_and_loses_them(db: Database, on_database: Warmer, tmp_path: Path) -> None:
    async with transaction(db.pool) as conn:
        await add_fleet(conn)
    file = tmp_path / "one.toml"
    file.write_text("[phases.expansion]\ncap_day_max = 12\n")
    said = await run(on_database, "chips", "override", "one-1", str(file), "--why", "young", "--json")
    assert said.code == 0, said.err
    assert said.json["rules"] == [{"key": "phases.expansion.cap_day_max", "own": 12, "policy": 30}]
    assert "Set by operator" in (await run(on_database, "chips", "override", "one-1")).out
    file.write_text("[phases.expansion]\ncap_day_max = 48\n")
    assert "must be at most 45" in (await run(on_database, "chips", "override", "one-1", str(file), "--why", "more")).line
    assert (await run(on_database, "chips", "override", "one-1", str(file))).code == 2
    assert (await run(on_database, "chips", "override", "one-1", "--end", "--why", "grown", "--json")).json["rules"] == []
    assert "no rules of its own" in (await run(on_database, "chips", "override", "one-1", "--end", "--why", "grown")).line
