"""R8 jobs: for minutes the workers' connections are cut every second. Every piece of work has its one effect, and every worker lives.

A piece of work is a delivery that was kept together with its wake, as the webhook does it; its effect is counted by the database, so a
second one would show. Each second a quarter of the workers loses all its connections, every tenth second all of them do.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from julia_warmer.engine.intake import take_delivery
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import Counts, counts_of, drained
from tests.faults.post import body, change, text
from tests.faults.process import Process, Stuck, until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R8"
LIMIT_S = (900.0, 180.0)
PEOPLE = 1_000
HANDS = 8  # that deliver at once
ALL_EVERY = 10  # cuts
BACK_WITHIN_S = 90.0  # the supervisor waits for half a minute at most before it begins again
STALE = timedelta(seconds=45)  # three times a job's heartbeat

# What PgQueuer's loop asks with, when it looks at the queue; what else names this table is ours.
LOOKS = ("%queued_work%", "%execute_after - now()%", "%skip locked%")


@dataclass(slots=True)
class _Cuts:
    """What was cut."""

    rounds: int = 0
    connections: int = 0
    waited_s: list[float] = field(default_factory=list)  # from a delivery's commit to its application


async def run(stage: Stage, draw: Draw) -> Row:
    works, number, for_s = draw.size((20_000, 16, 120), (800, 4, 12))
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=2, people=PEOPLE, sends=False)
    workers = await stage.workers(number)
    cuts = _Cuts()
    cutting = asyncio.create_task(_cut(stage, workers, cuts, draw, for_s))
    await _deliver(stage, fleet, works, for_s)
    await cutting
    ended_at = stage.clock.now()
    recovered_s = await _until_all_look(stage, workers, found)
    await drained(stage.db.pool)
    await _judge_effects(stage, works, found)
    await _judge_stranded(stage, found)
    found.violate("workers that ended", sum(not worker.is_alive for worker in workers))
    later = await stage.db.pool.fetch(
        "select extract(epoch from applied_at - received_at)::float8 as s from inbox where applied_at is not null"
    )
    jobs = await stage.db.owner.fetchval("select count(distinct job_id)::int from pgqueuer_log where status = 'successful'")
    done = f"{works:,} deliveries with their wakes, {number} worker processes, {cuts.connections:,} connections cut in {cuts.rounds} s"
    note = [
        f"{jobs:,} jobs ran to their end",
        "p50 and p99: from the delivery to its effect, the cuts included",
        f"after the last cut ({ended_at:%H:%M:%S}) every worker looked at the queue again within {recovered_s:.1f} s",
    ]
    return found.row(NAME, done, kills=cuts.connections, recovered_s=recovered_s, note=note, **p50_p99_ms([row["s"] for row in later]))


async def _deliver(stage: Stage, fleet: Fleet, works: int, for_s: float) -> None:
    """Keep so many deliveries with their wakes, evenly over the time, over connections that nobody cuts."""
    loop = asyncio.get_running_loop()
    began, left = loop.time(), iter(range(works))

    async def hand() -> None:
        for nth in left:
            await asyncio.sleep(max(0.0, began + nth * for_s / works - loop.time()))
            chip, person = fleet.chips[nth % 2], nth % PEOPLE
            item = text(f"wamid.work.{nth}", "Oi!", stage.clock.now(), sender=phone_of(person))
            work = body(change(chip, messages=[item]), waba=chip.waba)
            await take_delivery(stage.db.pool, work, at=stage.clock.now(), seal=stage.seal)

    await asyncio.gather(*(hand() for _ in range(HANDS)))


async def _cut(stage: Stage, workers: Sequence[Process], cuts: _Cuts, draw: Draw, for_s: int) -> None:
    """Every second, as a failing network or an impatient administrator does."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    names = [_application(worker) for worker in workers]
    for nth in range(1, for_s + 1):
        await asyncio.sleep(max(0.0, began + nth - loop.time()))
        unlucky = names if nth % ALL_EVERY == 0 else draw.random.sample(names, len(names) // 4)
        cuts.connections += await stage.db.owner.fetchval(
            """select count(pg_catalog.pg_terminate_backend(pid))::int from pg_catalog.pg_stat_activity
               where datname = current_database() and application_name = any($1)""",
            unlucky,
        )  # fmt: skip
        cuts.rounds += 1


def _application(worker: Process) -> str:
    """How its connections are named."""
    return f"warmer {worker.pid}"


async def _until_all_look(stage: Stage, workers: Sequence[Process], found: Findings) -> float:
    """Seconds until each worker's loop has asked the queue for jobs again."""
    loop = asyncio.get_running_loop()
    began, since = loop.time(), stage.clock.now()
    left = {_application(worker) for worker in workers}

    async def look() -> bool:
        rows = await stage.db.owner.fetch(
            """select distinct application_name as name from pg_catalog.pg_stat_activity
               where datname = current_database() and query_start > $1 and query ilike '%warmer.pgqueuer%' and query ilike any($2)
                     and query not ilike '%schedules%'""",
            since, list(LOOKS),
        )  # fmt: skip
        left.difference_update(row["name"] for row in rows)
        return not left or loop.time() - began > BACK_WITHIN_S

    await until("every worker looks at the queue", look, within_s=BACK_WITHIN_S + 10)
    found.violate(f"workers that do not look at the queue after {BACK_WITHIN_S:.0f} s", len(left))
    return loop.time() - began


async def _judge_effects(stage: Stage, works: int, found: Findings) -> None:
    there = await stage.db.pool.fetchval("select count(*)::int from received where message_id like 'wamid.work.%'")
    found.lose("deliveries without effect", works - there)
    facts = await stage.db.pool.fetchval("select count(*)::int from events where kind = 'message_received'")
    found.duplicate("facts written twice", max(0, facts - works))
    counts = await counts_of(stage.db.pool)
    found.expect(counts.matches(Counts(received=works)), f"counts are {counts}, not received={works}")
    found.duplicate("effects counted twice", max(0, counts.received - works))


async def _judge_stranded(stage: Stage, found: Findings) -> None:
    """Nothing waits for its route, no job is left picked or waiting for long, what was told of failing steps is over."""

    async def is_clean() -> bool:
        return not any((await _left(stage)).values())

    try:
        await until("nothing is stranded", is_clean, within_s=BACK_WITHIN_S, every_s=0.5)
    except Stuck:
        found.violate(f"stranded: {await _left(stage)}")


async def _left(stage: Stage) -> dict[str, int]:
    row = await stage.db.owner.fetchrow(
        """select (select count(*) from received where routed_at is null and route_next_at is not null)::int as "unrouted messages",
                  (select count(*) from pgqueuer
                   where status in ('queued', 'picked') and coalesce(heartbeat, updated) < now() - $1::interval)::int as "stale jobs",
                  (select count(*) from alerts where rule = 'step failed' and closed_at is null)::int as "open alerts"
        """,
        STALE,
    )  # fmt: skip
    return dict(row)
