"""R19 sick provider: it answers every request with 5xx, or after half a minute, for ten minutes. We fall to probes, say so, and come back.

Both are played at once, each on a stage of its own. Half of what is answered 5xx was taken; all of what is answered late is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.faults.fleet import found_fleet
from tests.faults.judge import Judged, await_settled, finish, judge
from tests.faults.memory import watched
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.process import until
from tests.faults.row import Draw, Findings, Row
from tests.faults.stage import Stage

NAME = "R19"
LIMIT_S = (1800.0, 200.0)
SETTINGS = {"send_concurrency": 16, "claim_max": 50, "messages_per_second": 2}
CHIPS = 20
LONG_S = 600.0
WARM_S = 6.0
KNOWN_S = 1.0  # after the alarm: what had begun by then has gone out
PROBES_S = 0.5  # requests a second of the whole fleet, once it is known that the platform is sick
BACK_WITHIN_S = 330.0  # the longest wait between two probes, and the probe itself
MOST_MB = {"worker": 300}
GROWTH_MB = 30


@dataclass(frozen=True, slots=True)
class Sickness:
    """How every request is answered, and for how long in a short draw: well past the moment at which it can be known."""

    name: str
    switches: tuple[dict[str, Any], ...]
    short_s: float


SICKNESSES = (
    Sickness("5xx", ({"what": "error_500", "probability": 0.5}, {"what": "refuse", "code": 131000, "http": 500}), 25.0),
    Sickness("30 s late", ({"what": "slow", "s": 30.0},), 40.0),  # no request is given up before its 20 s are over
)


@dataclass(slots=True)
class _Seen:
    """What one sickness came to."""

    judged: Judged
    requests: int  # in all while it was sick
    late_s: float  # requests a second once it was known
    alarmed_s: float
    back_s: float
    told: str


async def run(stage: Stage, draw: Draw) -> Row:
    found = Findings()
    async with stage.another("late") as other:
        seen = await asyncio.gather(
            *(_play(on, sickness, draw, found) for on, sickness in zip((stage, other), SICKNESSES, strict=True)),
        )
    sick_s = _list(sorted({draw.size(LONG_S, one.short_s) for one in SICKNESSES}))
    names, requests = _list(one.name for one in SICKNESSES), _list(one.requests for one in seen)
    done = f"{names}, for {sick_s} s with {CHIPS} chips: {requests} requests then"
    note = [
        f"once known {_list(f'{one.late_s:.2f}' for one in seen)} requests/s",
        f"alarmed after {_list(f'{one.alarmed_s:.1f}' for one in seen)} s",
        f"sending again {_list(f'{one.back_s:.0f}' for one in seen)} s after it was well",
        *(one.told for one in seen),
    ]
    unknown = sum(len(one.judged.unknown) + one.judged.untold for one in seen)
    return found.row(NAME, done, unknown=unknown, recovered_s=max(one.back_s for one in seen), note=note)


def _list(values: Any) -> str:
    return " and ".join(map(str, values))


async def _play(stage: Stage, sickness: Sickness, draw: Draw, found: Findings) -> _Seen:
    """Well for a while, sick for long, well again, until everything is sent."""
    sick_s, people = draw.size((LONG_S, 1_000), (sickness.short_s, 350))
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=2, chips=CHIPS // 2, people=people)
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    workers = await stage.workers(2, **SETTINGS)
    await asyncio.sleep(WARM_S)
    found.expect(len(sandbox.sent()) > 0, f"{sickness.name}: nothing was sent while it was well")
    async with watched(workers) as memory:
        began_at = stage.clock.now()
        await sandbox.fault(*sickness.switches)
        alarmed_s = await _until_alarmed(stage, began_at, within_s=sick_s)
        await asyncio.sleep(max(KNOWN_S, sick_s / 2 - alarmed_s))
        before, since = await _requests(sandbox), stage.clock.now()
        await asyncio.sleep(max(KNOWN_S, sick_s - (since - began_at).total_seconds()))
        requests, watched_s = await _requests(sandbox), (stage.clock.now() - since).total_seconds()
        await sandbox.heal()
        told = memory.judge(found, most_mb=MOST_MB, growth_mb=GROWTH_MB)
    late_s = (requests - before) / watched_s
    found.in_time(late_s <= PROBES_S, f"{sickness.name}: still {late_s:.1f} requests/s")
    found.in_time(alarmed_s < sick_s, f"{sickness.name}: nobody was told")
    back_s = await _until_back(sandbox)
    await finish(stage, within_s=300)
    await await_settled(stage, sandbox)
    judged = await judge(stage, sandbox, found)
    return _Seen(judged, requests, late_s, alarmed_s, back_s, f"{sickness.name}: {told}")


async def _requests(sandbox: SandboxProcess) -> int:
    """How many have met a switch."""
    return sum(fault["hits"] for fault in await sandbox.faults())


async def _until_alarmed(stage: Stage, since: datetime, *, within_s: float) -> float:
    """Seconds until an alert said that the platform is sick; `within_s` when none did."""
    while (passed_s := (stage.clock.now() - since).total_seconds()) < within_s:
        rows: Sequence[Any] = await stage.db.pool.fetch("select at from alerts where at >= $1 and rule = 'sick' order by at limit 1", since)
        if rows:
            return (rows[0]["at"] - since).total_seconds()
        await asyncio.sleep(min(1.0, within_s - passed_s))
    return within_s


async def _until_back(sandbox: SandboxProcess) -> float:
    """Seconds until more is taken than a probe."""
    loop = asyncio.get_running_loop()
    began, before = loop.time(), len(sandbox.sent())

    async def is_back() -> bool:
        return len(sandbox.sent()) > before + CHIPS

    await until("it sends again", is_back, within_s=BACK_WITHIN_S, every_s=0.5)
    return loop.time() - began
