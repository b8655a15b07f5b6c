"""Group commit: what arrives while a group is on its way is gathered, and goes with the next one. Knows neither store nor webhooks.

Nothing waits for company: a lone item is carried out at once. An item whose group failed is tried by itself, so one bad item costs the
others a second try and no more.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from julia_warmer.core.errors import WarmerError

T = TypeVar("T")
R = TypeVar("R")


class Crowded(WarmerError):  # noqa: N818 - a fact, as the reader meets it
    """More waits to be kept than may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`at_once`: groups on their way at the same time. The bytes of a group may be exceeded by its first item alone."""

    at_once: int
    group_max: int
    group_bytes_max: int
    waiting_bytes_max: int


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[T, R]):
    item: T
    size: int
    done: asyncio.Future[R]


class Groups(Generic[T, R]):
    """Carries items out in groups, each answered when its group is. `carry_out` gives one result for each item, in their order."""

    def __init__(
        self, carry_out: Callable[[Sequence[T]], Awaitable[Sequence[R]]], limits: Limits, *, is_common: Callable[[Exception], bool]
    ) -> None:
        """`is_common`: whether a failure is everybody's, as of a database that is away: whoever waits meets it, nobody is tried alone."""
        self._carry_out = carry_out
        self._limits = limits
        self._is_common = is_common
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._bytes = 0
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    async def add(self, item: T, *, size: int) -> R:
        """Its result. Raises what the item itself met, or Crowded when more bytes wait than may."""
        if self._waiting and self._bytes + size > self._limits.waiting_bytes_max:
            raise Crowded
        waiting: _Waiting[T, R] = _Waiting(item, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._bytes += size
        if self._running < self._limits.at_once:
            self._running += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.done

    async def _run(self) -> None:
        try:
            while group := self._next():
                await self._carry(group)
        finally:  # at once, not when the loop hears of the task's end: what comes in between would wait for nobody
            self._running -= 1

    def _next(self) -> list[_Waiting[T, R]]:
        """The oldest that wait, as many as go together. Whoever has given up waiting is left out."""
        group: list[_Waiting[T, R]] = []
        size = 0
        while self._waiting and len(group) < self._limits.group_max:
            if group and size + self._waiting[0].size > self._limits.group_bytes_max:
                break
            one = self._waiting.popleft()
            self._bytes -= one.size
            if not one.done.done():
                group.append(one)
                size += one.size
        return group

    async def _carry(self, group: Sequence[_Waiting[T, R]]) -> None:
        try:
            results = await self._carry_out([one.item for one in group])
        except Exception as error:  # it belongs to whoever waits for the answer
            if self._is_common(error):
                _fail([*group, *self._waiting], error)
            elif len(group) == 1:
                _fail(group, error)
            else:
                for one in group:
                    await self._carry([one])
            return
        for one, result in zip(group, results, strict=True):
            if not one.done.done():
                one.done.set_result(result)


def _fail(group: Sequence[_Waiting[T, R]], error: Exception) -> None:
    for one in group:
        if not one.done.done():
            one.done.set_exception(error)
