"""R6 opt-out race: while everything is being sent, people ask to stop. After the 200 to their webhook no request to them begins.

Half of them are asked for in the worst moment, when their message is claimed or called. Some requests are slow, so that the 200 has to
wait for them; what was on the wire longer than it waits is counted apart.
"""

import asyncio

from tests.faults.asking import WORDS, Asked, ask, judge_times
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.judge import await_settled, finish, judge
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.post import Sender
from tests.faults.properties import r06_spool_mode
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R6"
LIMIT_S = (1500.0, 180.0)
SLOW = ({"what": "slow", "s": 0.4, "probability": 0.2}, {"what": "slow", "s": 3.5, "probability": 0.005})
SETTINGS = {"send_concurrency": 8, "claim_max": 50, "messages_per_second": 20}


async def run(stage: Stage, draw: Draw) -> Row:
    """Both halves at once, each on a stage of its own: the race, and what goes through the spool."""
    found = Findings()
    async with stage.another("spooled") as other:
        (done, unknown, seconds, note), spooled = await asyncio.gather(_race(stage, draw, found), r06_spool_mode.play(other, draw, found))
    return found.row(NAME, f"{done}; {spooled.done}", unknown=unknown + spooled.unknown, note=[*note, *spooled.note], **p50_p99_ms(seconds))


async def _race(stage: Stage, draw: Draw, found: Findings) -> tuple[str, int, list[float], list[str]]:
    """What was done, sends whose outcome nobody can know, how long each 200 took, and a note."""
    sends, opt_outs, workers = draw.size((10_000, 500, 16), (1_000, 50, 4))
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=5, chips=10, people=sends // 5, purpose="marketing"
    )
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    await sandbox.fault(*SLOW)
    await stage.workers(workers, **SETTINGS)
    async with Sender(api.webhook, stage.secret, connections=32) as sender:
        asked = await _ask_all(stage, fleet, sandbox, sender, draw, opt_outs)
        await finish(stage, within_s=draw.size(900, 120))
    await sandbox.heal()
    await await_settled(stage, sandbox)
    judged = await judge(stage, sandbox, found, may_end=("cancelled",))
    on_the_wire = judge_times(sandbox, asked, found)
    reached = {row["person"] for row in sandbox.sent()}
    spared = sum(phone_of(one.person) not in reached for one in asked)
    done = f"{sends:,} sends, {len(fleet.chips)} chips, {workers} workers, {len(asked)} requests to stop: {spared} came in time"
    note = [f"{on_the_wire} requests were on the wire for longer than the 200 waits"]
    return done, len(judged.unknown) + judged.untold, [one.waited_s for one in asked], note


async def _ask_all(stage: Stage, fleet: Fleet, sandbox: SandboxProcess, sender: Sender, draw: Draw, number: int) -> list[Asked]:
    """So many people, spread over the run as it goes on."""
    numbers = {contact_id: n for n, contact_id in enumerate(fleet.people)}
    asking: list[asyncio.Task[Asked | None]] = []
    done: set[int] = set()
    while len(done) < number:
        if len(sandbox.sent()) < len(fleet.sends) * len(done) // number * 0.9:
            await asyncio.sleep(draw.random.random() * 0.02)
            continue
        states = ["claimed", "calling"] if draw.random.random() < 0.5 else ["planned"]
        row = await stage.db.pool.fetchrow(
            "select contact_id from sends where state = any($1) and not contact_id = any($2::bigint[]) order by random() limit 1",
            states, list(done),
        )  # fmt: skip
        if row is not None:
            done.add(row["contact_id"])
            task = asyncio.create_task(ask(stage, fleet, sender, numbers[row["contact_id"]], draw.random.choice(WORDS)))
            asking.append(task)
        elif not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))"):
            break
        await asyncio.sleep(draw.random.random() * 0.01)
    return [asked for asked in await asyncio.gather(*asking) if asked]
