"""A person's rights at the command line: shown, exported, erased and kept out; requests with their clock; the list by hand."""

import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Warmer

PHONE = "+55 31 98765-4321"
PROOF = ["--source", "form", "--purpose", "marketing", "--text-version", "v3", "--evidence", "f1"]


@pytest.fixture
def person(on_database: Warmer, folders: Path, monkeypatch: pytest.MonkeyPatch) -> Warmer:
    """Somebody is known, and somebody is in charge."""
    monkeypatch.setenv("WARMER_PERSON_IN_CHARGE", "Bia, privacy@example.com")
    (folders / "people.csv").write_text("phone,name,consent_at\n+5531987654321,Marialva,2026-05-01\n")
    assert on_database("contacts", "import", folders / "people.csv", *PROOF).code == 0
    return on_database


def test_all_that_is_held_is_exported_into_a_file_of_the_owners_own(person: Warmer, folders: Path):
    out = folders / "ana.json"
    assert person("contacts", "export", PHONE, "--out", out).code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "Marialva" in out.read_text()
    assert "privacy@example.com" in out.read_text()
    assert "cannot be written" in person("contacts", "export", PHONE, "--out", out).line  # it is there already
    shown = person("contacts", "show", PHONE).out
    assert all(word in shown for word in ("Marialva", "Consents", "v3", "Engagement", "In charge"))


def test_an_erased_person_is_kept_out_until_a_person_lets_the_number_back(person: Warmer, folders: Path):
    done = person("contacts", "erase", PHONE, "--json").json  # nobody is at a terminal here: nobody is asked
    assert (len(done["contact_ids"]), done["person"][:2]) == (1, "h:")
    assert "erased before" in person("contacts", "erase", PHONE, "--yes").out
    assert person("contacts", "import", folders / "people.csv", *PROOF, "--json").json["suppressed"] == 1
    assert [row["source"] for row in person("suppressions", "list", "--phone", PHONE, "--json").json] == ["erasure"]
    journals = list((folders / "data" / "journal").rglob("erased.jsonl"))
    assert [done["person"] in path.read_text() for path in journals] == [True]
    assert "1 suppression lifted" in person("suppressions", "lift", PHONE, "--why", "signed again").out
    assert person("contacts", "import", folders / "people.csv", *PROOF, "--json").json["suppressed"] == 0


def test_requests_are_written_down_listed_and_answered(person: Warmer):
    made = person("contacts", "request", PHONE, "access", "--said", "What do you have?", "--json").json
    assert made["person_in_charge"] == "Bia, privacy@example.com"
    listed = person("contacts", "requests")
    assert all(word in listed.out for word in ("What do you have?", "Bia, privacy@example.com", "access"))
    assert "is closed: done" in person("contacts", "answer", made["id"], "--said", "sent by mail").out
    assert "was closed" in person("contacts", "answer", made["id"], "--said", "again").line
    assert person("contacts", "requests", "--json").json == []


def test_somebody_is_put_on_the_list_by_hand_and_scoring_is_switched_off(person: Warmer):
    assert "gets no more messages" in person("suppressions", "add", PHONE, "--why", "by phone").out
    assert "is none: use marketing or all" in person("suppressions", "add", PHONE, "--why", "x", "--purpose", "utility").line
    assert "asked to stop" in person("explain", "contact", PHONE).out
    assert "Not scored" in person("contacts", "engagement", PHONE, "--off").out
    assert person("contacts", "engagement", PHONE, "--json").json["scored"] is False
