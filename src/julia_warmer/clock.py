"""The only reader of the time. Everything else is given `at`, an aware UTC moment."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, as an aware UTC datetime."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the one place


@dataclass(slots=True)
class VirtualClock:
    """A clock that a driver moves: tests, the demo and the fault runs. It never goes back by itself."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def move_to(self, at: datetime) -> None:
        """Set the moment. Raises ValueError for a naive datetime."""
        if at.tzinfo is None:
            raise ValueError("a moment needs its time zone: use aware UTC")
        self.at = at
