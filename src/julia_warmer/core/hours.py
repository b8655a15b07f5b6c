"""When a person may be written to first: spans of their own clock, by weekday, closed on holidays. Reads no clock and knows no country.

The spans are half open: a message may begin at `opens_at`, and no longer at `closes_at`.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from julia_warmer.core.days import day_start, local_day
from julia_warmer.core.policy import HourRules

DAYS_AHEAD_MAX = 30  # no run of closed days is longer; rules that never open give None
SATURDAY, SUNDAY = 5, 6
NO_HOLIDAYS: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, aware UTC."""

    opens_at: datetime
    closes_at: datetime

    def holds(self, at: datetime) -> bool:
        return self.opens_at <= at < self.closes_at

    @property
    def length(self) -> timedelta:
        return self.closes_at - self.opens_at

    def meet(self, other: "Span") -> "Span | None":
        """What both hold, or None."""
        opens_at, closes_at = max(self.opens_at, other.opens_at), min(self.closes_at, other.closes_at)
        return Span(opens_at, closes_at) if opens_at < closes_at else None


def open_span(rules: HourRules, day: date, zone: str, holidays: Container[date] = NO_HOLIDAYS) -> Span | None:
    """The allowed hours of one local day, or None when it is closed."""
    if (day.weekday() == SUNDAY and not rules.sunday) or (day in holidays and not rules.holidays):
        return None
    on_saturday = day.weekday() == SATURDAY
    open_h, close_h = (rules.saturday_open_h, rules.saturday_close_h) if on_saturday else (rules.open_h, rules.close_h)
    return _span(day, zone, open_h, close_h) if open_h < close_h else None


def is_open(rules: HourRules, at: datetime, zone: str, holidays: Container[date] = NO_HOLIDAYS) -> bool:
    """May a person in this zone be written to at this moment?"""
    span = open_span(rules, local_day(at, zone), zone, holidays)
    return span is not None and span.holds(at)


def open_spans(rules: HourRules, at: datetime, zone: str, holidays: Container[date] = NO_HOLIDAYS) -> Iterator[Span]:
    """The spans that are not over at `at`, in order, for as long as one looks ahead."""
    today = local_day(at, zone)
    for ahead in range(DAYS_AHEAD_MAX):
        span = open_span(rules, today + timedelta(days=ahead), zone, holidays)
        if span is not None and at < span.closes_at:
            yield span


def next_open(rules: HourRules, at: datetime, zone: str, holidays: Container[date] = NO_HOLIDAYS) -> datetime | None:
    """The first allowed moment that is not before `at`; None when these rules open on no day of the next month."""
    span = next(open_spans(rules, at, zone, holidays), None)
    return None if span is None else max(at, span.opens_at)


def span_within(rules: HourRules, at: datetime, zone: str, until: datetime, holidays: Container[date] = NO_HOLIDAYS) -> Span | None:
    """The first allowed stretch between `at` and `until`, or None: what is left of a chip's day for a person in this zone."""
    if at >= until:
        return None
    span = next(open_spans(rules, at, zone, holidays), None)
    return None if span is None else span.meet(Span(at, until))


def day_span(day: date, zone: str) -> Span:
    """A whole local day, however long the clocks make it."""
    return Span(day_start(day, zone), day_start(day + timedelta(days=1), zone))


@lru_cache(1 << 12)
def _span(day: date, zone: str, open_h: float, close_h: float) -> Span:
    return Span(_moment(day, open_h, zone), _moment(day, close_h, zone))


def _moment(day: date, hour: float, zone: str) -> datetime:
    """A time on the clock of a local day, in UTC. 24 is the next midnight."""
    clock = datetime(day.year, day.month, day.day) + timedelta(minutes=round(hour * 60))  # noqa: DTZ001 - the zone is laid over the wall's time
    return clock.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
