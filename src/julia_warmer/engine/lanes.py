"""Lanes: how many requests of each chip may be on the wire at once, and begin in a second, learnt from how its answers come.

A chip that is slow or asks to wait gets less room, down to one request, and so holds up nobody else; one that answers well gets more. It is
one worker's memory, and must not know the database, nor what is sent. Times are the event loop's own, in seconds.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

WINDOW_FIRST = 4  # requests at once of a chip that we know nothing of
CUT, CUT_EVERY_S = 0.5, 1.0  # after a bad answer so much of the window stays; the others of the same moment say nothing new
SLOW_TIMES, SLOW_S = 4.0, 0.5  # slow: longer than so many times the median of the other chips, and than that anyway
EWMA = 0.2  # how much the latest answer counts
AHEAD = 2  # a claim takes so many times what is on the wire, and no more than what may begin in so many seconds


@dataclass(slots=True)
class _Lane:
    """One chip."""

    window: float
    held: int = 0  # claimed, and not answered
    out: int = 0  # of them begun, or about to
    took_s: float = 0.0  # its last good answers
    cut_at_s: float | None = None
    begun: deque[float] = field(default_factory=deque[float])


@dataclass(slots=True, kw_only=True)
class Lanes:
    """All chips of one round of one worker. `windows` is kept from round to round."""

    per_second: int  # requests of one chip
    at_once: int  # requests of all
    windows: dict[int, float]  # by chip
    lanes: dict[int, _Lane] = field(default_factory=dict[int, _Lane])

    def wanted(self, chip_id: int) -> int:
        """How many more of this chip a claim may take."""
        lane = self._lane(chip_id)
        return max(0, AHEAD * min(int(lane.window), self.per_second) - lane.held)

    def hold(self, chip_ids: Iterable[int]) -> None:
        """They were claimed."""
        for chip_id in chip_ids:
            self._lane(chip_id).held += 1

    def room(self, chip_id: int) -> int:
        """Requests of this chip that may be handed out now, its pace aside. Half of all are kept for the others."""
        lane = self._lane(chip_id)
        most = self.at_once if len(self.lanes) == 1 else max(1, self.at_once // 2)
        return max(0, min(int(lane.window), most) - lane.out)

    def free_at(self, chip_id: int) -> float:
        """When the chip's pace lets one more begin."""
        begun = self._lane(chip_id).begun
        while len(begun) > self.per_second:
            begun.popleft()
        return begun[0] + 1.0 if len(begun) == self.per_second else 0.0

    def begin(self, chip_id: int, now: float) -> None:
        """One is handed out."""
        lane = self._lane(chip_id)
        lane.out += 1
        lane.begun.append(now)

    def give_back(self, chip_ids: Iterable[int]) -> None:
        """They were handed out, and did not begin."""
        for chip_id in chip_ids:
            lane = self._lane(chip_id)
            lane.out, lane.held = lane.out - 1, lane.held - 1

    def end(self, chip_id: int, *, took_s: float, is_good: bool, now: float) -> None:
        """One more answer: additive growth while the window is used, a cut when the chip is slow or was refused for its pace."""
        lane = self._lane(chip_id)
        was_full = lane.out >= int(lane.window)
        lane.out, lane.held = lane.out - 1, lane.held - 1
        if not is_good or self._is_slow(chip_id, took_s):
            if lane.cut_at_s is None or now - lane.cut_at_s >= CUT_EVERY_S:
                lane.window, lane.cut_at_s = max(1.0, lane.window * CUT), now
        elif was_full:
            lane.window = min(float(self.at_once), lane.window + (1.0 if lane.cut_at_s is None else 1.0 / lane.window))
        if is_good:
            lane.took_s += EWMA * (took_s - lane.took_s) if lane.took_s else took_s
        self.windows[chip_id] = lane.window

    def _is_slow(self, chip_id: int, took_s: float) -> bool:
        """Against the others, not against a clock: where most are slow, none holds another up."""
        mine = min(took_s, self.lanes[chip_id].took_s or took_s)
        if mine <= SLOW_S:
            return False
        others = [lane.took_s for other, lane in self.lanes.items() if other != chip_id and lane.took_s]
        return bool(others) and mine > SLOW_TIMES * median(others)

    def _lane(self, chip_id: int) -> _Lane:
        lane = self.lanes.get(chip_id)
        if lane is None:
            window = self.windows.get(chip_id, float(WINDOW_FIRST))
            lane = self.lanes[chip_id] = _Lane(window=min(window, float(self.at_once)))
        return lane
