"""Are lives in the simulator those of the demo? Compares days of ready: `python tools/compare_demo.py demo1.json demo2.json ...`.

Each file is the `--json` of a `warmer demo` with 12 chips' lists, 500 people a chip and 30 days; the simulator plays the same lists.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

from julia_warmer import policies
from julia_warmer.engine.closed_days import national_holidays
from julia_warmer.sim import constants, scenarios
from julia_warmer.sim.streams import Floats
from julia_warmer.sim.study import Study, play

NEVER = 99.0  # a chip that is not ready by the end stands after all that are
RUNS, SEED, DAYS, PEOPLE = 60, 3, 30, 500


def main(files: list[str]) -> int:
    """Print a row for each kind of list. 1 when the days of all chips differ (p <= 0.01, or a mean further apart than a day)."""
    lives = [life for file in files for life in json.loads(Path(file).read_text())["chips"]]
    world = scenarios.load("mixed", people=PEOPLE, closed=national_holidays(scenarios.BEGINS_AT))
    rules = (policies.load("standard"),)
    study = Study(scenario=world, policies=rules, constants=constants.standard(), chips=len(world.lists), days=DAYS, runs=RUNS, seed=SEED)
    played = play(study, jobs=1, progress=lambda _done: None)[0].own_day
    print(f"{len(lives)} chips of the demo, {played.size} of the simulator")
    print(f"{'list':14} {'ready':>13} {'mean day of ready':>19} {'KS p':>7}")
    worst = 0
    for kind in ("good", "tired", "poor", "bad_template", None):
        demo = np.array([life["ready_on_day"] or NEVER for life in lives if kind in (None, life["list"])], np.float64)
        ours = played[:, [kind in (None, name) for name in world.lists]].ravel()
        ours = np.where(np.isfinite(ours), ours, NEVER)
        p, apart = kolmogorov_smirnov(demo, ours), mean_of_ready(demo) - mean_of_ready(ours)
        ready = f"{(demo < NEVER).mean():.1%} {(ours < NEVER).mean():.1%}"
        print(f"{kind or 'all':14} {ready:>13} {mean_of_ready(demo):>9.2f} {mean_of_ready(ours):>9.2f} {p:>7.3f}")
        worst |= kind is None and (p <= 0.01 or abs(apart) > 1)
    return int(worst)


def mean_of_ready(days: Floats) -> float:
    ready = days[days < NEVER]
    return float(ready.mean()) if len(ready) else math.nan


def kolmogorov_smirnov(a: Floats, b: Floats) -> float:
    """The chance of a distance as large between two samples of one distribution (asymptotic; with ties it is rather too large)."""
    points = np.union1d(a, b)
    apart = np.abs(np.searchsorted(np.sort(a), points, "right") / len(a) - np.searchsorted(np.sort(b), points, "right") / len(b)).max()
    reach = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    scaled = (reach + 0.12 + 0.11 / reach) * float(apart)
    return 1.0 if scaled < 0.2 else min(1.0, 2 * sum((-1) ** (n - 1) * math.exp(-2 * (n * scaled) ** 2) for n in range(1, 101)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
