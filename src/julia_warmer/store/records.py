"""A decision with its snapshot as the table keeps them: one JSON text, deflated against a text that holds what all of them have in common.

A tenth of the size, and cheaper to write than the same as jsonb. It must not know what a decision means.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from julia_warmer.core.model import Decision, Snapshot
from julia_warmer.store.errors import StoreError

# What is written today is deflated against the last one. A stored record names its text by checksum, so none may ever change or go.
DICTIONARIES = tuple(path.read_bytes() for path in sorted((Path(__file__).parent / "records").glob("*.txt")))
BY_CHECKSUM = {zlib.adler32(dictionary): dictionary for dictionary in DICTIONARIES}
LEVEL, WINDOW_BITS, MEMORY = 2, 14, 5  # a small state, because it is copied for each record; 2 is smaller than 1 here, and quicker
DEFLATE = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY, zlib.Z_DEFAULT_STRATEGY, DICTIONARIES[-1])
CHECKSUM = slice(2, 6)  # where the format (RFC 1950) names the dictionary
TEXTS_MAX = 1 << 14

# Terms and gates are made once per value (core/health, core/evidence), so the same ones come again: their texts, by identity. Each is kept
# with its value, or another value might get its identity.
_texts: dict[int, tuple[object, orjson.Fragment]] = {}


class RecordBroken(StoreError):  # noqa: N818 - as SealBroken
    """A stored decision cannot be read: its bytes are not whole, or a later version wrote it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A snapshot and the decision on it, as they were written."""

    snapshot: dict[str, Any]
    decision: dict[str, Any]

    @classmethod
    def from_stored(cls, data: bytes) -> "Recorded":
        """Raises RecordBroken."""
        return cls(**unpack_record(data))


def pack_record(snapshot: Snapshot, decision: Decision) -> bytes:
    """A decision with what it was decided from, as the table keeps them."""
    return deflated({"snapshot": snapshot, "decision": _told(decision)})


def decision_text(decision: Decision | dict[str, Any]) -> bytes:
    """A decision's text as a record holds it, byte for byte; one that was unpacked gives the text that it was unpacked from."""
    return orjson.dumps(_told(decision) if isinstance(decision, Decision) else decision)


def _told(decision: Decision) -> dict[str, Any]:
    health = decision.health
    return {
        "at": decision.at,
        "chip_id": decision.chip_id,
        "policy": decision.policy,
        "state": decision.state,
        "health": {"score": health.score, "terms": [*map(_text_of, health.terms)]},
        "budget": decision.budget,
        "gates": [*map(_text_of, decision.gates)],
        "alarms": decision.alarms,
        "changes": decision.changes,
        "reasons": decision.reasons,
        "look_again_at": decision.look_again_at,
    }


def deflated(record: dict[str, Any]) -> bytes:
    """Any record, as `unpack_record` reads it."""
    deflate = DEFLATE.copy()
    return deflate.compress(orjson.dumps(record)) + deflate.flush()


def _text_of(value: object) -> orjson.Fragment:
    """A term or a gate as JSON."""
    if (kept := _texts.get(id(value))) is not None:
        return kept[1]
    if len(_texts) >= TEXTS_MAX:
        _texts.clear()
    text = orjson.Fragment(orjson.dumps(value))
    _texts[id(value)] = value, text
    return text


def unpack_record(data: bytes) -> dict[str, dict[str, Any]]:
    """What was packed. Raises RecordBroken."""
    dictionary = BY_CHECKSUM.get(int.from_bytes(data[CHECKSUM], "big"))
    if dictionary is None:
        raise RecordBroken("a stored decision needs a dictionary that this version does not have")
    inflate = zlib.decompressobj(zdict=dictionary)
    try:
        text = inflate.decompress(data)
        if not inflate.eof:  # only then its checksum was compared
            raise RecordBroken("a stored decision is not whole")
        return orjson.loads(text)
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise RecordBroken(f"a stored decision cannot be read: {error}") from error
