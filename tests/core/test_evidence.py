"""Rates and gates against what can be computed exactly, and the laws that a gate must keep."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.evidence import Prior, Rate, beta_cdf, beta_quantile, e_value, gate_ceiling, gate_floor, p_at_least, percent
from julia_warmer.core.model import Verdict
from tests.core.some import of, rows

SURE = {"people_min": 20, "pass_at": 0.8, "fail_at": 0.05}


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.001, 0.999))
@settings(max_examples=200, deadline=None)
def test_the_posterior_is_the_binomial_tail(events: int, others: int, floor: float) -> None:
    """For whole counts and a flat prior: P(rate >= x) = P(Binomial(n + 1, x) <= k)."""
    people = events + others
    tail = sum(comb(people + 1, i) * floor**i * (1 - floor) ** (people + 1 - i) for i in range(events + 1))
    assert p_at_least(events, people, floor) == pytest.approx(tail, abs=1e-9)


@given(st.floats(0.01, 500), st.floats(0.01, 500), st.floats(0.01, 0.99))
@settings(max_examples=200, deadline=None)
def test_the_beta_function_mirrors_and_its_quantile_undoes_it(a: float, b: float, p: float) -> None:
    assert beta_cdf(a, b, p) == pytest.approx(1 - beta_cdf(b, a, 1 - p), abs=1e-9)
    x = beta_quantile(a, b, p)
    if 1e-9 < x < 1 - 1e-9:
        assert beta_cdf(a, b, x) == pytest.approx(p, abs=1e-6)


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0.01, 0.5))
@settings(max_examples=500, deadline=None)
def test_more_events_always_make_a_high_rate_likelier(events: int, others: int, floor: float) -> None:
    people = events + others + 1
    assert p_at_least(events, people, floor) <= p_at_least(events + 1, people, floor) + 1e-12


def test_an_interval_holds_the_rate_and_narrows_with_people() -> None:
    low, high = Rate(3, 74).interval(0.9)
    assert low < 3 / 74 < high
    wide = Rate(30, 740).interval(0.9)
    assert wide[1] - wide[0] < high - low
    assert str(Rate(3, 74)) == "3 of 74: 4.1 % (1.8-10.0 %)"
    assert str(Rate(0, 0)) == "nobody yet"


FLOORS = """
    replies   floor  ->  verdict       sentence
    0 /  0    0.20   ->  inconclusive  not enough evidence: 0 of 20 people
    19 / 19   0.20   ->  inconclusive  not enough evidence: 19 of 20 people
    14 / 40   0.20   ->  pass          P(replies >= 20 %) = 0.99
    8 / 40    0.20   ->  inconclusive  not sure yet: P(replies >= 20 %) = 0.56
    0 / 20    0.20   ->  fail          P(replies >= 20 %) = 0.01
    9 /120    0.18   ->  fail          P(replies >= 18 %) = 0.00
"""


@pytest.mark.parametrize(("replies", "floor", "verdict", "sentence"), rows(FLOORS))
def test_a_floor_has_three_answers(replies: str, floor: str, verdict: str, sentence: str) -> None:
    gate = gate_floor("replies", *of(replies), float(floor), **SURE)
    assert (gate.verdict, gate.sentence) == (verdict, sentence)


CEILINGS = """
    harm      ceiling  ->  verdict       sentence
    0 / 19    0.03     ->  inconclusive  not enough evidence: 19 of 20 people
    0 / 30    0.03     ->  pass          P(opt-outs <= 3 %) = 0.97
    1 / 30    0.03     ->  pass          P(opt-outs <= 3 %) = 0.81
    2 / 30    0.03     ->  inconclusive  not sure yet: P(opt-outs <= 3 %) = 0.55
    9 / 60    0.03     ->  fail          P(opt-outs <= 3 %) = 0.00
"""


@pytest.mark.parametrize(("harm", "ceiling", "verdict", "sentence"), rows(CEILINGS))
def test_a_ceiling_is_skeptical_of_harm_and_still_sees_it(harm: str, ceiling: str, verdict: str, sentence: str) -> None:
    gate = gate_ceiling("opt-outs", *of(harm), float(ceiling), prior=Prior.skeptical(0.01, 50), **SURE)
    assert (gate.verdict, gate.sentence) == (verdict, sentence)


@given(st.integers(0, 19), st.integers(0, 19))
def test_few_people_never_pass_and_never_fail(events: int, people: int) -> None:
    prior = Prior.skeptical(0.01, 50)
    assert gate_floor("replies", min(events, people), people, 0.2, **SURE).verdict is Verdict.INCONCLUSIVE
    assert gate_ceiling("opt-outs", min(events, people), people, 0.03, prior=prior, **SURE).verdict is Verdict.INCONCLUSIVE


priors = st.builds(Prior.skeptical, st.floats(0.02, 0.5), st.floats(5, 60))


@given(st.integers(0, 60), st.integers(0, 400), st.floats(0.005, 0.3), priors, st.booleans())
@settings(max_examples=500, deadline=None)
def test_a_bet_is_fair_at_the_bound_so_that_looking_again_gains_nothing(
    events: int, others: int, bound: float, prior: Prior, is_low: bool
) -> None:
    """E(now) is what E will be after one more person, on average: the martingale on which Ville's inequality rests."""
    now = e_value(events, events + others, bound, prior, is_low=is_low) if events + others else 1.0
    one, none = (e_value(events + more, events + others + 1, bound, prior, is_low=is_low) for more in (1, 0))
    if 1e-6 < now < 1e12:
        assert bound * one + (1 - bound) * none == pytest.approx(now, rel=1e-6)
    nearer = bound * (1.3 if is_low else 0.7)  # on the side that the bet is against, it can only lose
    if 1e-6 < now < 1e12:
        assert nearer * one + (1 - nearer) * none <= now * (1 + 1e-6)


@given(st.integers(0, 60), st.integers(0, 400), st.floats(0.005, 0.3), priors)
@settings(max_examples=500, deadline=None)
def test_an_event_more_always_makes_the_bet_on_a_high_rate_better(events: int, others: int, bound: float, prior: Prior) -> None:
    """So that facts that come late cost power, and never make an alarm ring that would not have rung."""
    people = events + others + 1
    assert e_value(events, people, bound, prior) <= e_value(events + 1, people, bound, prior) * (1 + 1e-9)


def test_late_facts_may_exceed_the_people_and_count_as_all() -> None:
    assert p_at_least(7, 5, 0.5) == p_at_least(5, 5, 0.5)


@pytest.mark.parametrize(("share", "text"), [(0.2, "20 %"), (0.005, "0.5 %"), (1.0, "100 %"), (0.0, "0 %"), (0.333333, "33.3 %")])
def test_a_share_reads_as_percent(share: float, text: str) -> None:
    assert percent(share) == text
