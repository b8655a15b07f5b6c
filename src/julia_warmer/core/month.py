"""A chip's month of counts, hour by hour, as running totals: what any window holds is the difference of two of them.

It must not know where they are kept. Hours are whole clock hours (UTC) since 1970. The counting rules are those at the head of `fold`.

The older hours come packed (`fold_hours` makes them): a head, the hours, a byte of media for each, and for each the totals up to its end.
The hours since come as plain rows, and so does what is told late of an older one: a row of differences, which may be negative.
A total is one whole number with a lane for each column, so that adding two of them adds all columns. Packed lanes are biased by half of
what they hold: a negative one does not borrow from its neighbour.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from operator import itemgetter
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Final, Literal, NamedTuple, TypedDict

from julia_warmer.core.model import Counts, Media
from julia_warmer.core.policy import EvidenceRules

NAMES: Final = tuple(item.name for item in fields(Counts))
SUMMED: Final = (*NAMES, "received", "conversations", "spam", "warnings", "calls")
ACCEPTED, REACHED, REPLIED = (SUMMED.index(name) for name in ("accepted", "reached", "replied"))
RECEIVED, CONVERSATIONS, SPAM, WARNINGS, CALLS = range(len(NAMES), len(SUMMED))
LANES = len(SUMMED)
NARROW, WIDE = 2, 4  # bytes of a lane: most chips never send 30,000 in a month
HEAD = Struct("<HB")  # how many hours, and the bytes of a lane
HOUR = Struct("<I")
SPARE = 1 << 8 * NARROW - 2  # what narrow lanes hold beyond anything that was packed in them
NOTHING = Counts()

DAYS_BACK = 30  # nothing older is looked at
AGES_H: Final = (4, 8, 16)  # where fresh cohorts are parted by age: outcomes come quickly first, and slower and slower
END: Final = 1 << 32  # after every hour

HourRow = Sequence[int]  # the hour, the columns of SUMMED, media

_by_hour = itemgetter(0)


class Windows(TypedDict):
    """The fields of a snapshot that come out of the hours."""

    phase_matured: Counts
    recent_matured: Counts
    recent_fresh: Counts
    last_hours: Counts
    young_reached: tuple[int, ...]
    unanswered_run: int
    accepted_30d: int
    received_30d: int
    conversations_7d: int
    media_7d: Media
    calls_answered_7d: int
    spam_errors_7d: int
    spam_errors_rearmed: int
    platform_warnings_7d: int


class Edges(NamedTuple):
    """Where windows begin and end at a moment, as hours. Cohorts before `matured` (and `fresh`) are old enough."""

    now: int
    month: int
    week: int
    matured: int
    fresh: int
    recent_sends: int
    ages: tuple[int, ...]  # the hours that part fresh cohorts by age, falling from the freshest to the youngest matured one

    @classmethod
    def at(cls, at: datetime, evidence: EvidenceRules) -> "Edges":
        now = hour_number(at)
        matured, fresh = (hour_number(at - timedelta(hours=hours)) for hours in (evidence.mature_h, evidence.fresh_h))
        ages = tuple(accumulate([fresh, *[now - hours for hours in AGES_H], matured], min))
        return cls(now, now - DAYS_BACK * 24, now - 7 * 24, matured, fresh, evidence.recent_sends, ages)


def hour_number(at: datetime) -> int:
    """The clock hour that holds a moment."""
    return int(at.timestamp()) // 3600


def count_windows(month: "Month", edges: Edges, *, phase_since: datetime, rearmed_at: datetime | None) -> Windows:
    """All that a snapshot says about messages and signs of the platform. No cohort began before the detectors were re-armed."""
    armed = edges.month if rearmed_at is None else max(edges.month, int(-(-rearmed_at.timestamp() // 3600)))
    last_month, last_week = month.columns(edges.month), month.columns(edges.week)
    return Windows(
        phase_matured=month.counts(max(armed, hour_number(phase_since)), edges.matured),
        recent_matured=month.recent(armed, edges.matured, edges.recent_sends),
        recent_fresh=month.recent(armed, edges.fresh, edges.recent_sends),
        last_hours=month.counts(max(armed, edges.now - 1), END),
        young_reached=month.reached_between(edges.ages if armed <= edges.ages[-1] else [max(armed, hour) for hour in edges.ages]),
        unanswered_run=month.unanswered(armed, edges.matured),
        accepted_30d=last_month[ACCEPTED],
        received_30d=last_month[RECEIVED],
        conversations_7d=last_week[CONVERSATIONS],
        media_7d=Media(month.media(edges.week)),
        calls_answered_7d=last_week[CALLS],
        spam_errors_7d=last_week[SPAM],
        spam_errors_rearmed=month.columns(max(edges.week, armed))[SPAM] if last_week[SPAM] else 0,
        platform_warnings_7d=last_week[WARNINGS],
    )


class Lanes:
    """How columns lie in a whole number, for lanes of so many bytes. A column is between -`bias` and `bias`."""

    __slots__ = ("bias", "biases", "bits", "code", "columns", "mask", "row", "size", "width")

    def __init__(self, width: int) -> None:
        self.width, self.bits, self.size = width, 8 * width, width * LANES
        self.bias, self.mask = 1 << self.bits - 1, (1 << self.bits) - 1
        self.biases = sum(self.bias << self.bits * lane for lane in range(LANES))
        self.code: Literal["H", "I"] = "H" if width == NARROW else "I"
        self.columns = Struct(f"<{LANES}{self.code.lower()}")
        self.row = Struct(f"<I{LANES}{self.code}B")  # an hour's row as it comes, without anything negative

    def join(self, columns: Sequence[int]) -> int:
        """Columns as one number."""
        return (int.from_bytes(self.columns.pack(*columns), "little") ^ self.biases) - self.biases

    def pile(self, rows: Sequence[HourRow]) -> list[int]:
        """Running totals of rows: `join` of each, added up. Raises struct.error for a value that a lane does not hold."""
        return list(accumulate([self.join(row[1:-1]) for row in rows]))

    def pile_small(self, rows: Sequence[HourRow]) -> list[int] | None:
        """The same, quicker, of rows with nothing negative that together stay within what narrow lanes have to spare; else nothing."""
        pack, row_of = self.row.pack, int.from_bytes
        try:
            totals = list(accumulate([row_of(pack(*row)[HOUR.size : -1], "little") for row in rows]))
        except StructError:
            return None
        return totals if sum(map(sum, rows)) - sum(map(_by_hour, rows)) < SPARE else None

    def split(self, total: int) -> tuple[int, ...]:
        """A number as its columns."""
        return self.columns.unpack(((total + self.biases) ^ self.biases).to_bytes(self.size, "little"))

    def one(self, total: int, lane: int) -> int:
        """One column of a number."""
        return (total + self.biases >> self.bits * lane & self.mask) - self.bias


LANES_OF: Final = {width: Lanes(width) for width in (NARROW, WIDE)}


class Month:
    """What a chip's hours add up to. `packed` None: nothing was folded yet."""

    __slots__ = ("_before", "_counts", "_hours", "_lanes", "_last", "_late", "_late_hours", "_packed", "_rows", "_sums", "_totals", "_upto")

    def __init__(self, packed: bytes | None, rows: Iterable[HourRow] = ()) -> None:
        self._packed = packed or HEAD.pack(0, NARROW)
        number, width = HEAD.unpack_from(self._packed)
        self._lanes = LANES_OF[width]
        self._totals = HEAD.size + 5 * number  # where they begin
        self._hours = _numbers("I", self._packed, HEAD.size, self._totals - number)
        self._last = self._hours[-1] if number else -1
        self._rows = sorted(rows, key=_by_hour)
        self._late_hours = [row[0] for row in self._rows]
        late = self._lanes.pile_small(self._rows)
        if late is None and width == NARROW and not self._fits():
            self._widen()
        self._late = late or self._lanes.pile(self._rows)
        self._upto: list[int] | None = None
        self._sums: dict[int, int] = {0: 0}  # windows share their edges,
        self._before: dict[int, int] = {}
        self._counts: dict[int, Counts] = {0: NOTHING}  # and some of them hold the same

    def before(self, hour: int) -> int:
        """The totals of every hour before this one."""
        if (total := self._before.get(hour)) is None:
            packed = bisect_left(self._hours, hour) if hour <= self._last else len(self._hours)
            if (total := self._sums.get(packed)) is None:
                total = self._sums[packed] = self._packed_total(packed - 1)
            if late := bisect_left(self._late_hours, hour):
                total += self._late[late - 1]
            self._before[hour] = total
        return total

    def counts(self, first: int, last: int) -> Counts:
        """The cohorts of the hours from `first` to before `last`."""
        if last <= first:
            return NOTHING
        total = self.before(last) - self.before(first)
        if (counts := self._counts.get(total)) is None:
            counts = self._counts[total] = _counts_of(self._lanes.split(total))
        return counts

    def columns(self, first: int) -> tuple[int, ...]:
        """Every column since an hour."""
        return self._lanes.split(self.before(END) - self.before(first))

    def media(self, first: int) -> int:
        """The kinds of media since an hour, as a mask."""
        start = HEAD.size + HOUR.size * len(self._hours)
        kinds = self._packed[start + bisect_left(self._hours, first) : self._totals]
        mask = kinds[0] if kinds else 0
        if kinds.count(mask) < len(kinds):
            for one in set(kinds):
                mask |= one
        for row in self._rows[bisect_left(self._late_hours, first) :]:
            mask |= row[-1]
        return mask

    def reached_between(self, hours: Sequence[int]) -> tuple[int, ...]:
        """People reached between each hour and the one after it in the row; the hours fall."""
        sums = [self._one(hour, REACHED) for hour in hours]
        return tuple([newer - older for newer, older in pairwise(sums)])

    def recent(self, first: int, last: int, sends: int) -> Counts:
        """The newest hours before `last`, back until so many were accepted; the hour that crosses is included whole."""
        if last <= first:
            return NOTHING
        return self.counts(max(first, self._first_above(ACCEPTED, self._one(last, ACCEPTED) - sends)), last)

    def unanswered(self, first: int, last: int) -> int:
        """People reached before `last`, since the last hour whose cohort has a reply."""
        if last <= first:
            return 0
        replied = self._one(last, REPLIED)
        if replied > self._one(first, REPLIED):
            first = self._first_above(REPLIED, replied - 1) + 1
        return self._one(last, REACHED) - self._one(first, REACHED)

    def hours(self) -> list[tuple[int, ...]]:
        """Every hour with what it counts, as rows; the packed ones and those since together."""
        found: dict[int, list[int]] = {}
        before, media = 0, HEAD.size + 4 * len(self._hours)
        for nth, hour in enumerate(self._hours):
            total = self._packed_total(nth)
            found[hour] = [*self._lanes.split(total - before), self._packed[media + nth]]
            before = total
        for hour, *columns in self._rows:
            row = found.setdefault(hour, [0] * (LANES + 1))
            row[:] = [*map(sum, zip(row[:-1], columns[:-1], strict=True)), row[-1] | columns[-1]]
        return [(hour, *columns) for hour, columns in sorted(found.items())]

    def _one(self, hour: int, lane: int) -> int:
        """One column of the totals before an hour."""
        return self._lanes.one(self.before(hour), lane)

    def _packed_total(self, nth: int) -> int:
        start, size = self._totals + nth * self._lanes.size, self._lanes.size
        return int.from_bytes(self._packed[start : start + size], "little") - self._lanes.biases

    def _first_above(self, lane: int, bar: int) -> int:
        """The first hour at whose end a column's total is above a bar. Such a column never falls from hour to hour.

        Between two rows that came late, the packed totals lack the same number.
        """
        if bar < 0:
            return 0
        column, bar = self._column(lane), bar + self._lanes.bias
        low = late = 0
        for row, high in zip(self._rows, self._packed_upto(), strict=True):
            with_row = late + row[lane + 1]
            if (column[high - 1] if high else self._lanes.bias) + with_row > bar:  # the bar is passed by the end of this row's hour
                found = bisect_right(column, bar - late, low, high)
                return self._hours[found] if found < high else row[0]
            low, late = high, with_row
        found = bisect_right(column, bar - late, low)
        return self._hours[found] if found < len(self._hours) else END

    def _packed_upto(self) -> list[int]:
        """For each hour since: how many packed ones lie at it or before."""
        if self._upto is None:
            hours, last, number = self._hours, self._last, len(self._hours)
            self._upto = [bisect_right(hours, hour) if hour <= last else number for hour in self._late_hours]
        return self._upto

    def _column(self, lane: int) -> Sequence[int]:
        """One column of the packed totals, biased."""
        return _numbers(self._lanes.code, self._packed, self._totals, len(self._packed))[lane::LANES]

    def _fits(self) -> bool:
        """Whether narrow lanes hold the totals of all hours and of those since."""
        most = max(self._lanes.split(self._packed_total(len(self._hours) - 1))) if self._hours else 0
        return most + sum([max(map(abs, row[1:-1])) for row in self._rows]) < self._lanes.bias

    def _widen(self) -> None:
        totals = [self._lanes.split(self._packed_total(nth)) for nth in range(len(self._hours))]
        self._lanes = LANES_OF[WIDE]
        head = HEAD.pack(len(totals), WIDE) + self._packed[HEAD.size : self._totals]
        self._packed = head + b"".join([_packed(self._lanes, self._lanes.join(total)) for total in totals])


