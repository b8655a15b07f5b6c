"""R11 throttles: after an answer that asks to wait, nothing of its scope goes out before the deadline; the others lose a tenth at most.

Requests are paced, so that what the others reach does not hang on the machine. A call that had begun before the answer was written down
may still go out, for a second at most.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.faults.fleet import Fleet, found_fleet
from tests.faults.judge import judge
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.process import Stuck, until
from tests.faults.row import Draw, Findings, Row
from tests.faults.stage import Stage

NAME = "R11"
LIMIT_S = (900.0, 180.0)
GRACE_S = 1.0
LOSS_MAX = 0.10
SETTINGS = {"send_concurrency": 8, "claim_max": 40, "messages_per_second": 1}  # two of each chip in a claim: the second waits a second
WARM_S = 5.0
SPAN_S, SPANS = 30.0, 2  # how long, and how often, what the others send is counted without and with a throttled number
PERSON = "person"  # a scope that has no row of its own: one send waits
Covers = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Code:
    """An answer that asks to wait; the scope that it names, as a throttle has it."""

    code: int
    http: int
    scope: str


CODES = (
    Code(130429, 429, "chip"),
    Code(131057, 500, "chip"),
    Code(80007, 400, "account"),
    Code(131056, 400, PERSON),
    Code(4, 429, "app"),
)


@dataclass(slots=True)
class _Seen:
    """What happened around one throttle."""

    what: str
    wait_s: float = 0.0
    within_grace: int = 0
    back_s: float = 0.0  # from the deadline to the first request of the scope


async def run(stage: Stage, draw: Draw) -> Row:
    codes = draw.size(CODES, (CODES[0], CODES[3]))
    found = Findings()
    people = draw.size(14_000, 1_600)  # two workers let each of twenty chips send once a second, to the end
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=4, chips=5, people=people)
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    await stage.workers(2, **SETTINGS)
    await until("every chip has sent", lambda: _have_all_sent(fleet, sandbox), within_s=60, every_s=0.2)
    await asyncio.sleep(WARM_S)
    seen = [await _play(stage, fleet, sandbox, code, draw, found) for code in codes]
    shares = [await _compare(fleet, sandbox, draw) for _ in range(draw.size(SPANS, 0))]
    for share in shares:
        found.expect(share >= 1 - LOSS_MAX, f"the others reached {share:.2f} of what they reached before")
    await stage.db.owner.execute("update sends set state = 'cancelled', reason = 'the run is over' where state = 'planned'")
    await asyncio.sleep(2)
    await judge(stage, sandbox, found, may_end=("cancelled", "claimed", "calling"))
    done = f"{', '.join(one.what for one in seen)} while {len(sandbox.sent()):,} messages went out"
    note = [
        f"waits {', '.join(f'{one.wait_s:.0f}' for one in seen)} s",
        f"{sum(one.within_grace for one in seen)} calls had begun before the answer was written down",
        f"while one number is throttled the others reach {', '.join(f'{share:.2f}' for share in shares) or '(not measured)'} of before",
    ]
    return found.row(NAME, done, recovered_s=max(one.back_s for one in seen), note=note)


async def _have_all_sent(fleet: Fleet, sandbox: SandboxProcess) -> bool:
    return len({row["chip"] for row in sandbox.sent()}) == len(fleet.chips)


async def _play(stage: Stage, fleet: Fleet, sandbox: SandboxProcess, code: Code, draw: Draw, found: Findings) -> _Seen:
    """Refuse one request of a chip with this code, and watch until the scope sends again."""
    chip = draw.random.choice(fleet.chips)
    seen = _Seen(f"{code.code} ({code.scope})")
    await sandbox.heal()
    since = stage.clock.now()
    await sandbox.fault({"what": "refuse", "phone": chip.phone_number_id, "count": 1, "code": code.code, "http": code.http})
    attempt = await until("the answer is written down", lambda: _refused(stage, code, since), within_s=30)
    written_at, until_at = attempt["ended_at"], attempt["due_at"]
    covers = {"app": lambda _: True, "account": _of_account(chip.waba), "chip": _of_chip(chip.phone_number_id)}.get(
        code.scope, _to(attempt["phone"])
    )
    if code.scope == PERSON:  # one send, which is behind all others now
        await asyncio.sleep(max(0.0, (until_at - stage.clock.now()).total_seconds()))
    else:
        target = {"app": 0, "account": chip.account_id, "chip": chip.id}[code.scope]
        until_at = await until("a throttle stands", lambda: _throttle(stage, code.scope, target), within_s=10)
        seen.back_s = await _until_back(stage, sandbox, covers, until_at, seen, found)
    seen.wait_s = (until_at - written_at).total_seconds()
    found.expect(seen.wait_s >= 1, f"{seen.what}: it waits for {seen.wait_s:.1f} s only")
    _judge(sandbox, covers, seen, found, written_at=written_at, until_at=until_at)
    return seen


def _to(phone: str) -> Covers:
    return lambda row: row["to"] == phone.lstrip("+")


def _of_account(waba: str) -> Covers:
    return lambda row: row["account"] == waba


def _of_chip(phone: str) -> Covers:
    return lambda row: row["chip"] == phone


async def _refused(stage: Stage, code: Code, since: datetime) -> Any:
    return await stage.db.pool.fetchrow(
        """select attempts.ended_at, sends.due_at, contacts.phone
           from attempts join sends on sends.id = attempts.send_id join contacts on contacts.id = sends.contact_id
           where attempts.code = $1 and attempts.ended_at > $2""",
        code.code, since,
    )  # fmt: skip


async def _throttle(stage: Stage, scope: str, target: int) -> datetime | None:
    return await stage.db.pool.fetchval("select until_at from throttles where scope = $1 and target_id = $2", scope, target)


async def _until_back(stage: Stage, sandbox: SandboxProcess, covers: Covers, until_at: datetime, seen: _Seen, found: Findings) -> float:
    """Seconds from the deadline to the scope's first request."""
    left_s = (until_at - stage.clock.now()).total_seconds()

    async def is_back() -> Any:
        return next((row for row in sandbox.sent() if covers(row) and _moment(row, sandbox) >= until_at), None)

    try:
        row = await until("the scope sends again", is_back, within_s=max(0.0, left_s) + 30, every_s=0.2)
    except Stuck:
        found.lose(f"{seen.what}: its scope does not send again")
        return 30.0
    return (_moment(row, sandbox) - until_at).total_seconds()


