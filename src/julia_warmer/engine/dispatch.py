"""Dispatch: claims what is due, calls the provider once for each send, settles what came of it. And the sweep of what was left behind.

One round: every portfolio with due sends gets its claims; these go out in small batches, and each batch is

    calling   committed with the attempts written ahead; the last look at lease, stops and people is in that statement
    asked     the requests, each begun within a second of that commit or not at all
    settled   answers become states; a crash in between leaves `calling`, which the sweep makes `unknown`

With `send_concurrency` 1 the requests go out one after another, and a run is the same each time. It must not know whom to write to.
"""

import asyncio
import sys
import zlib
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import structlog

from julia_warmer.clock import Clock
from julia_warmer.cloud.answers import Refused, Unclear
from julia_warmer.cloud.codes import TOKEN_UNFIT
from julia_warmer.core.errors import WarmerError
from julia_warmer.engine.claim import Claim, Claimer
from julia_warmer.engine.control import CALL_BEGINS_WITHIN_S
from julia_warmer.engine.message import body_of
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.settle import Answer, NotAsked, Result, Rules, Settled, is_doubt, settle
from julia_warmer.store import attempts, claims, sweeps, throttles
from julia_warmer.store.attempts import Call
from julia_warmer.store.claims import Judged
from julia_warmer.store.db import Connection
from julia_warmer.store.seal import SealBroken
from julia_warmer.store.sweeps import Swept

TOKEN_USE = "accounts.token"  # noqa: S105 - what a sealed token is bound to
LOST_AFTER_LEASE_S = 60.0  # a call this long past its lease has lost its worker: longer than any request lasts
SWEEP_MAX = 1000  # sends of each kind in one sweep
SETTLE_TRIES = 4  # a deadlock with another writer undoes the batch's transaction; the answers are still in hand
WAVES_FIRST = 8  # requests that follow one another in a batch, until we know how long one takes
WAVES_MAX = 50
LATE = NotAsked("it did not begin in time", again=True)
UNREMEMBERED = NotAsked("the journal could not be written", again=True)
SICK = NotAsked("the platform gives no clear answer", again=True)

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Dispatched:
    """What one round did, in sends."""

    claimed: int = 0
    cancelled: int = 0  # by a guard that no time heals
    later: int = 0  # moved to the moment that a guard named
    given_back: int = 0  # claimed, then stopped: planned again
    accepted: int = 0  # held ones included
    held: int = 0
    again: int = 0  # surely not taken: planned again
    failed: int = 0
    unknown: int = 0

    def add(self, settled: Settled) -> None:
        self.accepted += settled.accepted
        self.held += settled.held
        self.again += settled.again
        self.failed += settled.failed
        self.unknown += settled.unknown


async def dispatch(parts: Parts, *, clock: Clock, limit: int | None = None) -> Dispatched:
    """Send what is due, at most `limit` claims, until nothing more can be claimed. Cancelled, it settles a batch that has begun first."""
    async with parts.pool.acquire() as conn:
        turn = _Turn(parts, clock, conn)
        work = asyncio.ensure_future(turn.run(limit))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            turn.is_over = True
            await asyncio.wait([work])
            raise


async def sweep(conn: Connection, *, at: datetime) -> Swept:
    """Give back leases that ran out; make `unknown` what lost its worker during the call; expire what was not sent in time."""
    await throttles.close_recovered(conn, at=at)
    return await sweeps.sweep_sends(conn, lost_before=at - timedelta(seconds=LOST_AFTER_LEASE_S), most=SWEEP_MAX, at=at)


