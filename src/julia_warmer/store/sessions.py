"""Typed calls about the server's sessions. It must not know what they were doing."""

from julia_warmer.store.db import Connection, load

queries = load(__file__)


async def end_stalled(conn: Connection, *, stalled_s: float) -> int:
    """End what our role has open, does not go on with, and keeps others waiting for: `stalled_s` real seconds. Gives how many."""
    return await queries.end_stalled.fetchval(conn, stalled_s=stalled_s)
