"""The command line for tests: in this process on a fresh database, or as real processes with folders of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from julia_warmer.cli import output
from julia_warmer.cli.root import root
from tests.conftest import Database

PROGRAM = [sys.executable, "-c", "from julia_warmer.cli import main; main()"]
KEY = "k" * 32
WAIT_S = 40


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)

    @property
    def line(self) -> str:
        """The one line of an expected error."""
        assert "Traceback" not in self.err, self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: "), lines
        return lines[0]


Warmer = Callable[..., Ran]


def environment(**env: str) -> dict[str, str]:
    """This process's environment, with these in it."""
    return {**os.environ, **env}  # noqa: TID251 - a child needs all of it


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders and settings of the test's own: nothing of this machine's has a say."""
    for name in [name for name in environment() if name.startswith("WARMER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WARMER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WARMER_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def warmer(folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Warmer:
    """Runs a command in this process."""
    monkeypatch.setattr(output.err, "_width", output.PIPE_WIDTH, raising=False)

    def call(*words: Any) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            root.main([str(word) for word in words], prog_name="warmer")
        said = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(code is not None), said.out, said.err)

    return call


@pytest.fixture
def on_database(warmer: Warmer, db: Database, monkeypatch: pytest.MonkeyPatch) -> Warmer:
    """Runs a command in this process, on the test's own migrated database."""
    monkeypatch.setenv("WARMER_DATABASE_URL", db.dsn)
    monkeypatch.setenv("WARMER_OWNER_DATABASE_URL", db.owner_dsn)
    return warmer


@dataclass(slots=True)
class Process:
    """A command that lasts."""

    popen: "subprocess.Popen[str]"

    def read_until(self, pattern: str) -> re.Match[str]:
        """What it prints, until a line matches."""
        assert self.popen.stdout
        seen: list[str] = []
        for line in self.popen.stdout:
            seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(
            f"it ended with {self.popen.wait()} and said:\n{''.join(seen)}\n{self.popen.stderr and self.popen.stderr.read()}"
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end; its exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(WAIT_S)


@contextmanager
def started(*words: Any, **env: str) -> Iterator[Process]:
    """A command as a process of its own; killed at the end if it still runs."""
    popen = subprocess.Popen(
        [*PROGRAM, *map(str, words)], env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Process(popen)
    finally:
        with suppress(ProcessLookupError):
            popen.kill()
        popen.communicate()


def finished(*words: Any, **env: str) -> Ran:
    """Run a command as a process of its own, to its end."""
    done = subprocess.run([*PROGRAM, *map(str, words)], env=environment(**env), capture_output=True, text=True, timeout=WAIT_S, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)
