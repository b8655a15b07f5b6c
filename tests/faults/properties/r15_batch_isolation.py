"""R15 batch isolation: a bad item costs only itself, at whichever position; two numbers in one delivery; the same id fifty times.

Bad is what cannot be read and what the database refuses, in turn.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import drained
from tests.faults.post import Sender, body, change, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R15"
LIMIT_S = (900.0, 180.0)
ITEMS = 300
REPEATS = 50
LONG = Random(0).randbytes(3000).hex()  # no index takes it, and it cannot be compressed
Item = dict[str, Any]
BAD: tuple[Callable[[Item], Any], ...] = (
    lambda item: None,
    lambda item: "text",
    lambda item: [item],
    lambda item: {},
    lambda item: {**item, "id": None},
    lambda item: {**item, "id": ["wamid"]},
    lambda item: {**item, "id": {"$oid": 1}},
    lambda item: {**item, "id": LONG},
    lambda item: {**item, "timestamp": "4102444800"},  # the year 2100
    lambda item: {**item, "from": {"wa_id": "1"}},
    lambda item: {**item, "timestamp": "1000000000"},  # 2001: years late
)


async def run(stage: Stage, draw: Draw) -> Row:
    positions = draw.size(list(range(ITEMS)), sorted(draw.random.sample(range(ITEMS), 20)))
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=2, people=ITEMS, sends=False)
    api = await stage.api()
    await stage.workers(2)
    async with Sender(api.webhook, stage.secret, connections=4) as sender:
        found.lose(
            "deliveries given up", await sender.deliver_all(_with_bad(fleet, nth, position) for nth, position in enumerate(positions))
        )
        drain_s = await drained(stage.db.pool)
        await _judge(stage, fleet, positions, found)
        found.lose("deliveries given up", await sender.deliver_all(_repeated(fleet)))
        await drained(stage.db.pool)
    await _judge_repeats(stage, fleet, found)
    found.violate("answers of 5xx", sender.fives)
    found.violate("tracebacks: " + "; ".join(stage.complaints()[:2]), len(stage.complaints()))
    done = (
        f"{len(positions)} bodies of {ITEMS} messages to 2 numbers, one bad each; one id {REPEATS} times in a body and in {REPEATS} bodies"
    )
    return found.row(NAME, done, note=[f"applied {drain_s:.1f} s after the last 200"], **p50_p99_ms(sender.seconds))


def _with_bad(fleet: Fleet, nth: int, position: int) -> bytes:
    """Items of two numbers in turn, each a change of its own or, every other body, two changes with half of them each."""
    at = fleet.at - timedelta(minutes=2)
    items: list[Any] = [text(f"wamid.{nth}.{n}", "Oi!", at, sender=phone_of(n)) for n in range(ITEMS)]
    items[position] = BAD[nth % len(BAD)](items[position])
    if nth % 2:
        changes = [change(fleet.chips[n % 2], messages=[item]) for n, item in enumerate(items)]
    else:
        changes = [change(chip, messages=items[half::2]) for half, chip in enumerate(fleet.chips)]
    return body(*changes, waba=fleet.chips[0].waba)


def _repeated(fleet: Fleet) -> list[bytes]:
    """One message fifty times in one body, and once in each of fifty that differ."""
    at = fleet.at - timedelta(minutes=1)
    item = text("wamid.again", "Oi!", at, sender=phone_of(0))
    chip = fleet.chips[0]
    alone = [body(change(chip, messages=[item]), waba=chip.waba, at=at + timedelta(milliseconds=1000 * n)) for n in range(REPEATS)]
    return [body(change(chip, messages=[item] * REPEATS), waba=chip.waba), *alone]


async def _judge(stage: Stage, fleet: Fleet, positions: list[int], found: Findings) -> None:
    rows = await stage.db.pool.fetch("select message_id, chip_id, contact_id from received")
    chips, people = [chip.id for chip in fleet.chips], fleet.people
    there = {row["message_id"]: (row["chip_id"], row["contact_id"]) for row in rows}
    for nth, position in enumerate(positions):
        for n in range(ITEMS):
            got = there.pop(f"wamid.{nth}.{n}", None)
            if n == position:
                found.expect(got is None, f"the bad item of body {nth} was taken")
            elif got is None:
                found.lose(f"message {n} of body {nth} with its bad one at {position}, kind {nth % len(BAD)}")
            else:
                found.expect(got == (chips[n % 2], people[n]), f"message {n} of body {nth} went to {got}")
    found.violate("messages from nowhere", len(there))
    quarantined = await stage.db.pool.fetch("select inbox_id, count(*)::int as n from quarantine group by inbox_id")
    found.expect(len(quarantined) == len(positions), f"{len(quarantined)} of {len(positions)} bodies have something in the quarantine")
    found.violate("bodies with more than one item in the quarantine", sum(row["n"] != 1 for row in quarantined))


async def _judge_repeats(stage: Stage, fleet: Fleet, found: Findings) -> None:
    pool = stage.db.pool
    found.expect(
        await pool.fetchval("select count(*) from received where message_id = 'wamid.again'") == 1, "the repeated message is not there once"
    )
    counted = await pool.fetchval("select sum(received)::int from chip_counts")
    rows = await pool.fetchval("select count(*)::int from received")
    found.expect(counted == rows, f"{rows} messages count as {counted}")
