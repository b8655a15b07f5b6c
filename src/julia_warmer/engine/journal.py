"""The journal: which attempts have begun, who asked to stop and who was erased, remembered in files outside the database, so that a
restored backup is noticed and made good.

A line is written after its commit, and an attempt's before its request: what stands here and not in the database was forgotten by it. It
must not know what follows from that. One folder for each database, shared by the processes of a machine; a file for each UTC day of
attempts and of stops, and one for the erasures, which hold hashes only and are kept for good.
"""

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import orjson
import structlog

from julia_warmer.core.errors import WarmerError
from julia_warmer.core.events import OptOutRequested, OptOutSource
from julia_warmer.store.attempts import Call
from julia_warmer.store.seal import Seal, SealBroken

KEPT_D = 35  # a backup that is older than this cannot be made good
PHONE_USE = "journal.phone"
STOP_USE = "journal.stop"
STOPS = "stops-"  # begins the names of their files: they do not say that this machine knows what was sent
ERASED = "erased.jsonl"
BLOCK_BYTES = 1 << 20
T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)


class JournalError(WarmerError):
    """The journal cannot be written, so nothing may be sent: free the disk, or choose another WARMER_DATA_DIR."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt that began."""

    attempt_id: UUID
    at: datetime
    send_id: int
    phone: str = field(repr=False)
    phone_number_id: str
    campaign_id: int | None
    kind: str
    worker: str


@dataclass(frozen=True, slots=True)
class ErasedEntry:
    """One erasure: the keyed hash, and the contacts that it was."""

    person: str
    contact_ids: tuple[int, ...]
    at: datetime