def _counts_of(columns: tuple[int, ...]) -> Counts:
    """The first columns by name; `NAMES` in their order."""
    accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, held, failed, unknown, *_ = columns
    return Counts(
        accepted=accepted,
        reached=reached,
        delivered=delivered,
        read=read,
        replied=replied,
        opted_out=opted_out,
        undeliverable=undeliverable,
        limited=limited,
        held=held,
        failed=failed,
        unknown=unknown,
    )


def _numbers(code: Literal["H", "I"], packed: bytes, start: int, end: int) -> Sequence[int]:
    """Packed whole numbers where they lie: nothing is copied, where the machine's order is the packing's."""
    if sys.byteorder == "little":
        return memoryview(packed)[start:end].cast(code)
    numbers = array(code, packed[start:end])
    numbers.byteswap()
    return numbers


def fold_hours(packed: bytes | None, rows: Iterable[HourRow], *, since: int) -> bytes:
    """The older hours packed anew with these rows in them; hours before `since` are forgotten, and those that hold nothing."""
    hours = [row for row in Month(packed, rows).hours() if row[0] >= since and any(row[1:])]
    columns = [tuple(column) for column in zip(*[row[1:-1] for row in hours], strict=True)]
    most = max((sum(map(abs, column)) for column in columns), default=0)
    lanes = LANES_OF[NARROW if most < LANES_OF[NARROW].bias // 2 else WIDE]
    totals = accumulate([lanes.join(row[1:-1]) for row in hours])
    return b"".join(
        [
            HEAD.pack(len(hours), lanes.width),
            Struct(f"<{len(hours)}I").pack(*[row[0] for row in hours]),
            bytes([row[-1] for row in hours]),
            *[_packed(lanes, total) for total in totals],
        ]
    )


def _packed(lanes: Lanes, total: int) -> bytes:
    return (total + lanes.biases).to_bytes(lanes.size, "little")
