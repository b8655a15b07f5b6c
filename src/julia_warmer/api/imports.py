"""Routes of imports: a file of people at once, or uploaded for a worker to carry out, with its progress and its bad rows."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import ConfigDict

from julia_warmer.api.access import By
from julia_warmer.api.edge import PRINTABLE, At, Conn, Cursor, InParts, Limit, Page, PathId, View, by_id, example, id_from, new_router, page
from julia_warmer.clock import Clock
from julia_warmer.engine import uploads
from julia_warmer.engine.contacts_csv import Proof, read_evidence
from julia_warmer.engine.errors import Wrong
from julia_warmer.engine.imports import Given, import_file
from julia_warmer.engine.sheets import look_at
from julia_warmer.store import imports
from julia_warmer.store.db import transaction
from julia_warmer.store.views import LAST_ID

router = new_router("people")

AT_ONCE, UPLOAD = "/warmer/contacts/import", "/warmer/imports"
AT_ONCE_BYTES_MAX = 32 * 1024 * 1024
UPLOAD_BYTES_MAX = 512 * 1024 * 1024
CSV = "phone,name,consent_at\n+55 31 98765-4321,Ana,2026-05-31 14:05\n"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE: dict[str, Any] = {
    "requestBody": {
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": CSV},
            XLSX: {"schema": {"type": "string", "format": "binary"}, "example": "the bytes of the workbook"},
        },
        "required": True,
    }
}

Short = Annotated[str, Query(min_length=1, max_length=80), PRINTABLE]


class BadRowView(View):
    """A row that was not stored, and why."""

    line: int
    column: str | None
    reason: str
    cells: dict[str, str]


class ImportView(View):
    """What became of each row: read = imported + updated + unchanged + repeated + suppressed + bad. The first 1,000 bad rows are shown."""

    model_config = ConfigDict(
        json_schema_extra=example(
            read=3,
            imported=1,
            updated=0,
            unchanged=1,
            repeated=0,
            suppressed=0,
            no_consent=0,
            bad=1,
            bad_rows=[{"line": 4, "column": "phone", "reason": "is not a valid Brazilian number", "cells": {"phone": "+55 20 1"}}],
            columns={"phone": "phone", "name": "name"},
            ignored_columns=[],
        )
    )

    read: int
    imported: int
    updated: int
    unchanged: int
    repeated: int
    suppressed: int
    no_consent: int
    bad: int
    bad_rows: list[BadRowView]
    columns: dict[str, str]
    ignored_columns: list[str]


class Uploaded(View):
    """The import: ask for it until its state is done or failed."""

    model_config = ConfigDict(json_schema_extra=example(id=12))

    id: int


class ImportOf(View):
    """One import, in a list. `lines` is about how many rows the file has; `read` and `bad` are known at its end."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=12,
            name="people.csv",
            state="done",
            reason=None,
            size=73_400_320,
            lines=1_000_001,
            began_at="2026-06-01T12:00:00Z",
            began_by="api",
            ended_at="2026-06-01T12:00:38Z",
            read=1_000_000,
            bad=12,
        )
    )

    id: int
    name: str
    state: str
    reason: str | None
    size: int
    lines: int
    began_at: datetime
    began_by: str
    ended_at: datetime | None
    read: int | None
    bad: int | None


