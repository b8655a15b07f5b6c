"""`warmer policy diff`: which rules of two policies differ, and what that leads to in the simulator."""

import os
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from julia_warmer import policies
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.output import exact, print_json, print_table, progress, say
from julia_warmer.core.policy import Policy
from julia_warmer.core.policy_rules import differences

SCENARIOS = ("mixed", "good")
CHIPS, DAYS = 24, 45  # of each run: two of each of the twelve lists of `mixed`

A = Annotated[str, typer.Argument(metavar="A", help="Name or file of a policy.", show_default=False)]
B = Annotated[str, typer.Argument(metavar="B", help="The other one.", show_default=False)]
Simulate = Annotated[
    int | None,
    typer.Option("--simulate", min=2, max=1000, metavar="N", help="Compare both in N simulated runs.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric of one scenario under both, and what B adds to A's, with its interval over the runs."""

    scenario: str
    metric: str
    a: float | None
    b: float | None
    difference: float
    ci95: tuple[float, float]

    @property
    def is_sure(self) -> bool:
        return not self.ci95[0] <= 0 <= self.ci95[1]


def diff_policies(
    a: A,
    b: B,
    simulate: Simulate = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the runs.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show which rules of two policies differ, and with --simulate what that leads to.

    Each of the N runs has 24 chips and 45 days, in the scenarios mixed and good; both policies meet the same people, so that a difference
    shows early. Wider questions: `warmer simulate`.
    """
    first, second = policies.load(a), policies.load(b)
    changes = list(differences(first, second))
    compared = compare(first, second, runs=simulate, seed=seed, shown=not as_json) if simulate else []
    if as_json:
        rows = [{"key": key, "a": was, "b": now} for key, was, now in changes]
        runs: dict[str, Any] = {"runs": simulate, "seed": seed, "simulated": [asdict(one) for one in compared]} if simulate else {}
        print_json({"a": first.version, "b": second.version, "differs": rows, **runs})
        return
    values = [(key, exact(was), exact(now)) for key, was, now in changes]
    print_table("Rules that differ", ["rule", first.version, second.version], values, empty="none")
    if compared:
        print_compared(compared, first.name, second.name, runs=simulate or 0)


def print_compared(compared: list[Compared], a: str, b: str, *, runs: int) -> None:
    """What the simulator says of both, with what is sure."""
    told = [(one.scenario, one.metric, one.a, one.b, f"{one.difference:+.4g}", _span(one), one.is_sure) for one in compared]
    titles = ["scenario", "metric", a, b, "difference", "95 % interval", "sure"]
    print_table(f"In {runs} runs of {CHIPS} chips and {DAYS} days", titles, told)
    say("Sure: the interval excludes zero. People do the same under both policies, so differences show early.")


def compare(a: Policy, b: Policy, *, runs: int, seed: int, shown: bool) -> list[Compared]:
    """Both policies on the same simulated people, in every scenario."""
    from julia_warmer.engine.closed_days import national_holidays
    from julia_warmer.sim import report, scenarios
    from julia_warmer.sim.constants import standard
    from julia_warmer.sim.study import Study, play

    closed = national_holidays(scenarios.BEGINS_AT)
    found: list[Compared] = []
    with progress("simulating", total=len(SCENARIOS) * 2 * runs * CHIPS * DAYS, shown=shown) as bar:
        for name in SCENARIOS:
            world = scenarios.load(name, closed=closed)
            study = Study(scenario=world, policies=(a, b), constants=standard(), chips=CHIPS, days=DAYS, runs=runs, seed=seed)
            outcomes = play(study, jobs=os.cpu_count() or 1, progress=bar)
            first, second = (report.summarise(outcome) for outcome in outcomes)
            found += [
                Compared(name, one.metric, getattr(first, one.metric), getattr(second, one.metric), one.difference, one.ci95)
                for one in report.compare(outcomes)
            ]
    return found


def _span(one: Compared) -> str:
    return f"{one.ci95[0]:+.4g} to {one.ci95[1]:+.4g}"
