"""Allowed hours on a person's own clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.hours import is_open, next_open, open_span, span_within
from julia_warmer.core.policy import HourRules

RULES = HourRules(open_h=9.0, close_h=20.0, saturday_open_h=10.0, saturday_close_h=16.0, sunday=False, holidays=False, spacing_s=120.0)
NEVER_ON_SATURDAY = replace(RULES, saturday_close_h=10.0)
CHRISTMAS = date(2026, 12, 25)  # a Friday
HOLIDAYS = frozenset({CHRISTMAS})
ZONES = (
    "America/Sao_Paulo",
    "America/Manaus",
    "America/Rio_Branco",
    "America/Noronha",
    "America/New_York",
    "Europe/Lisbon",
    "Asia/Kolkata",
)

OPENINGS = """
    local moment        zone                ->  open  next
    2026-11-23 08:59    America/Sao_Paulo   ->  no    2026-11-23 09:00
    2026-11-23 09:00    America/Sao_Paulo   ->  yes   2026-11-23 09:00
    2026-11-23 19:59    America/Manaus      ->  yes   2026-11-23 19:59
    2026-11-23 20:00    America/Manaus      ->  no    2026-11-24 09:00
    2026-11-28 09:30    America/Sao_Paulo   ->  no    2026-11-28 10:00
    2026-11-28 16:00    America/Rio_Branco  ->  no    2026-11-30 09:00
    2026-11-29 12:00    America/Sao_Paulo   ->  no    2026-11-30 09:00
    2026-12-24 20:00    America/Sao_Paulo   ->  no    2026-12-26 10:00
    2026-12-25 12:00    America/Sao_Paulo   ->  no    2026-12-26 10:00
    2026-03-27 20:00    Europe/Lisbon       ->  no    2026-03-28 10:00
    2026-03-28 16:30    Europe/Lisbon       ->  no    2026-03-30 09:00
"""


def cases(table: str) -> list[tuple[str, str, str, str]]:
    rows = [line.split("->") for line in table.strip().splitlines()[1:]]
    return [(left[:21].strip(), left.split()[2], right.split()[0], right.strip()[3:].strip()) for left, right in rows]


@pytest.mark.parametrize(("local", "zone", "opened", "following"), cases(OPENINGS))
def test_a_person_is_written_to_in_their_own_hours_only(local: str, zone: str, opened: str, following: str) -> None:
    def moment(text: str) -> datetime:
        return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    at = moment(local)
    assert is_open(RULES, at, zone, HOLIDAYS) is (opened == "yes")
    assert next_open(RULES, at, zone, HOLIDAYS) == moment(following)


def test_an_open_holiday_is_an_ordinary_day() -> None:
    rules = replace(RULES, sunday=True, holidays=True)
    assert open_span(rules, CHRISTMAS, "America/Sao_Paulo", HOLIDAYS) is not None
    assert open_span(rules, date(2026, 11, 29), "America/Sao_Paulo") is not None


def test_a_saturday_of_no_hours_is_closed() -> None:
    assert open_span(NEVER_ON_SATURDAY, date(2026, 11, 28), "America/Sao_Paulo") is None


def test_rules_that_never_open_have_no_next_moment() -> None:
    everyday = frozenset(date(2026, 11, 1) + timedelta(days=ahead) for ahead in range(60))
    assert next_open(RULES, datetime(2026, 11, 23, tzinfo=UTC), "America/Sao_Paulo", everyday) is None


def test_a_closing_hour_of_24_is_the_next_midnight() -> None:
    rules = replace(RULES, open_h=0.0, close_h=24.0)
    span = open_span(rules, date(2026, 11, 23), "America/Sao_Paulo")
    assert span is not None
    assert span.length == timedelta(hours=24)


@given(
    at=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    left=st.timedeltas(timedelta(0), timedelta(days=2)),
)
def test_the_next_moment_is_open_and_nothing_before_it_is(at: datetime, zone: str, left: timedelta) -> None:
    following = next_open(RULES, at, zone, HOLIDAYS)
    assert following is not None
    assert following >= at
    assert is_open(RULES, following, zone, HOLIDAYS)
    if following > at:
        between = at + (following - at) / 2
        assert not is_open(RULES, at, zone, HOLIDAYS)
        assert not is_open(RULES, between, zone, HOLIDAYS)
    span = span_within(RULES, at, zone, at + left, HOLIDAYS)
    assert (span is not None) is (following < at + left)
    if span is not None:
        assert span.opens_at == following
        assert span.closes_at <= at + left
