"""Typed calls that forget old rows, some at a time. It must not know for how long anything is kept."""

from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


async def forget(conn: Connection, query: str, *, before: datetime, limit: int) -> int:
    """Run one of the queries named forget_…; how many rows are gone."""
    return await queries.by_name[query].execute(conn, before=before, limit=limit)


async def drop_months(conn: Connection, *, before: datetime) -> int:
    return await queries.drop_months.fetchval(conn, before=before)
