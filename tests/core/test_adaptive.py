"""The closed loop: a day as large as evidence allows; and the calendar alone, which the others are compared with."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer import policies
from julia_warmer.core.decide import decide
from julia_warmer.core.evidence import most_within, p_more_than
from julia_warmer.core.model import Counts, Phase
from tests.core.life import Life, People
from tests.core.some import AT, chip

ADAPTIVE, FIXED = policies.load("adaptive"), policies.load("fixed")
SHAPE = st.floats(0.1, 20)
OTHERS = st.floats(5, 2000)


def test_the_chance_of_many_events_is_that_of_a_beta_binomial() -> None:
    """Against the plain sum over all outcomes, by log-gamma."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    a, b, n = 1.5, 60.0, 40
    terms = [math.exp(math.log(math.comb(n, j)) + log_beta(a + j, b + n - j) - log_beta(a, b)) for j in range(n + 1)]
    assert math.isclose(sum(terms), 1, rel_tol=1e-9)
    for most in (0, 1, 3, 10):
        assert math.isclose(p_more_than(most, n, a, b), sum(terms[most + 1 :]), rel_tol=1e-6, abs_tol=1e-12)


@given(SHAPE, OTHERS, st.integers(0, 8), st.floats(0.01, 0.5))
@settings(max_examples=500)
def test_the_largest_day_is_within_the_chance_and_the_next_is_not(a: float, b: float, bearable: int, chance: float) -> None:
    most = most_within(a, b, bearable=bearable, chance=chance, most=5000)
    assert p_more_than(bearable, most, a, b) <= chance
    assert most == 5000 or p_more_than(bearable, most + 1, a, b) > chance


@given(SHAPE, OTHERS, st.floats(0.1, 10))
@settings(max_examples=500)
def test_more_harm_never_makes_a_day_larger(a: float, b: float, more: float) -> None:
    assert most_within(a + more, b, bearable=3, chance=0.1) <= most_within(a, b, bearable=3, chance=0.1)


@given(SHAPE, OTHERS, st.floats(1, 500))
@settings(max_examples=500)
def test_more_people_without_harm_never_make_a_day_smaller(a: float, b: float, more: float) -> None:
    assert most_within(a, b + more, bearable=3, chance=0.1) >= most_within(a, b, bearable=3, chance=0.1)


@pytest.mark.parametrize(("opted_out", "binds"), [(0, False), (1, False), (4, True), (8, True)])
def test_opt_outs_make_the_day_smaller_before_any_alarm_rings(opted_out: int, binds: bool) -> None:
    seen = Counts(accepted=100, reached=100, delivered=100, read=70, replied=35, opted_out=opted_out)
    snapshot = chip(state={"phase": Phase.PRE_OPERATION}, recent_fresh=seen, recent_matured=seen, best_day_7d=100, eligible_people=5000)
    budget = decide(snapshot, replace(ADAPTIVE, alarms=())).budget
    assert (budget.binding == "harm") is binds, budget


def test_the_calendar_alone_goes_on_whatever_people_do() -> None:
    life = Life(FIXED, People(reply=0.02, opt_out=0.06), seed="fixed").run(31)
    assert life.ready_on() == 24
    assert not any(decision.alarms for decision in life.decisions)


def test_a_good_chip_is_sooner_ready_and_a_poor_one_is_not() -> None:
    good = [Life(ADAPTIVE, People(reply=0.38), seed=f"good {i}").run(31).ready_on() for i in range(12)]
    poor = [Life(ADAPTIVE, People(reply=0.07, opt_out=0.05), seed=f"poor {i}").run(31).ready_on() for i in range(12)]
    assert sorted(day or 99 for day in good)[6] <= 18
    assert poor == [None] * 12


def test_standard_has_no_such_bound() -> None:
    assert "harm" not in dict(decide(chip(at=AT), policies.load("standard")).budget.parts)
