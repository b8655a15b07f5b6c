"""R2 ambiguous answers: whatever is unclear is never sent again; what was taken is settled by its status, the rest waits for a person."""

from dataclasses import dataclass
from typing import Any

from tests.faults.fleet import found_fleet
from tests.faults.judge import await_settled, finish, judge
from tests.faults.platform import MAIL
from tests.faults.row import Draw, Findings, Row
from tests.faults.stage import Stage

NAME = "R2"
LIMIT_S = (1500.0, 180.0)
AT_ONCE = 0.5  # of the requests: a platform that answers nothing clearly is R19, then we slow down to probes


@dataclass(frozen=True, slots=True)
class Fault:
    """`share` of all the messages that it meets; `taken`: into the ledger all the same."""

    what: str
    taken: bool
    share: float
    more: tuple[tuple[str, Any], ...] = ()


FAULTS = (
    Fault("hang", True, 0.05, (("s", 60.0),)),
    Fault("accept_then_drop", True, 0.15),
    Fault("half_answer", True, 0.15),
    Fault("error_500", True, 0.15),
    Fault("drop", False, 0.25),
    Fault("refuse", False, 0.125, (("code", 131000), ("http", 500))),
    Fault("refuse", False, 0.125, (("code", 1), ("http", 500))),
)


def _switches(faults: int) -> list[dict[str, Any]]:
    """Side by side; the first that matches wins, so each later one acts on what the ones before it leave."""
    rows: list[dict[str, Any]] = []
    left = 1.0
    for fault in FAULTS:
        share = AT_ONCE * fault.share
        rows.append({"what": fault.what, "count": int(faults * fault.share), "probability": share / left, **dict(fault.more)})
        left -= share
    return rows


async def run(stage: Stage, draw: Draw) -> Row:
    faults = draw.size(2_000, 160)
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=4, chips=10, people=faults * 3 // 4)
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    await sandbox.fault(*_switches(faults))
    await stage.workers(4, send_concurrency=64, claim_max=200)
    await finish(stage, within_s=draw.size(900, 120))
    recovered_s = await await_settled(stage, sandbox)
    judged = await judge(stage, sandbox, found)
    hits = [fault["hits"] for fault in await sandbox.faults()]
    taken = sum(n for n, fault in zip(hits, FAULTS, strict=True) if fault.taken)
    not_taken = sum(hits) - taken
    found.expect(len(judged.unknown) == not_taken, f"{not_taken} were not taken, {len(judged.unknown)} wait for a person")
    found.expect(judged.sent == len(fleet.sends) - not_taken, f"{judged.sent} sent of {len(fleet.sends) - not_taken}")
    again = await stage.db.pool.fetchval(
        """select count(*)::int from attempts as later
           join attempts as unclear on unclear.send_id = later.send_id and unclear.outcome = 'unclear' and later.number > unclear.number"""
    )
    found.duplicate("calls after an unclear one", again)
    done = f"{len(fleet.sends):,} sends: {taken:,} taken without a clear answer, {not_taken:,} not taken without a clear answer"
    note = [f"{judged.untold} taken ones failed by a status that may lack our id"]
    return found.row(NAME, done, unknown=len(judged.unknown) + judged.untold, recovered_s=recovered_s, note=note)
