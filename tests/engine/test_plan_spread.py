"""When messages are due: even, apart, inside each person's hours."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.engine.spread import LAST_CALL, Place, spread

NINE = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)  # 9:00 in São Paulo
EIGHT_PM = NINE + timedelta(hours=11)
DAY = Place(NINE, EIGHT_PM)
WEST = Place(NINE + timedelta(hours=1), EIGHT_PM + timedelta(hours=1))


def minutes(moments: list[datetime]) -> list[float]:
    return [(moment - NINE).total_seconds() / 60 for moment in moments]


def test_nobody_needs_no_moment() -> None:
    assert spread([], spacing_s=120.0) == []


def test_a_day_is_spread_evenly_and_leaves_its_edges_free() -> None:
    moments = minutes(spread([DAY] * 11, spacing_s=120.0))
    assert all(abs(moment - (30 + 60 * hour)) <= 1 for hour, moment in enumerate(moments))


def test_who_is_not_free_yet_comes_later_and_who_is_first_comes_first() -> None:
    at_noon = Place(NINE, EIGHT_PM, free_at=NINE + timedelta(hours=5))
    moments = minutes(spread([at_noon, DAY], spacing_s=120.0))
    assert [round(moment) for moment in moments] == [494, 165]


def test_two_zones_share_one_day_two_minutes_apart() -> None:
    moments = sorted(spread([DAY, WEST] * 30, spacing_s=120.0))
    assert min(later - earlier for earlier, later in pairwise(moments)) >= timedelta(seconds=119)


def test_what_does_not_fit_two_minutes_apart_is_still_even() -> None:
    moments = spread([DAY] * 1000, spacing_s=120.0)
    assert {round((later - earlier).total_seconds()) for earlier, later in pairwise(moments)} <= {39, 40}


@st.composite
def places(draw: st.DrawFn) -> Place:
    opens_at = NINE + timedelta(minutes=draw(st.sampled_from([0, 0, 60, 120])))
    closes_at = opens_at + timedelta(minutes=draw(st.sampled_from([5, 660, 660])))
    free = draw(st.none() | st.integers(-600, 660))
    free_at = None if free is None else min(NINE + timedelta(minutes=free), closes_at - timedelta(seconds=1))
    return Place(opens_at, closes_at, free_at)


@given(st.lists(places(), max_size=60), st.sampled_from([0.0, 6.0, 120.0]))
def test_everybody_is_written_to_within_their_own_hours(all_places: list[Place], spacing_s: float) -> None:
    moments = spread(all_places, spacing_s=spacing_s)
    assert len(moments) == len(all_places)
    assert all(place.from_at <= moment < place.closes_at for place, moment in zip(all_places, moments, strict=True))
    assert moments == spread(all_places, spacing_s=spacing_s)


@given(st.integers(1, 320))
def test_what_fits_is_never_closer_than_the_spacing(number: int) -> None:
    moments = spread([DAY] * number, spacing_s=120.0)
    assert all(later - earlier >= timedelta(seconds=119) for earlier, later in pairwise(moments))
    assert moments[-1] <= EIGHT_PM - LAST_CALL
