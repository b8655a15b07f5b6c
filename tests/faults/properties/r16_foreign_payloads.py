"""R16 foreign payloads: any JSON, however odd: no 5xx, no exception, and what can be read beside it is read."""

import json
from random import Random
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.odd import DEPTHS, DOCUMENTS, RAW, dump, nested, spoil
from tests.faults.outside import drained
from tests.faults.post import Sender, change, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R16"
LIMIT_S = (900.0, 180.0)


async def run(stage: Stage, draw: Draw) -> Row:
    number = draw.size(12_000, 400)
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=100)
    api = await stage.api()
    await stage.workers(2)
    readable: set[str] = set()
    bodies = [*RAW, *(nested(depth) for depth in DEPTHS)]
    for nth in range(number):
        beside = draw.random.random() < 0.7
        bodies.append(_odd(draw.random, fleet, nth if beside else None))
        readable |= {f"wamid.good.{nth}"} if beside else set()
    async with Sender(api.webhook, stage.secret, connections=16) as sender:
        await sender.deliver_all(bodies)
        drain_s = await drained(stage.db.pool, within_s=300)
    found.violate(f"answers other than 200: {dict(sender.codes)}", sum(n for code, n in sender.codes.items() if code != 200))
    there = {row["message_id"] for row in await stage.db.pool.fetch("select message_id from received")}
    found.lose(f"readable messages beside an odd one: {sorted(readable - there)[:3]}", len(readable - there))
    broke = await stage.db.pool.fetch(
        "select reason, count(*)::int as n from quarantine where reason like 'the reader failed%' group by reason"
    )
    found.violate(f"the reader failed: {[row['reason'] for row in broke]}", sum(row["n"] for row in broke))
    complaints = stage.complaints()
    found.violate("tracebacks: " + "; ".join(complaints[:3]), len(complaints))
    quarantined = await stage.db.pool.fetchval("select count(*)::int from quarantine")
    done = f"{len(bodies):,} odd bodies from {len(DOCUMENTS)} shapes, {len(readable):,} with a good message beside"
    note = [f"{quarantined:,} items in the quarantine", f"applied {drain_s:.1f} s after the last 200"]
    return found.row(NAME, done, note=note, **p50_p99_ms(sender.seconds))


def _odd(random: Random, fleet: Fleet, good: int | None) -> bytes:
    """A shape with some of its places made odd; beside it, in an entry of its own, a message that can be read."""
    shape = random.choice(DOCUMENTS)
    odd: Any = json.loads(json.dumps(shape))
    for _ in range(random.randint(1, 4)):
        odd = spoil(random, odd)
    if good is None:
        return dump(odd)
    entries = odd["entry"] if isinstance(odd, dict) and isinstance(odd.get("entry"), list) else [odd]
    chip = fleet.chips[0]
    readable = change(chip, messages=[text(f"wamid.good.{good}", "Oi!", fleet.at, sender=phone_of(good % 100))])
    entry = {"id": chip.waba, "changes": [readable]}
    entries = [*entries, entry] if random.random() < 0.5 else [entry, *entries]
    return dump({"object": "whatsapp_business_account", "entry": entries})
