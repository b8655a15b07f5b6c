"""R10 caps: chip, person and portfolio caps and quiet hours are never exceeded in the ledger, whatever interleaves.

Twice: the law of the moving 24 h alone, on random schedules with late, early and lost news of deliveries; and on PostgreSQL, where
sixteen dispatchers are let loose at once after they were made to wait between a lock and a count. The auditor judges, by code of its own.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web

from julia_warmer import policies
from julia_warmer.clock import VirtualClock
from julia_warmer.cloud.client import GraphClient
from julia_warmer.config import Settings
from julia_warmer.core.budget import BudgetLedger
from julia_warmer.engine.closed_days import national_holidays
from julia_warmer.engine.dispatch import dispatch, sweep
from julia_warmer.engine.intake import apply_inbox, take_delivery
from julia_warmer.engine.parts import Parts
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.auditor import Decided, audit
from julia_warmer.sandbox.spec import WorldSpec
from julia_warmer.store.db import transaction
from tests.faults.fleet import Fleet, found_fleet
from tests.faults.outside import waiting_for_locks
from tests.faults.row import Draw, Findings, Row
from tests.faults.server import Database
from tests.faults.stage import Stage

NAME = "R10"
LIMIT_S = (1500.0, 180.0)
DAY, TTL = timedelta(days=1), timedelta(hours=12)
CLAIMERS = 16
PORTFOLIOS = 15  # schedules that are played at once
CHIPS, PEOPLE = 3, 30
# Zones of chips, with the nights on which their clocks move.
ZONES = ("America/Sao_Paulo", "America/New_York", "Europe/Lisbon", "America/Santiago")
STARTS = (
    datetime(2026, 3, 7, 16, tzinfo=UTC),  # New York puts its clocks forward the next night
    datetime(2026, 10, 24, 14, tzinfo=UTC),  # Lisbon puts them back
    datetime(2026, 9, 5, 15, tzinfo=UTC),  # Santiago puts them forward at midnight
    datetime(2026, 4, 4, 13, tzinfo=UTC),  # and back
    datetime(2026, 12, 30, 12, tzinfo=UTC),  # two days before a holiday
    datetime(2026, 6, 1, 11, 59, tzinfo=UTC),  # a Monday, a minute before São Paulo opens
)
GATES = (
    "portfolios where id = any($1) for update",
    "chips where portfolio_id = any($1) for update",
    "contacts where id in (select contact_id from sends where portfolio_id = any($1) and state = 'planned') for update",
)
TABLE_GATES = ("budget_uses", "attempts", "chip_counts")
GATE_S = 0.3  # how long a gate stays shut at most
GATE_WAITERS = 6  # or until so many wait at it


async def run(stage: Stage, draw: Draw) -> Row:
    schedules, rounds = draw.size((10_000, 20), (500, 1))
    found = Findings()
    claims, granted = 0, 0
    for nth in range(schedules):
        asked, given = play_law(Random(f"{draw.seed}/{nth}"), found)
        claims, granted = claims + asked, granted + given
        if nth % 100 == 0:
            await asyncio.sleep(0)
    seen: Counter[str] = Counter()
    for nth in range(rounds):
        async with stage.another_database() as db:
            seen += await _Round(stage, db, Random(f"{draw.seed}/{nth}/pg"), found).play(nth, steps=draw.size(10, 6))
    done = f"law: {schedules:,} schedules; PostgreSQL: {rounds * PORTFOLIOS} schedules with {CLAIMERS} claimers"
    note = [
        f"law: {granted:,} of {claims:,} claims granted",
        "PostgreSQL: " + ", ".join(f"{n:,} {what}" for what, n in sorted(seen.items())),
    ]
    return found.row(NAME, done, note=note)


# ------------------------------------------------------------------ the law


@dataclass(slots=True)
class _Message:
    send: str
    person: str
    at: datetime
    delivered_at: datetime | None  # None: never
    told_at: datetime | None  # when we hear of it, or of its failure; None: never


def play_law(random: Random, found: Findings) -> tuple[int, int]:
    """One schedule: claims at random moments, deliveries up to the end of their time to live, news of them at any time later.

    The oracle is Meta's sentence: in no 24 h are more different people reached than the limit says. How many were asked for and granted.
    """
    limit, at = random.randint(1, 6), datetime(2026, 3, 1, tzinfo=UTC)
    ledger, messages = BudgetLedger(limit, ttl=TTL), list[_Message]()
    asked = random.randint(10, 60)
    for nth in range(asked):
        at += timedelta(seconds=random.choice((0, 1, random.randint(0, 3600), random.randint(0, 40_000))))
        at -= timedelta(seconds=random.choice((0, 0, 0, 0, random.randint(0, 300))))  # the clock was set back
        _hear(ledger, messages, at)
        person = f"p{random.randrange(12)}"
        if ledger.claim(f"s{nth}", person, at=at):
            messages.append(_fate(random, f"s{nth}", person, at))
    reached = sorted((one.delivered_at, one.person) for one in messages if one.delivered_at is not None)
    for nth, (end, _) in enumerate(reached):
        people = {person for moment, person in reached[: nth + 1] if moment > end - DAY}
        if len(people) > limit:
            found.violate(f"{len(people)} people reached in 24 h at a limit of {limit}")
            break
    return asked, len(messages)


def _fate(random: Random, send: str, person: str, at: datetime) -> _Message:
    kind = random.random()
    if kind < 0.15:
        return _Message(send, person, at, None, at + timedelta(seconds=random.randint(0, 7200)))  # failed
    if kind < 0.25:
        return _Message(send, person, at, None, None)  # nothing is ever heard of it
    delivered_at = at + random.choice((timedelta(seconds=random.randint(0, 60)), TTL * random.random(), TTL))
    told_at = delivered_at + timedelta(seconds=random.choice((1, random.randint(0, 100_000), random.randint(0, 600_000))))
    return _Message(send, person, at, delivered_at, told_at)


def _hear(ledger: BudgetLedger, messages: list[_Message], now: datetime) -> None:
    for one in messages:
        if one.told_at is not None and one.told_at <= now:
            if one.delivered_at is None:
                ledger.failed(one.send)
            else:
                ledger.delivered(one.send, at=one.delivered_at)
            one.told_at = None


# ------------------------------------------------------------------ on PostgreSQL


class _Round:
    """Fifteen schedules on one database and one sandbox, in lockstep, with the world's webhooks over HTTP."""

    def __init__(self, stage: Stage, db: Database, random: Random, found: Findings) -> None:
        self.stage = stage
        self.db = db
        self.random = random
        self.found = found
        self.seen: Counter[str] = Counter()
        self.clock = VirtualClock(STARTS[0])

    async def play(self, nth: int, *, steps: int) -> Counter[str]:
        self.clock.move_to(STARTS[nth % len(STARTS)])
        at = self.clock.at
        fleet = await found_fleet(
            self.db.owner, self.stage.seal, at=at, portfolios=PORTFOLIOS, chips=CHIPS, people=PEOPLE, purpose="marketing"
        )
        async with AsyncExitStack() as stack:
            webhook = await stack.enter_async_context(self._webhook())
            spec, budgets = await self._vary(fleet, webhook)
            box = Sandbox(spec)
            stack.push_async_callback(box.close)
            graph = await stack.enter_async_context(GraphClient(sandbox_url=await box.start()))
            for _ in range(steps):
                await self._step(fleet, graph)
                await self._move(box)
            rows = list(box.bench.ledger.rows())
        decisions = [Decided(at - DAY, chip, at.date(), most) for chip, most in budgets.items()]
        judged = audit(spec, rows, decisions)
        for violation in judged.violations:
            self.found.violate(f"{violation.rule}: {violation.sentence} (round {nth})")
        self.seen["sent"] += judged.accepted
        return self.seen

    async def _vary(self, fleet: Fleet, webhook: str) -> tuple[WorldSpec, dict[str, int]]:
        """Limits, budgets and zones of this round's schedules, on both sides."""
        random = self.random
        limits = [random.choice((3, 5, 8, 12, 20)) for _ in fleet.portfolios]
        budgets = {chip.phone_number_id: random.choice((1, 2, 4, 7, 12)) for chip in fleet.chips}
        zones = {chip.phone_number_id: random.choice(ZONES) for chip in fleet.chips}
        await self.db.owner.execute(
            "update portfolios set messaging_limit = t.n from unnest($1::bigint[], $2::int[]) as t (id, n) where portfolios.id = t.id",
            list(fleet.portfolios), limits,
        )  # fmt: skip
        await self.db.owner.execute(
            """update chips set budget_day_max = t.most, zone = t.zone
               from unnest($1::text[], $2::int[], $3::text[]) as t (phone, most, zone) where chips.phone_number_id = t.phone""",
            list(budgets), list(budgets.values()), [zones[phone] for phone in budgets],
        )  # fmt: skip
        late = {
            "delay_high_s": random.choice((6.0, 600.0, 20_000.0)),
            "reorder": 0.3,
            "duplicate": 0.2,
            "batch_span_s": 900.0,
            "batch_max": 200,
        }
        spec = fleet.world(seed=random.randrange(10**6), secret=self.stage.secret, webhook_url=webhook, webhooks=late)
        portfolios = tuple(replace(one, limit=limit) for one, limit in zip(spec.portfolios, limits, strict=True))
        return replace(spec, portfolios=portfolios, chips=tuple(replace(one, zone=zones[one.id]) for one in spec.chips)), budgets

    async def _step(self, fleet: Fleet, graph: GraphClient) -> None:
        """New plans, then sixteen dispatchers at once at one moment, most of them behind a gate first."""
        await self._plan(fleet)
        settings = Settings(claim_max=self.random.choice((5, 50)), lease_s=60, send_concurrency=self.random.choice((1, 4)))
        parts = Parts(
            pool=self.db.pool,
            settings=settings,
            policy=policies.load("standard"),
            seal=self.stage.seal,
            graph=graph,
            worker="",
            holidays=national_holidays(self.clock.at),
        )
        async with self._gate(fleet):
            rounds = [asyncio.create_task(dispatch(replace(parts, worker=f"w{n}"), clock=self.clock)) for n in range(CLAIMERS)]
            await self._wait_at_gate()
        for one in await asyncio.gather(*rounds):
            self.seen["claimed"] += one.claimed
            self.seen["put off"] += one.later
        async with transaction(self.db.pool) as conn:
            await sweep(conn, at=self.clock.at)

    async def _plan(self, fleet: Fleet) -> None:
        """A message for each person who has none open, from any chip of the portfolio or from their own."""
        await self.db.owner.execute(
            """insert into sends (chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, plan_day, planned_at, due_at,
                                  expires_at)
               select coalesce(contacts.chip_id, first.chip_id), first.portfolio_id, first.contact_id, first.campaign_id,
                      first.template_row, 'campaign', first.purpose, ($2::timestamptz)::date, $2, $2, $2::timestamptz + interval '30 hours'
               from sends as first
               join contacts on contacts.id = first.contact_id
               where first.id = any($1::bigint[])
               on conflict do nothing""",
            [send for send in fleet.sends if self.random.random() < 0.6], self.clock.at,
        )  # fmt: skip

    @asynccontextmanager
    async def _gate(self, fleet: Fleet) -> AsyncGenerator[None]:
        """Hold rows or a table that a claim needs: at its first lock, between its locks and its count, at the call, at the settlement."""
        kind = self.random.randrange(len(GATES) + len(TABLE_GATES) + 1)
        async with self.db.owner.acquire() as conn, conn.transaction():
            if kind < len(GATES):
                some = [one for one in fleet.portfolios if self.random.random() < 0.5]
                await conn.execute(f"select from {GATES[kind]}", some)
            elif kind < len(GATES) + len(TABLE_GATES):
                await conn.execute(f"lock table {TABLE_GATES[kind - len(GATES)]} in share row exclusive mode")
            yield

    async def _wait_at_gate(self) -> None:
        loop = asyncio.get_running_loop()
        end, most = loop.time() + GATE_S, 0
        while loop.time() < end and most < GATE_WAITERS:
            await asyncio.sleep(0.01)
            most = max(most, await waiting_for_locks(self.db.owner))
        self.seen["waited at a gate"] += most

    async def _move(self, box: Sandbox) -> None:
        """Time passes: a little, to the next boundary of somebody's day, over days; or our clock alone goes back a little."""
        at = self.clock.at
        zone = ZoneInfo(self.random.choice(ZONES))
        midnight = (at.astimezone(zone) + DAY).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=zone).astimezone(UTC)
        to = self.random.choice(
            (
                at + timedelta(seconds=self.random.randint(1, 30)),
                at + timedelta(minutes=self.random.randint(1, 90)),
                at + timedelta(hours=self.random.randint(1, 20)),
                midnight - timedelta(seconds=1),
                midnight,
                midnight + timedelta(seconds=1),
                at.replace(hour=12, minute=0, second=0) + (DAY if at.hour >= 12 else timedelta(0)),  # São Paulo opens
                at.replace(hour=22, minute=59, second=59) + (DAY if at.hour >= 22 else timedelta(0)),  # and closes
                at + DAY - timedelta(seconds=1),
                at + DAY,
                at + timedelta(days=7, seconds=self.random.randint(-2, 2)),
            )
        )
        to = max(to, at)
        self.clock.move_to(to)
        await box.advance(to)
        async with transaction(self.db.pool) as conn:
            applied = await apply_inbox(conn, at=to, seal=self.stage.seal)
        self.seen["statuses"] += applied.new

    @asynccontextmanager
    async def _webhook(self) -> AsyncGenerator[str]:
        """Our intake at an address of its own, on the round's clock."""

        async def take(request: web.Request) -> web.Response:
            await take_delivery(self.db.pool, await request.read(), at=self.clock.at, seal=self.stage.seal)
            return web.Response()

        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_post("/", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            with suppress(aiohttp.ClientError):
                await runner.cleanup()
