"""Dispatch: claims what is due, calls the provider once for each send, settles what came of it. And the sweep of what was left behind.

One round runs on two connections, and what they do overlaps:

    claimed   due sends of each portfolio in turn, of each chip no more than its lane takes
    calling   committed with the attempts written ahead; the last look at lease, stops and people is in that statement
    asked     the requests, each begun within a second of that commit or not at all
    settled   answers become states, as many as have come; a crash in between leaves `calling`, which the sweep makes `unknown`

With `send_concurrency` 1 one batch is settled before the next one begins, its requests go out one after another, and a run is the same
each time. It must not know whom to write to.
"""

import asyncio
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from julia_warmer.clock import Clock
from julia_warmer.cloud.answers import Accepted
from julia_warmer.engine.asking import LATE, SICK, UNREMEMBERED, Asker, Begun
from julia_warmer.engine.claim import Claim, Claimer
from julia_warmer.engine.control import CALL_BEGINS_WITHIN_S
from julia_warmer.engine.journal import remember_stops
from julia_warmer.engine.lanes import Lanes
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.settle import Answer, NotAsked, Rules, Settled, asks_to_wait, is_doubt, settle
from julia_warmer.store import attempts, claims, sweeps, throttles
from julia_warmer.store.attempts import Call
from julia_warmer.store.claims import Judged
from julia_warmer.store.db import UNDONE, Connection
from julia_warmer.store.sweeps import Swept

LOST_AFTER_LEASE_S = 60.0  # a call this long past its lease has lost its worker: longer than any request lasts
SWEEP_MAX = 1000  # sends of each kind in one sweep
SETTLE_TRIES = 4  # a deadlock, or a connection that was cut, undoes the transaction; the answers are still in hand
SETTLE_MAX = 500  # answers in one transaction
SETTLE_AFTER_S = 0.1  # an answer waits for others no longer than this
LOOK_AGAIN_S = 2.0  # while some answers are still out, what fell due meanwhile is looked for so often, as a next round would
WAVES_FIRST = 8  # requests that follow one another in a batch, until we know how long one takes
WAVES_MAX = 50
AGAIN = (*UNDONE, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)


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
    """Send what is due, at most `limit` claims, until nothing more can be claimed. Cancelled, it settles what has begun first."""
    turn = _Turn(parts, clock, left=sys.maxsize if limit is None else limit)
    work = asyncio.ensure_future(turn.run())
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        turn.is_over = True
        turn.moved.set()
        await asyncio.wait([work])
        raise


async def sweep(conn: Connection, *, at: datetime) -> Swept:
    """Give back leases that ran out; make `unknown` what lost its worker during the call; expire what was not sent in time."""
    await throttles.close_recovered(conn, at=at)
    return await sweeps.sweep_sends(conn, lost_before=at - timedelta(seconds=LOST_AFTER_LEASE_S), most=SWEEP_MAX, at=at)


