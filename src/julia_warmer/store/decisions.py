"""Typed calls for decisions as they were recorded. Reads only; it must not know what a decision means."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date, datetime

from julia_warmer.core.events import Kind
from julia_warmer.store.db import Connection, load, to_value
from julia_warmer.store.records import Recorded

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDecision:
    """A decision with its snapshot, and whose it was."""

    chip_id: int
    chip: str
    zone: str
    at: datetime
    policy: str
    record: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDay:
    chip_id: int
    day: date
    accepted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenSend:
    id: int
    contact_id: int
    accepted_at: datetime
    was_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFact:
    """A stored event, as far as counting asks."""

    at: datetime
    kind: Kind
    key: str
    contact_id: int | None
    send_id: int | None
    code: int | None
    value: str | None
    call_id: str | None
    answered: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachableDay:
    day: date
    reachable: int


async def each_recorded(conn: Connection, *, since: datetime, until: datetime, chip_id: int | None) -> AsyncGenerator[RecordedDecision]:
    """Of a period, a few at a time, in the order of their moments, then of the chips' ids. Inside a transaction. Raises RecordBroken."""
    query = queries.list_recorded
    async for row in conn.cursor(query.sql, *query.bind({"since": since, "until": until, "chip_id": chip_id})):
        yield to_value(RecordedDecision, row)


async def sent_by_day(conn: Connection, *, chip_id: int | None) -> dict[int, dict[date, int]]:
    """By chip and calendar day, the messages that were accepted."""
    days: defaultdict[int, dict[date, int]] = defaultdict(dict)
    for row in await queries.list_sent_days.fetch_as(SentDay, conn, chip_id=chip_id):
        days[row.chip_id][row.day] = row.accepted
    return dict(days)


async def list_taken_sends(conn: Connection, chip_id: int) -> list[TakenSend]:
    """In the order of acceptance."""
    return await queries.list_taken_sends.fetch_as(TakenSend, conn, chip_id=chip_id)


async def list_told_facts(conn: Connection, chip_id: int) -> list[ToldFact]:
    """In the order in which they were written down."""
    return await queries.list_told_facts.fetch_as(ToldFact, conn, chip_id=chip_id)


async def list_reachable_days(conn: Connection, chip_id: int) -> list[ReachableDay]:
    return await queries.list_reachable_days.fetch_as(ReachableDay, conn, chip_id=chip_id)
