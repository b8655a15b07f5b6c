"""Two ways to get people of a file into the tables, each in a process of its own: our import, and COPY of the rows that it wrote."""

import resource
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import seeding
from benchmarks.child import Orders
from julia_warmer.clock import VirtualClock
from julia_warmer.engine.contacts_csv import Proof
from julia_warmer.engine.imports import LANES, Given, import_file
from julia_warmer.engine.sheets import look_at
from julia_warmer.store import db

TABLES = ("consent_texts", "contacts", "consents")
GIVEN = Given(proof=Proof(source="form", purpose="marketing", text_version="v3", evidence={"form": "https://julia.example/oi"}))


@asynccontextmanager
async def ours(dsn: str) -> AsyncGenerator[Orders]:
    """Imports a file as the command does."""
    pool = await db.open_pool(dsn, application_name="bench-import", max_size=LANES + 2)
    clock = VirtualClock(seeding.AT)

    async def go(path: str) -> dict[str, Any]:
        began = time.perf_counter()
        with open(path, "rb") as file:  # noqa: ASYNC230 - the import reads it in a process of its own
            look = look_at(file)
            given: dict[str, Any] = {"name": "people.csv", "at": clock.now(), "by": "bench", "seal": seeding.SEAL, "clock": clock}
            report = await import_file(pool, file, look, GIVEN, **given)
        took_s = time.perf_counter() - began
        reader = resource.getrusage(resource.RUSAGE_CHILDREN)
        names = ("read", "imported", "updated", "unchanged", "repeated", "suppressed", "no_consent", "bad")
        counts = {name: getattr(report, name) for name in names}
        return {"s": took_s, "reader_mb": reader.ru_maxrss / 1024, "reader_s": reader.ru_utime + reader.ru_stime, **counts}

    try:
        yield go
    finally:
        await pool.close()


@asynccontextmanager
async def copying(source: str, dsn: str) -> AsyncGenerator[Orders]:
    """Writes the same people and consents into the same tables of another database: one COPY for each table."""
    reader = await db.connect(source, application_name="bench-reader")
    writer = await db.connect(dsn, application_name="bench-copy")

    async def go() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="warmer-bench-") as folder:
            for table in TABLES:
                await reader.copy_from_table(table, schema_name="warmer", output=Path(folder) / table, format="binary")
            began = time.perf_counter()
            for table in TABLES:
                await writer.copy_to_table(table, schema_name="warmer", source=Path(folder) / table, format="binary")
            return {"s": time.perf_counter() - began}

    try:
        yield go
    finally:
        await reader.close()
        await writer.close()
