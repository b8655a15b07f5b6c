"""The steps of README and docs/going-live.md, one after the other, against a sandbox in a process of its own."""

import csv
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Warmer, started

WABA, BUSINESS, TOKEN = "10000000000001", "70000000000001", "sandbox-token-1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A sandbox with three numbers and sixty people, for all tests of this file: its address, and the people's CSV."""
    folder = tmp_path_factory.mktemp("sandbox")
    people = folder / "people.csv"
    words = ["sandbox", "--port", "0", "--contacts", "60", "--people-file", str(people)]
    with started(*words, WARMER_CONFIG_DIR=str(folder), WARMER_DATA_DIR=str(folder)) as process:
        yield process.read_until(r"SANDBOX_URL=(\S+)")[1], people


@pytest.fixture
def account(on_database: Warmer, running: tuple[str, Path], folders: Path, monkeypatch: pytest.MonkeyPatch) -> Warmer:
    """The database with a portfolio and an account, and the sandbox in Meta's place."""
    monkeypatch.setenv("WARMER_SANDBOX_URL", running[0])
    (folders / "token").write_text(f"{TOKEN}\n")
    assert on_database("portfolios", "add", "--business-id", BUSINESS, "--name", "Julia", "--json").json == {"id": 1}
    assert on_database("accounts", "add", "--waba", WABA, "--token-file", folders / "token").code == 0
    return on_database


def test_the_way_from_nothing_to_a_started_chip(account: Warmer, running: tuple[str, Path]):
    warmer = account
    numbers = warmer("accounts", "numbers", WABA, "--json").json
    assert [(row["status"], row["is_pin_enabled"]) for row in numbers] == [("CONNECTED", True)] * 3

    added = warmer("chips", "add", "--all", "--json").json
    assert (len(added["added"]), added["known"]) == (3, [])
    assert warmer("chips", "add", "--all", "--json").json["added"] == []

    name = added["added"][0]["name"]
    refused = warmer("chips", "start", name)
    assert (refused.code, "set where inbound messages go" in refused.line) == (1, True)
    assert warmer("routes", "add", "--page", "--json").json["chips"] == [row["name"] for row in added["added"]]

    imported = warmer("contacts", "import", running[1], "--json").json
    assert (imported["read"], imported["imported"], imported["no_consent"], imported["bad"]) == (60, 60, 0, 0)

    templates = warmer("templates", "sync", "--json").json
    assert {row["status"] for row in templates} == {"APPROVED"}
    campaign = ["--template", "convite_plantao", "--audience", "chip-01", "--purpose", "marketing", "--parameter", "{name}"]
    assert warmer("campaigns", "add", *campaign, "--json").json["name"] == "convite_plantao-chip-01"

    assert warmer("chips", "start", name, "--json").json == {"chip": name, "status": "warming", "phase": "setup"}
    plan = warmer("plan", "--json").json
    assert [(row["chip"], row["sends"]) for row in plan["chips"] if row["chip"] == name] == [(name, 0)]
    assert plan["people_needed"]["until_ready"] > 100
    assert sum(row["people"] for row in plan["people"]) == 60
    explained = warmer("explain", "chip", name, "--json").json
    assert (explained["chip"]["status"], explained["stops"], explained["explained"]) == ("warming", [], None)
    assert "nothing was decided about it yet" in warmer("explain", "chip", name).out.lower()
    shown = warmer("chips", "list", "--json").json
    assert [row["status"] for row in shown] == ["warming", "pending", "pending"]


def test_a_warm_number_is_imported_where_it_stands(account: Warmer):
    number = account("accounts", "numbers", WABA, "--json").json[0]["id"]
    words = ["chips", "add", "--number", number, "--name", "old-one", "--phase", "operation", "--active"]
    assert "needs a reason" in account(*words).line
    assert "answering route" in account(*words, "--why", "in use since March").line
    assert account("routes", "add", "--webhook", "https://julia.example.com/whatsapp").code == 0
    assert account(*words, "--why", "in use since March", "--route", "webhook").code == 0
    (chip,) = account("chips", "list", "--json").json
    assert (chip["name"], chip["status"], chip["phase"]) == ("old-one", "active", "operation")


def test_a_chip_is_paused_resumed_and_retired_with_a_reason_in_the_history(account: Warmer, db: Any):
    account("chips", "add", "--all")
    account("routes", "add", "--page")
    assert account("chips", "start", "1").code == 0
    for command, status in (("pause", "paused"), ("resume", "warming"), ("retire", "retired")):
        assert account("chips", command, "1", "--why", f"to {command}", "--json").json["status"] == status
    assert account("chips", "resume", "1", "--why", "x").line.endswith("the chip is retired, not paused")
    assert "there is no chip 'nobody'" in account("chips", "pause", "nobody", "--why", "x").line


