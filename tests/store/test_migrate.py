"""The migrations: applied once, in order, by whoever comes first, and never changed afterwards."""

from julia_warmer.store.migrate import check_schema, status
from tests.conftest import MIGRATED_AT, Database


async def test_the_app_role_finds_the_schema_current(db: Database):
    async with db.pool.acquire() as conn:
        await check_schema(conn)
        assert all(step.applied_at == MIGRATED_AT for step in await status(conn))
