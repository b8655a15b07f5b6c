"""The whole way out for tests: a fleet in the database, the sandbox as the provider, a clock that the test moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from julia_warmer import policies
from julia_warmer.clock import VirtualClock
from julia_warmer.cloud.client import GraphClient, Limits
from julia_warmer.engine.dispatch import Dispatched, dispatch, sweep
from julia_warmer.engine.parts import Parts
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.spec import AccountSpec, ChipSpec, PersonSpec, PortfolioSpec, TemplateSpec, WorldSpec
from julia_warmer.store import attempts
from julia_warmer.store.attempts import Call
from julia_warmer.store.db import transaction
from julia_warmer.store.sweeps import Swept
from tests.conftest import Database
from tests.engine import outgoing
from tests.engine.outgoing import AT, SEAL, TOKEN, Fleet

PEOPLE = 200


def world(fleet: Fleet, *, at: datetime = AT, name: str = "one", first: int = 0, people: int = PEOPLE) -> WorldSpec:
    """The sandbox's side of a fleet."""
    return WorldSpec(
        seed=7,
        at=at,
        portfolios=(PortfolioSpec(id=f"b-{name}", limit=2000, verified=True, sent_365d=1_000_000),),
        accounts=(AccountSpec(id=f"waba-{name}", portfolio=f"b-{name}", token=TOKEN),),
        chips=tuple(
            ChipSpec(id=f"pn-{name}-{n}", account=f"waba-{name}", display_phone=f"55119000000{n:02d}") for n in range(len(fleet.chips))
        ),
        templates=(
            TemplateSpec(
                id=f"t-{name}",
                account=f"waba-{name}",
                name="shift_invite",
                components=({"type": "BODY", "text": "Olá {{1}}, há plantões novos."},),
            ),
        ),
        people=tuple(
            PersonSpec(phone=f"55119{80000000 + n}", consented_at="2026-01-01T00:00:00+00:00") for n in range(first, first + people)
        ),
    )


@dataclass(slots=True)
class Line:
    """Everything between a planned send and the sandbox's ledger."""

    db: Database
    fleet: Fleet
    sandbox: Sandbox
    parts: Parts
    clock: VirtualClock

    async def dispatch(self, *, worker: str | None = None, limit: int | None = None) -> Dispatched:
        parts = replace(self.parts, worker=worker) if worker else self.parts
        return await dispatch(parts, clock=self.clock, limit=limit)

    async def sweep(self) -> Swept:
        async with transaction(self.db.pool) as conn:
            return await sweep(conn, at=self.clock.at)

    async def states(self) -> dict[str, int]:
        return await outgoing.states(self.db.pool)

    def faults(self, *rows: dict[str, Any]) -> None:
        self.sandbox.bench.faults.clear()
        self.sandbox.bench.faults.set(list(rows))

    def move(self, to: datetime) -> None:
        """Our clock and the sandbox's."""
        self.clock.move_to(to)
        self.sandbox.bench.play(to)

    def ledger(self) -> list[dict[str, Any]]:
        """What the sandbox took, in order: the only meaning of "sent"."""
        rows = [json.loads(line) for line in self.sandbox.bench.ledger.lines()]
        return [row for row in rows if row["kind"] == "accepted"]


@asynccontextmanager
async def opened(
    db: Database,
    *,
    chips: int = 1,
    sends: int = 0,
    limits: Limits | None = None,
    budget: int = 1000,
    name: str = "one",
    first: int = 0,
    **settings: Any,
) -> AsyncIterator[Line]:
    """A fleet with so many due sends, one for each person, dealt out over the chips."""
    async with transaction(db.pool) as conn:
        fleet = await outgoing.add_fleet(conn, chips=chips, budget=budget, name=name)
        await outgoing.add_sends(conn, fleet, sends, first=first, chip=None)
    sandbox = Sandbox(world(fleet, name=name, first=first))
    await sandbox.start()
    try:
        async with GraphClient(sandbox_url=sandbox.url, limits=limits) as graph:
            parts = Parts(
                pool=db.pool,
                settings=outgoing.settings(**settings),
                policy=policies.load("standard"),
                seal=SEAL,
                graph=graph,
                worker="one",
            )
            yield Line(db, fleet, sandbox, parts, VirtualClock(AT))
    finally:
        sandbox.bench.faults.clear()
        await sandbox.close()


async def until(met: Callable[[], Awaitable[Any]]) -> None:
    """Wait for something that another task or process brings about."""
    async with asyncio.timeout(30):
        while not await met():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)


async def only_send(line: Line) -> Any:
    return await line.db.pool.fetchrow("select * from sends")


async def called(conn: Any, fleet: outgoing.Fleet, *, worker: str = "one") -> list[Call]:
    taken = (await outgoing.claimer(worker).claim(conn, fleet.portfolio, limit=50, at=AT)).taken
    return await attempts.begin_calls(conn, taken, worker=worker, lease_until=AT + timedelta(minutes=1), at=AT)
