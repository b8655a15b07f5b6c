"""The arrays play the same world as the events, and the same numbers come out for any batch and any number of processes."""

from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest
from tests.sim import by_event
from tests.sim.test_fleet_counts import Listener

from julia_warmer import policies
from julia_warmer.sim import constants, crowd, report, scenarios
from julia_warmer.sim.crowd import HARMS
from julia_warmer.sim.fleet import Fleet
from julia_warmer.sim.platform import RED
from julia_warmer.sim.scenarios import BEGINS_AT
from julia_warmer.sim.study import Study, play

DAYS, CHIPS = 28, 12


def quiet(_done: int) -> None:
    """No bar."""


def rate(events: float, people: float) -> tuple[float, float]:
    """A share and its standard error."""
    share = events / people
    return share, (max(share * (1 - share), 1 / people) / people) ** 0.5


@pytest.mark.parametrize("kind", ["good", "tired", "poor"])
def test_people_and_meta_do_alike_in_arrays_and_by_event(kind: str) -> None:
    """Each share within four standard errors of both; days of ready within a day and a half in the mean."""
    c, rules = constants.standard(), policies.load("standard")
    world = scenarios.load(kind, people=900)
    nobody = replace(world.desk, resume_after_h=1e6, template_again_h=1e6)
    world = replace(world, limit=-1, desk=nobody)
    people = crowd.gather(world, c, chips=CHIPS, runs=[0], seed=11)
    fleet = Fleet(world, people, c, rules, chips=CHIPS, days=DAYS)
    fleet.hearing = Listener(CHIPS, people.people, fleet.hearing.cohorts.grid, fleet.periods, silent=None)
    lives = fleet.live()
    events = by_event.Fleet(people, kind, rules, c, seed=11)
    truths = events.live(DAYS)

    harms = dict.fromkeys(HARMS, 0)
    accepted = read = replied = 0
    for m, out, receipts in fleet.hearing.noted:
        accepted += len(m.at)
        read += (np.isfinite(out.read) & receipts).sum()
        replied += np.isfinite(out.replied).sum()
        for place, harm in enumerate(HARMS):
            harms[harm] += (out.harm == place).sum()
    there = events.facts["accepted"]
    names = {"block": "blocked", "report": "reported", "mute": "muted"}
    told = {harm: truths[names.get(harm, f"asked_to_stop {harm.removeprefix('stop_')}")] for harm in HARMS}
    rows = [("harm", sum(harms.values()), accepted, sum(told.values()), there)]
    rows += [(harm, harms[harm], accepted, told[harm], there) for harm in HARMS]
    rows += [("read", read, accepted, events.facts["MessageRead"], there)]
    heard = events.facts["MessageReceived"] - told["stop_word"] - told["stop_button"]
    rows += [("replied", replied * (1 + c.people.second_message), accepted, heard, there)]
    for name, ours, of, theirs, of_theirs in rows:
        a, b = rate(ours, of), rate(theirs, of_theirs)
        assert abs(a[0] - b[0]) <= 4 * (a[1] ** 2 + b[1] ** 2) ** 0.5, (name, a, b)
    was_red = sum(chip.was_red for chip in events.chips.values())
    assert (lives.rating == RED).any(axis=1).sum() == pytest.approx(was_red, abs=3)
    ours = [(hour - 8) / 24 for hour in lives.ready_h if np.isfinite(hour)]
    theirs = [(chip.ready_at - BEGINS_AT) / timedelta(days=1) for chip in events.chips.values() if chip.ready_at]
    match kind:
        case "good":
            assert accepted == pytest.approx(there, rel=0.2)  # a chip that is slowed once sends a third less by then
            assert len(ours) == pytest.approx(len(theirs), abs=3)
            assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=1.0)
        case "tired":  # a coin for each chip: how many messages are sent hangs on it
            assert len(ours) == pytest.approx(len(theirs), abs=6)
        case _:  # their one template is disabled sooner or later, which ends everything
            assert len(ours) == len(theirs) == 0


def small(scenario: str = "mixed", **changes: int) -> Study:
    """A study that takes a second."""
    asked = {"chips": 12, "days": 14, "runs": 4, "seed": 3, **changes}
    world = scenarios.load(scenario, people=300)
    rules = (policies.load("standard"), policies.load("cautious"))
    return Study(scenario=world, policies=rules, constants=constants.standard(), **asked)


def same(a: object, b: object) -> bool:
    """Whether two outcomes are equal to the last bit."""
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.name != "bound") and a.bound == b.bound  # type: ignore[attr-defined]


def test_any_number_of_processes_gives_the_same_numbers() -> None:
    alone, together = play(small(), jobs=1, progress=quiet), play(small(), jobs=3, progress=quiet)
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_a_run_is_the_same_whatever_runs_beside_it() -> None:
    many, few = play(small(runs=4), jobs=1, progress=quiet), play(small(runs=2), jobs=1, progress=quiet)
    for a, b in zip(many, few, strict=True):
        for name in ("ready_day", "own_day", "red_days", "negative", "delivered", "sent", "sent_by_day", "red_by_day"):
            assert np.array_equal(getattr(a, name)[:2], getattr(b, name)), name


def test_progress_is_told_for_every_chip_day() -> None:
    told: list[int] = []
    play(small(days=5), jobs=1, progress=told.append)
    assert sum(told) == small(days=5).chip_days


def test_the_same_policy_twice_differs_in_nothing() -> None:
    study = small(days=10)
    twin = replace(study, policies=(study.policies[0], study.policies[0]))
    for difference in report.compare(play(twin, jobs=1, progress=quiet)):
        assert difference.difference == 0
        assert difference.ci95 in ((0.0, 0.0), (-np.inf, np.inf))


SCENARIOS = """
    name               what must show
    policy_strike      a gap in what is sent
    silent_webhooks    no growth while nothing is heard
    portfolio_squeeze  the portfolio's share binds
    bad_template       more feedback than with good templates
"""


def test_each_scenario_does_what_it_is_named_after() -> None:
    assert set(SCENARIOS.split()) >= {"policy_strike", "silent_webhooks", "portfolio_squeeze", "bad_template"}
    good = play(small("good", days=24, runs=1), jobs=1, progress=quiet)[0]
    strike = play(small("policy_strike", days=24, runs=1), jobs=1, progress=quiet)[0]
    assert good.sent_by_day[0, 15] > 0
    assert strike.sent_by_day[0, 15] == strike.sent_by_day[0, 17] == 0
    silent = play(small("silent_webhooks", days=24, runs=1), jobs=1, progress=quiet)[0]
    assert silent.sent_by_day[0, 13] == good.sent_by_day[0, 13]
    assert silent.sent_by_day[0, 16] < good.sent_by_day[0, 16]
    bad = play(small("bad_template", days=24, runs=1), jobs=1, progress=quiet)[0]
    assert bad.negative.sum() / bad.delivered.sum() > 1.5 * good.negative.sum() / good.delivered.sum()
    squeeze = play(small("portfolio_squeeze", chips=20, days=16, runs=1), jobs=1, progress=quiet)[0]
    assert squeeze.bound["share"] > 0
    assert squeeze.sent_by_day.max() * 20 <= 250
