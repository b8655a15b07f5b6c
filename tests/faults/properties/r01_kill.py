"""R1 kill: workers die by SIGKILL while sends are claimed, called, answered but not written down. Nothing is sent twice, nothing lost.

The windows are forced: a lock on `attempts` keeps calls from beginning, the sandbox holds its answers, a lock on `chip_counts` keeps
answers from being settled. Of a send that stays `unknown` the ledger has no row, and it was in `calling` when its worker died.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from julia_warmer.engine.wake import Step, wake
from julia_warmer.store.db import transaction
from tests.faults.fleet import found_fleet
from tests.faults.judge import await_settled, finish, judge
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.process import Process, until
from tests.faults.row import Draw, Findings, Row
from tests.faults.stage import Stage

NAME = "R1"
LIMIT_S = (1500.0, 180.0)
WINDOWS = ("claimed", "called", "answered")
WORKERS = 4
LEASE_S = 5
SETTINGS = {"lease_s": LEASE_S, "send_concurrency": 4, "claim_max": 8}


@dataclass(slots=True)
class _Kills:
    """What dead workers left behind."""

    windows: Counter[str] = field(default_factory=Counter)
    sends: Counter[str] = field(default_factory=Counter)  # of the dead workers, by the window in which they were
    calling: set[int] = field(default_factory=set)
    claimed: dict[int, datetime] = field(default_factory=dict)  # with the moment of the kill


async def run(stage: Stage, draw: Draw) -> Row:
    sends, kills = draw.size((5_000, 102), (400, 6))
    found = Findings()
    at = stage.clock.now()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=at, portfolios=4, chips=10, people=sends // 4, due_in=timedelta(hours=2))
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    dead = _Kills()
    game = _Game(stage, sandbox, await stage.workers(WORKERS, **SETTINGS), dead)
    order = [window for window in WINDOWS for _ in range(kills // len(WINDOWS))]
    draw.random.shuffle(order)
    waiting = list(fleet.sends)
    draw.random.shuffle(waiting)
    for nth, window in enumerate(order):
        await game.kill(window, waiting[nth * sends // kills : (nth + 1) * sends // kills])
    await finish(stage, within_s=draw.size(600, 120))
    await await_settled(stage, sandbox)
    judged = await judge(stage, sandbox, found)
    strange = judged.unknown - dead.calling
    found.violate(f"unknown, but not in a call at a kill: {sorted(strange)[:5]}", len(strange))
    for window in WINDOWS:
        found.expect(dead.windows[window] >= kills // len(WINDOWS), f"{dead.windows[window]} kills in the window {window}")
    recovered_s = await _taken_over(stage, dead, found)
    done = (
        f"{judged.sent + len(judged.unknown):,} sends, {WORKERS} workers, kills: {', '.join(f'{n} {w}' for w, n in dead.windows.items())}"
    )
    note = [
        f"left behind: {', '.join(f'{n} {window}' for window, n in sorted(dead.sends.items()))}",
        f"{len(judged.unknown)} calls that were lost before the platform had them wait for a person",
        f"{judged.untold} taken ones failed by a status that may lack our id",
    ]
    return found.row(
        NAME, done, kills=sum(dead.windows.values()), unknown=len(judged.unknown) + judged.untold, recovered_s=recovered_s, note=note
    )


class _Game:
    """Four workers, one of which dies and is replaced, again and again."""

    def __init__(self, stage: Stage, sandbox: SandboxProcess, workers: Sequence[Process], dead: _Kills) -> None:
        self.stage = stage
        self.sandbox = sandbox
        self.workers = {str(worker.said["worker"]): worker for worker in workers}
        self.dead = dead
        self.hiring: list[asyncio.Task[None]] = []

    async def kill(self, window: str, sends: Sequence[int]) -> None:
        """Force the window, let these sends be due, kill a worker that is in it, let things go on, start another."""
        await until("enough workers live and are done with what they had", self._are_free, within_s=60)
        async with self._forced(window, sends):
            name = await until(f"a worker is caught: {window}", lambda: self._caught(window), within_s=60, every_s=0.05)
            victim = self.workers.pop(name)
            await victim.kill()
            rows = await self.stage.db.owner.fetch(
                "select id, state from sends where claimed_by = $1 and state in ('claimed', 'calling')", name
            )
            now = self.stage.clock.now()
        states = Counter(row["state"] for row in rows)
        if states["claimed" if window == "claimed" else "calling"]:
            self.dead.windows[window] += 1
        self.dead.sends["claimed"] += states["claimed"]
        self.dead.sends[window if window != "claimed" else "called"] += states["calling"]
        self.dead.calling |= {row["id"] for row in rows if row["state"] == "calling"}
        self.dead.claimed |= {row["id"]: now for row in rows if row["state"] == "claimed"}
        self.hiring.append(asyncio.create_task(self._hire()))

    async def _hire(self) -> None:
        worker = await self.stage.worker(**SETTINGS)
        self.workers[str(worker.said["worker"])] = worker

    async def _are_free(self) -> bool:
        """Else what they settle meets our lock, and none of them comes to a claim."""
        for task in self.hiring:
            if task.done():
                task.result()
        busy = await self.stage.db.owner.fetchval(
            "select exists (select from sends where state in ('claimed', 'calling') and claimed_by = any($1))", list(self.workers)
        )
        return len(self.workers) >= WORKERS - 1 and not busy

    async def _let_go(self, sends: Sequence[int]) -> None:
        async with transaction(self.stage.db.owner) as conn:
            await conn.execute("update sends set due_at = $2 where id = any($1::bigint[])", list(sends), self.stage.clock.now())
            await wake(conn, Step.DISPATCH)

    @asynccontextmanager
    async def _forced(self, window: str, sends: Sequence[int]) -> AsyncGenerator[None]:
        """Let these sends be due, and nothing get past the window."""
        if window == "claimed":
            async with self._locked("attempts"):
                await self._let_go(sends)
                yield
            return
        await self.sandbox.fault({"what": "hold"})
        try:
            await self._let_go(sends)
            if window == "called":
                yield
                return
            await until("a call is held", self._is_holding, within_s=60)
            async with self._locked("chip_counts"):
                await self.sandbox.heal()
                yield
        finally:
            await self.sandbox.heal()

    @asynccontextmanager
    async def _locked(self, table: str) -> AsyncGenerator[None]:
        async with self.stage.db.owner.acquire() as conn, conn.transaction():
            await conn.execute("set local idle_in_transaction_session_timeout = 0")
            await conn.execute(f"lock table {table} in share row exclusive mode")
            yield

    async def _is_holding(self) -> bool:
        return (await self.sandbox.state())["holding"] > 0

    async def _caught(self, window: str) -> str | None:
        """A living worker that is in the window, if there is one."""
        state = "claimed" if window == "claimed" else "calling"
        rows = await self.stage.db.owner.fetch(
            """select sends.claimed_by as name, array_agg(attempts.id::text) filter (where attempts.id is not null) as calls
               from sends
               left join attempts on attempts.send_id = sends.id and attempts.number = sends.attempts and sends.state = 'calling'
               where sends.state = $1 group by 1""",
            state,
        )  # fmt: skip
        rows = [row for row in rows if row["name"] in self.workers]
        if window == "called":
            rows = rows if await self._is_holding() else []
        if window == "answered":
            taken = {row["ours"] for row in self.sandbox.sent()}
            rows = [row for row in rows if set(row["calls"]) <= taken] if await self._is_waiting() else []
        return rows[0]["name"] if rows else None

    async def _is_waiting(self) -> bool:
        """Does a settlement wait for our lock?"""
        return await self.stage.db.owner.fetchval(
            """select exists (
                   select from pg_catalog.pg_locks join pg_catalog.pg_stat_activity using (pid)
                   where not granted and relation = 'warmer.chip_counts'::regclass and query like 'with answer as%'
               )"""
        )


async def _taken_over(stage: Stage, dead: _Kills, found: Findings) -> float | None:
    """What a dead worker had claimed was called by another: the longest time from the kill to that call."""
    rows = await stage.db.pool.fetch(
        "select send_id, array_agg(began_at order by began_at) as began from attempts where send_id = any($1::bigint[]) group by 1",
        list(dead.claimed),
    )
    began = {row["send_id"]: row["began"] for row in rows}
    longest: float | None = None
    for send_id, killed_at in dead.claimed.items():
        later = [at for at in began.get(send_id, []) if at > killed_at]
        if not later:
            found.lose("claimed by a worker that died, and never taken over")
            continue
        longest = max(longest or 0.0, (later[0] - killed_at).total_seconds())
    return longest
