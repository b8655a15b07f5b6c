"""docs/schema.sql says what the migrations make, on every release."""

import pytest
from tools.dump_schema import TARGET, describe

from tests.conftest import Database


@pytest.mark.pg15
async def test_the_schema_document_is_what_the_migrations_make(db: Database):
    async with db.owner.acquire() as conn:
        made = await describe(conn)
    assert TARGET.read_text("utf-8") == made, "docs/schema.sql is old: run make docs"
