"""R14 early and unknown statuses: what is said of a message before the answer to its own request, and of messages we do not know.

The sandbox holds its answers. Meanwhile statuses come, with our id or without it, and others of ids that nobody of us ever got.
"""

import asyncio
from datetime import datetime
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import Counts, counts_of, drained
from tests.faults.platform import SandboxProcess
from tests.faults.post import Sender, batches, status
from tests.faults.process import until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R14"
LIMIT_S = (900.0, 180.0)
SAID = (("sent",), ("sent", "delivered"), ("sent", "delivered", "read"), ("read",), ("failed",))
CODE = 131000
STILL_S = 0.4


async def run(stage: Stage, draw: Draw) -> Row:
    sends, strangers = draw.size((1_000, 5_000), (60, 200))
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=4, people=sends)
    sandbox = await stage.sandbox()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret))  # its own webhooks go nowhere: ours come in their place
    await sandbox.fault({"what": "hold"})
    api = await stage.api()
    await stage.workers(2, send_concurrency=32, claim_max=32)
    early = slipped = 0  # slipped: taken while statuses were delivered, and answered with those before them
    async with Sender(api.webhook, stage.secret, connections=8) as sender:
        told: set[str] = set()
        while len(told) < sends:
            rows = await _held(sandbox, told, answered=slipped)
            bodies = [*_statuses(fleet, rows, sandbox), *_unknown(fleet, len(told), strangers * len(rows) // sends)]
            draw.random.shuffle(bodies)
            found.lose("deliveries given up", await sender.deliver_all(bodies))
            await drained(stage.db.pool)
            told |= {row["message_id"] for row in rows}
            held = len(rows) - slipped
            early += held
            slipped = await sandbox.release() - held
        await sandbox.heal()
        await _settled(stage)
        await drained(stage.db.pool)
        await sender.deliver_all(_unknown(fleet, -1, 1))  # one more round of the intake, so that what is early can be adopted
        await drained(stage.db.pool)
    await _judge(stage, sandbox, found)
    done = f"{early:,} messages told of before their answer, half of them without our id; {strangers:,} statuses of unknown ids"
    return found.row(NAME, done, **p50_p99_ms(sender.seconds))


async def _held(sandbox: SandboxProcess, told: set[str], *, answered: int) -> list[dict[str, Any]]:
    """The messages that it took and does not answer yet, once the workers let no more begin; and those that it answered untold."""
    loop = asyncio.get_running_loop()
    number, since = 0, loop.time()

    async def are_held() -> list[dict[str, Any]]:
        nonlocal number, since
        rows = [row for row in sandbox.sent() if row["message_id"] not in told]
        holding = (await sandbox.state())["holding"]
        if holding != number:
            number, since = holding, loop.time()
        return rows if rows and holding == len(rows) - answered and loop.time() - since >= STILL_S else []

    return await until("answers are held", are_held, within_s=60, every_s=0.05)


def _said_of(row: dict[str, Any]) -> tuple[str, ...]:
    return SAID[row["seq"] % len(SAID)]


def _has_id(row: dict[str, Any]) -> bool:
    return row["seq"] % 2 == 0


def _statuses(fleet: Fleet, rows: list[dict[str, Any]], sandbox: SandboxProcess) -> list[bytes]:
    at = max(datetime.fromisoformat(row["at"]) for row in rows)
    bodies: list[bytes] = []
    for chip in fleet.chips:
        items = [
            status(
                what,
                row["message_id"],
                at,
                to=row["to"],
                ours=row["ours"] if _has_id(row) else None,
                code=CODE if what == "failed" else None,
            )
            for row in rows
            if row["chip"] == chip.phone_number_id
            for what in _said_of(row)
        ]
        bodies += batches(chip, "statuses", items, most=7)
    return bodies


def _unknown(fleet: Fleet, nth: int, number: int) -> list[bytes]:
    """Statuses of messages that another system of the same number sent, perhaps to people of ours."""
    at = fleet.at
    items = [
        status("delivered", f"wamid.stranger.{nth}.{n}", at, to=phone_of(n % 50), ours=f"other-{n}" if n % 2 else None)
        for n in range(number)
    ]
    return batches(fleet.chips[0], "statuses", items, most=50)


async def _settled(stage: Stage) -> None:
    async def are_settled() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))")

    await until("every answer is settled", are_settled, within_s=60)


async def _judge(stage: Stage, sandbox: SandboxProcess, found: Findings) -> None:
    """Each message stands where its statuses say, whichever came first; strangers are kept and moved nothing."""
    rows = {
        str(row["id"]): row
        for row in await stage.db.pool.fetch(
            "select attempts.id, sends.state, sends.message_id, sends.code from attempts join sends on sends.id = attempts.send_id"
        )
    }
    expected = {"accepted": 0, "delivered": 0, "read": 0, "failed": 0}
    for sent in sandbox.sent():
        said = _said_of(sent)
        row, wanted = rows[sent["ours"]], said[-1] if "read" not in said else "read"
        if row["state"] != wanted:
            found.lose(f"{'/'.join(said)} {'with' if _has_id(sent) else 'without'} our id, before the answer: the send is {row['state']}")
        found.expect(row["message_id"] == sent["message_id"], "a send has another message's id")
        expected["accepted"] += 1
        expected["read"] += wanted == "read"
        expected["delivered"] += wanted in ("read", "delivered")
        expected["failed"] += wanted == "failed"
    real = await counts_of(stage.db.pool)
    wanted_counts = Counts(reached=expected["delivered"], **expected)
    found.expect(real.matches(wanted_counts), f"counts are {real}, not {wanted_counts}")
    kept = await stage.db.pool.fetchval("select count(*)::int from events where key like '%wamid.stranger%'")
    posted = await stage.db.pool.fetchval(
        "select count(distinct key)::int from events where key like '%wamid.stranger%' and send_id is null"
    )
    found.expect(kept == posted, "a stranger's status moved a send")
