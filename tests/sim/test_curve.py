"""The operating curve: its windows are the fold's, its answers the core's, and the shipped alarms stay within their bars."""

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from julia_warmer import policies
from julia_warmer.core.alarms import RATES, rings
from julia_warmer.core.events import Event, MessageDelivered, MessageFailed, MessageRead, MessageReceived, OptOutRequested, OptOutSource
from julia_warmer.core.fold import Tally
from julia_warmer.core.model import PHASES, ChipState, ChipStatus, Counts
from julia_warmer.core.policy import Signal, Window
from julia_warmer.sim.curve import NEVER, Point, at_reviews, bounds, curve
from julia_warmer.sim.curve import _counts as counts_of  # pyright: ignore[reportPrivateUsage]
from julia_warmer.sim.curve import _looks as looks_of  # pyright: ignore[reportPrivateUsage]
from julia_warmer.sim.curve_lives import SENDS, List, Lives, draw, pace_of
from julia_warmer.sim.curve_picture import svg_of

STANDARD = policies.load("standard")
PACE = pace_of(STANDARD)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
BAD = List(replies=0.3, opt_outs=0.06, undeliverable=0.05, limited=0.05)


def test_warm_ups_pace_is_that_of_the_phases() -> None:
    assert len(PACE.sent_h) == SENDS
    assert [int((PACE.phase == PHASES.index(phase)).sum()) for phase in PHASES[1:4]] == [40, 210, 350]
    assert (np.diff(PACE.sent_h) > 0).all()
    assert not ((PACE.sent_h // 24) % 7 == 6).any()  # no Sundays


def test_the_windows_of_a_look_are_those_that_the_fold_counts() -> None:
    lives = draw(BAD, PACE, 3, np.random.default_rng(5))
    looks = list(looks_of(PACE, STANDARD))
    for life in range(3):
        facts = sorted(_facts(lives, life), key=lambda fact: fact.at)
        for look in looks[5:130:9]:
            at = MONDAY + timedelta(hours=look.at_h)
            tally = Tally("UTC")
            for send in range(look.made):
                tally.accepted(MONDAY + timedelta(hours=float(PACE.sent_h[send])), f"person {send}", f"message {send}")
            for fact in facts:
                if fact.at <= at:
                    tally.apply(fact)
            next_send = min(look.made, SENDS - 1)
            first = int(np.searchsorted(PACE.phase, PACE.phase[next_send]))
            state = ChipState(
                status=ChipStatus.WARMING,
                phase=PHASES[PACE.phase[next_send]],
                phase_since=MONDAY + timedelta(hours=float(PACE.sent_h[first])),
            )
            folded: dict[str, Any] = dict(tally.counts(at, state=state, evidence=STANDARD.evidence))
            for window in (Window.RECENT_FRESH, Window.RECENT_MATURED, Window.PHASE_MATURED, Window.LAST_HOURS):
                counted = counts_of(lives, *look.spans[window], look.at_h)
                assert Counts(**{name: int(column[life]) for name, column in counted.items()}) == folded[window.value], (look.at_h, window)


def _facts(lives: Lives, life: int) -> list[Event]:
    """A life's outcomes as events."""
    facts: list[Event] = []
    for send in range(SENDS):
        sent, person, message = MONDAY + timedelta(hours=float(PACE.sent_h[send])), f"person {send}", f"message {send}"
        for code, failed in ((131026, lives.undeliverable), (131049, lives.limited), (131000, lives.failed)):
            if failed[life, send]:
                facts.append(MessageFailed(at=sent, message_id=message, code=code))
        if lives.delivered[life, send]:
            facts.append(MessageDelivered(at=sent, message_id=message))
        heard = {name: float(getattr(lives, name)[life, send]) for name in ("read", "replied", "opted_out")}
        moments = {name: MONDAY + timedelta(hours=hours) for name, hours in heard.items() if np.isfinite(hours)}
        if "read" in moments:
            facts.append(MessageRead(at=moments["read"], message_id=message))
        if "replied" in moments:
            facts.append(MessageReceived(at=moments["replied"], phone=person, message_id=f"reply {send}", message_type="text"))
        if "opted_out" in moments:
            facts.append(OptOutRequested(at=moments["opted_out"], phone=person, source=OptOutSource.BUTTON, purpose="marketing"))
    return facts


@pytest.mark.parametrize("rule", [rule for rule in STANDARD.alarms if rule.signal in RATES], ids=lambda rule: rule.name)
def test_the_tables_are_the_cores_own_answers(rule: Any) -> None:
    is_low = RATES[rule.signal][2]
    table = bounds(rule, 0.18, 120)
    for people in range(0, 121, 7):
        for events in range(min(people, 40) + 1):
            by_table = events <= table[people] if is_low else events >= table[people]
            assert bool(by_table) == rings(rule, events, people, floor=0.18), (people, events)


def test_the_same_seed_draws_the_same_curve_and_another_one_another() -> None:
    one, same, other = (curve(STANDARD, Signal.OPT_OUTS, rates=(0.03,), runs=100, seed=seed) for seed in (4, 4, 5))
    assert one == same
    assert one.at_reviews != other.at_reviews


def test_a_list_without_any_harm_is_left_alone() -> None:
    lives = draw(List(replies=0.5, opt_outs=0, undeliverable=0, limited=0, lost=0, reads=0.9), PACE, 50, np.random.default_rng(1))
    firsts = at_reviews(lives, PACE, STANDARD)
    assert (firsts.slow == NEVER).all()
    assert firsts.by_rule == {"errors": 0.0, **dict.fromkeys(firsts.by_rule, 0.0)}


@pytest.fixture(scope="module")
def harm() -> dict[float, Point]:
    """On a seed that nothing was tuned on; docs/policies.md shows more lives."""
    found = curve(STANDARD, Signal.OPT_OUTS, rates=(0.005, 0.01, 0.05, 0.08), runs=1000, seed=4711)
    return {point.rate: point for point in found.at_reviews}


def test_alarms_hardly_disturb_a_chip_whose_people_hardly_ever_opt_out(harm: dict[float, Point]) -> None:
    assert harm[0.005].paused <= 0.005
    assert harm[0.01].paused <= 0.01
    assert harm[0.01].slowed <= 0.05


def test_alarms_catch_five_percent_within_250_sends_and_eight_percent_within_90(harm: dict[float, Point]) -> None:
    assert harm[0.05].caught_250 >= 0.80
    assert harm[0.08].caught_90 >= 0.80


def test_the_floor_of_replies_stops_no_good_list_and_catches_one_that_nobody_answers() -> None:
    low, good = curve(STANDARD, Signal.REPLIES, rates=(0.08, 0.30), runs=1000, seed=4711).at_reviews
    assert good.paused <= 0.02
    assert low.caught_150 >= 0.90


def test_the_picture_is_an_svg_with_a_panel_a_signal() -> None:
    found = [curve(STANDARD, signal, rates=(0.05, 0.3), runs=100, seed=1) for signal in (Signal.OPT_OUTS, Signal.REPLIES)]
    root = ElementTree.fromstring(svg_of(found))
    words = [element.text for element in root.iter() if element.text]
    assert [word for word in words if word.startswith("true rate of")] == [
        "true rate of opt-outs, first 600 sends",
        "true rate of replies, first 600 sends",
    ]
