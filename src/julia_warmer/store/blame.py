"""Typed calls for what became of messages by list, template and source. It must not know who is to blame."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourCell:
    """Messages of one chip to one list with one template, accepted in one clock hour (UTC, hours since 1970)."""

    hour: int
    chip_id: int
    chip: str
    audience: str
    template: str
    source: str  # of the latest consent, as it was imported
    accepted: int
    reached: int
    delivered: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int
    held: int


async def find_neighbours(conn: Connection, chip_id: int, *, day: date, limit: int) -> list[int]:
    """The chip, and those of its portfolio that sent most since that day."""
    return [row["id"] for row in await queries.find_neighbours.fetch(conn, chip_id=chip_id, day=day, limit=limit)]


async def list_cells(conn: Connection, chip_ids: Collection[int], *, since: datetime) -> list[HourCell]:
    return await queries.list_cells.fetch_as(HourCell, conn, chip_ids=list(chip_ids), since=since)
