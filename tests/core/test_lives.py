"""What the rules lead to: a few hundred lives on the pure core, thirty days each, judged by the list's true reply rate."""

import pytest

from julia_warmer import policies
from julia_warmer.core.model import Change, ChipStatus
from tests.core.life import Life, People
from tests.core.some import STANDARD

DAYS = 31  # day 0 to day 30


def lives(low: float, high: float, n: int, policy: str = "standard", **people: float) -> list[Life]:
    """Chips whose lists' true reply rates lie evenly between two rates."""
    rules = STANDARD if policy == "standard" else policies.load(policy)
    rates = [low + (high - low) * (i + 0.5) / n for i in range(n)]
    return [Life(rules, People(reply=rate, **people), seed=f"{low} {high} {i}").run(DAYS) for i, rate in enumerate(rates)]


def ready_share(found: list[Life]) -> float:
    return sum(life.ready_on() is not None for life in found) / len(found)


@pytest.fixture(scope="module")
def good() -> list[Life]:
    return lives(0.30, 0.45, 180)


def test_chips_with_a_true_reply_rate_of_30_to_45_percent_are_ready_by_day_30(good: list[Life]) -> None:
    assert ready_share(good) >= 0.95


def test_a_good_chip_is_ready_between_day_21_and_27_in_the_middle_of_lives(good: list[Life]) -> None:
    days = sorted(day for life in good if (day := life.ready_on()) is not None)
    assert days[0] >= 21
    assert 21 <= days[len(days) // 2] <= 27


def test_good_chips_are_hardly_ever_disturbed(good: list[Life]) -> None:
    assert sum(life.changes(Change.PAUSED) > 0 for life in good) / len(good) <= 0.01
    assert sum(life.changes(Change.SLOWED) > 0 for life in good) / len(good) <= 0.05


def test_chips_with_a_true_reply_rate_of_10_percent_or_less_do_not_get_ready() -> None:
    assert ready_share(lives(0.02, 0.10, 100)) <= 0.02


def test_tired_lists_are_slower_than_good_ones() -> None:
    assert ready_share(lives(0.15, 0.22, 30)) <= 0.5


def test_a_list_with_much_harm_is_paused_and_does_not_get_ready() -> None:
    found = lives(0.04, 0.10, 20, opt_out=0.06, undeliverable=0.07, limited=0.05)
    assert ready_share(found) == 0
    assert sum(life.changes(Change.SLOWED) + life.changes(Change.PAUSED) > 0 for life in found) == len(found)


def test_the_sprints_gates_keep_even_good_chips_out() -> None:
    """Its 50, 40 and 35 % are the rates of chips that always answer each other, not of people."""
    assert ready_share(lives(0.35, 0.35, 20, policy="sprint")) <= 0.10


def test_a_cautious_chip_with_a_good_list_gets_there_later() -> None:
    found = [Life(policies.load("cautious"), People(reply=0.4), seed=f"cautious {i}").run(46) for i in range(12)]
    days = [day for life in found if (day := life.ready_on()) is not None]
    assert len(days) >= 9
    assert min(days) > 27


def test_a_chip_that_is_ready_grows_beyond_its_cap_while_healthy() -> None:
    life = Life(STANDARD, People(reply=0.4), seed="grows").run(40)
    assert life.state.status is ChipStatus.READY
    assert life.decisions[-1].budget.day_max > 150
