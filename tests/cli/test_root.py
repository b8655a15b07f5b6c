"""The command line as such: quick help, true sentences, one line for what was expected to go wrong."""

import subprocess
import sys

import pytest

from julia_warmer.cli.root import ENTRIES, root
from tests.cli.conftest import Warmer, finished

HEAVY = {"asyncpg", "aiohttp", "fastapi", "pydantic", "rich", "uvicorn", "julia_warmer.config", "julia_warmer.store"}


def test_help_imports_nothing_heavy():
    code = "import sys; from julia_warmer.cli.root import root; root.main(['--help'], standalone_mode=False); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(entry.name in said for entry in ENTRIES)
    assert not HEAVY & set(said.split())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_command_s_help_begins_with_the_sentence_of_the_list(entry):
    command = root.load(entry.name)
    assert " ".join((command.help or "").split()).startswith(entry.help)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_and_option_has_help(entry):
    command = root.load(entry.name)
    for inner in getattr(command, "commands", {entry.name: command}).values():
        assert inner.help, inner.name
        assert [param.name for param in inner.params if not param.help] == []


def test_the_version_is_told(warmer: Warmer):
    assert warmer("--version").out.startswith("warmer 0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chipz"], "Did you mean 'chips'"),
        (["chips", "start"], "Missing argument"),
        (["chips", "pause", "x"], "--why"),
        (["plan", "--day", "tomorrow"], "--day"),
        (["stop", "everything"], "say why"),
        (["stop", "chip", "--why", "x"], "needs a name"),
        (["stop"], "say what to stop"),
        (["routes", "add"], "--webhook"),
        (["chips", "add"], "--all"),
        (["portfolios", "spend", "x", "much", "--why", "y"], "no amount"),
        (["prices", "set", "marketing", "much"], "no price"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_says_what_is_meant(warmer: Warmer, words: list[str], said: str):
    ran = warmer(*words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_bug_keeps_its_traceback(folders, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "")
    code = "from julia_warmer.cli import opening, root; opening.do = None; root.root.main(['alerts'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr


def test_a_reader_that_closes_early_is_no_error(folders):
    shell = f"{sys.executable} -c 'from julia_warmer.cli import main; main()' policy show | head -1"
    ran = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr


def test_a_whole_process_answers(folders):
    ran = finished("policy", "check", "standard", "--json")
    assert ran.code == 0
    assert ran.json["name"] == "standard"
    assert ran.json["differs"] == []