class ImportStanding(ImportOf):
    """How far an import is, and what became of the rows so far. Bad rows come at its end, the first 1,000, without their cells."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=12,
            name="people.csv",
            state="running",
            reason=None,
            size=73_400_320,
            lines=1_000_001,
            began_at="2026-06-01T12:00:00Z",
            began_by="api",
            ended_at=None,
            read=None,
            bad=None,
            imported=412_000,
            updated=0,
            unchanged=0,
            repeated=31,
            suppressed=7,
            no_consent=0,
            bad_rows=[],
        )
    )

    imported: int
    updated: int
    unchanged: int
    repeated: int
    suppressed: int
    no_consent: int
    bad_rows: list[BadRowView]


def said(
    source: Short | None = None,
    purpose: Annotated[str | None, Query(max_length=40, pattern=r"^[a-z ,+]+$", examples=["marketing"])] = None,
    text: Annotated[str | None, Query(max_length=4000), PRINTABLE] = None,
    text_version: Short | None = None,
    evidence: Annotated[str | None, Query(max_length=4000, description="A JSON object, or a plain note."), PRINTABLE] = None,
    audience: Short = "all",
    column: Annotated[list[Short] | None, Query(max_length=20, description="Where something stands: `phone=Celular`.")] = None,
    encoding: Annotated[str | None, Query(max_length=20, pattern=r"^[A-Za-z0-9_-]+$")] = None,
) -> Given:
    """What the query says of every row whose own cell is empty."""
    proof = Proof(source=source, purpose=purpose, text=text, text_version=text_version, evidence=read_evidence(evidence or ""))
    pairs = [option.partition("=") for option in column or ()]
    if any(not sign for _, sign, _ in pairs):
        raise Wrong("column does not name one", mend="write it like phone=Celular")
    return Given(proof=proof, audience=audience, columns={what: name for what, _, name in pairs}, encoding=encoding)


Said = Annotated[Given, Depends(said)]


@asynccontextmanager
async def _received(request: Request) -> AsyncGenerator[IO[bytes]]:
    """The body in a file without a name: it is gone when this is over, however that comes."""
    with TemporaryFile() as file:
        async for piece in request.stream():
            file.write(piece)
        file.flush()
        yield file


@router.post(AT_ONCE, name="import_contacts", openapi_extra=FILE)
async def import_contacts(request: Request, given: Said, parts: InParts, at: At, by: By) -> ImportView:
    """Import a file of people now, up to 32 MiB: a CSV, or an xlsx. The first line names the columns.

    What the query says holds for rows whose own cell is empty. A person may be written to only with the whole proof: when, by which way,
    for what, to which text, with what evidence.
    """
    clock: Clock = request.app.state.clock
    async with _received(request) as file:
        look = await asyncio.to_thread(look_at, file, given.encoding)
        report = await import_file(parts.pool, file, look, given, name="upload", at=at, by=by, seal=parts.seal, clock=clock)
    return ImportView.model_validate(report)


@router.post(UPLOAD, name="add_import", status_code=202, openapi_extra=FILE)
async def add_import(request: Request, given: Said, parts: InParts, by: By, name: Short = "upload") -> Uploaded:
    """Upload a file of people, up to 512 MiB: a worker imports it. A file that is being imported already keeps its id."""
    async with _received(request) as file:
        look = await asyncio.to_thread(look_at, file, given.encoding)
        async with transaction(parts.pool) as conn:
            import_id = await uploads.add_upload(conn, file, look, given, name=name, seal=parts.seal, clock=request.app.state.clock, by=by)
    return Uploaded(id=import_id)


@router.get(UPLOAD, name="list_imports")
async def list_imports(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[ImportOf]:
    """Imports, newest first."""
    rows = await imports.list_imports(conn, before=id_from(cursor, LAST_ID), limit=limit + 1)
    return page(ImportOf, rows, limit, by_id)


@router.get(f"{UPLOAD}/{{import_id}}", name="read_import")
async def read_import(import_id: PathId, conn: Conn, parts: InParts) -> ImportStanding:
    """How far an import is."""
    standing = await uploads.read_standing(conn, import_id, seal=parts.seal)
    found, counts = ImportOf.model_validate(standing.found), standing.counts
    return ImportStanding(
        **found.model_dump(),
        imported=counts.imported,
        updated=counts.updated,
        unchanged=counts.unchanged,
        repeated=counts.repeated,
        suppressed=counts.suppressed,
        no_consent=counts.no_consent,
        bad_rows=[BadRowView.model_validate(row) for row in standing.bad_rows],
    )
