"""The laws of the least risky way: within every bound, as many as asked, not to be bettered by an exchange, less where harm is greater."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.least_risk import Cell, People, fill, price, risk, room

EXAMPLES = settings(max_examples=500, deadline=None)
ENDLESS = People(own={}, reach={1: 10**6, 2: 10**6}, pool_of={}, pools={0: 10**6})
few = st.integers(0, 6)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Cell], People]:
    """Up to four chips over four days; some have people of their own, and each draws from one of two pools."""
    chips = range(1, draw(st.integers(1, 4)) + 1)
    harms = {chip: draw(st.sampled_from([0.01, 0.015, 0.02, 0.04, 0.2])) for chip in chips}
    cells: list[Cell] = []
    for chip, day in product(chips, range(draw(st.integers(1, 4)))):
        most = draw(few)
        cells.append(Cell(chip, day, most, most + draw(few), harms[chip]))
    people = People(
        own={chip: draw(few) for chip in chips},
        reach={chip: draw(st.integers(0, 12)) for chip in chips},
        pool_of={chip: draw(st.integers(0, 1)) for chip in chips},
        pools={0: draw(st.integers(0, 15)), 1: draw(st.integers(0, 15))},
    )
    return cells, people


def holds(cells: Sequence[Cell], messages: Sequence[int], people: People) -> bool:
    """Whether every bound is kept, told apart from how `fill` keeps them."""
    by_chip: Counter[int] = Counter()
    for cell, n in zip(cells, messages, strict=True):
        if not 0 <= n <= cell.most:
            return False
        by_chip[cell.chip] += n
    drawn: Counter[int] = Counter()
    for chip, number in by_chip.items():
        beyond = max(0, number - people.own[chip])
        if beyond > people.reach[chip]:
            return False
        drawn[people.pool_of[chip]] += beyond
    return all(number <= people.pools[pool] for pool, number in drawn.items())


@EXAMPLES
@given(problems(), st.integers(0, 60))
def test_it_makes_what_is_asked_within_every_bound_or_says_that_there_is_no_room(problem: tuple[list[Cell], People], need: int) -> None:
    cells, people = problem
    messages = fill(need, cells, people)
    assert (messages is None) == (need > room(cells, people))
    if messages is not None:
        assert sum(messages) == need
        assert holds(cells, messages, people)


@EXAMPLES
@given(problems(), st.data())
def test_no_exchange_of_a_message_between_two_chips_or_days_lowers_the_risk(
    problem: tuple[list[Cell], People], data: st.DataObject
) -> None:
    cells, people = problem
    messages = fill(data.draw(st.integers(0, room(cells, people))), cells, people)
    assert messages is not None
    least = risk(cells, messages)
    for give, take in product(range(len(cells)), repeat=2):
        other = [n - (i == give) + (i == take) for i, n in enumerate(messages)]
        if give != take and holds(cells, other, people):
            assert risk(cells, other) >= least - 1e-12


@settings(max_examples=200, deadline=None)
@given(problems(), st.data())
def test_nothing_else_within_the_bounds_is_less_risky(problem: tuple[list[Cell], People], data: st.DataObject) -> None:
    cells, people = problem[0][:4], problem[1]
    cells = [replace(cell, most=min(cell.most, 3)) for cell in cells]
    need = data.draw(st.integers(0, room(cells, people)))
    every = [m for m in product(*[range(cell.most + 1) for cell in cells]) if sum(m) == need and holds(cells, m, people)]
    messages = fill(need, cells, people)
    assert messages is not None
    assert risk(cells, messages) <= min(risk(cells, m) for m in every) + 1e-12


@EXAMPLES
@given(problems(), st.data())
def test_more_harm_at_a_chip_never_gives_it_more(problem: tuple[list[Cell], People], data: st.DataObject) -> None:
    cells, people = problem
    need = data.draw(st.integers(0, room(cells, people)))
    worse = data.draw(st.sampled_from(sorted({cell.chip for cell in cells})))
    factor = data.draw(st.sampled_from([1.1, 1.5, 3.0]))
    after = [replace(cell, harm=cell.harm * factor) if cell.chip == worse else cell for cell in cells]
    was, now = fill(need, cells, people), fill(need, after, people)
    assert was is not None
    assert now is not None
    for i, cell in enumerate(cells):
        if cell.chip == worse:
            assert now[i] <= was[i]


def test_an_even_spread_is_the_least_risky_and_the_first_day_has_what_is_odd():
    cells = [Cell(1, day, 20, 20, 0.02) for day in range(3)]
    assert fill(31, cells, ENDLESS) == [11, 10, 10]


def test_a_chip_of_twice_the_harm_has_none_until_the_others_are_full():
    cells = [Cell(1, 0, 10, 10, 0.01), Cell(2, 0, 10, 10, 0.02)]
    assert fill(10, cells, ENDLESS) == [10, 0]
    assert fill(12, cells, ENDLESS) == [10, 2]


def test_the_last_message_that_a_chip_may_send_on_a_day_counts_twice():
    cell = Cell(1, 0, 10, 10, 0.03)
    assert price(cell, 10) == 0.06
    assert risk([cell], [10]) == sum(price(cell, place) for place in range(1, 11))
