"""R18 load: 80 sends a second with 320 webhook items a second. Latencies at a fixed arrival rate, nothing lost, no queue that ages.

Three latencies. A send: from the commit that lets it be due and wakes the dispatch, to the answer of the platform. A delivery: from its
POST to the 200. And from that transaction to the effect, for whatever came, the platform's own statuses included.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from julia_warmer.engine.wake import Step, wake
from julia_warmer.store.db import transaction
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.judge import await_settled, finish, judge
from tests.faults.memory import watched
from tests.faults.outside import drained
from tests.faults.platform import MAIL
from tests.faults.post import Sender, body, change, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms, percentile
from tests.faults.stage import Stage

NAME = "R18"
LIMIT_S = (1200.0, 180.0)
SENDS_S, ITEMS_S = 80, 320
OURS_S = 260  # items a second that we post; what the platform tells of 80 sends a second is the rest
TICK_S = 0.05
PER_BODY = (1, 1, 2, 4, 12)
P50_MS, P99_MS = 250.0, 1000.0
QUEUE_S = 5.0  # the oldest that waits, of deliveries and of sends
MOST_MB = {"api": 250, "worker": 300}
GROWTH_MB = 60


@dataclass(slots=True)
class _Queues:
    """How old the oldest was, each second, in seconds."""

    inbox: list[float] = field(default_factory=list)
    sends: list[float] = field(default_factory=list)


async def run(stage: Stage, draw: Draw) -> Row:
    for_s = draw.size(600, 12)
    found = Findings()
    people = SENDS_S * for_s // 4
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=4, chips=10, people=people, due_in=timedelta(hours=4)
    )
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    workers = await stage.workers(2)
    posted: list[str] = []
    async with Sender(api.webhook, stage.secret) as sender, watched((api.process, *workers)) as memory, _aging(stage) as queues:
        began_at = stage.clock.now()
        await asyncio.gather(_let_go(stage, fleet, for_s, draw), _post(stage, fleet, sender, for_s, draw, posted))
        load_s = (stage.clock.now() - began_at).total_seconds()
        items = await stage.db.pool.fetchval("select count(*)::int from events where recorded_at >= $1", began_at)
        await finish(stage, within_s=60)
        await await_settled(stage, sandbox, within_s=60)
        await drained(stage.db.pool)
        told = memory.judge(found, most_mb=MOST_MB, growth_mb=GROWTH_MB)
    judged = await judge(stage, sandbox, found)
    there = {row["message_id"] for row in await stage.db.pool.fetch("select message_id from received")}
    found.lose("messages to us", len(set(posted) - there))
    found.violate("answers other than 200", sum(n for code, n in sender.codes.items() if code != 200))
    found.in_time(items / load_s >= ITEMS_S * 0.95, f"only {items / load_s:.0f} items a second")
    sends = await _seconds(stage, "select extract(epoch from accepted_at - due_at)::float8 as s from sends where accepted_at is not null")
    applied = await _seconds(
        stage, "select extract(epoch from applied_at - received_at)::float8 as s from inbox where applied_at is not null"
    )
    note = [
        _judge("due to accepted", sends, found),
        _judge("POST to 200", sender.seconds, found),
        _judge("200 to effect", applied, found),
        _judge_queue("delivery", queues.inbox, found),
        _judge_queue("send", queues.sends, found),
        told,
    ]
    rates = f"{judged.sent / load_s:.0f} sends/s with {items / load_s:.0f} webhook items/s for {load_s:.0f} s"
    done = f"{rates} ({judged.sent:,} and {items:,}), 1 API process, 2 workers"
    return found.row(NAME, done, unknown=len(judged.unknown) + judged.untold, note=note, **p50_p99_ms(sends))


async def _let_go(stage: Stage, fleet: Fleet, for_s: float, draw: Draw) -> None:
    """Let sends be due at a fixed rate, whatever becomes of those before; each commit wakes the dispatch, as a plan and a reply do."""
    loop = asyncio.get_running_loop()
    waiting = list(fleet.sends)
    draw.random.shuffle(waiting)
    began, let_go = loop.time(), 0
    while let_go < len(waiting):
        upto = int((loop.time() - began) * SENDS_S) + 1
        part, let_go = waiting[let_go:upto], upto
        async with transaction(stage.db.owner) as conn:
            await conn.execute("update sends set due_at = $2 where id = any($1::bigint[])", part, stage.clock.now())
            await wake(conn, Step.DISPATCH)
        await asyncio.sleep(TICK_S)


async def _post(stage: Stage, fleet: Fleet, sender: Sender, for_s: float, draw: Draw, posted: list[str]) -> None:
    """People write, at a fixed rate, in bodies of several sizes; each POST waits for itself only."""
    loop = asyncio.get_running_loop()
    began, running = loop.time(), set[asyncio.Task[bool]]()
    while (now_s := loop.time() - began) < for_s:
        while len(posted) < now_s * OURS_S:
            chip = draw.random.choice(fleet.chips)
            names = [f"wamid.in.{len(posted) + n}" for n in range(draw.random.choice(PER_BODY))]
            posted += names
            people = (draw.random.randrange(len(fleet.people)) for _ in names)
            items = [text(name, "Oi!", stage.clock.now(), sender=phone_of(n)) for name, n in zip(names, people, strict=True)]
            task = asyncio.create_task(sender.deliver(body(change(chip, messages=items), waba=chip.waba)))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(TICK_S / 2)
    await asyncio.gather(*running)


@asynccontextmanager
async def _aging(stage: Stage) -> AsyncGenerator[_Queues]:
    """Look each second, until the block ends."""
    queues = _Queues()

    async def look() -> None:
        while True:
            at = stage.clock.now()
            row = await stage.db.pool.fetchrow(
                """select extract(epoch from $1 - (select min(received_at) from inbox where applied_at is null))::float8 as inbox,
                          extract(epoch from $1 - (select min(due_at) from sends where state = 'planned'))::float8 as sends""",
                at,
            )  # fmt: skip
            queues.inbox.append(max(0.0, row["inbox"] or 0.0))
            queues.sends.append(max(0.0, row["sends"] or 0.0))
            await asyncio.sleep(1)

    task = asyncio.create_task(look())
    try:
        yield queues
    finally:
        task.cancel()


async def _seconds(stage: Stage, sql: str) -> list[float]:
    return [row["s"] for row in await stage.db.pool.fetch(sql)]


def _judge(what: str, seconds: Sequence[float], found: Findings) -> str:
    """Both bounds; says what it was."""
    p50, p99 = (1000 * (percentile(seconds, share) or 0.0) for share in (0.5, 0.99))
    found.in_time(p50 <= P50_MS and p99 <= P99_MS, f"{what}: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    return f"{what}: p50 {p50:.0f} ms, p99 {p99:.0f} ms"


def _judge_queue(what: str, ages: Sequence[float], found: Findings) -> str:
    oldest = max(ages, default=0.0)
    found.in_time(oldest <= QUEUE_S, f"a {what} waited for {oldest:.1f} s")
    return f"the oldest waiting {what} was {oldest:.1f} s old"
