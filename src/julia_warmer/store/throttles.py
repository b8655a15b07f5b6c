"""Typed calls for scopes that have to wait. It must not know why, nor for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class ThrottleTries:
    """How often in a row a scope had to wait, and whether it still does."""

    scope: str
    target_id: int
    tries: int
    waits: bool


async def read_throttle_tries(conn: Connection, targets: Sequence[tuple[str, int]], *, at: datetime) -> dict[tuple[str, int], int]:
    """How often in a row these scopes had to wait before; those that did not are not in it. The wait that still lasts is none of them."""
    rows = await queries.read_throttle_tries.fetch_as(
        ThrottleTries, conn, scopes=[scope for scope, _ in targets], target_ids=[target_id for _, target_id in targets], at=at
    )
    return {(row.scope, row.target_id): row.tries - row.waits for row in rows}


async def set_throttle(conn: Connection, scope: str, target_id: int, *, until_at: datetime, tries: int, code: int, at: datetime) -> None:
    await queries.set_throttle.execute(conn, scope=scope, target_id=target_id, until_at=until_at, tries=tries, code=code, at=at)


async def close_recovered(conn: Connection, *, at: datetime) -> None:
    """Close the alerts of scopes that were sick and answer again."""
    await queries.close_recovered.execute(conn, at=at)
