"""From outcomes to numbers that a person compares: metrics of each policy, and paired differences with their intervals over runs.

Every metric is worked out per run too, because a run is what is repeated: chips of one run share portfolios and templates.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from julia_warmer.core.evidence import beta_quantile
from julia_warmer.sim.crowd import Bools
from julia_warmer.sim.streams import Floats
from julia_warmer.sim.study import Outcome

METRICS = ("p_red", "red_days", "ready_share", "ready_day_median", "negatives_per_1000", "sent")
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one policy led to. Days of ready are those of the chips that got ready; `ready_share` says how many did. None: no chip did."""

    p_red: float  # share of chips ever rated RED
    red_days: float  # mean of all chips
    ready_share: float  # share of chips, in the scenario's sense
    ready_day_median: float | None
    ready_day_p10: float | None
    ready_day_p90: float | None
    negatives_per_1000: float  # opt-outs, blocks and reports per 1,000 messages delivered
    sent: float  # messages accepted: mean of a run, all its chips together


@dataclass(frozen=True, slots=True)
class Difference:
    """What `b` adds to `a`'s metric: mean over runs of b - a, with its interval (Student's t over the runs' differences)."""

    a: str
    b: str
    metric: str
    difference: float
    ci95: tuple[float, float]

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        low, high = self.ci95
        return int(low > 0) - int(high < 0)


def summarise(outcome: Outcome) -> Summary:
    """A policy's metrics over all runs."""
    days = outcome.ready_day[np.isfinite(outcome.ready_day)]
    return Summary(
        p_red=_mean(outcome.is_red),
        red_days=_mean(outcome.red_days),
        ready_share=_mean(np.isfinite(outcome.ready_day)),
        ready_day_median=_quantile(days, 0.5),
        ready_day_p10=_quantile(days, 0.1),
        ready_day_p90=_quantile(days, 0.9),
        negatives_per_1000=_mean(1000 * outcome.negative.sum() / max(outcome.delivered.sum(), 1.0)),
        sent=_mean(outcome.sent.sum(axis=1)),
    )


def by_run(outcome: Outcome, metric: str, *, chips: Bools | None = None) -> Floats:
    """One metric of each run; not a number where a run has none. `chips`: which of them a day of ready is taken from."""
    match metric:
        case "p_red":
            return outcome.is_red.mean(axis=1)
        case "red_days":
            return outcome.red_days.mean(axis=1)
        case "ready_share":
            return np.isfinite(outcome.ready_day).mean(axis=1)
        case "ready_day_median":
            taken = np.isfinite(outcome.ready_day) if chips is None else chips
            return np.array([np.median(days[row]) if row.any() else np.nan for days, row in zip(outcome.ready_day, taken, strict=True)])
        case "negatives_per_1000":
            return 1000 * outcome.negative.sum(axis=1) / np.maximum(outcome.delivered.sum(axis=1), 1.0)
        case "sent":
            return outcome.sent.sum(axis=1)
        case _:
            raise KeyError(metric)


def compare(outcomes: Sequence[Outcome]) -> list[Difference]:
    """Every pair of policies in every metric. Days of ready are compared on the chips that got ready under both."""
    return [_difference(a, b, metric) for a, b in combinations(outcomes, 2) for metric in METRICS]


def _difference(a: Outcome, b: Outcome, metric: str) -> Difference:
    both = np.isfinite(a.ready_day) & np.isfinite(b.ready_day)
    values = by_run(b, metric, chips=both) - by_run(a, metric, chips=both)
    values = values[np.isfinite(values)]
    mean, (low, high) = interval(values)
    return Difference(a.policy, b.policy, metric, round(mean, 6), (round(low, 6), round(high, 6)))


def interval(values: Floats) -> tuple[float, tuple[float, float]]:
    """The mean and its interval; of one value or none the interval is endless."""
    if len(values) < 2:
        return (float(values[0]) if len(values) else 0.0), (-math.inf, math.inf)
    mean, spread = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = student(len(values) - 1, LEVEL) * spread
    return mean, (mean - reach, mean + reach)


def student(freedom: int, level: float) -> float:
    """The half-width, in standard errors, of a two-sided interval: the quantile of Student's t, out of the Beta distribution's."""
    x = beta_quantile(freedom / 2, 0.5, 1 - level)
    return math.sqrt(freedom * (1 - x) / x)


def bound_shares(outcome: Outcome) -> dict[str, float]:
    """What bound the budget, as shares of chips' open days, the most frequent first."""
    total = max(1, outcome.bound.total())
    return {name: count / total for name, count in outcome.bound.most_common()}


def to_json(scenario: str, runs: int, seed: int, outcomes: Sequence[Outcome], *, wall_s: float, chip_days: int) -> Mapping[str, object]:
    """The result as the command writes it. An endless interval has no numbers."""
    return {
        "scenario": scenario,
        "runs": runs,
        "seed": seed,
        "policies": {outcome.policy: _plain(summarise(outcome)) for outcome in outcomes},
        "paired": [
            {"a": d.a, "b": d.b, "metric": d.metric, "difference": d.difference, "ci95": [x if math.isfinite(x) else None for x in d.ci95]}
            for d in compare(outcomes)
        ],
        "wall_s": round(wall_s, 1),
        "chip_days_per_s": round(chip_days / max(wall_s, 1e-9)),
    }


def _plain(summary: Summary) -> dict[str, float | None]:
    names = ("p_red", "red_days", "ready_share", "ready_day_median", "ready_day_p10", "ready_day_p90", "negatives_per_1000", "sent")
    return {name: getattr(summary, name) for name in names}


def _mean(values: object) -> float:
    return round(float(np.mean(np.asarray(values, np.float64))), 6)


def _quantile(days: Floats, q: float) -> float | None:
    return round(float(np.quantile(days, q)), 2) if len(days) else None
