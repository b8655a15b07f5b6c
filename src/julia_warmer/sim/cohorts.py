"""Counting for many chips at once: the windows of a snapshot as array sums, with the meaning that `core.fold` gives them.

A test holds both equal on the same messages. Time is whole hours since the local midnight of the first day; sends are kept in slots, one
for each hour in which people may be written to. Moments are whole hours, so a window never cuts a slot.
"""

from dataclasses import dataclass

import numpy as np

from julia_warmer.sim.scatter import Ints, scatter_flat

DAY_H = 24
DAYS_BACK = 30

# The fields of core.model.Counts that a simulated send can count in. Nobody is written to twice in a week, so whoever was delivered to was
# `reached`; nothing is held, because sends are spread; and no outcome stays `unknown`.
FIELDS = ("accepted", "delivered", "read", "replied", "opted_out", "undeliverable", "limited", "failed")
ACCEPTED, DELIVERED, READ, REPLIED, OPTED_OUT, UNDELIVERABLE, LIMITED, FAILED = range(len(FIELDS))


@dataclass(frozen=True, slots=True)
class Grid:
    """Which hours have a slot: those from `open_h` to `close_h` of each of `days` local days."""

    days: int
    open_h: int
    close_h: int

    @property
    def width(self) -> int:
        return self.close_h - self.open_h

    def slot(self, hour: Ints | int) -> Ints:
        """How many slots lie before an hour."""
        day, clock = np.divmod(hour, DAY_H)
        within = np.clip(clock - self.open_h, 0, self.width)
        return np.clip(day * self.width + within, 0, self.days * self.width)


class Cohorts:
    """What became of the messages of each slot by now, for each chip."""

    def __init__(self, chips: int, grid: Grid) -> None:
        self.grid = grid
        self._rows = np.arange(chips)
        self._slots = np.zeros((len(FIELDS), chips, grid.days, grid.width), np.int32)
        self._days = np.zeros((len(FIELDS), chips, grid.days), np.int32)
        self._until = np.zeros((chips, grid.days * grid.width + 1), np.int32)  # accepted in the slots before each
        self._known = 0  # slots up to here stand in `_until`

    def add(self, places: Ints) -> None:
        """One more at each place (see `place`); the same place may come several times."""
        scatter_flat(self._slots, places)
        scatter_flat(self._days, places // self.grid.width)

    def place(self, field: int, chips: Ints, hours: Ints) -> Ints:
        """Where a field of a chip's slot is counted. The hours must be open ones."""
        grid = self.grid
        day, clock = np.divmod(hours, DAY_H)
        return ((field * len(self._rows) + chips) * grid.days + day) * grid.width + clock - grid.open_h

    def accepted_on(self, day: int) -> Ints:
        """Messages accepted on a local day."""
        return self._days[ACCEPTED, :, day].astype(np.int64)

    def count(self, hour: int, *, armed: Ints, phase: Ints, mature_h: float, fresh_h: float, recent: int) -> "Windows":
        """The windows of a snapshot at an hour, for each chip: `armed` and `phase` are the hours of re-arming and of the phase."""
        low = np.maximum(armed, hour - DAYS_BACK * DAY_H)
        self._sum_up(hour)
        before = np.concatenate(
            [np.zeros((len(FIELDS), len(self._rows), 1), np.int32), np.cumsum(self._days, axis=2, dtype=np.int32)], axis=2
        )
        matured, fresh = self._end(hour, mature_h), self._end(hour, fresh_h)
        lowest = self.grid.slot(low)
        to_matured, to_fresh = self._before(before, matured), self._before(before, fresh)
        return Windows(
            phase_matured=self._between(before, np.maximum(lowest, self.grid.slot(phase)), matured, to_matured),
            recent_matured=self._between(before, self._crossing(matured, recent, lowest), matured, to_matured),
            recent_fresh=self._between(before, self._crossing(fresh, recent, lowest), fresh, to_fresh),
            last_hours=self._last(hour, lowest),
            unanswered_run=self._run(before, lowest, matured, to_matured),
            accepted_30d=self._until[:, int(self.grid.slot(hour))] - self._until[:, int(self.grid.slot(max(0, hour - DAYS_BACK * DAY_H)))],
        )

    def _last(self, hour: int, lowest: Ints) -> Ints:
        """Sums of the hour before this one, by field and chip; this hour has just begun."""
        now, before = self.grid.slot(hour), self.grid.slot(hour - 1)
        day, within = divmod(int(before), self.grid.width)
        if now == before:
            return np.zeros((len(FIELDS), len(self._rows)), np.int32)
        return np.where(lowest <= before, self._slots[:, :, day, within], 0)

    def _end(self, hour: int, old_h: float) -> Ints:
        """Slots before the first hour that had not ended so long ago."""
        return self.grid.slot(max(0, int(np.floor(hour - old_h))))

    def _sum_up(self, hour: int) -> None:
        """What was accepted does not change any more: add it to the running sum."""
        now = int(self.grid.slot(hour))
        if now > self._known:
            flat = self._slots[ACCEPTED].reshape(len(self._rows), -1)[:, self._known : now]
            self._until[:, self._known + 1 : now + 1] = self._until[:, self._known, None] + np.cumsum(flat, axis=1)
            self._known = now

    def _crossing(self, end: Ints, sends: int, lowest: Ints) -> Ints:
        """The slot from which on so many were accepted up to `end`; the one that crosses is included."""
        wanted = self._until[:, int(end), None] - sends
        crossing = np.count_nonzero(self._until[:, : int(end) + 1] <= wanted, axis=1) - 1
        return np.maximum(np.minimum(crossing, int(end)), lowest)

    def _before(self, days: Ints, slot: Ints) -> Ints:
        """Sums of all slots before one that is the same for every chip."""
        day, within = divmod(int(slot), self.grid.width)
        if not within:
            return days[:, :, day]
        return days[:, :, day] + self._slots[:, :, day, :within].sum(axis=2, dtype=np.int32)

    def _between(self, days: Ints, start: Ints, end: Ints, to_end: Ints) -> Ints:
        """Sums of the slots from each chip's `start` on and before `end`, by field and chip; none where `start` is not before it."""
        start = np.minimum(start, end)
        return to_end - self._before_each(days, start)

    def _before_each(self, days: Ints, slots: Ints) -> Ints:
        day, within = np.divmod(slots, self.grid.width)
        whole = days[:, self._rows, day]
        part = self._slots[:, self._rows, np.minimum(day, self.grid.days - 1)]
        return whole + np.where(np.arange(self.grid.width) < within[:, None], part, 0).sum(axis=2, dtype=np.int32)

    def _run(self, days: Ints, lowest: Ints, end: Ints, to_end: Ints) -> Ints:
        """People reached in the newest slots before `end`, back to and without the first with a reply."""
        if not int(end):
            return np.zeros(len(self._rows), np.int32)
        replied = self._slots[REPLIED].reshape(len(self._rows), -1)[:, : int(end)] > 0
        back = np.argmax(replied[:, ::-1], axis=1)
        after = np.where(replied.any(axis=1), int(end) - back, 0)
        return self._between(days, np.maximum(after, lowest), end, to_end)[DELIVERED]


@dataclass(frozen=True, slots=True)
class Windows:
    """Sums by field and chip, or by chip."""

    phase_matured: Ints
    recent_matured: Ints
    recent_fresh: Ints
    last_hours: Ints
    unanswered_run: Ints
    accepted_30d: Ints
