"""A chip's calendar: which local day a moment falls on, and when the next one begins. Knows no holidays and reads no clock."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(1 << 14)
def local_day(at: datetime, zone: str) -> date:
    """The calendar day of `at` in an IANA zone."""
    return at.astimezone(ZoneInfo(zone)).date()


@lru_cache(1 << 12)
def day_start(day: date, zone: str) -> datetime:
    """The first moment of a local day, in UTC. Where clocks skip midnight, the moment they jump."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@lru_cache(1 << 12)
def next_day_start(at: datetime, zone: str) -> datetime:
    """The first moment of the local day after the one that holds `at`, in UTC."""
    return day_start(local_day(at, zone) + timedelta(days=1), zone)


def hour_of(at: datetime) -> datetime:
    """The clock hour (UTC) that holds `at`: cohorts are kept by it."""
    return at.replace(minute=0, second=0, microsecond=0)


@lru_cache(1 << 10)
def span(hours: float) -> timedelta:
    """So many hours. Rules' hours are few, and asked about at every decision."""
    return timedelta(hours=hours)
