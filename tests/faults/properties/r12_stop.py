"""R12 stop: after the 200 to a hard event no request of its scope starts later than a second; it never resumes by itself; the reason shows.

Everything is sent all the time. One after the other, each in a portfolio of its own, comes what has to stop something: an error code, a
restriction, a paused template, a person's hand. The rest of the fleet goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from julia_warmer.engine.wake import Step, wake
from julia_warmer.store.db import transaction
from tests.faults.fleet import Chip, Fleet, found_fleet
from tests.faults.judge import judge
from tests.faults.platform import MAIL, SandboxProcess
from tests.faults.post import Sender, body, change, status
from tests.faults.process import until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Api, Stage

NAME = "R12"
LIMIT_S = (900.0, 180.0)
WITHIN_S = 1.0
SETTINGS = {"send_concurrency": 8, "claim_max": 50, "messages_per_second": 3}
Covers = Callable[[dict[str, Any]], bool]  # whether a row of the ledger is in the scope


@dataclass(slots=True)
class _Stop:
    """Something that has to stop a scope, and what came of it."""

    what: str
    shows: str  # what the page has to say
    covers: Covers
    act: Callable[[], Awaitable[None]]
    done_at: datetime | None = None  # the 200, on our clock
    latest_s: float = 0.0  # the last request of the scope after it
    waited_s: float = 0.0  # for the 200
    before: int = field(default=0)  # rows of the scope until then


async def run(stage: Stage, draw: Draw) -> Row:
    people, pause_s = draw.size((1_600, 5.0), (500, 2.5))
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), portfolios=9, chips=4, people=people, purpose="marketing")
    sandbox = await stage.sandbox()
    api = await stage.api()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret, webhook_url=api.webhook, webhooks=MAIL))
    await stage.workers(2, **SETTINGS)
    async with Sender(api.webhook, stage.secret, connections=4) as sender:
        stops = [*_events(stage, fleet, sandbox, sender), *_hands(stage, fleet, api)]
        everything = stops.pop()
        stops = draw.size(stops, draw.random.sample(stops, 4))
        await until("every chip has sent", lambda: _have_all_sent(fleet, sandbox), within_s=60, every_s=0.2)
        for stop in [*stops, everything]:
            await _carry_out(stage, stop, sandbox)
            await asyncio.sleep(pause_s)
    await _try_to_resume(stage)
    await asyncio.sleep(draw.size(20.0, 4.0))
    for stop in [*stops, everything]:
        _judge(stop, sandbox, found)
        await _judge_shown(stage, api, stop, found)
    await _judge_rest(stage, sandbox, stops, everything, found)
    worst = max(stop.latest_s for stop in [*stops, everything])
    done = f"{len(stops) + 1} stops while {len(sandbox.sent()):,} messages went out: {', '.join(stop.what for stop in stops)}, everything"
    note = [f"the last request of a stopped scope came {worst:.2f} s after the 200"]
    return found.row(NAME, done, recovered_s=worst, note=note, **p50_p99_ms([stop.waited_s for stop in [*stops, everything]]))


# ------------------------------------------------------------------ what stops


def _events(stage: Stage, fleet: Fleet, sandbox: SandboxProcess, sender: Sender) -> list[_Stop]:
    """What the platform says."""

    def chip_of(portfolio: int) -> Chip:
        return fleet.chips[portfolio * fleet.size.chips]

    def failing(chip: Chip, code: int) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            last = [row for row in sandbox.sent() if row["chip"] == chip.phone_number_id][-1]
            item = status("failed", last["message_id"], stage.clock.now(), to=last["to"], ours=last["ours"], code=code)
            await sender.deliver(body(change(chip, statuses=[item]), waba=chip.waba))

        return act

    def telling(chip: Chip, name: str, **value: Any) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            await sender.deliver(body({"field": name, "value": value}, waba=chip.waba, at=stage.clock.now()))

        return act

    async def drop_held() -> None:
        chip = chip_of(6)
        await stage.db.owner.execute(
            "update sends set was_held = true where id = (select max(id) from sends where chip_id = $1 and message_id is not null)", chip.id
        )
        row = await stage.db.pool.fetchrow("select message_id from sends where was_held and chip_id = $1", chip.id)
        item = status("failed", row["message_id"], stage.clock.now(), to="5511980000000", code=135000)
        await sender.deliver(body(change(chip, statuses=[item]), waba=chip.waba))

    one, account, locked, broke, banned, paused = map(chip_of, range(6))
    template = fleet.templates_of(5)[0]
    return [
        _Stop("131048", "131048", _by_chip(one), failing(one, 131048)),
        _Stop("368", "368", _by_account(account), failing(account, 368)),
        _Stop("131031", "131031", _by_account(locked), failing(locked, 131031)),
        _Stop("131042", "131042", _by_account(broke), failing(broke, 131042)),
        _Stop(
            "account disabled",
            "DISABLE",
            _by_account(banned),
            telling(banned, "account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"}),
        ),
        _Stop(
            "template paused",
            "paused",
            lambda row: row["account"] == paused.waba and row["template"] == template.name,
            telling(
                paused,
                "message_template_status_update",
                message_template_id=int(template.id),
                message_template_name=template.name,
                message_template_language="pt_BR",
                event="PAUSED",
                reason="NONE",
            ),
        ),
        _Stop("135000 after held", "135000", _by_account(chip_of(6)), drop_held),
    ]


def _hands(stage: Stage, fleet: Fleet, api: Api) -> list[_Stop]:
    """What a person does. The last one stops everything."""

    def posting(path: str, **form: Any) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            await stage.call(api, "POST", path, {"why": "a person said so", **form})

        return act

    chip, owner = fleet.chips[7 * fleet.size.chips], fleet.portfolios[8]
    return [
        _Stop("a person pauses a chip", "a person said so", _by_chip(chip), posting(f"/warmer/chips/{chip.id}/pause")),
        _Stop(
            "a person stops a portfolio",
            "a person said so",
            _by_account(fleet.chips[8 * fleet.size.chips]),
            posting("/warmer/stops", scope="portfolio", target_id=owner),
        ),
        _Stop("everything", "a person said so", lambda _: True, posting("/warmer/stops", scope="everything")),
    ]


def _by_chip(chip: Chip) -> Covers:
    return lambda row: row["chip"] == chip.phone_number_id


def _by_account(chip: Chip) -> Covers:
    """Each portfolio has one account here."""
    return lambda row: row["account"] == chip.waba


# ------------------------------------------------------------------ what came of it


async def _have_all_sent(fleet: Fleet, sandbox: SandboxProcess) -> bool:
    return len({row["chip"] for row in sandbox.sent()}) == len(fleet.chips)


async def _carry_out(stage: Stage, stop: _Stop, sandbox: SandboxProcess) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await stop.act()
    stop.done_at = stage.clock.now()
    stop.waited_s = loop.time() - began
    stop.before = sum(stop.covers(row) for row in sandbox.sent())


async def _try_to_resume(stage: Stage) -> None:
    """Give every step that may change a chip its chance."""
    async with transaction(stage.db.owner) as conn:
        await conn.execute("update chips set look_again_at = $1", stage.clock.now())
        for step in (Step.REVIEW, Step.PLAN, Step.POLL, Step.DISPATCH):
            await wake(conn, step)


def _judge(stop: _Stop, sandbox: SandboxProcess, found: Findings) -> None:
    assert stop.done_at is not None
    late = [
        moment - stop.done_at
        for row in sandbox.sent()
        if stop.covers(row) and (moment := datetime.fromisoformat(row["at"]) + sandbox.lag) > stop.done_at
    ]
    stop.latest_s = max((one.total_seconds() for one in late), default=0.0)
    found.expect(stop.before > 0, f"{stop.what}: its scope had sent nothing before")
    too_late = sum(one > timedelta(seconds=WITHIN_S) for one in late)
    found.violate(f"{stop.what}: requests later than {WITHIN_S:.0f} s after the 200, the last {stop.latest_s:.1f} s", too_late)


async def _judge_shown(stage: Stage, api: Api, stop: _Stop, found: Findings) -> None:
    """Over the API, as the pages show it."""
    shown = ""
    for path in ("/warmer/stops", "/warmer/alerts?limit=200", "/warmer/chips?limit=200"):
        shown += await stage.call(api, "GET", path)
    if stop.what == "a person pauses a chip":
        shown += await stage.call(api, "GET", "/warmer/audit?limit=200")
    found.expect(stop.shows in shown, f"{stop.what}: the reason is not shown")


async def _judge_rest(stage: Stage, sandbox: SandboxProcess, stops: list[_Stop], everything: _Stop, found: Findings) -> None:
    """Until everything was stopped, what nobody had stopped went on; and nothing was sent twice."""
    assert everything.done_at is not None
    assert stops[-1].done_at is not None
    rest = [
        row
        for row in sandbox.sent()
        if not any(stop.covers(row) for stop in stops)
        and stops[-1].done_at < datetime.fromisoformat(row["at"]) + sandbox.lag < everything.done_at
    ]
    found.expect(len(rest) > 0, "what nobody had stopped stood still too")
    await judge(stage, sandbox, found, may_end=("planned", "claimed", "cancelled", "failed", "expired"))
