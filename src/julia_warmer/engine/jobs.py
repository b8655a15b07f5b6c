"""Jobs: PgQueuer wakes the engine's steps, live. It adds no rule and no state: in virtual time a driver calls the same steps.

A step runs when something wakes it (`engine/wake`), and by the clock in case nothing did. It may run twice, on any worker; each is safe to
repeat. One that fails is logged, told and held: its job stays as the record, and the step waits longer after each failure in a row.
docs/decisions/0008-jobs.md says why it is as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from pgqueuer import PgQueuer
from pgqueuer.models import Job, Schedule

from julia_warmer.clock import Clock
from julia_warmer.engine import (
    consents,
    dispatch,
    erasure,
    forecast,
    imports,
    intake,
    plan,
    quality,
    questions,
    requests,
    restore,
    retention,
    review,
    route,
    spool,
    upkeep,
    uploads,
)
from julia_warmer.engine.confirm import hearing_of
from julia_warmer.engine.listening import ListensFirst
from julia_warmer.engine.parts import Parts, parts_at
from julia_warmer.engine.rules import in_force
from julia_warmer.engine.wake import CHANNEL, Step, queue, wake
from julia_warmer.store import jobs, merges, platform, sessions
from julia_warmer.store.db import transaction
from julia_warmer.store.platform import Alert

POLL_AGE_S = 90.0  # with a look every 30 s, no account's quality is more than two minutes old
SYNC_AGE_S = 900.0
STEP_S = 120.0  # longest run of a step that has no end of its own
HEARTBEAT = timedelta(seconds=15)  # a job whose worker gave no sign for so long is taken by another
LOOK_EVERY = timedelta(seconds=5)  # at the queue, in case its notice was lost
HOLD_MAX_S = 60.0
RETRY_MIN_S = 0.1
WELL_S = 30.0  # a step that every worker runs all the time closes what any of them told of it, so often at most
RESTART_MAX_S = 30.0
WHY_MAX = 300  # characters
STALLED_S = 20.0  # a transaction that does not go on, and keeps others waiting: its process was stopped
SIGN_EVERY_S = 10.0  # a worker says that it is there, and compares its journal with the database
DRAIN_S = 45.0  # a deploy waits for what has begun no longer than this

log = structlog.get_logger(__name__)

Run = Callable[[Parts, Clock], Awaitable[bool]]


# ------------------------------------------------------------------ the steps; each says whether there may be more to do


async def _intake(parts: Parts, clock: Clock) -> bool:
    hearing = hearing_of(parts.settings)
    applied = await intake.work_off(parts.pool, clock=clock, seal=parts.seal, journal=parts.journal, hearing=hearing)
    return applied.bodies > 0


async def _dispatch(parts: Parts, clock: Clock) -> bool:
    await dispatch.dispatch(await parts_at(parts, at=clock.now()), clock=clock)
    return False


async def _sweep(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        await dispatch.sweep(conn, at=clock.now())
    async with transaction(parts.pool) as conn:
        await spool.tell_overdue(conn, at=clock.now())
        await questions.tell_waiting(conn, late_after=timedelta(hours=parts.settings.question_late_h), at=clock.now())
    return False


async def _route(parts: Parts, clock: Clock) -> bool:
    routed = await route.route_received(parts, at=clock.now())
    return routed.taken > 0


async def _review(parts: Parts, clock: Clock) -> bool:
    at = clock.now()
    parts = await parts_at(parts, at=at)
    return (await review.review_due(parts.pool, at=at, policy=parts.policy, shadow=parts.shadow)).more


async def _plan(parts: Parts, clock: Clock) -> bool:
    at = clock.now()
    async with transaction(parts.pool) as conn:
        policy = await in_force(conn, parts.policy, at=at)
        planned = await plan.plan(conn, at=at, policy=policy, holidays=parts.holidays)
        if planned.sends:
            await wake(conn, Step.DISPATCH)
    return planned.chips == plan.PLAN_MAX


async def _poll(parts: Parts, clock: Clock) -> bool:
    at = clock.now()
    await upkeep.poll(await parts_at(parts, at=at), at=at, max_age_s=POLL_AGE_S)
    return False


async def _templates(parts: Parts, clock: Clock) -> bool:
    await upkeep.sync_templates(parts, at=clock.now(), max_age_s=SYNC_AGE_S)
    return False


async def _partitions(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        await upkeep.ensure_partitions(conn, at=clock.now())
    return False


async def _fold(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        return await upkeep.fold_counts(conn, at=clock.now()) == upkeep.FOLD_MAX


async def _seal(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        sealed = await consents.seal_consents(conn, at=clock.now())
    return sealed == consents.LEAVES_MAX


async def _rights(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        await requests.tell_pressing(conn, at=clock.now())
        await erasure.sweep_erased(conn, seal=parts.seal)
    return False


async def _quality(parts: Parts, clock: Clock) -> bool:
    at = clock.now()
    async with transaction(parts.pool) as conn:
        await merges.follow_merges(conn)
        await quality.hold_bad_sources(conn, policy=await in_force(conn, parts.policy, at=at), at=at)
    return False


async def _import(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        await imports.settle(conn, at=clock.now())
    return await uploads.carry_out(parts, clock=clock)


async def _tidy(parts: Parts, clock: Clock) -> bool:
    async with transaction(parts.pool) as conn:
        await upkeep.tidy_up(conn, at=clock.now())
    if parts.journal is not None:
        parts.journal.forget(at=clock.now())
    return (await retention.forget_old(parts.pool, at=clock.now(), settings=parts.settings)).more


async def _forecast(parts: Parts, clock: Clock) -> bool:
    return await forecast.forecast_due(await parts_at(parts, at=clock.now()), at=clock.now()) == forecast.DUE_MAX


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a step runs: by the clock as `cron` says (six fields, the last one seconds), on so many workers at once (0: all)."""

    run: Run
    cron: str
    at_once: int = 1
    limit_s: float | None = STEP_S  # None: it ends by itself
    at_start: bool = True  # whether a worker that begins wakes it


