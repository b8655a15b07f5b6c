"""Delivers webhooks as Meta does: signed, late, in batches, sometimes twice or out of order, until a 200 (platform.md 6.7, 6.8)."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import aiohttp

from julia_warmer.sandbox.wire import Update, body_of
from julia_warmer.sim.constants import Webhooks
from julia_warmer.sim.draws import Draws, between

SIGNATURE = "X-Hub-Signature-256"
POST_TIMEOUT_S = 60.0
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A body that was not answered 200 and will be sent again."""

    updates: tuple[Update, ...]
    body: bytes
    first_at: float
    tries: int


@dataclass(slots=True)
class Counts:
    """What was delivered: updates, POSTs that got their 200, updates sent a second time on purpose, tries that failed, updates given up."""

    updates: int = 0
    posts: int = 0
    duplicates: int = 0
    refused: int = 0
    given_up: int = 0


class Mailer:
    """The queue of updates on their way, in virtual seconds. `heard` is told of each update that was answered 200, with the moment."""

    def __init__(self, rules: Webhooks, draws: Draws, *, url: str, secret: str, heard: Callable[[Update, float], None]) -> None:
        self.rules = rules
        self.url = url
        self.counts = Counts()
        self._draws = draws
        self._secret = secret.encode()
        self._heard = heard
        self._queue: list[tuple[float, int, Update | Parcel]] = []
        self._queued = 0
        self._http: aiohttp.ClientSession | None = None

    # --- the queue -----------------------------------------------------------------------------------------------------------

    def take(self, update: Update, at: float) -> None:
        """Queue an update of a fact that happened at `at`; sometimes late, sometimes twice."""
        r = self.rules
        delay, late, late_by, twice, twice_by, *_ = self._draws.eight(f"mail|{update.name}")
        due = at + between(delay, r.delay_low_s, r.delay_high_s) + (late_by * r.reorder_s if late < r.reorder else 0.0)
        self._put(due, update)
        if twice < r.duplicate:
            self.counts.duplicates += 1
            self._put(due + twice_by * r.duplicate_later_s, update)

    def next_at(self) -> float | None:
        """When the next POST is due."""
        return self._queue[0][0] if self._queue else None

    def _put(self, due: float, what: Update | Parcel) -> None:
        self._queued += 1
        heappush(self._queue, (due, self._queued, what))

    def _take_batch(self, to: float) -> tuple[float, Parcel] | None:
        """The next POST due up to `to`: a parcel that comes again, or a batch of neighbours."""
        if not self._queue or self._queue[0][0] > to:
            return None
        due, _, first = heappop(self._queue)
        if isinstance(first, Parcel):
            return due, first
        updates, last = [first], due
        until = min(to, due + self.rules.batch_span_s)
        while self._queue and self._queue[0][0] <= until and len(updates) < self.rules.batch_max:
            update = self._queue[0][2]
            if isinstance(update, Parcel):
                break
            last = heappop(self._queue)[0]
            updates.append(update)
        return last, self._parcel(updates, last)

    def _parcel(self, updates: list[Update], at: float) -> Parcel:
        body = body_of(updates)
        while len(body) > self.rules.body_max_bytes and len(updates) > 1:
            self._put(at, updates.pop())
            body = body_of(updates)
        return Parcel(tuple(updates), body, at, 0)

    # --- the POSTs -----------------------------------------------------------------------------------------------------------

    async def deliver(self, to: float) -> int:
        """Send everything due up to `to`, one POST after the other, each waited for. How many updates were answered 200."""
        before = self.counts.updates
        while (batch := self._take_batch(to)) is not None:
            at, parcel = batch
            if not self.url:
                continue  # nobody subscribed an address: Meta keeps nothing either
            await self._send(parcel, at)
        return self.counts.updates - before

    async def _send(self, parcel: Parcel, at: float) -> None:
        tries = 1 if parcel.tries else 2  # the first repetition is immediate
        for _ in range(tries):
            if await self._post(parcel.body):
                self.counts.posts += 1
                self.counts.updates += len(parcel.updates)
                for update in parcel.updates:
                    self._heard(update, at)
                return
            self.counts.refused += 1
        self._try_later(parcel, at)

    def _try_later(self, parcel: Parcel, at: float) -> None:
        r = self.rules
        if at - parcel.first_at >= r.retry_for_d * DAY_S:
            self.counts.given_up += len(parcel.updates)
            return
        wait_s = min(r.retry_first_s * r.retry_factor**parcel.tries, r.retry_most_s)
        self._put(at + wait_s, Parcel(parcel.updates, parcel.body, parcel.first_at, parcel.tries + 1))

    async def _post(self, body: bytes) -> bool:
        """One POST; True when it was answered 200."""
        try:
            async with self._session().post(self.url, data=body, headers=self.headers(body)) as response:
                await response.read()
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a POST, signature included."""
        signature = hmac.new(self._secret, body, "sha256").hexdigest()
        return {"Content-Type": "application/json", SIGNATURE: f"sha256={signature}", "User-Agent": "facebookexternalua"}

    async def handshake(self, verify_token: str, challenge: str) -> bool:
        """Ask the address to prove itself (platform.md 6.6)."""
        query: dict[str, Any] = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._session().get(self.url, params=query) as response:
                return response.status == 200 and await response.text() == challenge
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=POST_TIMEOUT_S), trust_env=False)
        return self._http

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None
