"""Looks at the database from outside, and puts it into states that a property begins with. It never uses the program's own queries."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg

from tests.faults.fleet import Fleet
from tests.faults.process import until

DRAIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the counts add up to, over all chips and hours."""

    accepted: int = 0
    reached: int = 0
    delivered: int = 0
    read: int = 0
    replied: int = 0
    opted_out: int = 0
    undeliverable: int = 0
    limited: int = 0
    held: int = 0
    failed: int = 0
    unknown: int = 0
    received: int = 0

    def __str__(self) -> str:
        return " ".join(f"{field.name}={value}" for field in fields(self) if (value := getattr(self, field.name))) or "all 0"

    def matches(self, other: "Counts") -> bool:
        return self == other


async def counts_of(pool: asyncpg.Pool, chip_id: int | None = None) -> Counts:
    sums = ", ".join(f"coalesce(sum({field.name}), 0)::int as {field.name}" for field in fields(Counts))
    return Counts(**dict(await pool.fetchrow(f"select {sums} from chip_counts where $1::bigint is null or chip_id = $1", chip_id)))


async def states(pool: asyncpg.Pool) -> dict[str, int]:
    """How many sends are in which state."""
    return {row["state"]: row["n"] for row in await pool.fetch("select state, count(*)::int as n from sends group by state order by state")}


async def drained(pool: asyncpg.Pool, *, within_s: float = DRAIN_S) -> float:
    """Wait until the inbox is applied. How long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def is_empty() -> bool:
        return not await pool.fetchval("select exists (select from inbox where applied_at is null)")

    await until("the inbox is applied", is_empty, within_s=within_s)
    return loop.time() - began


async def deadlocks(pool: asyncpg.Pool) -> int:
    """How many PostgreSQL has broken in this database. Its statistics come within a second."""
    await asyncio.sleep(1.2)
    return await pool.fetchval("select deadlocks::int from pg_catalog.pg_stat_database where datname = current_database()")


async def out(
    conn: Any, fleet: Fleet, *, accepted_at: datetime, prefix: str = "wamid.out.", sends: Sequence[int] | None = None, first: int = 0
) -> None:
    """Make planned messages accepted ones, with their counts and slots; named by the number of their person, which begins at `first`."""
    await conn.execute(
        """with accepted as (
               update sends
               set state = 'accepted', accepted_at = $2, claimed_at = $2, called_at = $2, attempts = 1, cap_day = ($2::timestamptz)::date,
                   message_id = $3 || (t.n - 1 + $4)
               from unnest($1::bigint[]) with ordinality as t (id, n) where sends.id = t.id
               returning sends.id, sends.chip_id, sends.portfolio_id, sends.contact_id
           ),
           slots as (
               insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at)
               select id, portfolio_id, contact_id, $2, $2::timestamptz + interval '36 hours' from accepted
           )
           insert into chip_counts (chip_id, hour, accepted)
           select chip_id, date_trunc('hour', $2::timestamptz, 'UTC'), count(*) from accepted group by 1, 2
           on conflict (chip_id, hour) do update set accepted = chip_counts.accepted + excluded.accepted""",
        list(sends if sends is not None else fleet.sends), accepted_at, prefix, first,
    )  # fmt: skip


async def plan_again(conn: Any, sends: Sequence[int], *, due_at: datetime) -> None:
    """Plan the same messages to the same people once more, whatever became of the first."""
    await conn.execute(
        """insert into sends (chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, plan_day, planned_at, due_at,
                              expires_at)
           select chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, plan_day, planned_at, $2,
                  $2::timestamptz + interval '6 hours'
           from sends where id = any($1::bigint[])""",
        list(sends), due_at,
    )  # fmt: skip


async def waiting_for_locks(pool: asyncpg.Pool) -> int:
    """How many connections of this database wait for somebody else's lock now."""
    return await pool.fetchval(
        """select count(*)::int from pg_catalog.pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock'"""
    )
