"""R4 database down: deliveries go on arriving while the database is away. What was answered 200 is on disk then, and applied once after.

Three ways at once, each on a stage of its own: the database refuses everybody; so too, and the application is killed while it spools; and
the line to it hangs, so that nobody is refused and nothing is said. Every second sender tries again until it has its 200, as Meta does.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.line import Line, line_to
from tests.faults.outside import counts_of, drained
from tests.faults.post import RETRY_FOR_S, Sender, body, change, text
from tests.faults.process import Stuck, until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.spooled import files, names
from tests.faults.stage import Api, Stage

NAME = "R4"
LIMIT_S = (600.0, 180.0)
DRAIN_S = 60.0
TWICE_EVERY = 10  # deliveries come twice, as Meta's do
ANSWER_S = 25.0  # for a 200 or a 503, however the database behaves: a transaction's 20 s and some
WARM = 64
KILLED_AFTER = 0.85  # of the deliveries


class Fault(StrEnum):
    """What becomes of the database, and of the application."""

    AWAY = "away"
    KILLED = "killed"
    HUNG = "hung"


@dataclass(slots=True)
class _Outage:
    """One of the three, as it goes on."""

    stage: Stage
    fleet: Fleet
    fault: Fault
    api: Api
    sender: Sender
    told: set[str] = field(default_factory=set)  # names of what was answered 200
    given_up: int = 0
    took_s: list[float] = field(default_factory=list)  # each 200
    slowest_s: float = 0.0  # any answer
    spooled: int = 0
    recovered_s: float = 0.0

    async def post(self, name: str, item: bytes, *, again: bool) -> None:
        """Deliver one; a sender that tries again does so until it has its 200."""
        loop = asyncio.get_running_loop()
        end = loop.time() + RETRY_FOR_S * 2
        while True:
            began = loop.time()
            status = await self.sender.post(item)
            self.slowest_s = max(self.slowest_s, loop.time() - began)
            if status == 200:
                self.told.add(name)
                self.took_s.append(loop.time() - began)
                return
            if not again:
                return
            if loop.time() > end:
                self.given_up += 1
                return
            await asyncio.sleep(1.0)


async def run(stage: Stage, draw: Draw) -> Row:
    found = Findings()
    async with stage.another("killed") as killed, stage.another("hung") as hung:
        played = await asyncio.gather(
            _play(stage, draw, found, Fault.AWAY), _play(killed, draw, found, Fault.KILLED), _play(hung, draw, found, Fault.HUNG)
        )
    first, second, third = played
    done = (
        f"{' + '.join(f'{sum(one.sender.codes.values()):,}' for one in played)} POSTs while the database was away (the application killed "
        f"in the second, the line hanging in the third); {' + '.join(f'{len(one.told):,}' for one in played)} deliveries answered 200"
    )
    note = [
        f"in the spool at the end of each: {first.spooled:,}, {second.spooled:,}, {third.spooled:,}",
        f"{sum(one.sender.codes[503] for one in played):,} x 503 before a spool opened",
        f"the slowest answer of a hanging database took {third.slowest_s:.1f} s",
        "drained within " + ", ".join(f"{one.recovered_s:.1f}" for one in played) + " s",
    ]
    recovered_s = max(one.recovered_s for one in played)
    return found.row(NAME, done, kills=1, recovered_s=recovered_s, note=note, **p50_p99_ms(first.took_s))


async def _play(stage: Stage, draw: Draw, found: Findings, fault: Fault) -> _Outage:
    number, away_s = draw.size((3_000, 60.0), (300, 14.0))
    number = number if fault is Fault.AWAY else number // 3
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=100, sends=False)
    async with line_to(stage.db.dsn) as line:
        api = await stage.api(database_url=line.dsn if fault is Fault.HUNG else stage.db.dsn)
        if fault is Fault.AWAY:
            await stage.worker()  # it has to live through it
        async with Sender(api.webhook, stage.secret, connections=64 + number) as sender:
            outage = _Outage(stage, fleet, fault, api, sender)
            await asyncio.gather(*(sender.post(b"{}") for _ in range(WARM)))  # every connection of its pool is open
            running: list[asyncio.Task[None]] = []
            async with _down(stage, line, fault):
                running = await _post_all(outage, found, number, away_s)
                await _judge_files(outage, found)
            loop = asyncio.get_running_loop()
            back = loop.time()
            if fault is Fault.KILLED:
                outage.api = await stage.api(at=api)
            await until("the spool is empty and its lease renewed", lambda: _is_clear(stage), within_s=DRAIN_S * 2)
            outage.recovered_s = loop.time() - back
            await asyncio.gather(*running)
    if fault is not Fault.AWAY:
        await stage.worker()
    await drained(stage.db.pool)
    await _judge(outage, found)
    return outage


@asynccontextmanager
async def _down(stage: Stage, line: Line, fault: Fault) -> AsyncGenerator[None]:
    if fault is not Fault.HUNG:
        async with stage.database_away():
            yield
        return
    line.hang()
    try:
        yield
    finally:
        await line.mend()


async def _post_all(outage: _Outage, found: Findings, number: int, away_s: float) -> list[asyncio.Task[None]]:
    """At a fixed rate until the database comes back, whatever the answers. The senders that still try."""
    stage, chip = outage.stage, outage.fleet.chips[0]
    loop = asyncio.get_running_loop()
    began = loop.time()
    running: list[asyncio.Task[None]] = []
    for nth in range(number):
        await asyncio.sleep(max(0.0, began + nth * away_s / number - loop.time()))
        name = f"wamid.down.{nth}"
        item = body(change(chip, messages=[text(name, "Oi!", stage.clock.now(), sender=phone_of(nth % 100))]), waba=chip.waba)
        times = 2 if nth % TWICE_EVERY == 0 else 1
        running += [asyncio.create_task(outage.post(name, item, again=nth % 2 == 0)) for _ in range(times)]
        if outage.fault is Fault.KILLED and nth == int(number * KILLED_AFTER):
            await outage.api.process.kill()
            found.expect(await _says_why(stage, outage.api), "without a database the application does not refuse to start in one line")
    return running


async def _says_why(stage: Stage, api: Api) -> bool:
    """It does not start, and the last line of what it says is the mend."""
    try:
        await stage.api(at=api)
    except Stuck:
        log = stage.processes[-1].log.read_text("utf-8").strip().splitlines()
        return bool(log) and "WARMER_DATABASE_URL" in log[-1] and not any(line.startswith("Traceback") for line in log)
    return False


async def _judge_files(outage: _Outage, found: Findings) -> None:
    """Whatever was answered 200 by now lies on disk, whole; or, when only the line hangs, was committed before that."""
    told = set(outage.told)
    there = await asyncio.to_thread(names, outage.stage, outage.stage.spool)
    outage.spooled = len(there)
    if outage.fault is Fault.HUNG:
        there |= await _received(outage.stage)
    found.lose(f"{outage.fault}: answered 200 and nowhere durable", len(told - there))
    found.expect(outage.spooled > 0, f"{outage.fault}: nothing came into the spool")


async def _is_clear(stage: Stage) -> bool:
    if files(stage.spool):
        return False
    return await stage.db.pool.fetchval("select exists (select from spools) and bool_and(clear_until > $1) from spools", stage.clock.now())


async def _received(stage: Stage) -> set[str]:
    return {row["message_id"] for row in await stage.db.pool.fetch("select message_id from received")}


async def _judge(outage: _Outage, found: Findings) -> None:
    fault, stage = outage.fault, outage.stage
    there = await _received(stage)
    found.lose(f"{fault}: answered 200 and not applied", len(outage.told - there))
    found.lose(f"{fault}: never answered 200, though it came again and again", outage.given_up)
    counted = (await counts_of(stage.db.pool)).received
    found.duplicate(f"{fault}: messages counted twice", max(0, counted - len(there)))
    found.expect(counted >= len(there), f"{fault}: {counted} of {len(there)} messages are counted")
    right = {200, 503, 0} if fault is Fault.KILLED else {200, 503}
    strange = {code: n for code, n in outage.sender.codes.items() if code not in right}
    found.expect(not strange, f"{fault}: POSTs were answered {strange}")
    found.in_time(outage.recovered_s <= DRAIN_S, f"{fault}: drained {outage.recovered_s:.0f} s after the database was back")
    found.in_time(outage.slowest_s <= ANSWER_S, f"{fault}: an answer took {outage.slowest_s:.0f} s")
    tracebacks = [line for line in stage.complaints() if line.startswith("api")]
    found.violate(f"{fault}: tracebacks of the application: {'; '.join(tracebacks[:2])}", len(tracebacks))