RHYTHMS: dict[Step, Rhythm] = {
    Step.INTAKE: Rhythm(_intake, "* * * * * */2", at_once=0),
    Step.DISPATCH: Rhythm(_dispatch, "* * * * * */2", at_once=0, limit_s=None),
    Step.SWEEP: Rhythm(_sweep, "* * * * * */10"),
    Step.ROUTE: Rhythm(_route, "* * * * * */2"),
    Step.REVIEW: Rhythm(_review, "* * * * * */15", at_once=0),
    Step.PLAN: Rhythm(_plan, "* * * * * */15"),
    Step.POLL: Rhythm(_poll, "* * * * * */30"),
    Step.TEMPLATES: Rhythm(_templates, "*/5 * * * * 0"),
    Step.PARTITIONS: Rhythm(_partitions, "17 * * * * 0"),
    Step.FOLD: Rhythm(_fold, "23 * * * * 0"),
    Step.SEAL: Rhythm(_seal, "0 * * * * 0"),
    Step.RIGHTS: Rhythm(_rights, "41 * * * * 0"),
    Step.QUALITY: Rhythm(_quality, "47 * * * * 0", at_start=False),
    Step.IMPORT: Rhythm(_import, "53 * * * * 0", limit_s=None),
    Step.TIDY: Rhythm(_tidy, "31 4 * * * 0"),
    Step.FORECAST: Rhythm(_forecast, "41 3-8 * * * 0", at_start=False),  # the small hours in Brazil: it takes processor time
}


# ------------------------------------------------------------------ the loop


async def run_worker(parts: Parts, *, clock: Clock, stop: asyncio.Event | None = None) -> None:
    """Run the steps until `stop` is set, or until cancelled; what has begun is finished first. Any number of workers may run."""
    stop = stop or asyncio.Event()
    work = asyncio.create_task(_Worker(parts, clock, stop).run())
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({work}, timeout=DRAIN_S)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
        raise


@dataclass(slots=True)
class _Trouble:
    """A step's failures in a row, here."""

    in_row: int = 0
    held_until_s: float = 0.0  # on the event loop's own clock


