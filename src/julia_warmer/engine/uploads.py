"""Files of people that came over the API: kept sealed in the database, carried out by whichever worker is free, resumed by the next one.

The bytes lie in the database and not on a disk, so that any worker on any machine can go on with them; they go when the import is over.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from tempfile import TemporaryFile
from typing import IO

import orjson
import structlog

from julia_warmer.clock import Clock
from julia_warmer.engine.contacts_csv import BadRow
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.engine.imports import BAD_ROWS_USE, Given, begin, resume
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.sheets import Look, look_at
from julia_warmer.engine.wake import Step, wake
from julia_warmer.store import imports as store
from julia_warmer.store.db import Connection
from julia_warmer.store.imports import Counts, Import
from julia_warmer.store.seal import Seal

PIECE_BYTES = 1024 * 1024
GIVEN_USE, PIECE_USE = "imports.given", "import_pieces.body"
WAITING_MAX = 20  # that one look takes

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an import is: rows stored so far, of about so many."""

    found: Import
    counts: Counts
    bad_rows: tuple[BadRow, ...]


async def add_upload(conn: Connection, file: IO[bytes], look: Look, given: Given, *, name: str, seal: Seal, clock: Clock, by: str) -> int:
    """Keep a file for a worker, in the caller's transaction; returns the import's id. The same file, not carried out yet, is kept once."""
    sealed = seal.close(given.to_json(), use=GIVEN_USE)
    import_id, is_new = await begin(conn, look, given, name=name, at=clock.now(), by=by, upload=sealed)
    if is_new:
        for nth, piece in enumerate(_pieces(file)):
            await store.add_piece(conn, import_id, nth, seal.close(piece, use=PIECE_USE))
    await wake(conn, Step.IMPORT)
    return import_id


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece


async def carry_out(parts: Parts, *, clock: Clock) -> bool:
    """Carry out the uploads that wait, oldest first; those that other workers have are left to them. Says whether it carried one out."""
    async with parts.pool.acquire() as conn:
        waiting = await store.list_waiting(conn, limit=WAITING_MAX)
    done = False
    for import_id in waiting:
        try:
            await _carry_out(parts, import_id, clock=clock)
            done = True
        except Conflict:
            continue
        except Wrong as error:
            log.warning("import failed", import_id=import_id, why=str(error))
    return done


async def _carry_out(parts: Parts, import_id: int, *, clock: Clock) -> None:
    with TemporaryFile() as file:  # without a name: it is gone when the process is
        async with parts.pool.acquire() as conn:
            found, sealed = await store.read_import(conn, import_id), await store.read_given(conn, import_id)
            if found is None or sealed is None:
                return
            for nth in count():
                piece = await store.read_piece(conn, import_id, nth)
                if piece is None:
                    break
                file.write(parts.seal.open(piece, use=PIECE_USE))
        file.flush()
        given = Given.from_json(parts.seal.open(sealed, use=GIVEN_USE))
        look = await asyncio.to_thread(look_at, file, given.encoding)
        await resume(parts.pool, import_id, file, look, given, seal=parts.seal, clock=clock, by=found.began_by)


async def read_standing(conn: Connection, import_id: int, *, seal: Seal) -> Standing:
    """How far an import is. Raises NotFound."""
    found = await store.read_import(conn, import_id)
    if found is None:
        raise NotFound(f"there is no import {import_id}", mend="GET /warmer/imports lists them")
    sealed = await store.read_bad_rows(conn, import_id)
    bad = orjson.loads(seal.open(sealed, use=BAD_ROWS_USE)) if sealed else []
    counts = sum((lane.counts for lane in await store.list_lanes(conn, import_id)), Counts())
    return Standing(found, counts, tuple(BadRow(**row) for row in bad))
