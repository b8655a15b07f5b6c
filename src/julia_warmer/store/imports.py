"""Typed calls for imports: the staging of a batch, its merge step by step, and how far a file is. It must not know files."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from julia_warmer.store.db import Connection, load

queries = load(__file__)

LOCK = 0x69_6D_70_72  # "impr"
STAGED = (
    *("place", "phone_key", "is_first", "phone", "name", "audience", "zone", "zone_given", "secret", "rows", "is_late"),
    *("may_marketing", "may_utility", "granted_at", "purpose", "source", "text_digest", "private", "at"),
)


@dataclass(frozen=True, slots=True)
class Left:
    """Of a batch, after the stops: people, people without consent in it, and people with their first one in the file."""

    people: int
    without: int
    late: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A consent that the ledger lacks, by its place in the batch."""

    place: int
    secret: UUID = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A file of people that was brought. `read` and `bad` are known at its end; `lines` is about how many rows there are."""

    id: int
    digest: bytes
    name: str
    size: int
    lines: int
    state: str
    reason: str | None
    began_at: datetime
    began_by: str
    ended_at: datetime | None
    read: int | None
    bad: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of rows: each is in one of these, but for `no_consent`, which is some of the people that were stored."""

    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    suppressed: int = 0
    no_consent: int = 0

    @property
    def rows(self) -> int:
        return self.imported + self.updated + self.unchanged + self.repeated + self.suppressed

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            imported=self.imported + other.imported,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            repeated=self.repeated + other.repeated,
            suppressed=self.suppressed + other.suppressed,
            no_consent=self.no_consent + other.no_consent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """How far a lane is: batches, the file's line, and what became of the rows."""

    lane: int
    batches: int = 0
    line: int = 0
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    suppressed: int = 0
    no_consent: int = 0

    @property
    def counts(self) -> Counts:
        return Counts(
            imported=self.imported,
            updated=self.updated,
            unchanged=self.unchanged,
            repeated=self.repeated,
            suppressed=self.suppressed,
            no_consent=self.no_consent,
        )


# ------------------------------------------------------------------ one batch, in the caller's transaction


async def make_staging(conn: Connection) -> None:
    """Once for each connection."""
    await queries.make_staging.execute(conn)


async def stage(conn: Connection, rows: bytes) -> None:
    """Lay a batch down: lines of COPY's text form, with the columns of STAGED."""
    await queries.plan_by_index.fetchval(conn)
    await queries.clear_staging.execute(conn)

    async def whole() -> AsyncIterator[bytes]:
        yield rows

    await conn.copy_to_table("import_rows", source=whole(), columns=STAGED, format="text")


async def find_known(conn: Connection, ids: Sequence[int] | None = None) -> int:
    """Find who is known by now, or look at these contacts again; returns how many rows were found."""
    found = await queries.find_known.execute(conn, ids=ids)
    if found and await queries.has_left.fetchval(conn):
        await queries.follow_left.execute(conn)
    return found


async def list_strange(conn: Connection) -> list[str]:
    """Keys of the batch that fit no contact."""
    return [row["phone_key"] for row in await queries.list_strange.fetch(conn)]


async def drop_stopped(conn: Connection, ids: Sequence[int] | None = None, *, erased: Sequence[str] = ()) -> int:
    """Take off the batch what a stop forbids, of these contacts or of all, and who was `erased`, by key.

    Returns how many rows of the file were dropped whole.
    """
    marked = await queries.mark_stops.execute(conn, ids=ids)
    if erased:
        marked += await queries.stop_keys.execute(conn, phone_keys=erased)
    if not marked:
        return 0
    await queries.void_stopped.execute(conn)
    return await queries.drop_stopped.fetchval(conn)


async def count_new(conn: Connection) -> int:
    return await queries.count_new.fetchval(conn)


async def add_new(conn: Connection, *, audience: str, at: datetime, by: str) -> int:
    """Add who is new, with their consents; returns how many people."""
    return await queries.add_new.fetchval(conn, audience=audience, at=at, by=by)


async def list_changing(conn: Connection) -> list[int]:
    """Ids of known people of whom the batch would change something."""
    return [row["id"] for row in await queries.list_changing.fetch(conn)]


async def lock_known(conn: Connection, ids: Sequence[int]) -> None:
    await queries.lock_known.execute(conn, ids=ids)


async def change_known(conn: Connection, ids: Sequence[int], *, at: datetime) -> set[int]:
    """Write what differs; returns the ids of those who changed."""
    return {row["id"] for row in await queries.change_known.fetch(conn, ids=ids, at=at)}


