"""The append-only record of what the sandbox accepted, and of what happened to people. It judges nothing: see `auditor`.

"Sent" means in this ledger, never what our own database says.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson


class Ledger:
    """Rows in the order in which they happened. `seq` counts from 1; a row is never changed.

    Kinds of rows: `accepted` (a message was taken), `delivered`, `failed`, `asked_to_stop` (a person said so), `stop_heard` (the webhook
    that carried it was answered 200), `limit` (the portfolio got another one), `complained` (blocked, reported, muted).
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lines: list[bytes] = []
        self._file = open(path, "ab", buffering=0) if path else None  # noqa: SIM115 - closed by `close`
        self.counts: dict[str, int] = {}

    @property
    def seq(self) -> int:
        """The number of the newest row; 0 before the first."""
        return len(self._lines)

    def append(self, kind: str, row: Mapping[str, Any]) -> int:
        """Add a row; with a file, it is on disk when this returns. The row's number."""
        line = orjson.dumps({"seq": self.seq + 1, "kind": kind, **row})
        if self._file is not None:
            self._file.write(line + b"\n")
            os.fsync(self._file.fileno())
        self._lines.append(line)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.seq

    def lines(self, *, after: int = 0) -> list[bytes]:
        """Rows behind number `after`, each as JSON."""
        return self._lines[after:]

    def rows(self, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Rows behind number `after`, read."""
        return (orjson.loads(line) for line in self.lines(after=after))

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None
