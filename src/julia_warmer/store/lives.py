"""Typed calls for what became of each chip. Reads only; it must not know who looks."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.store.db import Connection, load, to_value
from julia_warmer.store.records import Recorded

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A chip, what became of its campaign messages, and how often it was paused, resumed and demoted."""

    chip_id: int
    name: str
    phone_number_id: str
    status: ChipStatus
    phase: Phase
    health: int | None
    registered_at: datetime
    ready_at: datetime | None
    sent: int
    delivered: int
    read: int
    replied: int
    opted_out: int
    failed: int
    unknown: int
    paused_times: int
    resumed_times: int
    demoted_times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstReady:
    chip_id: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as it was recorded (see core/record.py), with its chip's name and zone."""

    name: str
    zone: str
    at: datetime
    record: Recorded


async def list_lives(conn: Connection) -> list[Life]:
    """In the order of the chips' ids."""
    return await queries.list_lives.fetch_as(Life, conn)


async def first_ready(conn: Connection) -> dict[int, datetime]:
    """By chip id; chips that never became ready are left out."""
    return {row.chip_id: row.at for row in await queries.first_ready.fetch_as(FirstReady, conn)}


async def each_decided(conn: Connection) -> AsyncGenerator[Decided]:
    """In the order of their moments, then of the chips' names; a few at a time, because a long run has many. Inside a transaction."""
    query = queries.list_decided
    async for row in conn.cursor(query.sql, *query.bind({})):
        yield to_value(Decided, row)


async def count_quarantined(conn: Connection) -> int:
    return int(await queries.count_quarantined.fetchval(conn))


async def list_limits(conn: Connection) -> list[int]:
    """Of every portfolio, in the order of their ids; 0 where none was read."""
    return [row["messaging_limit"] or 0 for row in await queries.list_limits.fetch(conn)]
