"""Looks into the spools of a stage from outside, on disk, as a person who has the key could. It never uses the program's own reading."""

import json
from pathlib import Path
from typing import Any

from tests.faults.stage import Stage

KEPT, PART = "*.webhook", "*.part"
USE = "spool.body"


def files(folder: Path) -> list[Path]:
    """What waits in every spool below."""
    return sorted(folder.rglob(KEPT))


def parts(folder: Path) -> list[Path]:
    """What is being written at this moment, or was when its process died."""
    return list(folder.rglob(PART))


def names(stage: Stage, folder: Path) -> set[str]:
    """The ids of the messages in what waits. Raises SealBroken or ValueError for a file that is not whole."""
    found: set[str] = set()
    for path in files(folder):
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:  # drained meanwhile
            continue
        found |= set(_names(json.loads(stage.seal.open(sealed, use=USE))))
    return found


def _names(body: Any) -> list[str]:
    changes = [change for entry in body["entry"] for change in entry["changes"]]
    return [message["id"] for change in changes for message in change["value"].get("messages", [])]
