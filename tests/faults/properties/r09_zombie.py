"""R9 zombie: a worker stops (SIGSTOP) with claims and calls open, its lease passes, others take over and finish, it wakes (SIGCONT).

What it had claimed was sent once, by another, and it makes no call for it. What it was calling nobody took over. A few stop inside a
transaction, while they begin their calls: their locks must not keep others from the portfolio for good.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from signal import SIGCONT, SIGSTOP
from typing import Any

from julia_warmer.engine.wake import Step, wake
from julia_warmer.store.db import transaction
from tests.faults.fleet import found_fleet
from tests.faults.judge import await_settled, finish, judge
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.process import Process, Stuck, until
from tests.faults.row import Draw, Findings, Row
from tests.faults.stage import Stage

NAME = "R9"
LIMIT_S = (1200.0, 180.0)
WORKERS, AT_ONCE = 6, 4
CATCH_S = 5.0  # how long they are waited for: a call that is held for long becomes unclear, as it should
SENDS_PER_ROUND = 80
WARMING = 3  # sends
LEASE_S = 5
SETTINGS = {"lease_s": LEASE_S, "send_concurrency": 1, "claim_max": 16}  # calls begin in batches of eight: the rest stays claimed
FREE_WITHIN_S = 60.0  # how long the locks of a worker that stopped inside a transaction may hold others up


@dataclass(slots=True)
class _Zombie:
    """A stopped worker, and what it had open then."""

    process: Process
    name: str
    stopped_at: datetime
    claimed: list[int]
    calling: list[int]


async def run(stage: Stage, draw: Draw) -> Row:
    zombies_wanted, inside = draw.size((100, 3), (4, 0))
    found = Findings()
    rounds = zombies_wanted  # at most: most rounds make more than one
    people = (rounds + inside) * SENDS_PER_ROUND // 4
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=4, chips=5, people=people, due_in=timedelta(hours=2)
    )
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    game = _Game(stage, sandbox, await stage.workers(WORKERS, **SETTINGS), found)
    waiting = list(fleet.sends)
    draw.random.shuffle(waiting)
    parts = [waiting[at : at + SENDS_PER_ROUND] for at in range(0, len(waiting), SENDS_PER_ROUND)]
    for part in parts[:rounds]:
        if game.zombies < zombies_wanted:
            await game.play(part)
    unused = [send for part in parts[game.rounds : rounds] for send in part]  # most rounds made more than one zombie
    await stage.db.owner.execute("update sends set state = 'cancelled' where id = any($1::bigint[])", unused)
    longest_s = 0.0
    for part in parts[rounds:]:
        longest_s = max(longest_s, await game.play_inside(part))
    await finish(stage, within_s=180)
    await await_settled(stage, sandbox)
    judged = await judge(stage, sandbox, found, may_end=("cancelled",))
    found.expect(game.zombies >= zombies_wanted, f"only {game.zombies} zombies had claims")
    done = f"{game.zombies} zombies with {game.claimed} claims and {game.calling} calls open; {inside} stopped inside a transaction"
    note = [f"one that stopped inside a transaction held others up for {longest_s:.1f} s"]
    return found.row(
        NAME, done, unknown=len(judged.unknown) + judged.untold, kills=game.zombies + inside, recovered_s=game.recovered_s, note=note
    )


class _Game:
    """Six workers, most of which are made to stop for longer than their lease, again and again."""

    def __init__(self, stage: Stage, sandbox: SandboxProcess, workers: Sequence[Process], found: Findings) -> None:
        self.stage = stage
        self.sandbox = sandbox
        self.workers = {str(worker.said["worker"]): worker for worker in workers}
        self.found = found
        self.rounds = self.zombies = self.claimed = self.calling = 0
        self.recovered_s = 0.0

    async def play(self, sends: Sequence[int]) -> None:
        """One round: stop some between transactions, let the others finish, wake them, judge."""
        await self.stage.db.owner.execute("delete from throttles")  # of an earlier round's unclear calls: R19 is about them
        await self.sandbox.fault({"what": "hold"})
        await self._let_go(sends)
        names = await self._catch()
        zombies = [await self._stop(name) for name in names]
        await self.sandbox.heal()
        self.rounds += 1
        self.zombies += len(zombies)
        self.claimed += sum(len(zombie.claimed) for zombie in zombies)
        self.calling += sum(len(zombie.calling) for zombie in zombies)
        await asyncio.sleep(LEASE_S)
        await self._wake(Step.SWEEP)
        await until("what the zombies had claimed is sent by others", lambda: self._are_sent(zombies), within_s=60)
        self.recovered_s = max(self.recovered_s, (self.stage.clock.now() - zombies[0].stopped_at).total_seconds())
        await self._judge_asleep(zombies)
        for zombie in zombies:
            zombie.process.send(SIGCONT)
        await until("the zombies gave up what they had", lambda: self._are_awake(zombies), within_s=60)
        await self._judge_awake(zombies)

    async def play_inside(self, sends: Sequence[int]) -> float:
        """Stop one inside the transaction that begins its calls; how long others have to wait for what it locked, in s past the lease."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(worker.end() for worker in self.workers.values()))
        alone = await self.stage.worker(**SETTINGS)
        name = str(alone.said["worker"])
        self.workers = {name: alone}
        warm = len(sends) * 3 // 4
        for at in range(0, warm, WARMING):  # until each of its connections has met every statement
            part = sends[at : min(at + WARMING, warm)]
            await self._let_go(part)
            await until("it is warm", lambda part=part: self._are_over(part), within_s=60)
        async with self.stage.db.owner.acquire() as conn, conn.transaction():
            await conn.execute("set local idle_in_transaction_session_timeout = 0")
            await conn.execute("lock table attempts in share row exclusive mode")
            await self._let_go(sends[warm:])
            await until("the only worker begins its calls", self._is_beginning, within_s=60)
            zombie = await self._stop(name)
        began = loop.time()
        self.workers |= {str(one.said["worker"]): one for one in await self.stage.workers(2, **SETTINGS)}
        try:
            await until("another takes over", lambda: self._are_sent([zombie]), within_s=LEASE_S + FREE_WITHIN_S, every_s=0.2)
        except Stuck:
            blocked = await self._blocked()
            self.found.violate(f"a worker that stopped inside a transaction still held {blocked} others up after {FREE_WITHIN_S:.0f} s")
        waited_s = loop.time() - began - LEASE_S
        zombie.process.send(SIGCONT)
        await until("every send of the round is over", lambda: self._are_over(sends), within_s=180, every_s=0.2)
        return max(0.0, waited_s)

    async def _let_go(self, sends: Sequence[int]) -> None:
        async with transaction(self.stage.db.owner) as conn:
            await conn.execute("update sends set due_at = $2 where id = any($1::bigint[])", list(sends), self.stage.clock.now())
        await self._wake(Step.DISPATCH)

    async def _wake(self, step: Step) -> None:
        async with transaction(self.stage.db.owner) as conn:
            await wake(conn, step)

    async def _open(self, name: str) -> dict[str, list[int]]:
        rows = await self.stage.db.owner.fetch(
            "select id, state from sends where claimed_by = $1 and state in ('claimed', 'calling') order by id", name
        )
        return {state: [row["id"] for row in rows if row["state"] == state] for state in ("claimed", "calling")}

    async def _catch(self) -> list[str]:
        """Workers with calls and further claims: as many as are wanted, or those that there are after a while, at least one."""
        loop = asyncio.get_running_loop()
        end, names = loop.time() + CATCH_S, list[str]()
        while len(names) < AT_ONCE and (not names or loop.time() < end):
            if loop.time() > end + 60:
                raise Stuck("no worker has claims behind a held call")
            await self._wake(Step.DISPATCH)  # a job goes to one worker: each look asks for one more
            await asyncio.sleep(0.05)
            names = await self._caught()
        return names[:AT_ONCE]

    async def _caught(self) -> list[str]:
        rows = await self.stage.db.owner.fetch(
            """select claimed_by from sends where state in ('claimed', 'calling') group by 1
               having count(*) filter (where state = 'claimed') > 0 and count(*) filter (where state = 'calling') > 0"""
        )
        names = [row["claimed_by"] for row in rows if row["claimed_by"] in self.workers]
        return names if (await self.sandbox.state())["holding"] >= len(names) else []

    async def _is_beginning(self) -> bool:
        return await self.stage.db.owner.fetchval(
            "select exists (select from pg_catalog.pg_locks where not granted and relation = 'warmer.attempts'::regclass)"
        )

    async def _stop(self, name: str) -> _Zombie:
        process = self.workers[name]
        process.send(SIGSTOP)
        await until("it stopped", lambda: _is_stopped(process), within_s=5, every_s=0.001)
        left = await self._open(name)
        return _Zombie(process, name, self.stage.clock.now(), left["claimed"], left["calling"])

    async def _are_sent(self, zombies: Sequence[_Zombie]) -> bool:
        ids = [id_ for zombie in zombies for id_ in zombie.claimed]
        return not await self.stage.db.pool.fetchval(
            "select exists (select from sends where id = any($1::bigint[]) and accepted_at is null)", ids
        )

    async def _are_over(self, ids: Sequence[int]) -> bool:
        return not await self.stage.db.pool.fetchval(
            "select exists (select from sends where id = any($1::bigint[]) and state in ('planned', 'claimed', 'calling'))", list(ids)
        )

    async def _are_awake(self, zombies: Sequence[_Zombie]) -> bool:
        """They have settled their calls, and one more turn of theirs has gone by."""
        return not await self.stage.db.pool.fetchval(
            "select exists (select from sends where state = 'calling' and claimed_by = any($1))", [zombie.name for zombie in zombies]
        )

    async def _judge_asleep(self, zombies: Sequence[_Zombie]) -> None:
        """While it slept nobody called what it was calling."""
        for zombie in zombies:
            others = await self._calls(zombie.calling, since=zombie.stopped_at)
            self.found.duplicate(f"calls for what a stopped worker was calling, by {[row['worker'] for row in others][:2]}", len(others))

    async def _judge_awake(self, zombies: Sequence[_Zombie]) -> None:
        """Awake, it made no call for what it had claimed: others had, once each."""
        for zombie in zombies:
            calls = await self._calls(zombie.claimed, since=zombie.stopped_at)
            own = [row for row in calls if row["worker"] == zombie.name]
            self.found.duplicate("calls that a zombie made for claims that it had lost", len(own))
            self.found.lose("claims of a zombie that nobody called", max(0, len(zombie.claimed) - len(calls)))

    async def _calls(self, send_ids: Sequence[int], *, since: datetime) -> list[Any]:
        return await self.stage.db.pool.fetch(
            "select send_id, worker from attempts where send_id = any($1::bigint[]) and began_at > $2", list(send_ids), since
        )

    async def _blocked(self) -> int:
        return await self.stage.db.owner.fetchval(
            "select count(*)::int from pg_catalog.pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )


async def _is_stopped(process: Process) -> bool:
    return process.state() == "T"
