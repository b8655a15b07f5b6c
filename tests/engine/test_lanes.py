"""Lanes: a chip's requests at once and its pace, learnt from its answers."""

import pytest

from julia_warmer.engine.lanes import AHEAD, CUT_EVERY_S, WINDOW_FIRST, Lanes

AT_ONCE, PER_SECOND = 16, 80
QUICK_S, SLOW = 0.05, 5.0


def lanes(*chips: int, per_second: int = PER_SECOND) -> Lanes:
    """Chips that the worker has met."""
    made = Lanes(per_second=per_second, at_once=AT_ONCE, windows={})
    for chip in chips:
        made.wanted(chip)
    return made


def answer(made: Lanes, chip: int, number: int, *, took_s: float = QUICK_S, is_good: bool = True, now: float = 0.0) -> None:
    """So many at once, and their answers."""
    made.hold([chip] * number)
    for _ in range(number):
        made.begin(chip, now)
    for _ in range(number):
        made.end(chip, took_s=took_s, is_good=is_good, now=now)


@pytest.mark.parametrize("chips", [(1,), (1, 2)])
def test_a_new_chip_begins_with_a_few_and_a_claim_takes_as_many_again(chips: tuple[int, ...]) -> None:
    made = lanes(*chips)
    assert made.room(1) == WINDOW_FIRST
    assert made.wanted(1) == AHEAD * WINDOW_FIRST
    made.hold([1] * 3)
    assert made.wanted(1) == AHEAD * WINDOW_FIRST - 3


def test_good_answers_open_a_lane_that_is_full_to_half_of_all_requests() -> None:
    made = lanes(1, 2)
    for _ in range(20):
        answer(made, 1, made.room(1))
    assert made.windows[1] > AT_ONCE // 2
    assert made.room(1) == AT_ONCE // 2  # the other half is the others'
    assert made.room(2) == WINDOW_FIRST


def test_one_chip_alone_may_have_all_requests() -> None:
    made = lanes(1)
    for _ in range(20):
        answer(made, 1, made.room(1))
    assert made.room(1) == AT_ONCE


def test_a_lane_that_is_not_used_does_not_grow() -> None:
    made = lanes(1, 2)
    for _ in range(20):
        answer(made, 1, 1)
    assert made.windows[1] == WINDOW_FIRST


CUTS = {
    "all refused at one moment": ([0.0] * 4, WINDOW_FIRST / 2),
    "again within the second": ([0.0, CUT_EVERY_S / 2], WINDOW_FIRST / 2),
    "again after it": ([0.0, CUT_EVERY_S], WINDOW_FIRST / 4),
    "for long": ([10.0 * n for n in range(9)], 1.0),
}


@pytest.mark.parametrize("what", CUTS)
def test_who_is_asked_to_wait_gets_half_once_a_second_and_one_at_least(what: str) -> None:
    moments, window = CUTS[what]
    made = lanes(1, 2)
    for now in moments:
        answer(made, 1, 1, is_good=False, now=now)
    assert made.windows[1] == window


def test_a_slow_chip_is_cut_when_the_others_are_not_slow() -> None:
    made = lanes(1, 2)
    for now in range(5):
        answer(made, 2, 1, now=now)
        answer(made, 1, 1, took_s=SLOW, now=now)
    assert made.windows[1] == 1.0
    assert made.windows[2] == WINDOW_FIRST


def test_where_all_are_slow_nobody_is_cut() -> None:
    made = lanes(1, 2)
    for now in range(5):
        for chip in (1, 2):
            answer(made, chip, 1, took_s=SLOW, now=now)
    assert made.windows == {1: WINDOW_FIRST, 2: WINDOW_FIRST}


def test_what_was_learnt_is_kept_from_round_to_round() -> None:
    windows = {1: 1.0}
    made = Lanes(per_second=PER_SECOND, at_once=AT_ONCE, windows=windows)
    assert made.room(1) == 1
    answer(made, 1, 1)
    assert windows[1] > 1.0


def test_no_more_begin_in_a_second_than_the_pace_allows() -> None:
    made = lanes(1, per_second=3)
    for now in (0.0, 0.1, 0.2):
        assert made.free_at(1) <= now
        made.begin(1, now)
    assert made.free_at(1) == 1.0
    made.begin(1, 1.0)
    assert made.free_at(1) == pytest.approx(1.1)  # pyright: ignore[reportUnknownMemberType]


def test_what_did_not_begin_gives_its_place_back() -> None:
    made = lanes(1)
    made.hold([1, 1])
    made.begin(1, 0.0)
    made.begin(1, 0.0)
    made.give_back([1, 1])
    assert made.room(1) == WINDOW_FIRST
    assert made.wanted(1) == AHEAD * WINDOW_FIRST
