"""Fleets and people for every subject: rows made by the database itself. It must not know what they are for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from julia_warmer.config import Settings, load_settings
from julia_warmer.core.policy import Policy
from julia_warmer.engine.upkeep import FOLD_EVERY, FOLD_MAX, fold_counts
from julia_warmer.policies import load
from julia_warmer.store import db
from julia_warmer.store.db import Connection
from julia_warmer.store.local import APP
from julia_warmer.store.seal import Seal

AT = datetime(2026, 6, 1, 14, 10, tzinfo=UTC)  # a Monday, 11:10 in São Paulo: everybody here may be written to
MORNING = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)  # 6:00: the day is to be planned
TOKEN = "sandbox-benchmark"
SEAL = Seal(b"benchmark" * 3 + b"12345")
POLICY: Policy = load("standard")
DRAWS = 4001  # months of counts that differ

queries = db.load(__file__)


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many of each there are; ids run from 1."""

    chips: int
    portfolios: int = 1


def settings() -> Settings:
    """What the product ships with, or what the environment says; the run prints it. Nothing is tuned for the benchmark."""
    return load_settings()


async def add_fleet(conn: Connection, fleet: Fleet, *, budget: int, messaging_limit: int = -1, at: datetime = AT) -> None:
    """Portfolios, each with an account, a template and a campaign; and their chips."""
    token = SEAL.close(TOKEN.encode(), use="accounts.token")
    await queries.add_portfolios.execute(conn, number=fleet.portfolios, token=token, messaging_limit=messaging_limit, at=at)
    await queries.add_chips.execute(conn, number=fleet.chips, portfolios=fleet.portfolios, budget=budget, at=at)


async def add_people(conn: Connection, number: int, *, at: datetime = AT) -> None:
    await queries.add_people.execute(conn, number=number, at=at)


async def add_past(conn: Connection, number: int, fleet: Fleet, *, at: datetime = AT) -> None:
    """The first people have had a message each."""
    await queries.add_past.execute(conn, number=number, chips=fleet.chips, at=at)


async def add_due(conn: Connection, number: int, fleet: Fleet, *, first: int, at: datetime = AT) -> int:
    """Due messages for `number` people from the `first` on. Returns the first message's id."""
    return await queries.add_due.fetchval(conn, first=first, number=number, chips=fleet.chips, at=at)


async def settle_down(conn: Connection) -> None:
    """What autovacuum would do in the middle of a measurement, and the pages on the disk."""
    await conn.execute("vacuum analyze")
    await conn.execute("checkpoint")


async def add_out(conn: Connection, number: int, fleet: Fleet, *, first: int, people: int, at: datetime) -> None:
    """Messages that were accepted within the last hour; `webhooks.py` writes what the platform says of them. Numbers run from `first`."""
    await queries.add_out.execute(conn, first=first, number=number, people=people, chips=fleet.chips, at=at)


async def add_events(conn: Connection, number: int, fleet: Fleet, *, people: int, days: int, at: datetime) -> None:
    """Facts of the past, all in the partition of this month: loaded bare, indexed after, then attached."""
    month, first = f"warmer.events_{at:%Y%m}", at.replace(day=1)
    span = " to ".join(f"('{day:%Y-%m-%d} 00:00+00')" for day in (first, (first + timedelta(days=32)).replace(day=1)))
    await conn.execute("create table warmer.events_bench (like warmer.events)")
    await queries.add_events.execute(conn, number=number, chips=fleet.chips, portfolios=fleet.portfolios, people=people, days=days, at=at)
    await conn.execute("alter table warmer.events_bench add primary key (at, kind, key)")
    await conn.execute(f"alter table warmer.events_bench rename to {month.partition('.')[2]}")
    await conn.execute(f"grant select, insert, update, delete on {month} to {APP}")
    await conn.execute(f"alter table warmer.events attach partition {month} for values from {span}")


async def add_counts(conn: Connection, *, lived: int = DRAWS, draws: int = DRAWS, at: datetime = AT) -> None:
    """Thirty days of counts by the hour, of the first `lived` chips; there are `draws` months that differ."""
    async with bare(conn, "chip_counts", "chip_id, hour"):
        await queries.add_counts.execute(conn, lived=lived, draws=draws, at=at)
    await queries.keep_days.execute(conn)


async def fold_hours(conn: Connection, *, lived: int = DRAWS, at: datetime = AT) -> None:
    """Their older hours packed, as upkeep did half of its pause ago."""
    await queries.begin_months.execute(conn, lived=lived)
    await conn.execute("analyze")
    while await fold_counts(conn, at=at - FOLD_EVERY / 2) == FOLD_MAX:
        pass


async def spread_month(conn: Connection, *, lived: int = DRAWS, draws: int = DRAWS, at: datetime = AT) -> None:
    """What those chips have now, for each of the fleet: whoever did not live gets the month of the chip that would have lived the same.

    And the month's days, what was told late of folded hours, and the last day's scores. Upkeep would need a quarter of an hour to fold
    100,000 chips; tests/benchmarks shows that it would leave the same. `fleet_counts` knows only the chips that lived.
    """
    for query in (queries.keep_counts, queries.keep_months):
        await query.execute(conn)
    await queries.keep_twins.execute(conn, lived=lived, draws=draws)
    await conn.execute("truncate warmer.chip_counts, warmer.chip_months")
    await conn.execute("analyze")
    async with bare(conn, "chip_counts", "chip_id, hour"):
        await queries.spread_counts.execute(conn)
    await queries.spread_months.execute(conn)
    async with bare(conn, "chip_days", "chip_id, day"):
        await queries.spread_days.execute(conn)
    await queries.add_late.execute(conn, at=at)
    async with bare(conn, "health_log", "chip_id, at"):
        await queries.add_scores.execute(conn, at=at)


@asynccontextmanager
async def bare(conn: Connection, table: str, key: str) -> AsyncGenerator[None]:
    """A table without its primary key while it is filled: one sort in place of a search for each row."""
    await conn.execute(f"alter table warmer.{table} drop constraint {table}_pkey")
    yield
    await conn.execute(f"alter table warmer.{table} add primary key ({key})")