def _judge(sandbox: SandboxProcess, covers: Covers, seen: _Seen, found: Findings, *, written_at: datetime, until_at: datetime) -> None:
    """What the scope sent before the deadline."""
    grace = timedelta(seconds=GRACE_S)
    ours = [row for row in sandbox.sent() if covers(row) and written_at < _moment(row, sandbox) < until_at]
    late = [row for row in ours if _moment(row, sandbox) > written_at + grace]
    found.violate(f"{seen.what}: requests before the deadline", len(late))
    seen.within_grace = len(ours) - len(late)


async def _compare(fleet: Fleet, sandbox: SandboxProcess, draw: Draw) -> float:
    """What the others send while one number is refused again and again, as a share of what they send without that."""
    chip = draw.random.choice(fleet.chips)
    await sandbox.heal()
    without = await _count(sandbox, chip.phone_number_id)
    await sandbox.fault({"what": "refuse", "phone": chip.phone_number_id, "code": 130429, "http": 429})
    during = await _count(sandbox, chip.phone_number_id)
    await sandbox.heal()
    return during / max(1, without)


async def _count(sandbox: SandboxProcess, but: str) -> int:
    """Messages of all numbers but one, from now on."""
    before = len(sandbox.sent())
    await asyncio.sleep(SPAN_S)
    return sum(row["chip"] != but for row in sandbox.sent()[before:])


def _moment(row: dict[str, Any], sandbox: SandboxProcess) -> datetime:
    return datetime.fromisoformat(row["at"]) + sandbox.lag
