"""Compares what was sent, which the sandbox's ledger says, with what our database believes. It must not know which fault was played."""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.faults.platform import SandboxProcess
from tests.faults.process import Stuck, until
from tests.faults.row import Findings
from tests.faults.stage import Stage

OPEN = ("planned", "claimed", "calling")
SETTLE_S = 120.0


@dataclass(slots=True)
class Judged:
    """Both sides, send by send."""

    sent: int = 0
    states: Counter[str] = field(default_factory=Counter)
    unknown: set[int] = field(default_factory=set)  # sends without a row of the ledger whose outcome nobody knows
    untold: int = 0  # taken, then failed by a status without our id: nobody can tell which send it was


async def finish(stage: Stage, *, within_s: float) -> None:
    """Wait until no send is planned, claimed or calling. Raises Stuck."""

    async def is_over() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where state = any($1))", list(OPEN))

    try:
        await until("every send is over", is_over, within_s=within_s, every_s=0.2)
    except Stuck as stuck:
        rows = await stage.db.pool.fetch("select state, reason, count(*)::int as n from sends group by 1, 2 order by 3 desc limit 8")
        raise Stuck(f"{stuck}; {[tuple(row) for row in rows]}") from None


async def await_settled(stage: Stage, sandbox: SandboxProcess, *, within_s: float = SETTLE_S) -> float:
    """Wait until every message of the ledger is known as accepted, as far as its statuses can tell. Gives the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < within_s:
        rows = await sends_by_ours(stage)
        untold = _untold(sandbox)
        if all(rows[row["ours"]]["accepted_at"] or row["message_id"] in untold for row in sandbox.sent()):
            return loop.time() - began
        await asyncio.sleep(0.5)
    return within_s


async def judge(stage: Stage, sandbox: SandboxProcess, found: Findings, *, may_end: Collection[str] = ()) -> Judged:
    """Duplicates, losses and contradictions. `may_end`: states besides `unknown` in which a send may be that was never sent."""
    judged = Judged()
    sent = sandbox.sent()
    judged.sent = len(sent)
    find_duplicates(sent, found)
    rows, untold = await sends_by_ours(stage), _untold(sandbox)
    taken: set[int] = set()
    for message in sent:
        row = rows.get(message["ours"])
        if row is None:
            found.violate("a message without an attempt that was written ahead")
            continue
        taken.add(row["id"])
        if row["accepted_at"] is None:
            if row["state"] == "unknown" and message["message_id"] in untold:
                judged.untold += 1
            else:
                found.lose(f"sent, but its send is {row['state']} ({row['reason']})")
    for row in await stage.db.pool.fetch("select id, state, reason, accepted_at from sends"):
        judged.states[row["state"]] += 1
        if row["id"] in taken:
            continue
        if row["accepted_at"] is not None:
            found.violate(f"never sent, but its send is {row['state']}")
        elif row["state"] == "unknown":
            judged.unknown.add(row["id"])
        elif row["state"] not in may_end:
            found.lose(f"never sent: its send is {row['state']} ({row['reason']})")
    return judged


def find_duplicates(sent: list[dict[str, Any]], found: Findings) -> None:
    """By our id, and by person and text."""
    by_id = Counter(row["ours"] for row in sent)
    found.duplicate("messages with one id of ours", sum(n - 1 for n in by_id.values()))
    by_text = Counter((row["person"], row["template"]) for row in sent)
    found.duplicate("messages with one text to one person", sum(n - 1 for n in by_text.values()))


async def sends_by_ours(stage: Stage) -> dict[str, Any]:
    """Sends by the id of each of their attempts."""
    rows = await stage.db.pool.fetch(
        """select attempts.id as ours, sends.id, sends.state, sends.reason, sends.accepted_at
           from attempts join sends on sends.id = attempts.send_id"""
    )
    return {str(row["ours"]): row for row in rows}


def _untold(sandbox: SandboxProcess) -> set[str]:
    """Messages that failed. Whether their status carried our id the ledger does not say; half of them do (platform.md 9)."""
    return {row["message_id"] for row in sandbox.rows() if row["kind"] == "failed"}
