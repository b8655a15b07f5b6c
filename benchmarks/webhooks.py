"""What Meta would post about messages that are out: statuses and answers, in the order of their times, a few items to a body.

It knows the people and messages of `seeding.sql`: message n went to person 1 + n x 7919 mod people.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from benchmarks.seeding import Fleet

READ, REPLY, STOP = 0.6, 0.25, 0.004  # of the people; STOP: one in 62 answers asks to stop
BATCH, EVERY = 4, 4  # every fourth body has four items
FACTS_EACH = 2 + READ + REPLY  # of a message
BODIES_EACH = FACTS_EACH / ((EVERY - 1 + BATCH) / EVERY)


@dataclass(frozen=True, slots=True)
class Item:
    """One fact on the wire, with its second and its chip."""

    at_s: float
    chip: int
    value: dict[str, Any]


def bodies(first: int, number: int, fleet: Fleet, *, people: int, at: datetime, seed: int) -> list[bytes]:
    """All deliveries about these messages."""
    draw = random.Random(seed * 1_000_003 + first)
    items = sorted(
        (item for n in range(first, first + number) for item in _items(n, first, number, fleet, people, at, draw)),
        key=lambda item: item.at_s,
    )
    return list(_packed(items, fleet, at))


def stops(people: Sequence[int], fleet: Fleet, *, at: datetime, first: int) -> list[bytes]:
    """A delivery for each of these people, who ask to stop. `first` numbers the messages."""
    items = [Item(at.timestamp(), 1, _message(first + nth, person, at.timestamp(), "PARAR")) for nth, person in enumerate(people)]
    return [body for item in items for body in _packed([item], fleet, at)]


def wa_id(person: int) -> str:
    """How the platform writes this person's number."""
    return _wa_id(person)


def count_items(delivered: Sequence[bytes]) -> int:
    """How many facts these bodies bring."""
    return sum(
        len(change["value"].get("statuses", ())) + len(change["value"].get("messages", ()))
        for body in delivered
        for entry in orjson.loads(body)["entry"]
        for change in entry["changes"]
    )


def message_id(n: int) -> str:
    return f"wamid.HBgNNTUxMTk4MDAwMDAwMFVCAgARGBI{n:018d}AA=="


def _items(n: int, first: int, number: int, fleet: Fleet, people: int, at: datetime, draw: random.Random) -> Iterator[Item]:
    person = 1 + n * 7919 % people
    chip = 1 + person % fleet.chips
    accepted_s = at.timestamp() - 3600 + (n - first) * 1200 / number
    told = [("sent", 1.0 + draw.random()), ("delivered", 2.0 + 8 * draw.random())]
    if draw.random() < READ:
        told.append(("read", 15.0 + 1800 * draw.random()))
    for what, after_s in told:
        yield Item(accepted_s + after_s, chip, {"statuses": [_status(what, n, person, accepted_s + after_s)]})
    if (lot := draw.random()) < REPLY:
        said_s = accepted_s + 20.0 + 1800 * draw.random()
        yield Item(said_s, chip, _message(n, person, said_s, "PARAR" if lot < STOP else "Oi! Tenho interesse, quais dias?"))


def _status(what: str, n: int, person: int, at_s: float) -> dict[str, Any]:
    name = message_id(n)
    status: dict[str, Any] = {"id": name, "status": what, "timestamp": str(int(at_s)), "recipient_id": _wa_id(person)}
    if what != "read":
        status["pricing"] = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
    return status | {"biz_opaque_callback_data": str(UUID(hashlib.md5(name.encode()).hexdigest()))}


def _message(n: int, person: int, at_s: float, text: str) -> dict[str, Any]:
    message = {
        "from": _wa_id(person),
        "id": f"wamid.HBgM{n:020d}EhggRQ==",
        "timestamp": str(int(at_s)),
        "type": "text",
        "text": {"body": text},
    }
    return {"contacts": [{"profile": {"name": f"Pessoa {person}"}, "wa_id": _wa_id(person)}], "messages": [message]}


def _wa_id(person: int) -> str:
    return f"5511{80000000 + person}"


def _packed(items: Sequence[Item], fleet: Fleet, at: datetime) -> Iterator[bytes]:
    taken = turn = 0
    while taken < len(items):
        turn += 1
        few = items[taken : taken + (BATCH if turn % EVERY == 0 else 1)]
        taken += len(few)
        entries: dict[int, list[dict[str, Any]]] = {}
        for item in few:
            metadata = {"display_phone_number": str(5511900000000 + item.chip), "phone_number_id": f"pn-{item.chip}"}
            value = {"messaging_product": "whatsapp", "metadata": metadata, **item.value}
            entries.setdefault(1 + (item.chip - 1) % fleet.portfolios, []).append({"value": value, "field": "messages"})
        entry = [{"id": f"waba-{account}", "time": int(at.timestamp()), "changes": changes} for account, changes in entries.items()]
        yield orjson.dumps({"object": "whatsapp_business_account", "entry": entry})
