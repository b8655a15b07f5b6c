"""R16 foreign payloads: any JSON, however odd: no 5xx, no exception, and what can be read beside it is read."""

import json
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import drained
from tests.faults.post import Sender, change, text
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R16"
LIMIT_S = (600.0, 90.0)
FIXTURES = [json.loads(path.read_bytes()) for path in sorted((Path(__file__).parents[2] / "fixtures" / "webhooks").glob("*.json"))]
WORDS = (
    "entry",
    "changes",
    "value",
    "field",
    "messages",
    "statuses",
    "contacts",
    "metadata",
    "id",
    "errors",
    "text",
    "",
    "\u0000",
    "a\ud800b",
)
DEPTHS = (10, 200, 1_000, 20_000)
NUMBERS = (0, -1, 2**31, 2**63, 10**40, -(10**40), 1e308, 5e-324, 0.1, float("nan"), float("inf"))
TEXTS = (
    "",
    " ",
    "null",
    "\u0000",
    "\ud800",
    "\u202e",
    "💊" * 50,
    "a" * 5000,
    "1e400",
    "-0",
    "0x10",
    "2026-13-40T99:99",
    "'; drop table x; --",
    "%s{}$1",
)
RAW = (
    b"",
    b" ",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"0",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"{",
    b'{"entry":',
    b'{"a":1,"a":2}',
    b"NaN",
    b"[" * 20_000,
)


async def run(stage: Stage, draw: Draw) -> Row:
    number = draw.size(12_000, 400)
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=100)
    api = await stage.api()
    await stage.workers(2)
    readable: set[str] = set()
    bodies = [*RAW, *(_nested(depth) for depth in DEPTHS)]
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
    done = f"{len(bodies):,} odd bodies from {len(FIXTURES)} shapes, {len(readable):,} with a good message beside"
    note = [f"{quarantined:,} items in the quarantine", f"applied {drain_s:.1f} s after the last 200"]
    return found.row(NAME, done, note=note, **p50_p99_ms(sender.seconds))


def _nested(depth: int) -> bytes:
    return b'{"object":"whatsapp_business_account","entry":' + b"[" * depth + b"]" * depth + b"}"


def _odd(random: Random, fleet: Fleet, good: int | None) -> bytes:
    """A shape with some of its places made odd; beside it, in an entry of its own, a message that can be read."""
    shape = random.choice(FIXTURES)
    odd: Any = json.loads(json.dumps(shape))
    for _ in range(random.randint(1, 4)):
        odd = _spoil(random, odd)
    if good is None:
        return _dump(odd)
    entries = odd["entry"] if isinstance(odd, dict) and isinstance(odd.get("entry"), list) else [odd]
    chip = fleet.chips[0]
    readable = change(chip, messages=[text(f"wamid.good.{good}", "Oi!", fleet.at, sender=phone_of(good % 100))])
    entry = {"id": chip.waba, "changes": [readable]}
    entries = [*entries, entry] if random.random() < 0.5 else [entry, *entries]
    return _dump({"object": "whatsapp_business_account", "entry": entries})


def _spoil(random: Random, document: Any) -> Any:
    """The same document with one place replaced, removed, doubled or renamed."""
    if not isinstance(document, dict | list) or not document or random.random() < 0.12:
        return _anything(random, 3)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = random.choice(keys)
    kind = random.random()
    if kind < 0.75:
        document[key] = _spoil(random, document[key])
    elif kind < 0.85:
        del document[key]
    elif isinstance(document, list):
        document.insert(key, document[key])
    else:
        document[random.choice(WORDS)] = document[key]
    return document


def _anything(random: Random, depth: int) -> Any:
    kind = random.randrange(8 if depth else 6)
    match kind:
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2 | 3:
            return random.choice(NUMBERS)
        case 4 | 5:
            return random.choice(TEXTS)
        case 6:
            return [_anything(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            return {random.choice(WORDS): _anything(random, depth - 1) for _ in range(random.randrange(4))}


def _dump(document: Any) -> bytes:
    """NaN and lone surrogates as they come: not every sender's JSON is JSON."""
    return json.dumps(document, ensure_ascii=True).encode()
