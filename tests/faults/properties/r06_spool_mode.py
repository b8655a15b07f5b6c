"""R6 in spool mode: requests to stop that lie in a folder which no worker sees. Nothing begins anywhere before they are in the database.

First only one application loses the database while the workers have it: its 200 may come only when its lease has run out for them. Then
everybody loses it; one application is stopped with requests to stop in its spool, and the workers are back before it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from signal import SIGCONT, SIGSTOP

from julia_warmer.engine.wake import Step, wake
from julia_warmer.store.db import transaction
from tests.faults.asking import WORDS, Asked, ask, judge_times, moment
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.judge import await_settled, finish, judge
from tests.faults.line import Line, line_to
from tests.faults.outside import drained
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.post import Sender
from tests.faults.process import until
from tests.faults.row import Draw, Findings
from tests.faults.spooled import files, names
from tests.faults.stage import Api, Stage

SETTINGS = {"send_concurrency": 4, "claim_max": 10, "messages_per_second": 3, "lease_s": 5}
WIRE_S = 2.0  # a request that is taken so long after has not begun before: no answer is slow here
DUE_AGAIN_S = 8.0  # the second half of a phase's messages: when nothing may begin any more
MAIL_AGAIN = {**MAIL, "retry_first_s": 0.5, "retry_factor": 1.5, "retry_most_s": 5.0}


@dataclass(slots=True)
class Played:
    """What this half adds to the row."""

    done: str
    unknown: int
    note: list[str] = field(default_factory=list)


async def play(stage: Stage, draw: Draw, found: Findings) -> Played:
    people, hold_s = draw.size((400, 6.0), (90, 3.0))
    ways = draw.size(["cut", "hang"], [draw.random.choice(["cut", "hang"])])
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=2, chips=5, people=people, due_in=timedelta(hours=4)
    )
    numbers = list(fleet.size.everybody)
    draw.random.shuffle(numbers)
    parts = [numbers[nth :: len(ways) + 1] for nth in range(len(ways) + 1)]
    async with line_to(stage.db.dsn) as line:
        sandbox = await stage.sandbox()
        api, far = await asyncio.gather(stage.api(), stage.api(database_url=line.dsn))
        await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL_AGAIN))
        await stage.workers(2, **SETTINGS)
        async with Sender(api.webhook, stage.secret) as near_sender, Sender(far.webhook, stage.secret) as far_sender:
            game = _Game(stage, fleet, sandbox, draw, found, [near_sender, far_sender], hold_s)
            for way, part in zip(ways, parts, strict=False):
                await game.part(line, way, part)
            await game.lose_all(far, parts[-1])
            await finish(stage, within_s=120)
    await await_settled(stage, sandbox)
    judged = await judge(stage, sandbox, found, may_end=("cancelled",))
    note = [
        f"{game.quiet} looks while a spool was not empty saw nothing begin",
        f"{game.on_the_wire} requests were on the wire at their 200",
    ]
    done = f"in spool mode {len(game.asked)} requests to stop (one application alone: {', '.join(ways)}; then all without the database)"
    return Played(done, len(judged.unknown) + judged.untold, note)


@dataclass(slots=True)
class _Game:
    """The phases, one after the other. `senders`: to the application with the straight line, and to the other."""

    stage: Stage
    fleet: Fleet
    sandbox: SandboxProcess
    draw: Draw
    found: Findings
    senders: list[Sender]
    hold_s: float
    asked: list[Asked] = field(default_factory=list)
    quiet: int = 0
    on_the_wire: int = 0

    async def part(self, line: Line, way: str, people: Sequence[int]) -> None:
        """Only one application loses the database. Its requests to stop wait in its spool, and the workers find nothing to do."""
        await self._let_go(people)
        async with _lost(line, way):
            asked = await self._ask(people, self.senders[1:])
            await asyncio.sleep(self.hold_s)
            await self._judge_files(asked)
            await self._judge_quiet(max(one.heard_at for one in asked), self.stage.clock.now())
        await self._judge_after(asked)

    async def lose_all(self, far: Api, people: Sequence[int]) -> None:
        """Everybody loses it. When it is back one application stands still, so that what it holds is not in yet."""
        await self._let_go(people)
        async with self.stage.database_away():
            asked = await self._ask(people, self.senders)
            await self._judge_files(asked)
            far.process.send(SIGSTOP)
        await self.stage.worker(**SETTINGS)  # the others come back in their own time
        await asyncio.sleep(self.hold_s)
        self.found.expect(bool(files(self.stage.spool)), "nothing was in the spool of the one that stood still")
        await self._judge_quiet(max(one.heard_at for one in asked), self.stage.clock.now())
        far.process.send(SIGCONT)
        await self._judge_after(asked)

    async def _let_go(self, people: Sequence[int]) -> None:
        """Half is due now, half when nothing may begin any more."""
        now = self.stage.clock.now()
        sends = [self.fleet.sends[n] for n in people]
        half = len(sends) // 2
        async with transaction(self.stage.db.owner) as conn:
            for part, due_at in ((sends[:half], now), (sends[half:], now + timedelta(seconds=DUE_AGAIN_S))):
                await conn.execute("update sends set due_at = $2 where id = any($1::bigint[])", part, due_at)
            await wake(conn, Step.DISPATCH)
        before = len(self.sandbox.sent())

        async def is_going() -> bool:
            return len(self.sandbox.sent()) > before

        await until("messages go out", is_going, within_s=60)

    async def _ask(self, people: Sequence[int], senders: Sequence[Sender]) -> list[Asked]:
        """A third of them ask to stop at once."""
        asking = [
            ask(self.stage, self.fleet, senders[nth % len(senders)], n, self.draw.random.choice(WORDS)) for nth, n in enumerate(people[::3])
        ]
        asked = [one for one in await asyncio.gather(*asking) if one]
        self.found.lose("requests to stop given up", len(asking) - len(asked))
        self.asked += asked
        return asked

    async def _judge_files(self, asked: Sequence[Asked]) -> None:
        there = await asyncio.to_thread(names, self.stage, self.stage.spool)
        missing = {f"wamid.stop.{one.person}" for one in asked} - there
        self.found.lose("requests to stop answered 200, with no database and no file", len(missing))

    async def _judge_quiet(self, since: datetime, until_: datetime) -> None:
        """Nothing began in between, though messages are due: neither here nor, but for what was on the wire, at the platform."""
        pool = self.stage.db.pool
        due = await pool.fetchval("select count(*)::int from sends where state in ('planned', 'claimed') and due_at <= $1", until_)
        self.found.expect(due > 0, "nothing was due while a spool was not empty: this look proves nothing")
        began = await pool.fetchval("select count(*)::int from attempts where began_at > $1 and began_at <= $2", since, until_)
        self.found.violate("calls begun while a spool was not empty", began)
        late = since + timedelta(seconds=WIRE_S)
        taken = sum(late < moment(row, self.sandbox) <= until_ for row in self.sandbox.sent())
        self.found.violate("messages taken while a spool was not empty", taken)
        self.quiet += 1

    async def _judge_after(self, asked: Sequence[Asked]) -> None:
        """All goes on, and not to those who asked."""

        async def is_empty() -> bool:
            return not files(self.stage.spool)

        await until("every spool is empty", is_empty, within_s=60)
        async with transaction(self.stage.db.owner) as conn:
            await wake(conn, Step.DISPATCH)
        await drained(self.stage.db.pool)
        await self._none_due()
        self.on_the_wire += judge_times(self.sandbox, asked, self.found)
        heard = {phone_of(one.person): one.heard_at + timedelta(seconds=WIRE_S) for one in asked}
        late = [row for row in self.sandbox.sent() if row["person"] in heard and moment(row, self.sandbox) > heard[row["person"]]]
        self.found.violate("messages to people who had the 200 to their request to stop", len(late))

    async def _none_due(self) -> None:
        async def is_over() -> bool:
            return not await self.stage.db.pool.fetchval(
                "select exists (select from sends where state in ('planned', 'claimed', 'calling') and due_at <= $1)",
                self.stage.clock.now(),
            )

        await until("what is due went out", is_over, within_s=90, every_s=0.2)


@asynccontextmanager
async def _lost(line: Line, way: str) -> AsyncGenerator[None]:
    if way == "cut":
        await line.cut()
    else:
        line.hang()
    try:
        yield
    finally:
        await line.mend()
