"""The journal: which attempts have begun, remembered in files outside the database, so that a restored backup is noticed and made good.

A line is written after the attempt's commit and before its request: what stands here and not in the database was forgotten by it. It
must not know what follows from that. One folder for each database, one file for each UTC day, shared by the processes of a machine.
"""

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson

from julia_warmer.core.errors import WarmerError
from julia_warmer.store.attempts import Call
from julia_warmer.store.seal import Seal, SealBroken

KEPT_D = 35  # a backup that is older than this cannot be made good
PHONE_USE = "journal.phone"
BLOCK_BYTES = 1 << 20


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


@dataclass(slots=True)
class Journal:
    """The journal of one database on this machine. `folder` need not exist yet."""

    folder: Path
    seal: Seal
    _day: date | None = None
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
        self._append(b"\n".join([*lines, b""]), at=at)

    def mark(self, *, at: datetime) -> None:
        """Everything before this line was compared with the database, and made good."""
        self._append(orjson.dumps({"compared": at}) + b"\n", at=at)

    def check(self, *, at: datetime) -> None:
        """Raise JournalError when it cannot be written."""
        try:
            self._open(at.astimezone(UTC).date())
        except OSError as error:
            raise JournalError(f"the journal in {self.folder} cannot be written: {error}; free the disk, or mend its rights") from error

    def newest_first(self, most: int) -> Iterator[list[Entry]]:
        """The entries since the last mark in lists of up to `most`, newest first. A line that was cut off by a crash is left out."""
        batch: list[Entry] = []
        for line in self._lines():
            said = _read(line)
            if said is None:
                continue
            if "compared" in said:
                break
            if (entry := self._entry(said)) is not None:
                batch.append(entry)
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch

    def reaches_back_to(self) -> date | None:
        """The first day that it knows of; None: it is empty."""
        days = self._days()
        return date.fromisoformat(days[0].stem) if days else None

    def forget(self, *, at: datetime) -> None:
        """Drop the files of days that are older than any backup that could be made good."""
        last = at.astimezone(UTC).date() - timedelta(days=KEPT_D)
        for path in self._days():
            if date.fromisoformat(path.stem) < last:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = -1, None

    def _append(self, lines: bytes, *, at: datetime) -> None:
        written = os.write(self._open(at.astimezone(UTC).date()), lines)
        if written != len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes were written: is the disk full?")

    def _open(self, day: date) -> int:
        if self._day != day:
            self.close()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.folder / f"{day}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._day = day
        return self._file

    def _days(self) -> list[Path]:
        return sorted(self.folder.glob("????-??-??.jsonl"))

    def _lines(self) -> Iterator[bytes]:
        for path in reversed(self._days()):
            yield from _backwards(path)

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
