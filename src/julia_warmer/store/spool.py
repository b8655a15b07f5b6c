"""A folder in which sealed webhook bodies wait while the database is away: each a file of its own, whole or not there at all.

A file is written under a name that is never read, synced, renamed, and the folder synced. It must not know what the bodies say.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from julia_warmer.core.errors import WarmerError

SLOTS_MAX = 64  # processes that keep spools in one place
SUFFIX, PART = ".webhook", ".part"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpoolUnusable(WarmerError):  # noqa: N818 - a fact, as the reader meets it
    """The spool's folder cannot be written."""


class SpoolFull(WarmerError):  # noqa: N818 - a fact, as the reader meets it
    """The spool holds as much as it may."""


@dataclass(frozen=True, slots=True, order=True)
class Spooled:
    """A body that waits: `nth` in the order of arrival."""

    nth: int
    received_at: datetime
    size: int

    @property
    def name(self) -> str:
        return f"{self.nth:012d}-{(self.received_at - EPOCH) // timedelta(microseconds=1)}{SUFFIX}"


class SpoolFolder:
    """One process's folder, locked for its life. `id` is kept in it, and outlives the process."""

    def __init__(self, folder: Path, lock: int, *, bytes_max: int, count_max: int) -> None:
        self.folder = folder
        self._lock = lock
        self._books = threading.Lock()  # one thread may write while another reads or removes
        self._bytes_max = bytes_max
        self._count_max = count_max
        self._tidy_up()
        self._waiting = {one.name: one for one in _found(folder)}
        self._bytes = sum(one.size for one in self._waiting.values())
        self._next = max((one.nth for one in self._waiting.values()), default=0) + 1
        self.id = self._own_id()

    @classmethod
    def open(cls, root: Path, *, bytes_max: int, count_max: int) -> "SpoolFolder":
        """The first folder under `root` that no living process has: after a crash the same again. Raises SpoolUnusable with the mend."""
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for nth in range(1, SLOTS_MAX + 1):
                folder = root / str(nth)
                folder.mkdir(exist_ok=True, mode=0o700)
                lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                    continue
                found = cls(folder, lock, bytes_max=bytes_max, count_max=count_max)
                found._try_out()
                return found
        except OSError as error:
            mend = "give this account the right to write there, make room, or choose another WARMER_SPOOL_DIR"
            raise SpoolUnusable(f"the spool {root} cannot be written ({error.strerror or error}): {mend}") from None
        raise SpoolUnusable(f"{SLOTS_MAX} processes keep their spools in {root}: choose another WARMER_SPOOL_DIR for this one")

    def close(self) -> None:
        """Give the folder free. What waits in it stays."""
        os.close(self._lock)

    @property
    def count(self) -> int:
        return len(self._waiting)

    def waiting(self) -> list[Spooled]:
        """What waits, in the order of its arrival."""
        with self._books:
            return sorted(self._waiting.values())

    def write(self, bodies: Sequence[tuple[datetime, bytes]]) -> None:
        """Keep these bodies: when this returns they outlive a power cut. Raises SpoolFull or OSError: then none is surely kept."""
        size = sum(len(sealed) for _, sealed in bodies)
        if self._bytes + size > self._bytes_max or len(self._waiting) + len(bodies) > self._count_max:
            raise SpoolFull
        kept = [Spooled(self._next + n, at, len(sealed)) for n, (at, sealed) in enumerate(bodies)]
        self._next += len(bodies)
        try:
            for one, (_, sealed) in zip(kept, bodies, strict=True):
                _write_synced(self.folder / (one.name + PART), sealed)
            for one in kept:
                (self.folder / (one.name + PART)).rename(self.folder / one.name)
                with self._books:
                    self._waiting[one.name] = one
                    self._bytes += one.size
            _sync_folder(self.folder)
        finally:
            for one in kept:
                with suppress(OSError):
                    (self.folder / (one.name + PART)).unlink(missing_ok=True)

    def read(self, one: Spooled) -> bytes:
        """Raises OSError."""
        return (self.folder / one.name).read_bytes()

    def remove(self, done: Sequence[Spooled]) -> None:
        """Forget what is in the database by now. A file that comes back after a power cut is only another repeat."""
        for one in done:
            (self.folder / one.name).unlink(missing_ok=True)
            with self._books:
                if self._waiting.pop(one.name, None):
                    self._bytes -= one.size

    def _tidy_up(self) -> None:
        """Halves of files that a process had no time to finish: nobody was told that they are kept."""
        for path in self.folder.glob("*" + PART):
            path.unlink(missing_ok=True)

    def _own_id(self) -> str:
        path = self.folder / "id"
        with suppress(FileNotFoundError):
            if found := path.read_text("ascii").strip():
                return found
        _write_synced(path.with_suffix(PART), secrets.token_hex(6).encode())
        path.with_suffix(PART).rename(path)
        _sync_folder(self.folder)
        return path.read_text("ascii").strip()

    def _try_out(self) -> None:
        path = self.folder / ("try" + PART)
        _write_synced(path, b"try")
        path.unlink()


def _found(folder: Path) -> list[Spooled]:
    return [_parsed(path) for path in folder.glob("*" + SUFFIX)]


def _parsed(path: Path) -> Spooled:
    nth, _, micros = path.name.removesuffix(SUFFIX).partition("-")
    return Spooled(int(nth), EPOCH + timedelta(microseconds=int(micros)), path.stat().st_size)


def _write_synced(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
