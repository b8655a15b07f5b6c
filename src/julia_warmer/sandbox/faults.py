"""Faults on demand: switches that say what goes wrong with which request. They never change what the world does, only the answer."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from julia_warmer.sandbox.graph import GraphError
from julia_warmer.sim.draws import Draws

KINDS = ("accept_then_drop", "half_answer", "error_500", "hang", "hold", "refuse", "drop", "slow")
ROUTES = ("messages", "other", "any")


@dataclass(slots=True, kw_only=True)
class Fault:
    """One switch. It matches by `phone` (phone_number_id), `to` (digits) and `ours` (start of our id); None matches all.

    accept_then_drop: the message is taken, the connection closed without an answer · half_answer: closed in the middle of the answer ·
    error_500: taken, then HTTP 500 with code 131000 · hang: taken, answered after `s` real seconds · hold: taken, answered when
    released · refuse: not taken, answered with `code` and `http` · drop: not taken, the connection closed without an answer · slow: `s`
    real seconds before anything else.
    """

    what: str
    route: str = "messages"
    phone: str | None = None
    to: str | None = None
    ours: str | None = None
    count: int | None = None
    probability: float = 1.0
    code: int = 130429
    http: int | None = None
    details: str = "Injected by the sandbox."
    s: float = 0.0
    hits: int = 0


class Faults:
    """The switches that are set, in order; the first that matches wins."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._asked = 0
        self._faults: list[Fault] = []
        self._released = asyncio.Event()
        self.holding = 0

    def set(self, rows: list[dict[str, Any]]) -> None:
        """Add switches. Raises ValueError for one that does not exist."""
        faults: list[Fault] = []
        for row in rows:
            try:
                fault = Fault(**row)
            except TypeError as error:
                raise ValueError(f"fault {row}: {error}") from None
            if fault.what not in KINDS or fault.route not in ROUTES:
                raise ValueError(f"fault {row}: `what` is one of {', '.join(KINDS)}; `route` one of {', '.join(ROUTES)}")
            faults.append(fault)
        self._faults += faults

    def clear(self) -> None:
        """Take all switches away, and release what is held."""
        self._faults.clear()
        self.release()

    def release(self) -> None:
        """Answer every request that is held."""
        self._released.set()
        self._released = asyncio.Event()

    def shown(self) -> list[dict[str, Any]]:
        """The switches, with how often each was hit."""
        return [asdict(fault) for fault in self._faults]

    def pick(self, route: str, *, phone: str = "", to: str = "", ours: str = "") -> Fault | None:
        """The fault that this request meets, or None."""
        for fault in self._faults:
            if fault.route not in {route, "any"} or (fault.count is not None and fault.hits >= fault.count):
                continue
            if fault.phone not in {None, phone} or fault.to not in {None, to} or not ours.startswith(fault.ours or ""):
                continue
            self._asked += 1
            if self._draws.one(f"fault|{self._asked}") < fault.probability:
                fault.hits += 1
                return fault
        return None

    async def before(self, fault: Fault | None, request: web.Request) -> None:
        """What happens before anything is taken."""
        if fault is None:
            return
        if fault.what == "slow":
            await asyncio.sleep(fault.s)
        if fault.what == "drop":
            _cut(request)
        if fault.what in ("refuse", "drop"):
            raise GraphError(fault.code, fault.details, http=fault.http)

    async def after(self, fault: Fault | None, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """What happens to the answer of a message that was taken."""
        match fault.what if fault else "":
            case "accept_then_drop":
                _cut(request)
            case "half_answer":
                return await _half(request, answer)
            case "error_500":
                raise GraphError(131000, fault.details if fault else "", http=500)
            case "hang":
                await asyncio.sleep(fault.s if fault else 0)
            case "hold":
                await self._hold()
            case _:
                pass
        return answer

    async def _hold(self) -> None:
        self.holding += 1
        try:
            await self._released.wait()
        finally:
            self.holding -= 1


def _cut(request: web.Request) -> None:
    """Close the connection under the answer."""
    if request.transport is not None:
        request.transport.abort()


async def _half(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = bytes(answer.body or b"")  # pyright: ignore[reportArgumentType] - our answers are bytes
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _close(request)
    return response


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()  # unlike abort, it first sends what was written
