"""Typed calls for the audit log. It must not know what the acts mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One row of the log."""

    id: int
    at: datetime
    who: str
    what: str  # past tense: "chip paused"
    target: str | None  # such as "chip:12"
    why: str | None
    body: dict[str, Any]


async def record_act(
    conn: Connection,
    *,
    at: datetime,
    who: str,
    what: str,
    target: str | None = None,
    why: str | None = None,
    body: Mapping[str, Any] | None = None,
) -> None:
    """Write down who did what. Call it in the transaction of the act."""
    await queries.record_act.execute(conn, at=at, who=who, what=what, target=target, why=why, body=dict(body or {}))


async def list_acts(conn: Connection, *, target: str | None = None, before: int | None = None, limit: int) -> list[Act]:
    return await queries.list_acts.fetch_as(Act, conn, target=target, before=before, limit=limit)
