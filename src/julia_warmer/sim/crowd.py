"""The people of many chips at once, in the order in which allocation meets them. Pure functions of (seed, run, chip, person).

The same traits as `people.settle`, as arrays with a row for each chip. Knows nothing of messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from julia_warmer.sim.constants import Constants, ListRates
from julia_warmer.sim.draws import Draws, between
from julia_warmer.sim.scenarios import Scenario
from julia_warmer.sim.streams import Floats, Keys

Bools = NDArray[np.bool_]
HARMS = ("block", "report", "mute", "stop_word", "stop_button", "stop_switch")  # in the order of `people._harm`'s ladder


@dataclass(frozen=True, slots=True)
class Crowd:
    """Rows are chips, columns people from the most recent opt-in on."""

    keys: Keys
    interest: Floats
    read: Floats
    receipts: Bools
    reachable: Bools
    experiment: Bools
    owl: Bools
    limited: Floats  # by chip: chance of 131049 for a rested person
    harm: Floats  # by harm and chip: the ladder's steps, summed up
    hurried: Bools  # by chip: whether somebody will send its people a bad template

    @property
    def chips(self) -> int:
        return self.interest.shape[0]

    @property
    def people(self) -> int:
        return self.interest.shape[1]


def gather(scenario: Scenario, c: Constants, *, chips: int, runs: Sequence[int], seed: int) -> Crowd:
    """The people of `chips` chips in each of some runs, run by run."""
    draws = Draws(seed)
    kinds = [scenario.lists[chip % len(scenario.lists)] for _ in runs for chip in range(chips)]
    names = [f"run|{run}|chip|{chip}" for run in runs for chip in range(chips)]
    rates = [c.lists["good" if kind == "bad_template" else kind] for kind in kinds]
    rows = [_row(draws, name, row, scenario.people, c) for name, row in zip(names, rates, strict=True)]
    return Crowd(
        keys=np.array([draws.whole(f"messages|{name}") for name in names], np.uint64),
        interest=np.array([row[0] for row in rows]),
        read=np.array([row[1] for row in rows]),
        receipts=np.array([row[2] for row in rows]),
        reachable=np.array([row[3] for row in rows]),
        experiment=np.array([row[4] for row in rows]),
        owl=np.array([row[5] for row in rows]),
        limited=np.array([row.limited for row in rates]),
        harm=np.cumsum([[getattr(row, harm) for row in rates] for harm in HARMS], axis=0),
        hurried=np.array([kind == "bad_template" for kind in kinds]),
    )


def _row(draws: Draws, name: str, rates: ListRates, people: int, c: Constants) -> tuple[Floats, Floats, Bools, Bools, Bools, Bools]:
    """One chip's people: interest around the chip's own rate, then traits; sorted by the date of the opt-in, which tells of interest."""
    p = c.people
    mean = between(draws.one(f"rate|{name}"), rates.reply_low, rates.reply_high)
    source = np.random.Generator(np.random.Philox(key=draws.whole(f"people|{name}")))
    interest = source.beta(mean * p.reply_concentration, (1 - mean) * p.reply_concentration, people)
    keen = (interest - mean) / np.sqrt(mean * (1 - mean) / (p.reply_concentration + 1))
    recency = p.recency_shows * keen + np.sqrt(1 - p.recency_shows**2) * source.standard_normal(people)
    receipts, reachable, experiment, owl = source.random((4, people))
    interest = interest[np.argsort(-recency, kind="stable")]
    return (
        interest,
        np.maximum(rates.read, np.minimum(1.0, interest * 1.05)),
        receipts >= p.receipts_off,
        reachable >= rates.undeliverable,
        experiment < p.experiment,
        owl < p.night_owl,
    )
