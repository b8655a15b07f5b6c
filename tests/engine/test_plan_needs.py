"""How many people the chips need, and how many chips a list feeds."""

from dataclasses import replace

import pytest

from julia_warmer import policies
from julia_warmer.engine.needs import PeopleNeeded, chips_fed, people_needed

STANDARD = policies.load("standard")


def test_a_chip_needs_about_300_people_until_it_is_ready_and_more_than_600_at_100_a_day() -> None:
    assert people_needed(STANDARD) == PeopleNeeded(until_ready=300, in_operation=650, days_until_ready=24)


def test_a_list_feeds_as_many_chips_as_its_people_allow() -> None:
    assert chips_fed(6000, STANDARD) == (20, 9)
    assert chips_fed(0, STANDARD) == (0, 0)


def test_whoever_may_be_written_to_twice_a_week_is_needed_half_as_often() -> None:
    twice = replace(STANDARD, people=replace(STANDARD.people, marketing_7d_max=2, marketing_30d_max=10))
    assert people_needed(twice).until_ready == 150


def test_hours_that_never_open_are_said() -> None:
    closed = replace(STANDARD, hours=replace(STANDARD.hours, open_h=9.0, close_h=9.0, saturday_open_h=9.0, saturday_close_h=9.0))
    with pytest.raises(ValueError, match="open on no day"):
        people_needed(closed)
