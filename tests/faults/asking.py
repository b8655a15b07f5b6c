"""People who ask to stop, and whether a request to them began after the 200 to that. It must not know how the application took it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.faults.fleet import Fleet, phone_of
from tests.faults.platform import SandboxProcess
from tests.faults.post import Sender, body, change, text
from tests.faults.row import Findings
from tests.faults.stage import Stage

WORDS = ("PARAR", "sair", "Stop", "me tirem da lista", "não quero mais receber mensagens")
CLOCKS_S = 0.02  # how well we know the sandbox's clock, and the kernel's tick


@dataclass(slots=True)
class Asked:
    """A request to stop: whose, and when its webhook had its 200, on our clock."""

    person: int
    heard_at: datetime
    waited_s: float


async def ask(stage: Stage, fleet: Fleet, sender: Sender, n: int, words: str) -> Asked | None:
    """Person number `n` asks, again and again until heard; None when given up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    chip = fleet.chips[n // fleet.size.people * fleet.size.chips + n % fleet.size.people % fleet.size.chips]
    item = text(f"wamid.stop.{n}", words, stage.clock.now(), sender=phone_of(n))
    if await sender.deliver(body(change(chip, messages=[item]), waba=chip.waba)):
        return Asked(n, stage.clock.now(), loop.time() - began)
    return None


def judge_times(sandbox: SandboxProcess, asked: Sequence[Asked], found: Findings) -> int:
    """Requests that arrived after the 200 are violations; those that had arrived, and were taken later, are counted.

    When a request arrived is what the kernel of the sandbox's machine says, however long the sandbox took to look at it.
    """
    heard = {phone_of(one.person): one.heard_at for one in asked}
    on_the_wire = 0
    for row in sandbox.sent():
        heard_at = heard.get(row["person"])
        if heard_at is None or moment(row, sandbox) <= heard_at:
            continue
        late_s = (moment(row, sandbox, "arrived_at") - heard_at).total_seconds()
        if late_s > CLOCKS_S:
            found.violate(f"a request arrived {late_s:.2f} s after the 200 to the request to stop")
        else:
            on_the_wire += 1
    return on_the_wire


def moment(row: dict[str, Any], sandbox: SandboxProcess, what: str = "at") -> datetime:
    """When a row of the ledger was written (or what else it gives the moment of), on our clock."""
    return datetime.fromisoformat(row[what]) + sandbox.lag