@dataclass(slots=True)
class _Turn:
    """One round of one worker."""

    parts: Parts
    clock: Clock
    left: int  # claims
    is_over: bool = False
    is_closed: bool = False  # nothing more begins
    done: Dispatched = field(default_factory=Dispatched)
    portfolios: list[int] = field(default_factory=list[int])  # that may have more to claim
    cut: set[int] = field(default_factory=set[int])  # those that had more than their chips' lanes took: again when something is settled
    probes: dict[int, set[int]] = field(default_factory=dict[int, set[int]])  # by portfolio, its sends: again when they all are settled
    waiting: deque[Judged] = field(default_factory=deque[Judged])  # claimed
    calls: "asyncio.Queue[Begun]" = field(default_factory=asyncio.Queue)
    answers: list[Answer] = field(default_factory=list[Answer])
    sick: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])  # news that is not written down yet
    out: int = 0  # calls without an answer
    unsettled: int = 0  # calls that are not written down yet, those without an answer too
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # something happened that may let something begin
    answered: asyncio.Event = field(default_factory=asyncio.Event)  # it is worth a transaction
    looked_s: float = 0.0  # when it looked for what is due, in the event loop's time
    call_s: float = CALL_BEGINS_WITHIN_S / WAVES_FIRST / 2  # how long a request takes, as seen lately
    asker: Asker = field(init=False)
    lanes: Lanes = field(init=False)

    def __post_init__(self) -> None:
        parts = self.parts
        self.asker = Asker(parts.graph, parts.seal, parts.doubts)
        self.lanes = Lanes(per_second=parts.settings.messages_per_second, at_once=self.at_once, windows=parts.windows)

    @property
    def at_once(self) -> int:
        return self.parts.settings.send_concurrency

    @property
    def in_order(self) -> bool:
        """One request after another, one batch after another."""
        return self.at_once == 1

    async def run(self) -> Dispatched:
        settling = asyncio.create_task(self._settle_all())
        settling.add_done_callback(lambda _: self.moved.set())
        asking = [asyncio.create_task(self._ask_on()) for _ in range(self.at_once)]
        try:
            async with self.parts.pool.acquire() as conn:
                await self._begin_all(conn, settling)
        finally:
            self.is_closed = True
            self.answered.set()
            try:
                await settling
            finally:
                await self._until_quiet()
                for task in asking:
                    task.cancel()
        return self.done

    # ------------------------------------------------------------------ claim and call

    async def _begin_all(self, conn: Connection, settling: "asyncio.Task[None]") -> None:
        await claims.plan_once(conn)
        self.looked_s = asyncio.get_running_loop().time()
        self.portfolios = self._in_turn(await claims.find_due_portfolios(conn, at=self.clock.now()))
        while not (self.is_over or settling.done()):
            self.moved.clear()
            if self.unsettled and (self.sick or self.parts.doubts.news):  # nothing begins until that is written down
                await self._until_moved()
                continue
            await self._look_again(conn)
            began = await self._claim(conn) if self._wants_more() else False
            if batch := self._pick():
                await self._call(conn, batch)
            elif not began and not await self._until_moved():
                return

    def _in_turn(self, portfolios: list[int]) -> list[int]:
        """Many workers begin each with another portfolio, so that they do not queue for the first."""
        if self.in_order or not portfolios:
            return portfolios
        first = zlib.crc32(self.parts.worker.encode()) % len(portfolios)
        return [*portfolios[first:], *portfolios[:first]]

    async def _look_again(self, conn: Connection) -> None:
        """What is slow holds up nothing that falls due meanwhile."""
        now = asyncio.get_running_loop().time()
        if self.in_order or not self.unsettled or self.portfolios or now < self.looked_s + LOOK_AGAIN_S:
            return
        self.looked_s = now
        due = await claims.find_due_portfolios(conn, at=self.clock.now())
        self.portfolios = [one for one in self._in_turn(due) if one not in self.probes]

    def _wants_more(self) -> bool:
        if not self.portfolios or self.left <= 0:
            return False
        if self.in_order:
            return not (self.waiting or self.unsettled)
        return len(self.waiting) <= self._claim_max() // 2 and self.unsettled <= 2 * self._claim_max()

    async def _claim(self, conn: Connection) -> bool:
        """Claim from each portfolio its part. Says whether there was anything to do.

        One that another worker holds is passed over, and waited for only when there was nothing else.
        """
        portfolios, self.portfolios = self.portfolios, []
        share = max(1, min(self.left, self._claim_max()) // len(portfolios))
        busy: list[int] = []
        began = False
        for portfolio_id in portfolios:
            is_alone = len(portfolios) == 1 and not self.waiting and not self.unsettled
            claim = await self._claim_one(conn, portfolio_id, min(share, self.left), wait=is_alone)
            busy += [portfolio_id] if claim.is_busy else []
            began = began or claim.again or bool(claim.taken)
            if self.left <= 0:
                break
        if busy and not (began or self.waiting or self.unsettled):
            await self._claim_one(conn, busy.pop(0), share, wait=True)
            began = True
        self.portfolios += busy
        return began

    async def _claim_one(self, conn: Connection, portfolio_id: int, most: int, *, wait: bool) -> Claim:
        parts = self.parts
        claimer = Claimer(settings=parts.settings, policy=parts.policy, holidays=parts.holidays, worker=parts.worker)
        at_most = None if self.in_order else self.lanes.wanted
        async with conn.transaction():
            claim = await claimer.claim(conn, portfolio_id, limit=most, at=self.clock.now(), at_most=at_most, wait=wait)
        self._note(portfolio_id, claim)
        return claim

    def _note(self, portfolio_id: int, claim: Claim) -> None:
        """What was claimed, and when its portfolio is asked again."""
        if claim.is_probe and claim.taken:
            self.probes[portfolio_id] = {send.send_id for send in claim.taken}
        elif claim.again:
            self.portfolios.append(portfolio_id)
        elif claim.is_cut:
            self.cut.add(portfolio_id)
        self.left -= len(claim.taken)
        self.waiting += claim.taken
        self.lanes.hold(send.chip_id for send in claim.taken)
        self.done.claimed += len(claim.taken)
        self.done.cancelled += claim.cancelled
        self.done.later += claim.later

    def _claim_max(self) -> int:
        """Full waves of requests: a last wave of two would take as long as one of sixteen."""
        most = self.parts.settings.claim_max
        return max(most - most % self.at_once, min(most, self.at_once))

    def _batch_max(self) -> int:
        """As many as surely begin in time: in half of it, by what requests took lately, behind those that have not begun."""
        if self.in_order and self.unsettled:
            return 0
        waves = int(CALL_BEGINS_WITHIN_S / 2 / self.call_s)
        return self.at_once * min(max(1, waves), WAVES_MAX) - self.calls.qsize()

    def _pick(self) -> list[Judged]:
        """The next ones that may begin now, in the order of their claim."""
        most, now = self._batch_max(), asyncio.get_running_loop().time()
        batch: list[Judged] = []
        rest: list[Judged] = []
        while self.waiting and len(batch) < most:
            send = self.waiting.popleft()
            if self.lanes.free_at(send.chip_id) <= now and (self.in_order or self.lanes.room(send.chip_id)):
                self.lanes.begin(send.chip_id, now)
                batch.append(send)
            else:
                rest.append(send)
        self.waiting.extendleft(reversed(rest))
        return batch

    async def _call(self, conn: Connection, batch: Sequence[Judged]) -> None:
        """Write the calls down, and hand them to who asks."""
        written_s = asyncio.get_running_loop().time()  # before the moment is taken: no request begins a second after `at`
        parts, at = self.parts, self.clock.now()
        async with conn.transaction():
            lease_until = at + timedelta(seconds=parts.settings.lease_s)
            calls = await attempts.begin_calls(conn, batch, worker=parts.worker, lease_until=lease_until, at=at)
        begun = {call.send_id for call in calls}
        if given_back := [send for send in batch if send.send_id not in begun]:
            self.done.given_back += len(given_back)
            self.lanes.give_back(send.chip_id for send in given_back)
            self._end_probes((send.portfolio_id, send.send_id) for send in given_back)
        self.unsettled += len(calls)
        self._remember(calls, at)
        self.out += len(calls)
        for call in calls:
            self.calls.put_nowait(Begun(call, written_s))

    def _remember(self, calls: Sequence[Call], at: datetime) -> None:
        """Outside the database too, for it may be restored. Where that cannot be done nothing is sent."""
        if self.parts.journal is None or not calls:
            return
        try:
            self.parts.journal.write(calls, worker=self.parts.worker, at=at)
        except OSError:
            self.answers += [Answer(call, UNREMEMBERED) for call in calls]
            raise

    def _end_probes(self, sends: Iterable[tuple[int, int]]) -> None:
        """Of these sends (portfolio, send) it is known what became of them: a portfolio without any other probe is asked again."""
        for portfolio_id, send_id in sends:
            if (left := self.probes.get(portfolio_id)) is not None:
                left.discard(send_id)
                if not left:
                    del self.probes[portfolio_id]
                    self.portfolios.append(portfolio_id)

    async def _until_moved(self) -> bool:
        """Wait until something may begin; False when nothing ever will."""
        if not (self.unsettled or self.waiting):
            return bool(self.portfolios) and self.left > 0
        now = asyncio.get_running_loop().time()
        free = [at for send in self.waiting if (at := self.lanes.free_at(send.chip_id)) > now]
        wait_s = min([*(at - now for at in free), LOOK_AGAIN_S if self.unsettled else 0.001])
        with suppress(TimeoutError):
            await asyncio.wait_for(self.moved.wait(), None if self.in_order and self.unsettled else wait_s)
        return True

    async def _until_quiet(self) -> None:
        """What has begun is never cut off: only its own limit ends a request."""
        while self.out:
            self.moved.clear()
            await self.moved.wait()

    # ------------------------------------------------------------------ ask

    async def _ask_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = await self.calls.get()
            began_s = loop.time()
            answer = await self.asker.ask(begun)
            self._take(answer, began_s, loop.time())

    def _take(self, answer: Answer, began_s: float, now: float) -> None:
        """An answer: what it says of chip and platform is known at once, what it says of the send when it is written down."""
        call, result = answer.call, answer.result
        self.out -= 1
        self.answers.append(answer)
        if isinstance(result, NotAsked):
            self.lanes.give_back([call.chip_id])
        else:
            took_s, doubtful = now - began_s, is_doubt(result)
            self.call_s += (took_s - self.call_s) / 4
            self.parts.doubts.note(call.account_id, is_doubt=doubtful, now=now)
            self.lanes.end(call.chip_id, took_s=took_s, is_good=not (doubtful or asks_to_wait(result)), now=now)
        is_worth_it = len(self.answers) >= self._claim_max() // 2 or not isinstance(result, Accepted)  # what is refused may stop others
        if self.out == 0 or (is_worth_it and not self.in_order):
            self.answered.set()
        self.moved.set()

    # ------------------------------------------------------------------ settle

    async def _settle_all(self) -> None:
        """Until nothing more begins and everything is written down."""
        tries_left = SETTLE_TRIES
        taken: list[Answer] = []
        while True:
            try:
                async with self.parts.pool.acquire() as conn:
                    await claims.plan_once(conn)
                    while taken := taken or await self._answers():
                        self._settled(taken, await self._settle(conn, taken))
                        taken, tries_left = [], SETTLE_TRIES
                    return
            except AGAIN:
                tries_left -= 1
                if not tries_left:
                    raise

    async def _answers(self) -> list[Answer]:
        """The answers that are in, when it is worth a transaction; none when there will be no more."""
        while not self.answers or not (self.out == 0 or self.answered.is_set()):
            if self.is_closed and self.unsettled == 0:
                return []
            self.answered.clear()
            try:
                await asyncio.wait_for(self.answered.wait(), None if self.in_order else SETTLE_AFTER_S)
            except TimeoutError:
                if self.answers:
                    break
        self.answered.clear()
        taken, self.answers = self.answers[:SETTLE_MAX], self.answers[SETTLE_MAX:]
        return taken

    async def _settle(self, conn: Connection, answers: Sequence[Answer]) -> Settled:
        rules = Rules(attempts_max=self.parts.settings.attempts_max, limited_wait_h=self.parts.policy.people.limited_wait_h)
        self.sick |= self.parts.doubts.take_news()
        told = frozenset(self.sick)
        at = self.clock.now()
        async with conn.transaction():
            settled = await settle(conn, answers, rules=rules, sick=told, at=at)
        remember_stops(self.parts.journal, settled.stopped, at=at)
        self.sick -= told
        return settled

    def _settled(self, answers: Sequence[Answer], settled: Settled) -> None:
        self.done.add(settled)
        self.unsettled -= len(answers)
        self._end_probes((answer.call.portfolio_id, answer.call.send_id) for answer in answers)
        back = {answer.call.portfolio_id for answer in answers if answer.result is LATE or answer.result is SICK} | self.cut
        self.portfolios += sorted(back - set(self.portfolios) - self.probes.keys())
        self.cut.clear()
        self.moved.set()
