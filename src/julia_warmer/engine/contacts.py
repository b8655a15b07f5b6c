"""Merges people and their proven consents into the store, as often as one likes. It sends to nobody and lifts no stop."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from julia_warmer.engine.contacts_csv import BadRow, Proof, open_table
from julia_warmer.engine.import_reader import Batch, Job, Part, read_batches
from julia_warmer.engine.sheets import UTF_8, Look, read_lines
from julia_warmer.store import contacts, erasure
from julia_warmer.store import imports as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.consents import PRIVATE_USE, add_texts
from julia_warmer.store.db import Connection
from julia_warmer.store.imports import Counts
from julia_warmer.store.seal import Seal

AUDIENCE = "all"
AT_ONCE_MAX = 100_000  # rows of one transaction; what is longer is imported as a file, batch by batch


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each row: read = imported + updated + unchanged + repeated + suppressed + bad."""

    read: int
    imported: int  # new people
    updated: int  # known people of whom something changed, or who gave a new consent
    unchanged: int
    repeated: int  # further rows of a person who is in the file already; their consents count
    suppressed: int  # asked us to stop: left as they are
    no_consent: int  # of all stored ones: stored, but without proof, so that nobody writes to them
    bad: int
    bad_rows: tuple[BadRow, ...] = ()  # the first of them
    columns: Mapping[str, str] | None = None
    ignored_columns: tuple[str, ...] = ()
    resumed_rows: int = 0  # of these, how many an earlier run had stored


async def import_contacts(
    conn: Connection,
    stream: Iterable[str],
    *,
    at: datetime,
    by: str,
    seal: Seal,
    source: str | None = None,
    purpose: str | None = None,
    text: str | None = None,
    text_version: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    audience: str = AUDIENCE,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import lines of CSV in the caller's transaction, all or nothing; a long file goes through `engine/imports`.

    What is given here holds for every row whose own cell is empty. Raises Wrong for a file that cannot be used.
    """
    proof = Proof(source=source, purpose=purpose, text=text, text_version=text_version, evidence=evidence or {})
    job = Job(look=Look(b"", 0, 0, UTF_8), proof=proof, at=at, key=seal.key, batch_rows=AT_ONCE_MAX)
    await store.make_staging(conn)
    counts, bad, last = Counts(), list[BadRow](), None
    for batch in await asyncio.to_thread(lambda: list(read_batches(open_table(read_lines(stream), proof, at=at), job))):
        await add_texts(conn, batch.texts)
        counts += await merge(conn, batch.parts[0], again=batch.again, audience=audience, seal=seal, at=at, by=by)
        bad, last = [*bad, *batch.bad], batch
        if progress:
            progress(batch.read)
    assert last is not None
    report = report_of(counts, last, len(bad), bad)
    await record_import(conn, report, at=at, by=by)
    return report


async def merge(
    conn: Connection, part: Part, *, again: bool, audience: str, seal: Seal, at: datetime, by: str, dry_run: bool = False
) -> Counts:
    """Store one batch of people in the caller's transaction, which is to be a short one, and say what became of its rows.

    Opt-outs that come in meanwhile wait or win: what a known person allows is worked out after their lock is taken. `dry_run` only looks.
    """
    if not part.rows:
        return Counts()
    await contacts.share_turn(conn)
    await store.stage(conn, part.staged)
    known = await store.find_known(conn)
    suppressed = await store.drop_stopped(conn, erased=await _erased(conn, seal))
    new = await store.count_new(conn)
    if dry_run:
        added, updated = new, len(await store.list_changing(conn)) if known else 0
    else:
        added = await store.add_new(conn, audience=audience, at=at, by=by) if new else 0
        if added < new:  # somebody else has added some of them meanwhile
            known += await store.find_known(conn)
        more, updated = await _change_known(conn, part, seal=seal, at=at, by=by) if known else (0, 0)
        suppressed += more
    left = await store.count_left(conn)
    if again:
        return Counts(repeated=part.rows - suppressed, suppressed=suppressed, no_consent=-left.late)
    unchanged = left.people - added - updated
    return Counts(imported=added, updated=updated, unchanged=unchanged, suppressed=suppressed, no_consent=left.without)


async def _erased(conn: Connection, seal: Seal) -> list[str]:
    """Whom of the batch no file brings back: they were erased. Costs a hash for each who is new, once anybody was."""
    hashed = await erasure.list_erased_keys(conn)
    return [key for key in await store.list_strange(conn) if seal.pseudonym(key) in hashed] if hashed else []


async def _change_known(conn: Connection, part: Part, *, seal: Seal, at: datetime, by: str) -> tuple[int, int]:
    """Lock whom the batch would change, and change them as things stand then; returns rows whose people had a stop by then, and people."""
    ids = await store.list_changing(conn)
    if not ids:
        return 0, 0
    await store.lock_known(conn, ids)
    await store.find_known(conn, ids)
    suppressed = await store.drop_stopped(conn, ids)
    changed = await store.change_known(conn, ids, at=at)
    missing = await store.list_missing(conn, ids)
    privates = [seal.of_person(one.secret).close(part.evidence[one.place], use=PRIVATE_USE) for one in missing]
    granted = await store.add_missing(conn, [one.place for one in missing], privates, at=at, by=by)
    await contacts.refresh_standing(conn, sorted(granted), at=at)
    return suppressed, len(changed | granted)


def report_of(counts: Counts, last: Batch, bad: int, bad_rows: Iterable[BadRow]) -> ImportReport:
    """The report of a file whose last batch this is."""
    return ImportReport(
        read=last.read,
        imported=counts.imported,
        updated=counts.updated,
        unchanged=counts.unchanged,
        repeated=counts.repeated,
        suppressed=counts.suppressed,
        no_consent=counts.no_consent,
        bad=bad,
        bad_rows=tuple(bad_rows),
        columns=last.columns,
        ignored_columns=last.ignored_columns,
    )


async def record_import(conn: Connection, report: ImportReport, *, at: datetime, by: str, import_id: int | None = None) -> None:
    """Write down who imported, and what came of it."""
    names = ("read", "imported", "updated", "unchanged", "repeated", "suppressed", "no_consent", "bad")
    counts = {name: getattr(report, name) for name in names}
    target = None if import_id is None else f"import:{import_id}"
    await record_act(conn, at=at, who=by, what="contacts imported", target=target, body=counts)
