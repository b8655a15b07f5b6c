"""R6 opt-out race: while everything is being sent, people ask to stop. After the 200 to their webhook no request to them begins.

Half of them are asked for in the worst moment, when their message is claimed or called. Some requests are slow, so that the 200 has to
wait for them; what was on the wire longer than it waits is counted apart.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.judge import await_settled, finish, judge
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.post import Sender, body, change, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R6"
LIMIT_S = (1500.0, 180.0)
WORDS = ("PARAR", "sair", "Stop", "me tirem da lista", "não quero mais receber mensagens")
SLOW = ({"what": "slow", "s": 0.4, "probability": 0.2}, {"what": "slow", "s": 3.5, "probability": 0.005})
SETTINGS = {"send_concurrency": 8, "claim_max": 50, "messages_per_second": 20}


@dataclass(slots=True)
class _Asked:
    """A request to stop: whose, and when its webhook had its 200, on our clock."""

    person: int
    heard_at: datetime
    waited_s: float


async def run(stage: Stage, draw: Draw) -> Row:
    sends, opt_outs, workers = draw.size((10_000, 500, 16), (1_000, 50, 4))
    found = Findings()
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
    on_the_wire = _judge_times(sandbox, asked, found)
    reached = {row["person"] for row in sandbox.sent()}
    spared = sum(phone_of(one.person) not in reached for one in asked)
    done = f"{sends:,} sends, {len(fleet.chips)} chips, {workers} workers, {len(asked)} requests to stop: {spared} came in time"
    note = [f"{on_the_wire} requests were on the wire for longer than the 200 waits"]
    unknown = len(judged.unknown) + judged.untold
    return found.row(NAME, done, unknown=unknown, note=note, **p50_p99_ms([one.waited_s for one in asked]))


async def _ask_all(stage: Stage, fleet: Fleet, sandbox: SandboxProcess, sender: Sender, draw: Draw, number: int) -> list[_Asked]:
    """So many people, spread over the run as it goes on."""
    numbers = {contact_id: n for n, contact_id in enumerate(fleet.people)}
    asked: list[_Asked] = []
    done: set[int] = set()
    running: set[asyncio.Task[None]] = set()
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
            task = asyncio.create_task(_ask(stage, fleet, sender, numbers[row["contact_id"]], draw.random.choice(WORDS), asked))
            running.add(task)
            task.add_done_callback(running.discard)
        elif not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))"):
            break
        await asyncio.sleep(draw.random.random() * 0.01)
    await asyncio.gather(*running)
    return asked


async def _ask(stage: Stage, fleet: Fleet, sender: Sender, n: int, words: str, asked: list[_Asked]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    chip = fleet.chips[n // fleet.size.people * fleet.size.chips + n % fleet.size.people % fleet.size.chips]
    item = text(f"wamid.stop.{n}", words, stage.clock.now(), sender=phone_of(n))
    if await sender.deliver(body(change(chip, messages=[item]), waba=chip.waba)):
        asked.append(_Asked(n, stage.clock.now(), loop.time() - began))


def _judge_times(sandbox: SandboxProcess, asked: list[_Asked], found: Findings) -> int:
    """Requests that arrived after the 200 are violations; those that had arrived, and were taken later, are counted."""
    heard = {phone_of(one.person): one.heard_at for one in asked}
    rows = sandbox.rows()
    on_the_wire = 0
    for row in sandbox.sent():
        heard_at = heard.get(row["person"])
        if heard_at is None or _moment(row, sandbox) <= heard_at:
            continue
        # `began` is the newest row when the request arrived: it came no earlier than that row, and before the next one
        arrived_after = _moment(rows[row["began"] - 1], sandbox) if row["began"] else None
        if arrived_after is not None and arrived_after > heard_at:
            found.violate(f"a request began {(arrived_after - heard_at).total_seconds():.2f} s after the 200 to the request to stop")
        else:
            on_the_wire += 1
    return on_the_wire


def _moment(row: dict[str, Any], sandbox: SandboxProcess) -> datetime:
    """On our clock."""
    return datetime.fromisoformat(row["at"]) + sandbox.lag
