"""What will happen, in order of time, and the facts that come of it. It knows nothing of people or of Meta."""

from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any

from julia_warmer.core.events import Event

Happening = Callable[[Any, float], None]


def moment(t: float) -> datetime:
    """A fact's time: whole seconds, as Meta's clock gives them, aware UTC."""
    return datetime.fromtimestamp(int(t), UTC)


class Timeline:
    """A heap of happenings. Two at the same moment go by their key, which is drawn, never by who was planned first."""

    __slots__ = ("_heap", "_planned", "facts", "now")

    def __init__(self, now: float) -> None:
        self.now = now
        self.facts: list[Event] = []
        self._heap: list[tuple[float, int, int, Happening, Any]] = []
        self._planned = 0

    def plan(self, t: float, key: int, do: Happening, what: Any) -> None:
        """At `t`, call `do(what, t)`."""
        self._planned += 1
        heappush(self._heap, (t, key, self._planned, do, what))

    def play(self, to: float) -> list[Event]:
        """Let everything happen that is due up to `to`, and take the facts that came of it, in order of time."""
        heap = self._heap
        while heap and heap[0][0] <= to:
            t, _, _, do, what = heappop(heap)
            self.now = t if t > self.now else self.now
            do(what, t)
        self.now = max(self.now, to)
        facts, self.facts = self.facts, []
        return facts

    def next_at(self) -> float | None:
        """When the next thing happens."""
        return self._heap[0][0] if self._heap else None