SCOPES = [("everything", None), ("portfolio", "Julia"), ("account", WABA), ("chip", "1")]


@pytest.mark.parametrize(("scope", "name"), SCOPES)
def test_a_stop_holds_until_it_is_released(account: Warmer, scope: str, name: str | None):
    account("chips", "add", "--all")
    words = [scope, *([name] if name else [])]
    assert account("stop", *words, "--why", "wrong text", "--json").json["new"] is True
    assert account("stop", *words, "--why", "wrong text", "--json").json["new"] is False
    (stop,) = account("stop", "--list", "--json").json
    assert (stop["scope"], stop["reason"], stop["by"]) == (scope, "wrong text", "operator")
    assert account("release", *words, "--why", "mended").code == 0
    assert account("stop", "--list", "--json").json == []
    assert account("release", *words, "--why", "mended").code == 1


def test_a_token_is_tried_before_it_is_stored(account: Warmer, folders: Path, monkeypatch: pytest.MonkeyPatch):
    (folders / "token").write_text("sandbox-of-nobody")
    assert "code 190" in account("accounts", "token", WABA, "--token-file", folders / "token").line
    assert "only `sandbox-` tokens" in _given(account, folders, "EAAG" + "x" * 40).line
    monkeypatch.delenv("WARMER_SANDBOX_URL")
    assert "a token of the sandbox" in _given(account, folders, TOKEN).line


def _given(warmer: Warmer, folders: Path, token: str) -> Any:
    (folders / "token").write_text(token)
    return warmer("accounts", "token", WABA, "--token-file", folders / "token")


def test_a_token_is_in_no_argument_and_in_no_answer(account: Warmer):
    assert TOKEN not in account("accounts", "list", "--json").out
    assert "--token " not in account("accounts", "add", "--help").out


def test_the_doctor_finds_what_is_missing_and_says_the_mend(account: Warmer, monkeypatch: pytest.MonkeyPatch):
    ran = account("doctor", "--json")
    found = {row["check"]: row["state"] for row in ran.json["checks"]}
    assert ran.code == 1
    assert {name for name, state in found.items() if state == "fail"} == {"API key", "app secret", "verify token"}
    assert (found["database"], found["schema"], found["clock"], found["direct connection"]) == ("ok", "ok", "ok", "ok")
    assert found["credentials of Equipe Exemplo 1"] == "ok"
    assert all(row["mend"] for row in ran.json["checks"] if row["state"] != "ok")

    for name, value in (("API_KEY", "k" * 32), ("APP_SECRETS", "s"), ("VERIFY_TOKEN", "t")):
        monkeypatch.setenv(f"WARMER_{name}", value)
    assert account("doctor", "--json").code == 0


def test_the_doctor_finds_keys_that_others_can_read_and_a_token_that_ended(account: Warmer, folders: Path, monkeypatch: pytest.MonkeyPatch):
    os.chmod(folders / "config" / "data.key", 0o644)
    found = {row["check"]: row for row in account("doctor", "--json").json["checks"]}
    assert "chmod 600" in found["configuration folder"]["mend"]

    (folders / "config" / "data.key").unlink()
    found = {row["check"]: row for row in account("doctor", "--json").json["checks"]}
    assert "another data key" in found["credentials of Equipe Exemplo 1"]["found"]


def test_a_new_data_key_loses_nothing_and_the_doctor_knows_the_key_of_the_hashes(account: Warmer, folders: Path):
    def found(check: str) -> str:
        return next((row["state"] for row in account("doctor", "--json").json["checks"] if row["check"] == check), "none")

    assert found("keyed hashes") == "none"
    assert account("contacts", "erase", "+5531987650001", "--why", "asked", "--yes").code == 0
    assert account("keys", "rotate", "--why", "a laptop was lost").code == 0
    assert (found("keyed hashes"), found("credentials of Equipe Exemplo 1"), found("data key")) == ("ok", "ok", "ok")
    (folders / "config" / "data.key.1").unlink()
    assert (found("keyed hashes"), found("credentials of Equipe Exemplo 1")) == ("fail", "fail")