@dataclass(slots=True)
class _Worker:
    """One process's share of the work, and the supervisor of its PgQueuer."""

    parts: Parts
    clock: Clock
    stop: asyncio.Event
    running: set[Step] = field(default_factory=set)
    again: set[Step] = field(default_factory=set)  # woken while running here
    trouble: dict[Step, _Trouble] = field(default_factory=dict)
    well: dict[Step, float] = field(default_factory=dict)  # when its alert was closed; any worker may have opened one since
    retries: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Start PgQueuer as often as it breaks: the database went away, a connection was cut."""
        if self.parts.journal is not None:
            self.parts.journal.check(at=self.clock.now())
        failures = 0
        while not self.stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                await self._cycle()
            except Exception as error:  # whatever it was, the loop lives
                lasted = asyncio.get_running_loop().time() - began
                failures = 1 if lasted > RESTART_MAX_S else failures + 1
                wait_s = min(2.0 ** (failures - 1), RESTART_MAX_S)
                log.warning("jobs begin again", worker=self.parts.worker, why=_why(error), wait_s=wait_s)
                await self._pause(wait_s)
        with suppress(Exception):  # the database may be away: then its row says that we did not end
            await restore.end_work(self.parts)

    async def _cycle(self) -> None:
        await restore.begin_work(self.parts, at=self.clock.now())
        driver = ListensFirst(self.parts.pool)
        queuer = PgQueuer(driver, channel=CHANNEL, queries=queue(driver))
        for step, rhythm in RHYTHMS.items():
            queuer.entrypoint(step, concurrency_limit=rhythm.at_once, on_failure="hold")(partial(self._run_job, step))
            queuer.schedule(step, rhythm.cron)(partial(self._tick, step))
        ending = asyncio.create_task(self._end(queuer.shutdown))
        watching = asyncio.create_task(self._watch())
        try:
            await self._wake_all()
            await queuer.run(
                dequeue_timeout=LOOK_EVERY,
                heartbeat_timeout=HEARTBEAT,
                shutdown_on_listener_failure=True,
                log_aggregation_interval=timedelta(0),
            )
        finally:
            ending.cancel()
            watching.cancel()

    async def _watch(self) -> None:
        """A process may stop inside a transaction, and a database be restored, under a worker that goes on."""
        while True:
            await self._pause(SIGN_EVERY_S)
            try:
                async with transaction(self.parts.pool) as conn:
                    ended = await sessions.end_stalled(conn, stalled_s=STALLED_S)
                if ended:
                    log.warning("stopped transactions ended", worker=self.parts.worker, number=ended)
                await restore.compare(self.parts.pool, self.parts.journal, at=self.clock.now())
                await restore.give_sign(self.parts, at=self.clock.now())
            except Exception as error:  # a database that is away is said by the supervisor
                log.warning("no sign given", worker=self.parts.worker, why=_why(error))
            if self.stop.is_set():
                return

    async def _end(self, shutdown: asyncio.Event) -> None:
        await self.stop.wait()
        shutdown.set()

    async def _wake_all(self) -> None:
        for step, rhythm in RHYTHMS.items():
            if rhythm.at_start:
                await self._tick(step)

    async def _tick(self, step: Step, _schedule: Schedule | None = None) -> None:
        async with transaction(self.parts.pool) as conn:
            await wake(conn, step)

    async def _run_job(self, step: Step, job: Job) -> None:
        """One job: the step, as often as it says that there may be more, or is woken meanwhile."""
        async with self.parts.pool.acquire() as conn:
            await jobs.free_key(conn, job.id)
        if step in self.running:
            self.again.add(step)
            return
        if self._is_held(step):
            return
        self.running.add(step)
        try:
            await self._run_step(step)
        except Exception as error:
            await self._hold(step, error)
            raise
        finally:
            self.running.discard(step)
        await self._recover(step)

    async def _run_step(self, step: Step) -> None:
        rhythm = RHYTHMS[step]
        more = True
        while more and not self.stop.is_set():
            self.again.discard(step)
            async with asyncio.timeout(rhythm.limit_s):
                work = rhythm.run(self.parts, self.clock)
                more = await (work if rhythm.limit_s else self._until_told(work))
            more = more or step in self.again

    async def _until_told(self, work: Awaitable[bool]) -> bool:
        """A step that may go on for long is cancelled when this worker is to end: it brings to its end what has begun, and no more."""
        task = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(self.stop.wait())
        ending.add_done_callback(lambda told: None if told.cancelled() else task.cancel())
        try:
            return await task
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is None or this.cancelling() or not self.stop.is_set():
                raise
            return False
        finally:
            ending.cancel()

    def _is_held(self, step: Step) -> bool:
        trouble = self.trouble.get(step)
        return trouble is not None and asyncio.get_running_loop().time() < trouble.held_until_s

    async def _hold(self, step: Step, error: Exception) -> None:
        """Say that a step failed, and let it wait."""
        trouble = self.trouble.setdefault(step, _Trouble())
        trouble.in_row += 1
        trouble.held_until_s = asyncio.get_running_loop().time() + min(2.0 ** (trouble.in_row - 1), HOLD_MAX_S)
        self.well.pop(step, None)
        why = _why(error)
        log.error("step failed", step=step, worker=self.parts.worker, in_row=trouble.in_row, why=why)
        alert = Alert(rule="step failed", level="critical", text=f"The step {step} fails: {why}", open_key=_key(step), at=self.clock.now())
        with suppress(Exception):  # a database that is away is said by the supervisor
            async with transaction(self.parts.pool) as conn:
                await platform.add_alerts(conn, [alert])
        retry = asyncio.create_task(self._try_again(step, trouble))
        self.retries.add(retry)
        retry.add_done_callback(self.retries.discard)

    async def _try_again(self, step: Step, trouble: _Trouble) -> None:
        """When the wait is over: what runs once a day is not left for a day because a connection broke."""
        loop = asyncio.get_running_loop()
        while not self.stop.is_set() and self.trouble.get(step) is trouble:
            await self._pause(max(RETRY_MIN_S, trouble.held_until_s - loop.time()))
            with suppress(Exception):  # a database that is away is said by the supervisor, which wakes every step
                return await self._tick(step)

    async def _recover(self, step: Step) -> None:
        """A step that runs again is not held any more, and what was told of it is over."""
        self.trouble.pop(step, None)
        now = asyncio.get_running_loop().time()
        is_rare = RHYTHMS[step].at_once > 0  # those that every worker runs all the time need not look each time
        if is_rare or now - self.well.get(step, -WELL_S) >= WELL_S:
            async with transaction(self.parts.pool) as conn:
                await platform.close_alerts(conn, [_key(step)], by=self.parts.worker, at=self.clock.now())
            self.well[step] = now

    async def _pause(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), wait_s)


def _why(error: Exception) -> str:
    """What a person may read of an error: a database's further lines may quote a row."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:WHY_MAX]


def _key(step: Step) -> str:
    return f"step:{step}"