async def list_missing(conn: Connection, ids: Sequence[int]) -> list[Missing]:
    return await queries.list_missing.fetch_as(Missing, conn, ids=ids)


async def add_missing(conn: Connection, places: Sequence[int], privates: Sequence[bytes | None], *, at: datetime, by: str) -> set[int]:
    """Append consents of known people; returns whose."""
    rows = await queries.add_missing.fetch(conn, places=places, privates=privates, at=at, by=by)
    return {row["contact_id"] for row in rows}


async def count_left(conn: Connection) -> Left:
    left = await queries.count_left.fetchrow_as(Left, conn)
    assert left is not None
    return left


# ------------------------------------------------------------------ imports


async def settle_stops(conn: Connection, *, since: datetime, at: datetime) -> int:
    """Bring people who were added by imports that are under way, or ended since, to where suppressions that came meanwhile say.

    Returns how many.
    """
    return await queries.settle_stops.execute(conn, since=since, at=at)


async def find_open(conn: Connection, key: bytes) -> Import | None:
    return await queries.find_open.fetchrow_as(Import, conn, key=key)


async def add_import(
    conn: Connection,
    *,
    key: bytes,
    digest: bytes,
    name: str,
    size: int,
    lines: int,
    given: bytes | None,
    at: datetime,
    by: str,
) -> int:
    """A new import; returns its id."""
    return await queries.add_import.fetchval(conn, key=key, digest=digest, name=name, size=size, lines=lines, given=given, at=at, by=by)


async def try_import(conn: Connection, import_id: int) -> bool:
    """Take the import for this connection; False: another one carries it out."""
    return await queries.try_import.fetchval(conn, lock=LOCK, id=import_id)


async def leave_import(conn: Connection, import_id: int) -> None:
    await queries.leave_import.fetchval(conn, lock=LOCK, id=import_id)


async def begin_lanes(conn: Connection, import_id: int, number: int) -> list[Lane]:
    """The import is under way; returns how far its lanes are."""
    await queries.set_running.execute(conn, id=import_id)
    await queries.add_lanes.execute(conn, id=import_id, number=number)
    return await list_lanes(conn, import_id)


async def list_lanes(conn: Connection, import_id: int) -> list[Lane]:
    return await queries.list_lanes.fetch_as(Lane, conn, id=import_id)


async def advance_lane(conn: Connection, import_id: int, lane: int, *, batches: int, line: int, counts: Counts) -> bool:
    """The lane has done `batches` batches and this one; False when that is not so."""
    return (
        await queries.advance_lane.execute(
            conn,
            id=import_id,
            lane=lane,
            batches=batches,
            line=line,
            imported=counts.imported,
            updated=counts.updated,
            unchanged=counts.unchanged,
            repeated=counts.repeated,
            suppressed=counts.suppressed,
            no_consent=counts.no_consent,
        )
        == 1
    )


async def end_import(
    conn: Connection,
    import_id: int,
    *,
    state: str,
    reason: str | None = None,
    read: int | None = None,
    bad: int | None = None,
    bad_rows: bytes | None = None,
    at: datetime,
) -> None:
    """The import is over, and what was kept of an upload goes."""
    await queries.end_import.execute(conn, id=import_id, state=state, reason=reason, read=read, bad=bad, bad_rows=bad_rows, at=at)
    await queries.forget_pieces.execute(conn, id=import_id)


async def add_piece(conn: Connection, import_id: int, nth: int, body: bytes) -> None:
    await queries.add_piece.execute(conn, id=import_id, nth=nth, body=body)


async def read_piece(conn: Connection, import_id: int, nth: int) -> bytes | None:
    return await queries.read_piece.fetchval(conn, id=import_id, nth=nth)


async def list_waiting(conn: Connection, *, limit: int) -> list[int]:
    return [row["id"] for row in await queries.list_waiting.fetch(conn, limit=limit)]


async def read_given(conn: Connection, import_id: int) -> bytes | None:
    return await queries.read_given.fetchval(conn, id=import_id)


async def read_bad_rows(conn: Connection, import_id: int) -> bytes | None:
    return await queries.read_bad_rows.fetchval(conn, id=import_id)


async def read_import(conn: Connection, import_id: int) -> Import | None:
    return await queries.read_import.fetchrow_as(Import, conn, id=import_id)


async def list_imports(conn: Connection, *, before: int, limit: int) -> list[Import]:
    return await queries.list_imports.fetch_as(Import, conn, before=before, limit=limit)
