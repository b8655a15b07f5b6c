"""Fleets and people for every subject: rows made by the database itself. It must not know what they are for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from julia_warmer.config import Settings, load_settings
from julia_warmer.core.policy import Policy
from julia_warmer.engine.upkeep import FOLD_EVERY, fold_counts
from julia_warmer.policies import load
from julia_warmer.store import db
from julia_warmer.store.db import Connection
from julia_warmer.store.local import APP
from julia_warmer.store.months import add_months
from julia_warmer.store.seal import Seal

AT = datetime(2026, 6, 1, 14, 10, tzinfo=UTC)  # a Monday, 11:10 in São Paulo: everybody here may be written to
MORNING = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)  # 6:00: the day is to be planned
TOKEN = "sandbox-benchmark"
SEAL = Seal(b"benchmark" * 3 + b"12345")
POLICY: Policy = load("standard")

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


async def add_counts(conn: Connection, *, at: datetime = AT) -> None:
    """Thirty days of every chip: counts by the hour, days, and the last day's scores. Indexed after, for there may be millions."""
    await conn.execute("alter table warmer.chip_counts drop constraint chip_counts_pkey")
    await queries.add_counts.execute(conn, at=at)
    await conn.execute("alter table warmer.chip_counts add primary key (chip_id, hour)")
    await queries.add_days.execute(conn)
    await queries.add_scores.execute(conn, at=at)


async def fold_hours(conn: Connection, *, at: datetime = AT) -> None:
    """The older hours packed, as upkeep did half of its pause ago, and what was told late of them since."""
    await conn.execute("analyze")
    await add_months(conn)
    while await fold_counts(conn, at=at - FOLD_EVERY / 2):
        pass
    await queries.add_late.execute(conn, at=at)
