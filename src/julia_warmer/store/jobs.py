"""Typed calls on PgQueuer's queue. It must not know what the jobs do."""

from julia_warmer.store.db import Connection, load

queries = load(__file__)


async def find_queued(conn: Connection, key: str) -> bool:
    return await queries.find_queued.fetchval(conn, key=key)


async def free_key(conn: Connection, job_id: int) -> None:
    await queries.free_key.execute(conn, job_id=job_id)
