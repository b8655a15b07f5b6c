"""What a fault run decides before it plays anything."""

import pytest

from tests.faults import plan
from tests.faults.plan import Cost, Quiet
from tests.faults.properties import COSTS
from tests.faults.row import Findings

ALL = tuple(COSTS.items())


@pytest.mark.parametrize(("short", "budget_min"), [(False, plan.FULL_MIN), (True, plan.SHORT_MIN)])
def test_everything_fits_its_budget_at_the_size_that_is_asked_for(short: bool, budget_min: float) -> None:
    chosen = plan.make(ALL, short=short, budget_min=budget_min)
    assert {part.name for part in chosen.parts} == set(COSTS)
    assert all(part.short is short for part in chosen.parts)
    assert chosen.expected_s <= budget_min * 60


def test_a_small_budget_plays_what_costs_most_short_and_says_so() -> None:
    costs = (("A", Cost(full_s=600, short_s=10, quiet=Quiet.ALWAYS)), ("B", Cost(full_s=60, short_s=10, quiet=Quiet.ALWAYS)))
    chosen = plan.make(costs, short=False, budget_min=2)
    assert {part.name: part.short for part in chosen.parts} == {"A": True, "B": False}
    assert "short to keep the budget: A" in chosen.said(2)


def test_what_measures_latencies_is_played_alone() -> None:
    chosen = plan.make(ALL, short=False, budget_min=plan.FULL_MIN)
    assert {"R11", "R17", "R18"} <= {part.name for part in chosen.alone}


@pytest.mark.parametrize("wrong", ["duplicate", "lose", "violate"])
def test_one_finding_makes_a_row_not_ok(wrong: str) -> None:
    found = Findings()
    assert found.row("R0", "nothing").ok
    getattr(found, wrong)("something")
    assert not found.row("R0", "nothing").ok


def test_only_a_bar_of_time_is_played_again() -> None:
    found = Findings()
    assert not found.row("R0", "nothing").is_only_late
    found.in_time(False, "it took long")
    row = found.row("R0", "nothing")
    assert row.is_only_late
    assert not row.ok
    found.lose("a message")
    assert not found.row("R0", "nothing").is_only_late