def test_bad_rows_go_to_a_file_that_can_be_mended_and_imported(on_database: Warmer, folders: Path):
    file = folders / "people.csv"
    file.write_text("phone,name,consent_at\n+5531987654321,Ana,2026-05-01\n12,Bia,2026-05-01\n+5511987654321,Caio,31/05/2026\n")
    proof = ["--source", "form", "--purpose", "marketing", "--text-version", "v3", "--evidence", "https://example.com/f"]
    ran = on_database("contacts", "import", file, *proof, "--json")
    assert ran.code == 1
    assert ran.json | {"wall_s": 0, "rows_per_s": 0} == {
        "read": 3,
        "imported": 1,
        "updated": 0,
        "unchanged": 0,
        "repeated": 0,
        "suppressed": 0,
        "no_consent": 0,
        "bad": 2,
        "wall_s": 0,
        "rows_per_s": 0,
        "bad_file": f"{file}.bad.csv",
        "ignored_columns": [],
        "columns": {"phone": "phone", "name": "name", "consent_at": "consent_at"},
        "resumed_rows": 0,
        "dry_run": False,
    }
    assert f"mend them in {file}.bad.csv" in ran.line

    bad = Path(f"{file}.bad.csv")
    rows = list(csv.DictReader(bad.open()))
    assert [(row["line"], row["column"], row["name"]) for row in rows] == [("3", "phone", "Bia"), ("4", "consent_at", "Caio")]
    assert bad.stat().st_mode & 0o077 == 0

    bad.write_text(bad.read_text().replace("31/05/2026", "2026-05-31").replace("12,Bia", "+5521987654321,Bia"))
    again = on_database("contacts", "import", bad, *proof, "--json")
    assert (again.code, again.json["imported"], again.json["bad"]) == (0, 2, 0)


def test_a_person_is_shown_with_the_proof(on_database: Warmer, folders: Path):
    file = folders / "people.csv"
    file.write_text("phone,consent_at\n+5531987654321,2026-05-01\n")
    proof = ["--source", "form", "--purpose", "marketing", "--text-version", "v3", "--evidence", '{"form": "f1"}']
    assert on_database("contacts", "import", file, *proof).code == 0
    shown = on_database("contacts", "show", "31 8765-4321".replace("31 8", "+55 31 98"), "--json").json
    assert (shown["contact"]["phone"], shown["contact"]["may_marketing"]) == ("+5531987654321", True)
    (row,) = shown["consents"]
    assert (row["act"], row["source"], row["evidence"]["form"], row["evidence"]["line"]) == ("granted", "form", "f1", 2)
    assert row["evidence"]["file_sha256"] == sha256(file.read_bytes()).hexdigest()
    assert "nothing is held about" in on_database("contacts", "show", "+5511999999999").line


def test_a_person_is_told_why_nobody_writes_to_them_now(account: Warmer, running: tuple[str, Path]):
    account("contacts", "import", running[1])
    phone = next(csv.DictReader(running[1].open()))["phone"]
    why = account("explain", "contact", phone, "--json").json
    assert (why["binding"]["name"], why["earliest_at"]) == ("campaign", None)
    assert "no campaign of any portfolio draws from the audience 'chip-01'" in account("explain", "contact", phone).out
    nobody = account("explain", "contact", "+5511999999999", "--json").json
    assert (nobody["contact_id"], nobody["binding"]["name"]) == (None, "consent")
    assert account("explain", "contact", "12").code == 2


def test_money_is_limited_and_told(on_database: Warmer):
    on_database("portfolios", "add", "--business-id", "1", "--name", "Julia")
    assert on_database("portfolios", "spend", "Julia", "99.50", "--why", "first month", "--json").json == {"spend_day_max": 99.5}
    found = {row["check"]: row for row in on_database("doctor", "--json").json["checks"]}
    assert (found["prices"]["state"], "warmer prices set" in found["prices"]["mend"]) == ("fail", True)
    assert on_database("prices", "set", "marketing", "0.35", "--since", "2026-10-01").code == 0
    assert on_database("prices", "list", "--json").json == [
        {"category": "marketing", "amount": 0.35, "currency": "BRL", "since": "2026-10-01"}
    ]


def test_what_is_named_wrong_is_said_with_what_there_is(on_database: Warmer):
    assert "there is no account 'x': `warmer accounts list` shows them" in on_database("accounts", "numbers", "x").line
    campaign = ["campaigns", "add", "--template", "x", "--purpose", "marketing"]
    assert "there is no portfolio: add one with `warmer portfolios add`" in on_database(*campaign).line
    for number in (1, 2):
        on_database("portfolios", "add", "--business-id", number, "--name", "Julia")
    assert "2 portfolios are named 'Julia': give the id: 1, 2" in on_database("portfolios", "spend", "Julia", "1", "--why", "x").line
    assert "there is more than one portfolio: name it with --portfolio: 1, 2" in on_database(*campaign).line
    assert on_database("portfolios", "spend", "2", "1", "--why", "x").code == 0
    assert "is there already" in on_database("portfolios", "add", "--business-id", "1", "--name", "x").line