@dataclass(slots=True)
class Journal:
    """The journal of one database on this machine. `folder` need not exist yet."""

    folder: Path
    seal: Seal
    _name: str = ""
    _file: int = -1

    def write(self, calls: Sequence[Call], *, worker: str, at: datetime) -> None:
        """Remember attempts, in one write. Raises OSError: then their requests must not begin."""
        lines = [
            orjson.dumps(
                {
                    "a": str(call.attempt_id),
                    "at": at,
                    "s": call.send_id,
                    "to": base64.b64encode(self.seal.close(call.phone.encode(), use=PHONE_USE)).decode(),
                    "n": call.phone_number_id,
                    "c": call.campaign_id,
                    "k": call.kind,
                    "w": worker,
                }
            )
            for call in calls
        ]
        self._append(b"\n".join([*lines, b""]), _day_of(at))

    def write_stops(self, requests: Sequence[OptOutRequested], *, at: datetime) -> None:
        """Remember requests to stop that the database holds by now. Raises OSError."""
        lines = [
            orjson.dumps({"at": one.at, "p": one.purpose, "src": one.source, "who": self._close_names(one), "kept": at}) for one in requests
        ]
        self._append(b"\n".join([*lines, b""]), STOPS + _day_of(at))

    def write_erasure(self, person: str, contact_ids: Sequence[int], *, at: datetime) -> None:
        """Remember that somebody was erased. Raises OSError."""
        self._append(orjson.dumps({"person": person, "ids": list(contact_ids), "at": at}) + b"\n", ERASED)

    def mark(self, *, at: datetime) -> None:
        """Everything before this line was compared with the database, and made good."""
        self._append(orjson.dumps({"compared": at}) + b"\n", _day_of(at))

    def mark_stops(self, *, at: datetime) -> None:
        """The same for requests to stop."""
        self._append(orjson.dumps({"compared": at}) + b"\n", STOPS + _day_of(at))

    def check(self, *, at: datetime) -> None:
        """Raise JournalError when it cannot be written."""
        try:
            self._open(_day_of(at))
        except OSError as error:
            raise JournalError(f"the journal in {self.folder} cannot be written: {error}; free the disk, or mend its rights") from error

    def newest_first(self, most: int) -> Iterator[list[Entry]]:
        """The entries since the last mark in lists of up to `most`, newest first. A line that was cut off by a crash is left out."""
        return _in_lists(self._since_mark(self._days(), self._entry), most)

    def stops_newest_first(self, most: int) -> Iterator[list[OptOutRequested]]:
        """The requests to stop since their last mark, likewise."""
        return _in_lists(self._since_mark(self._days(STOPS), self._stop), most)

    def erased_newest_first(self, most: int) -> Iterator[list[ErasedEntry]]:
        """All erasures, likewise."""
        path = self.folder / ERASED
        return _in_lists(self._since_mark([path] if path.exists() else [], _erased), most)

    def reaches_back_to(self) -> date | None:
        """The first day that it knows of; None: it is empty."""
        days = self._days()
        return date.fromisoformat(days[0].stem) if days else None

    def forget(self, *, at: datetime) -> None:
        """Drop the files of days that are older than any backup that could be made good."""
        last = at.astimezone(UTC).date() - timedelta(days=KEPT_D)
        for path in [*self._days(), *self._days(STOPS)]:
            if date.fromisoformat(path.stem.removeprefix(STOPS)) < last:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._name = -1, ""

    def _append(self, lines: bytes, name: str) -> None:
        written = os.write(self._open(name), lines)
        if written != len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes were written: is the disk full?")

    def _open(self, name: str) -> int:
        """The file to append to; the one of attempts stays open for a day."""
        if self._name != name:
            self.close()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._name = name
        return self._file

    def _days(self, prefix: str = "") -> list[Path]:
        return sorted(self.folder.glob(f"{prefix}????-??-??.jsonl"))

    def _since_mark(self, paths: Sequence[Path], read: Callable[[dict[str, object]], T | None]) -> Iterator[T]:
        """What the lines of these files say, newest first, back to the last mark."""
        for path in reversed(paths):
            for line in _backwards(path):
                said = _read(line)
                if said is not None and "compared" in said:
                    return
                if said is not None and (entry := read(said)) is not None:
                    yield entry

    def _close_names(self, one: OptOutRequested) -> str:
        names = orjson.dumps([one.phone, one.user_id, one.message_id])
        return base64.b64encode(self.seal.close(names, use=STOP_USE)).decode()

    def _stop(self, said: dict[str, object]) -> OptOutRequested | None:
        try:
            phone, user_id, message_id = orjson.loads(self.seal.open(base64.b64decode(str(said["who"])), use=STOP_USE))
            return OptOutRequested(
                at=datetime.fromisoformat(str(said["at"])),
                phone=phone,
                user_id=user_id,
                message_id=message_id,
                purpose=str(said["p"]),
                source=OptOutSource(str(said["src"])),
            )
        except (KeyError, ValueError, TypeError, SealBroken):
            return None

    def _entry(self, said: dict[str, object]) -> Entry | None:
        try:
            campaign_id = said["c"]
            return Entry(
                attempt_id=UUID(str(said["a"])),
                at=datetime.fromisoformat(str(said["at"])),
                send_id=int(str(said["s"])),
                phone=self.seal.open(base64.b64decode(str(said["to"])), use=PHONE_USE).decode(),
                phone_number_id=str(said["n"]),
                campaign_id=None if campaign_id is None else int(str(campaign_id)),
                kind=str(said["k"]),
                worker=str(said["w"]),
            )
        except (KeyError, ValueError, SealBroken):
            return None


def remember_stops(journal: Journal | None, stops: Sequence[OptOutRequested], *, at: datetime) -> None:
    """What a backup of today must not forget. The database holds it: a journal that cannot be written costs nobody their 200."""
    if journal is None or not stops:
        return
    try:
        journal.write_stops(stops, at=at)
    except OSError as error:
        log.warning("a request to stop is not in the journal", why=str(error))


def _day_of(at: datetime) -> str:
    return f"{at.astimezone(UTC).date()}.jsonl"


def _erased(said: dict[str, object]) -> ErasedEntry | None:
    ids = said.get("ids")
    try:
        return ErasedEntry(str(said["person"]), tuple(ids) if isinstance(ids, list) else (), datetime.fromisoformat(str(said["at"])))
    except (KeyError, ValueError):
        return None


def _in_lists(entries: Iterator[T], most: int) -> Iterator[list[T]]:
    while batch := list(islice(entries, most)):
        yield batch


def _read(line: bytes) -> dict[str, object] | None:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def _backwards(path: Path) -> Iterator[bytes]:
    """A file's lines, last first, without reading it whole."""
    with path.open("rb") as file:
        left = file.seek(0, os.SEEK_END)
        rest = b""
        while left:
            size = min(BLOCK_BYTES, left)
            left -= size
            file.seek(left)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0]
            yield from (line for line in reversed(lines[1:]) if line)
        if rest:
            yield rest
