"""Reads a file of people into batches that are ready to be laid down, in a process of its own: the loop that stores them goes on meanwhile.

What a batch holds depends on the file and on what was said about it alone, so that a second reading gives the same ones. A person's first
row in the file says who they are; a further row only adds what those before it left out, and its consents.
It must not know the database. It is started by `reading`; the parent is told of an unusable file, and ends it by not reading on.
"""

import asyncio
import gc
import os
import pickle
import re
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import IO, Any

import orjson

from julia_warmer.engine.contacts_csv import BadRow, Proof, Row, Table, open_table
from julia_warmer.engine.errors import EngineError, Wrong
from julia_warmer.engine.sheets import Look, read_table
from julia_warmer.store.consents import PRIVATE_USE, digest_of
from julia_warmer.store.contacts import Grant, Person
from julia_warmer.store.seal import NONCE_BYTES, Seal

BATCH_ROWS = 4000  # of the file; a row of an import's lanes counts in these, so a change makes imports that are under way begin anew
TEXTS_KEPT = 10_000
LENGTH = struct.Struct(">I")
STREAM_BYTES = 8 * 1024 * 1024
SECRET_BYTES, RANDOM_BYTES = 16, 1024
NAME, AUDIENCE, ZONE, GRANT = 1, 2, 4, 8  # what the file has said of a person so far
SEEN = 16
_ESCAPED = re.compile(r"[\\\n\t\r]")
_TO_ESCAPE = str.maketrans({"\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be read, and what was said about it."""

    look: Look
    proof: Proof
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    delimiter: str | None = None
    lanes: int = 1
    at: datetime
    key: bytes = field(repr=False)  # the data key: what it seals is ready when it leaves the process
    batch_rows: int = BATCH_ROWS


@dataclass(frozen=True, slots=True)
class Part:
    """What one lane gets of a batch: lines for COPY, how many rows of the file they are, and the evidence of each consent by its place."""

    rows: int
    staged: bytes
    evidence: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some of the file. `again`: further rows of people who were in batches before."""

    nth: int
    again: bool
    parts: tuple[Part, ...]
    texts: tuple[tuple[str | None, str | None], ...]  # version and body, where they are new
    bad: tuple[BadRow, ...]
    read: int  # rows so far
    line: int
    columns: Mapping[str, str]
    ignored_columns: tuple[str, ...]
    peak_mb: float = 0.0


@dataclass(slots=True)
class _Said:
    """A person, and what rows of the batch say of them."""

    person: Person
    grants: list[Grant]
    rows: int = 1
    is_late: bool = False


def read_batches(table: Table, job: Job) -> Iterator[Batch]:
    """The batches of a file; the last one may be empty. Raises Wrong."""
    yield from _Batches(table, job).read()


class _Batches:
    def __init__(self, table: Table, job: Job) -> None:
        self._table, self._job = table, job
        self._stager = _Stager(job)
        self._seen: dict[int | str, int] = {}
        self._first: list[_Said] = []
        self._again: dict[str, _Said] = {}
        self._bad: list[BadRow] = []
        self._nth = self._line = self._read = self._again_rows = 0

    def read(self) -> Iterator[Batch]:
        rows = self._job.batch_rows
        for row in self._table.rows:
            self._read += 1
            self._line = row.line
            if isinstance(row, BadRow):
                self._bad.append(row)
            else:
                self._take(row)
            if len(self._first) + len(self._bad) >= rows:
                yield self._batch(self._first, again=False)
                self._first = []
            if self._again_rows >= rows:
                yield from self._flush()
        yield from self._flush()

    def _flush(self) -> Iterator[Batch]:
        """Everything that was read, firsts before repeats."""
        yield self._batch(self._first, again=False)
        self._first = []
        if self._again:
            yield self._batch(list(self._again.values()), again=True)
            self._again, self._again_rows = {}, 0

    def _take(self, row: Row) -> None:
        person = row.person
        key = int(person.phone_key[2:]) if person.phone_key[0] == "m" else person.phone_key
        before = self._seen.get(key, 0)
        self._seen[key] = (
            before
            | (NAME if person.name else 0)
            | (AUDIENCE if person.audience else 0)
            | (ZONE if person.zone_given else 0)
            | (GRANT if row.grants else 0)
            | SEEN
        )
        if not before:
            self._first.append(_Said(person, list(row.grants)))
            return
        self._again_rows += 1
        added = replace(
            person,
            name=None if before & NAME else person.name,
            audience=None if before & AUDIENCE else person.audience,
            zone_given=person.zone_given and not before & ZONE,
        )
        is_late = bool(row.grants) and not before & GRANT
        known = self._again.get(person.phone_key)
        if known is None:
            self._again[person.phone_key] = _Said(added, list(row.grants), 1, is_late)
        else:
            known.person = _join(known.person, added)
            known.grants += [grant for grant in row.grants if not any(_is_same(grant, other) for other in known.grants)]
            known.rows, known.is_late = known.rows + 1, known.is_late or is_late

    def _batch(self, people: list[_Said], *, again: bool) -> Batch:
        self._nth, bad, self._bad = self._nth + 1, tuple(self._bad), []
        parts = self._stager.stage(people)
        table = self._table
        return Batch(
            nth=self._nth - 1,
            again=again,
            parts=parts,
            texts=self._stager.take_texts(),
            bad=bad,
            read=self._read,
            line=self._line,
            columns=table.columns,
            ignored_columns=table.ignored_columns,
        )


def _join(first: Person, then: Person) -> Person:
    zoned = first if first.zone_given or not then.zone_given else then
    name, audience = first.name or then.name, first.audience or then.audience
    return replace(first, name=name, audience=audience, zone=zoned.zone, zone_given=zoned.zone_given)


def _is_same(one: Grant, other: Grant) -> bool:
    return (one.purpose, one.granted_at, one.source, one.text_version, one.text_shown) == (
        other.purpose,
        other.granted_at,
        other.source,
        other.text_version,
        other.text_shown,
    )


# ------------------------------------------------------------------ lines for COPY


class _Stager:
    """Writes people as lines of `import_rows`. Everybody gets a secret, and their evidence is sealed under it, as if they were new."""

    def __init__(self, job: Job) -> None:
        self._seal, self._lanes = Seal(job.key), job.lanes
        self._digests: dict[tuple[str | None, str | None], str] = {}
        self._texts: list[tuple[str | None, str | None]] = []
        self._random = b""

    def take_texts(self) -> tuple[tuple[str | None, str | None], ...]:
        texts, self._texts = tuple(self._texts), []
        return texts

    def stage(self, people: list[_Said]) -> tuple[Part, ...]:
        """Shared out over the lanes by the last digit of the key: a person is always in the same one."""
        lines: list[list[str]] = [[] for _ in range(self._lanes)]
        evidence: list[list[bytes]] = [[] for _ in range(self._lanes)]
        rows = [0] * self._lanes
        for said in people:
            lane = int(said.person.phone_key[-1]) % self._lanes
            rows[lane] += said.rows
            self._add(lines[lane], evidence[lane], said)
        return tuple(Part(rows[lane], "".join(lines[lane]).encode(), tuple(evidence[lane])) for lane in range(self._lanes))

    def _add(self, lines: list[str], evidence: list[bytes], said: _Said) -> None:
        person, grants, secret = said.person, said.grants, self._draw(SECRET_BYTES)
        who = (
            f"t\t{person.phone}\t{_text(person.name)}\t{_text(person.audience)}\t{person.zone}\t{'t' if person.zone_given else 'f'}"
            f"\t{secret.hex()}\t{said.rows}\t{'t' if said.is_late else 'f'}"
        )
        if not grants:
            lines.append(f"{len(evidence)}\t{person.phone_key}\t{who}\tf\tf\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n")
            evidence.append(b"")
            return
        purposes = {grant.purpose for grant in grants}
        latest = max(grant.granted_at for grant in grants)
        who = f"{who}\t{'t' if 'marketing' in purposes else 'f'}\t{'t' if 'utility' in purposes else 'f'}\t{latest.isoformat()}"
        seal = self._seal.of_secret(secret)
        for grant in grants:
            plain = orjson.dumps(grant.evidence)
            private = seal.close(plain, use=PRIVATE_USE, nonce=self._draw(NONCE_BYTES))
            lines.append(
                f"{len(evidence)}\t{person.phone_key}\t{who}\t{grant.purpose}\t{_text(grant.source)}\t\\\\x{self._digest(grant)}"
                f"\t\\\\x{private.hex()}\t{grant.granted_at.isoformat()}\n"
            )
            evidence.append(plain)
            who = "f\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N"

    def _draw(self, number: int) -> bytes:
        """So many random bytes: many are asked for at a time, for each call of the system costs more than what it gives."""
        if len(self._random) < number:
            self._random = os.urandom(RANDOM_BYTES)
        drawn, self._random = self._random[:number], self._random[number:]
        return drawn

    def _digest(self, grant: Grant) -> str:
        text = (grant.text_version, grant.text_shown)
        known = self._digests.get(text)
        if known is None:
            digest = digest_of(*text)
            assert digest is not None, "a grant names a text"
            if len(self._digests) >= TEXTS_KEPT:
                self._digests.clear()
            known = self._digests[text] = digest.hex()
            self._texts.append(text)
        return known


def _text(value: str | None) -> str:
    """A cell of COPY's text form."""
    if value is None:
        return r"\N"
    return value.translate(_TO_ESCAPE) if _ESCAPED.search(value) else value


# ------------------------------------------------------------------ the process, from outside


class ReaderEnded(EngineError):  # noqa: N818 - a fact
    """The process that read the file ended before its time; start the import again, and it goes on where it stopped."""


@asynccontextmanager
async def reading(file: IO[bytes], job: Job) -> AsyncGenerator[AsyncIterator[Batch]]:
    """Batches, read by a process that ends with this block. Raises Wrong for an unusable file, and ReaderEnded."""
    order, give = os.pipe()
    with os.fdopen(give, "wb") as giving:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "julia_warmer.engine.import_child", str(order)),
                stdin=file.fileno(),
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(order,),
                limit=STREAM_BYTES,
            )
        finally:
            os.close(order)
        giving.write(pickle.dumps(job))
    try:
        yield _hear(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _hear(process: asyncio.subprocess.Process) -> AsyncIterator[Batch]:
    assert process.stdout is not None
    while True:
        try:
            length = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
            said: Any = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301 - from our own process
        except asyncio.IncompleteReadError:
            raise ReaderEnded from None
        match said:
            case Batch():
                yield said
            case (str() as message, str() as mend):
                raise Wrong(message, mend=mend)
            case _:
                return


# ------------------------------------------------------------------ inside the process


def main(order: int) -> int:
    """Read the job from its pipe and the file from the standard input; write batches to the standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the screen, not between the batches
    with os.fdopen(order, "rb") as pipe:
        job: Job = pickle.loads(pipe.read())  # noqa: S301 - from our own parent
    gc.disable()  # nothing here refers to itself, and a collection would walk through everybody who was seen
    try:
        for said in _answers(job):
            body = pickle.dumps(said, protocol=5)
            out.write(LENGTH.pack(len(body)))
            out.write(body)
            out.flush()
    except BrokenPipeError:  # the parent has heard enough, or is gone
        os._exit(0)
    return 0


def _answers(job: Job) -> Iterable[Any]:
    try:
        table = open_table(read_table(sys.stdin.buffer, job.look, job.delimiter), job.proof, at=job.at, columns=job.columns)
        for batch in read_batches(table, job):
            yield replace(batch, peak_mb=_peak_mb())
        yield None
    except Wrong as error:
        yield str(error), error.mend


def _peak_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
