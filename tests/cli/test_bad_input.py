"""What people get wrong: each gets one clear line that says the mend, and a code that is not 0."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import KEY, Warmer, finished

NOBODY = "postgresql://warmer@127.0.0.1:1/warmer"
POLICIES = {
    "not TOML": ("name = x", ["not TOML", "line 1"]),
    "no name": ("[evidence]\n", ["needs a name"]),
    "an unknown table": ('name = "x"\nextends = "standard"\n[evidenc]\n', ["no table 'evidenc'", "did you mean 'evidence'"]),
    "an unknown key": ('name = "x"\nextends = "standard"\n[evidence]\npas_at = 1\n', ["[evidence]", "'pas_at'", "did you mean 'pass_at'"]),
    "a value out of range": (
        'name = "x"\nextends = "standard"\n[evidence]\npass_at = 3\n',
        ["[evidence] pass_at = 3", "a number from 0 to 1"],
    ),
    "a value of another kind": (
        'name = "x"\nextends = "standard"\n[gates]\nused_min = "all"\n',
        ["[gates] used_min", "a number from 0 to 1"],
    ),
    "rules that contradict each other": (
        'name = "x"\nextends = "standard"\n[hours]\nopen_h = 21\n',
        ["[hours] open_h must be before close_h"],
    ),
}


@pytest.mark.parametrize(("text", "said"), POLICIES.values(), ids=POLICIES)
def test_a_wrong_policy_file_is_said_with_file_table_key_and_what_is_allowed(warmer: Warmer, folders: Path, text: str, said: list[str]):
    file = folders / "mine.toml"
    file.write_text(text)
    ran = warmer("policy", "check", file)
    assert (ran.code, ran.out) == (1, "")
    assert "mine.toml" in ran.line
    assert [part for part in said if part not in ran.line] == []


def test_a_wrong_policy_stops_what_decides_by_it(on_database: Warmer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WARMER_POLICY", "nope")
    ran = on_database("plan")
    assert ran.code == 1
    assert "nope: no policy of that name (adaptive, cautious, fixed, sprint, standard)" in ran.line


def test_a_wrong_policy_stops_the_servers(folders: Path):
    ran = finished("worker", WARMER_POLICY="nope")
    assert (ran.code, "no policy of that name" in ran.line) == (1, True)


CSVS = {
    "no phone column": (b"name,mail\nAna,a@example.com\n", ["no column `phone`", "known are phone, name"]),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ["old Excel form", "save it as .xlsx"]),
    "half a workbook": (b"PK\x03\x04 and no more", ["workbook cannot be read", "CSV UTF-8"]),
    "nothing in it": (b"", ["no column `phone`"]),
    "a column twice": (b"phone,phone\n", ["twice"]),
}


@pytest.mark.parametrize(("body", "said"), CSVS.values(), ids=CSVS)
def test_a_file_that_is_no_list_of_people_is_refused(warmer: Warmer, folders: Path, body: bytes, said: list[str]):
    file = folders / "people.csv"
    file.write_bytes(body)
    ran = warmer("contacts", "import", file)
    assert (ran.code, ran.out) == (1, "")
    assert [part for part in [str(file), *said] if part not in ran.line] == []


def test_a_file_that_is_not_there_is_said(warmer: Warmer, folders: Path):
    ran = warmer("contacts", "import", folders / "nope.csv")
    assert (ran.code, "nope.csv cannot be read: No such file" in ran.line) == (1, True)


@pytest.mark.parametrize("words", [["chips", "list"], ["plan"], ["stop", "everything", "--why", "x"], ["migrate"], ["api"], ["worker"]])
def test_a_database_that_cannot_be_reached_is_said(folders: Path, words: list[str]):
    ran = finished(*words, WARMER_DATABASE_URL=NOBODY, WARMER_API_KEY=KEY, WARMER_APP_SECRETS="s", WARMER_VERIFY_TOKEN="t")
    assert (ran.code, ran.out) == (1, "")
    assert "127.0.0.1:1" in ran.line
    assert "check WARMER_DATABASE_URL" in ran.line


def test_the_password_of_the_database_is_not_told(folders: Path):
    ran = finished("chips", "list", WARMER_DATABASE_URL=NOBODY.replace("warmer@", "warmer:hunter2@"))
    assert "hunter2" not in ran.out + ran.err


@pytest.mark.parametrize("command", ["up", "api"])
def test_a_missing_secret_is_named_with_its_mend(folders: Path, command: str):
    ran = finished(command)
    assert ran.code == 1
    assert "WARMER_API_KEY is not set" in ran.line
    assert "WARMER_APP_SECRETS is not set" in ran.line
    assert "warmer.env" in ran.line


SETTINGS = {
    "WARMER_API_KEY": ("short", "at least 24 characters"),
    "WARMER_POOL_MAX": ("many", "valid integer"),
    "WARMER_LOG_LEVEL": ("loud", "pattern"),
    "WARMER_PUBLIC_PORT": ("70000", "65535"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_is_named(warmer: Warmer, monkeypatch: pytest.MonkeyPatch, name: str):
    value, said = SETTINGS[name]
    monkeypatch.setenv(name, value)
    ran = warmer("chips", "list")
    assert ran.code == 1
    assert name in ran.line
    assert said in ran.line


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["api", "--port"], "WARMER_PUBLIC_PORT"),
        (["api", "--port", "0", "--internal-port"], "WARMER_INTERNAL_PORT"),
        (["up", "--internal-port", "0", "--port"], "WARMER_PUBLIC_PORT"),
        (["up", "--sandbox", "--internal-port", "0", "--port"], "WARMER_PUBLIC_PORT"),
        (["sandbox", "--port"], "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_taken_port_is_named_with_its_mend(folders: Path, taken_port: int, words: list[str], mend: str):
    ran = finished(*words, taken_port, WARMER_API_KEY=KEY, WARMER_APP_SECRETS="s", WARMER_VERIFY_TOKEN="t")
    assert (ran.code, ran.out) == (1, "")
    assert f"port {taken_port} of 127.0.0.1 cannot be used" in ran.line
    assert mend in ran.line


def test_a_data_folder_that_cannot_be_used_is_said(warmer: Warmer, folders: Path, monkeypatch: pytest.MonkeyPatch):
    (folders / "file").write_text("")
    monkeypatch.setenv("WARMER_DATA_DIR", str(folders / "file" / "data"))
    ran = warmer("chips", "list")
    assert (ran.code, "WARMER_DATA_DIR" in ran.line) == (1, True)