@dataclass(slots=True)
class _Turn:
    """One round of one worker, on one connection."""

    parts: Parts
    clock: Clock
    conn: Connection
    is_over: bool = False
    done: Dispatched = field(default_factory=Dispatched)
    tokens: dict[bytes, str] = field(default_factory=dict, repr=False)  # by the sealed form; gone with the round
    call_s: float = CALL_BEGINS_WITHIN_S / WAVES_FIRST / 2  # how long a request takes, as seen lately

    async def run(self, limit: int | None) -> Dispatched:
        pace = _Pace(self.parts.settings.messages_per_second)
        await claims.plan_once(self.conn)
        portfolios = self._in_turn(await claims.find_due_portfolios(self.conn, at=self.clock.now()))
        left = sys.maxsize if limit is None else limit
        while portfolios and left > 0 and not self.is_over:
            taken, portfolios = await self._claim(portfolios, min(left, self._claim_max()))
            left -= len(taken)
            waiting = deque(taken)
            while waiting and not self.is_over:
                batch = await pace.next_batch(waiting, self._batch_max())
                if await self._send(batch):
                    portfolios = list(dict.fromkeys([*portfolios, *sorted(send.portfolio_id for send in batch)]))
        return self.done

    def _in_turn(self, portfolios: list[int]) -> list[int]:
        """Many workers begin each with another portfolio, so that they do not queue for the first."""
        if self.parts.settings.send_concurrency == 1 or not portfolios:
            return portfolios
        first = zlib.crc32(self.parts.worker.encode()) % len(portfolios)
        return [*portfolios[first:], *portfolios[:first]]

    async def _claim(self, portfolios: Sequence[int], most: int) -> tuple[list[Judged], list[int]]:
        """Claim from each portfolio its part. Returns the sends, and the portfolios that may have more.

        One that another worker holds is passed over, and waited for only when there was nothing else to take.
        """
        taken: list[Judged] = []
        more: list[int] = []
        busy: list[int] = []
        share = max(1, most // len(portfolios))
        for portfolio_id in portfolios:
            claim = await self._claim_one(portfolio_id, share, wait=len(portfolios) == 1)
            taken += claim.taken
            more += [portfolio_id] if claim.again else []
            busy += [portfolio_id] if claim.is_busy else []
        if busy and not taken and not more:
            claim = await self._claim_one(busy[0], share, wait=True)
            taken += claim.taken
            more, busy = ([busy[0]] if claim.again else []), busy[1:]
        return taken, [*more, *busy]

    async def _claim_one(self, portfolio_id: int, most: int, *, wait: bool) -> Claim:
        parts = self.parts
        claimer = Claimer(settings=parts.settings, policy=parts.policy, holidays=parts.holidays, worker=parts.worker)
        async with self.conn.transaction():
            claim = await claimer.claim(self.conn, portfolio_id, limit=most, at=self.clock.now(), wait=wait)
        self.done.claimed += len(claim.taken)
        self.done.cancelled += claim.cancelled
        self.done.later += claim.later
        return claim

    def _claim_max(self) -> int:
        """Full waves of requests: a last wave of two would take as long as one of sixteen."""
        most, at_once = self.parts.settings.claim_max, self.parts.settings.send_concurrency
        return max(most - most % at_once, min(most, at_once))

    def _batch_max(self) -> int:
        """As many as surely begin in time: in half of it, by what requests took lately."""
        waves = int(CALL_BEGINS_WITHIN_S / 2 / self.call_s)
        return self.parts.settings.send_concurrency * min(max(1, waves), WAVES_MAX)

    async def _send(self, batch: Sequence[Judged]) -> bool:
        """Call and settle one batch. Says whether some of it did not begin in time."""
        began = asyncio.get_running_loop().time()  # before the moment is taken: no request begins a second after `at`, whatever we wait for
        parts, at = self.parts, self.clock.now()
        async with self.conn.transaction():
            lease_until = at + timedelta(seconds=parts.settings.lease_s)
            calls = await attempts.begin_calls(self.conn, batch, worker=parts.worker, lease_until=lease_until, at=at)
        self.done.given_back += len(batch) - len(calls)
        if not calls:
            return False
        await self._remember(calls, at)
        answers = await self._ask_all(calls, began + CALL_BEGINS_WITHIN_S)
        self.done.add(await self._settle(answers))
        return any(answer.result is LATE or answer.result is SICK for answer in answers)

    async def _remember(self, calls: Sequence[Call], at: datetime) -> None:
        """Outside the database too, for it may be restored. Where that cannot be done nothing is sent."""
        if self.parts.journal is None:
            return
        try:
            self.parts.journal.write(calls, worker=self.parts.worker, at=at)
        except OSError:
            await self._settle([Answer(call, UNREMEMBERED) for call in calls])
            raise

    async def _ask_all(self, calls: Sequence[Call], until: float) -> list[Answer]:
        """Ask for each, in order; as many at once as the setting says."""
        if self.parts.settings.send_concurrency == 1:
            return [await self._ask(call, until) for call in calls]
        answers: dict[int, Answer] = {}
        left = iter(calls)

        async def ask_on() -> None:
            for call in left:
                answers[call.send_id] = await self._ask(call, until)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.parts.settings.send_concurrency, len(calls))):
                group.create_task(ask_on())
        return [answers[call.send_id] for call in calls]

    async def _ask(self, call: Call, until: float) -> Answer:
        """One request, unless it is too late to begin: whoever stops us waits no longer than that for what he cannot see."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began > until:
            return Answer(call, LATE)
        if self.parts.doubts.forbid(call.account_id, since_s=until - CALL_BEGINS_WITHIN_S):
            return Answer(call, SICK)
        result = await self._request(call)
        ended = loop.time()
        self.call_s += (ended - began - self.call_s) / 4
        self.parts.doubts.note(call.account_id, is_doubt=is_doubt(result), now=ended)
        return Answer(call, result)

    async def _request(self, call: Call) -> Result:
        try:
            body, token = body_of(call), self._token(call)
            return await self.parts.graph.send(call.phone_number_id, body, token)
        except SealBroken as error:
            return Refused(code=TOKEN_UNFIT, http=None, message=str(error))
        except WarmerError as error:  # the message, or the number's id, is not one that the platform takes
            return NotAsked(str(error), again=False)
        except Exception as error:  # whatever it was, it may have come after the request
            log.exception("a call broke", send_id=call.send_id)
            return Unclear(reason=f"broke: {type(error).__name__}")

    def _token(self, call: Call) -> str:
        if call.token not in self.tokens:
            self.tokens[call.token] = self.parts.seal.open(call.token, use=TOKEN_USE).decode()
        return self.tokens[call.token]

    async def _settle(self, answers: Sequence[Answer]) -> Settled:
        """Write the answers down; another try when the database undid it for a deadlock."""
        sick = self.parts.doubts.take_news()
        rules = Rules(attempts_max=self.parts.settings.attempts_max, limited_wait_h=self.parts.policy.people.limited_wait_h)
        for tries_left in reversed(range(SETTLE_TRIES)):
            try:
                async with self.conn.transaction():
                    return await settle(self.conn, answers, rules=rules, sick=sick, at=self.clock.now())
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                if not tries_left:
                    raise
        raise AssertionError("unreachable")


@dataclass(slots=True)
class _Pace:
    """No chip begins more requests in a second than it may. For one round of one worker; beyond that the platform's 130429 says so."""

    per_second: int
    begun: defaultdict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    async def next_batch(self, waiting: deque[Judged], most: int) -> list[Judged]:
        """Takes the next ones that may begin now, in order; waits when none may."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            batch = self._pick(waiting, most, now)
            if batch:
                return batch
            await asyncio.sleep(max(0.0, min(self._free_at(send.chip_id) for send in waiting) - now))

    def _pick(self, waiting: deque[Judged], most: int, now: float) -> list[Judged]:
        batch: list[Judged] = []
        rest: list[Judged] = []
        while waiting and len(batch) < most:
            send = waiting.popleft()
            if self._free_at(send.chip_id) <= now:
                self.begun[send.chip_id].append(now)
                batch.append(send)
            else:
                rest.append(send)
        waiting.extendleft(reversed(rest))
        return batch

    def _free_at(self, chip_id: int) -> float:
        """When the chip may begin one more, in the loop's seconds."""
        begun = self.begun[chip_id]
        while len(begun) > self.per_second:
            begun.popleft()
        return begun[0] + 1.0 if len(begun) == self.per_second else 0.0
