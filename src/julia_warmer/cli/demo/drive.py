"""Drives the engine's steps in lockstep through virtual time: the world happens, is heard, is judged, and answered.

Live, PgQueuer wakes the same steps; here a list of moments does. A moment at which nothing is due is passed over.
"""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from julia_warmer.cli.demo.operator import Operator
from julia_warmer.cli.demo.stage import Stage
from julia_warmer.engine import dispatch, intake, plan, review, upkeep
from julia_warmer.engine.rules import in_force
from julia_warmer.store.db import transaction
from julia_warmer.store.work import find_work

ZONE = ZoneInfo("America/Sao_Paulo")
OPEN_EVERY = timedelta(minutes=10)  # while people may be written to: sends go out in their ten minutes, never in a burst
CLOSED_EVERY = timedelta(minutes=30)
BUSY = (time(8), time(21))  # Brazil's zones are at most two hours behind; the span covers all their open hours but the last
SETTLE = timedelta(hours=1)  # after the last day: what is on its way arrives

AfterDay = Callable[[int, int], Awaitable[None]]


async def live_through(stage: Stage, operator: Operator, days: int, after_day: AfterDay) -> None:
    """Live `days` days from the stage's beginning on. `after_day` is told the day (from 0) and the messages sent so far."""
    sent = 0
    for day in range(days):
        for at in moments(stage.begins_at + timedelta(days=day)):
            sent += await tick(stage, at)
            await operator.look(at)
        async with transaction(stage.parts.pool) as conn:
            await upkeep.fold_counts(conn, at=stage.clock.now())
        await after_day(day, sent)
    await tick(stage, stage.begins_at + timedelta(days=days) + SETTLE, sends=False)


def moments(begins_at: datetime) -> Iterator[datetime]:
    """The moments of the 24 h from `begins_at` on, closer together while people are awake."""
    at = begins_at
    while at < begins_at + timedelta(days=1):
        yield at
        local = at.astimezone(ZONE).time()
        at += OPEN_EVERY if BUSY[0] <= local < BUSY[1] else CLOSED_EVERY


async def tick(stage: Stage, at: datetime, *, sends: bool = True) -> int:
    """Let the world happen up to `at`, then do what is due. The number of messages sent."""
    stage.clock.move_to(at)
    told = await stage.sandbox.advance(at)
    parts = stage.parts
    if told["delivered"]:
        await hear(stage, at)
    async with transaction(parts.pool) as conn:
        work = await find_work(conn, at=at)
    if work.reviews:
        await upkeep.poll(parts, at=at)
    if work.reviews or work.plans:
        await judge(stage, at)
    if not sends or not (work.reviews or work.plans or work.sends):
        return 0
    done = await dispatch.dispatch(parts, clock=stage.clock)
    async with transaction(parts.pool) as conn:
        await dispatch.sweep(conn, at=at)
    return done.accepted


async def hear(stage: Stage, at: datetime) -> None:
    """Apply every webhook that came in."""
    while True:
        async with transaction(stage.parts.pool) as conn:
            applied = await intake.apply_inbox(conn, at=at, seal=stage.parts.seal)
        if not applied.bodies:
            return


async def judge(stage: Stage, at: datetime) -> None:
    """Review the chips that are due and plan what their budgets allow."""
    parts = stage.parts
    async with transaction(parts.pool) as conn:
        policy = await in_force(conn, parts.policy, at=at)
        await review.review(conn, at=at, policy=policy, shadow=parts.shadow)
        await plan.plan(conn, at=at, policy=policy, holidays=parts.holidays)
