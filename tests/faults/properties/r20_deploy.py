"""R20 deploy and restore: processes are replaced under load, one after the other; and an old backup begins held.

A worker that is told to end settles what it has begun and gives the rest back, within a minute. The application goes away and comes back at
the same address, while the platform delivers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from signal import SIGTERM

from julia_warmer.engine.wake import Step, wake
from julia_warmer.store.db import transaction
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.judge import await_settled, find_duplicates, finish, judge, sends_by_ours
from tests.faults.outside import drained, plan_again
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.post import Sender, body, change, text
from tests.faults.process import Process, until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R20"
LIMIT_S = (900.0, 180.0)
DRAIN_S = 60.0
SENDS_S, ITEMS_S = 30, 20
TICK_S = 0.1
SLOW = {"what": "slow", "s": 1.0, "probability": 0.1}  # so that something is always on the wire
MAIL_AGAIN = {**MAIL, "retry_first_s": 0.5, "retry_factor": 1.5, "retry_most_s": 5.0}


@dataclass(slots=True)
class _Ending:
    """Tells processes to end, and how long each took."""

    found: Findings
    took_s: list[float] = field(default_factory=list)

    async def end(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        process.send(SIGTERM)
        try:
            await asyncio.wait_for(process.child.wait(), DRAIN_S)
        except TimeoutError:
            self.found.violate(f"{process.name} did not end within {DRAIN_S:.0f} s")
            await process.kill()
        self.found.expect(process.child.returncode == 0, f"{process.name} ended with {process.child.returncode}")
        self.took_s.append(loop.time() - began)


async def run(stage: Stage, draw: Draw) -> Row:
    """Both halves at once, each on a stage of its own."""
    found = Findings()
    async with stage.another("restored") as other:
        (done, unknown, seconds, slowest_s, note), restored = await asyncio.gather(
            _deploy(stage, draw, found), _restore(other, draw, found)
        )
    return found.row(
        NAME, f"{done}; a backup restored", unknown=unknown, recovered_s=slowest_s, note=[restored, *note], **p50_p99_ms(seconds)
    )


async def _deploy(stage: Stage, draw: Draw, found: Findings) -> tuple[str, int, list[float], float, list[str]]:
    """What was done, sends whose outcome nobody can know, what each POST took, what the slowest process took to end, and a note."""
    rounds, people, number = draw.size((4, 1_500, 3), (1, 150, 2))
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=2, chips=10, people=people, due_in=timedelta(hours=4)
    )
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL_AGAIN))
    await sandbox.fault(SLOW)
    workers = await stage.workers(number)
    ending, posted = _Ending(found), list[str]()
    async with Sender(api.webhook, stage.secret) as sender:
        load = [asyncio.create_task(_let_go(stage, fleet, draw)), asyncio.create_task(_post(stage, fleet, sender, posted))]
        for _ in range(rounds):
            for nth, old in enumerate(workers):
                workers[nth] = await stage.worker()
                await ending.end(old)
            await ending.end(api.process)
            api = await stage.api(at=api)  # at the address that the platform knows
        await load[0]
        await finish(stage, within_s=120)
        load[1].cancel()
        await asyncio.wait(load)
    await sandbox.heal()
    await _judge_deploy(stage, sandbox, posted, sender, found)
    judged = await judge(stage, sandbox, found)
    found.violate("sends whose outcome a deploy made unknown", len(judged.unknown))
    slowest_s = max(ending.took_s)
    done = f"{len(ending.took_s)} processes replaced while {judged.sent:,} messages went out and {len(posted):,} came in"
    note = [f"the slowest to end took {slowest_s:.1f} s", f"{sender.codes[0]} POSTs met no server and came again"]
    return done, judged.untold, sender.seconds, slowest_s, note


async def _let_go(stage: Stage, fleet: Fleet, draw: Draw) -> None:
    """Let sends be due at a fixed rate."""
    waiting = list(fleet.sends)
    draw.random.shuffle(waiting)
    step = int(SENDS_S * TICK_S)
    for nth in range(0, len(waiting), step):
        async with transaction(stage.db.owner) as conn:
            await conn.execute("update sends set due_at = $2 where id = any($1::bigint[])", waiting[nth : nth + step], stage.clock.now())
            await wake(conn, Step.DISPATCH)
        await asyncio.sleep(TICK_S)


async def _post(stage: Stage, fleet: Fleet, sender: Sender, posted: list[str]) -> None:
    """People write at a fixed rate, and Meta comes again until a 200."""
    running = set[asyncio.Task[bool]]()
    try:
        for nth in range(10**9):
            posted.append(f"wamid.in.{nth}")
            chip = fleet.chips[nth % len(fleet.chips)]
            item = text(posted[-1], "Oi!", stage.clock.now(), sender=phone_of(nth % len(fleet.people)))
            task = asyncio.create_task(sender.deliver(body(change(chip, messages=[item]), waba=chip.waba)))
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(1 / ITEMS_S)
    finally:
        await asyncio.gather(*running)


async def _judge_deploy(stage: Stage, sandbox: SandboxProcess, posted: list[str], sender: Sender, found: Findings) -> None:
    await await_settled(stage, sandbox)
    await drained(stage.db.pool)
    there = {row["message_id"] for row in await stage.db.pool.fetch("select message_id from received")}
    found.lose("messages to us", len(set(posted) - there))
    strange = {code: n for code, n in sender.codes.items() if code not in (200, 0, 503)}
    found.expect(not strange, f"POSTs were answered {strange}")


# ------------------------------------------------------------------ restore


async def _restore(stage: Stage, draw: Draw, found: Findings) -> str:
    """Send a third, back up, send another third, restore. Nothing goes out until a person releases; nobody gets anything twice."""
    people, held_s = draw.size((600, 30.0), (60, 6.0))
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=2, chips=5, people=people, due_in=timedelta(hours=4)
    )
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL_AGAIN))
    third = len(fleet.sends) // 3
    parts = [fleet.sends[at : at + third] for at in range(0, third * 3, third)]
    await _send_all(stage, parts[0])
    copy = await stage.back_up()
    await _send_all(stage, parts[1])
    await api.process.end()
    await stage.restore(copy)
    before = len(sandbox.sent())
    found.expect(before == 2 * third, f"{before} of {2 * third} were sent before the restore")
    await _let_be_due(stage, [*parts[1], *parts[2]])
    await stage.api(at=api)
    worker = await stage.worker()
    await asyncio.sleep(held_s)
    while_held = len(sandbox.sent()) - before
    found.violate("sends after a restore that nobody released", while_held)
    holds = await stage.db.pool.fetchval("select count(*)::int from holds")
    found.expect(holds > 0, "nothing says that it is held")
    await stage.command("release", "--restore", "--why", "the fault run says so")
    await plan_again(stage.db.owner, parts[2], due_at=stage.clock.now())  # what was planned before the restore is cancelled
    await _let_be_due(stage, [])
    await finish(stage, within_s=120)
    await worker.end()
    sent, known = sandbox.sent(), await sends_by_ours(stage)
    find_duplicates(sent, found)
    found.expect(len(sent) - before == third, f"{len(sent) - before} of {third} new ones were sent after the release")
    found.lose("messages that the restored database does not know of", sum(row["ours"] not in known for row in sent))
    return f"after the restore {while_held} of {2 * third} due went out in {held_s:.0f} s; released, {len(sent) - before} new ones followed"


async def _send_all(stage: Stage, sends: Sequence[int]) -> None:
    """By a worker that lives just for them."""
    worker = await stage.worker()
    await _let_be_due(stage, sends)

    async def are_sent() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where id = any($1) and accepted_at is null)", list(sends))

    await until("these are sent", are_sent, within_s=90)
    await worker.end()


async def _let_be_due(stage: Stage, sends: Sequence[int]) -> None:
    async with transaction(stage.db.owner) as conn:
        await conn.execute(
            "update sends set due_at = $2 where id = any($1::bigint[]) and state = 'planned'", list(sends), stage.clock.now()
        )
        await wake(conn, Step.DISPATCH)
