"""What applying webhooks reads does not grow with what is stored: with a million messages and ten million facts a fact costs a few rows."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.engine.intake import apply_inbox, receive
from julia_warmer.store.seal import Seal
from tests.growth.filling import AT, CHIPS, PEOPLE, SENDS
from tests.growth.reading import PLANS, Reader

SEAL = Seal(b"growth" * 5 + b"12")
MESSAGES = 40
ROWS_EACH, PAGES_EACH = 4, 40  # that one statement may look at for each fact
NEW = AT - timedelta(minutes=5)


def person_of(nth: int) -> int:
    """To whom the nth message of the past went; see filling.sql."""
    return 1 + nth % PEOPLE


def body(person: int, **value: Any) -> bytes:
    """One delivery to the person's chip."""
    chip = 1 + person % 1000
    metadata = {"display_phone_number": str(5511900000000 + chip), "phone_number_id": f"pn-{chip}"}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": f"waba-{1 + chip % 20}", "time": 1, "changes": [change]}]}
    ).encode()


def status(nth: int, what: str, **more: Any) -> bytes:
    """What the platform says of the nth message of the past."""
    person = person_of(nth)
    item = {"id": f"wamid.{nth}", "status": what, "timestamp": str(int(NEW.timestamp())), "recipient_id": f"5511{80000000 + person}"}
    return body(person, statuses=[item | more])


def message(nth: int, said: str) -> bytes:
    """What the person of the nth message writes."""
    person = person_of(nth)
    item = {
        "from": f"5511{80000000 + person}",
        "id": f"wamid.new.{nth}",
        "timestamp": str(int(NEW.timestamp())),
        "type": "text",
        "text": {"body": said},
    }
    return body(person, messages=[item])


def deliveries() -> Iterator[bytes]:
    """Every kind of news of the last messages, a few of each; and of messages that nobody knows."""
    for nth in range(SENDS - MESSAGES, SENDS):
        yield status(nth, "delivered")
        yield status(nth, "read")
        yield message(nth, "SAIR" if nth % 20 == 0 else "Oi! Quais dias?")
        if nth % 10 == 0:
            yield status(nth, "failed", errors=[{"code": 131026 if nth % 20 else 131049, "title": "no"}])
            yield status(nth + SENDS, "sent")


@pytest.mark.parametrize("mode", PLANS)
async def test_a_fact_costs_a_few_rows_whatever_is_stored(grown: Reader, mode: str):
    await grown.plan_as(mode)
    bodies = list(deliveries())
    for one in bodies:
        await receive(grown, one, at=AT, seal=SEAL)
    applied = await apply_inbox(grown, at=AT, seal=SEAL)
    assert (applied.bodies, applied.new, applied.quarantined) == (len(bodies), len(bodies) + MESSAGES // 20, 0)
    few = ROWS_EACH * applied.facts + CHIPS  # the chips are so few that they may be read as a whole
    assert not [str(read) for read in grown.reads if read.scanned > few or read.pages > PAGES_EACH * applied.facts]
