"""`warmer simulate`: its options, and what is written where. What is simulated is in `sim`."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from julia_warmer import policies
from julia_warmer.cli.errors import Misused
from julia_warmer.cli.output import err, progress

if TYPE_CHECKING:
    from julia_warmer.sim.sensitivity import Shift
    from julia_warmer.sim.study import Study

POLICIES = "standard,cautious"
SENSITIVITY_RUNS, SENSITIVITY_CHIPS = 6, 24  # of each of about a hundred changed worlds


def simulate(
    scenario: Annotated[
        str, typer.Option("--scenario", help="good, tired, poor, mixed, bad_template, policy_strike, silent_webhooks, portfolio_squeeze.")
    ] = "mixed",
    policy: Annotated[str, typer.Option("--policy", help="Policies to compare: names or files, with commas between.")] = POLICIES,
    chips: Annotated[int, typer.Option("--chips", min=1, max=10_000, help="Numbers of each run.")] = 100,
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="Local days of each run.")] = 45,
    runs: Annotated[
        int, typer.Option("--runs", min=1, max=10_000, help="Runs: other people, the same rules. Intervals need several.")
    ] = 10,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same numbers, with any number of processes.")] = 1,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, max=256, help="Processes. Default: one for each core.", show_default=False)
    ] = None,
    people: Annotated[
        int | None,
        typer.Option("--people", min=1, max=100_000, help="People on each chip's list. Default: the scenario's.", show_default=False),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers into this file.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page with tables and pictures into this file.")] = None,
    png_file: Annotated[Path | None, typer.Option("--png", help="Write the pictures into this file.")] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Halve and double each guessed constant, and say which conclusions flip.")
    ] = False,
) -> None:
    """Try policies on simulated people and a simulated Meta.

    The same decisions as live, no database. Each policy meets the same people with the same moods, so that small differences show. The
    world's constants are in sim/world.toml, each with its source or the word guess: what is found here holds as far as they do.
    """
    from julia_warmer.cli import simulate_show
    from julia_warmer.engine.closed_days import national_holidays
    from julia_warmer.sim import report, scenarios
    from julia_warmer.sim.constants import standard
    from julia_warmer.sim.study import Study, play

    rules = tuple(policies.load(name) for name in policy.split(",") if name)
    if len({one.name for one in rules}) < max(1, len(rules)):
        raise Misused("--policy needs one or more policies with different names")
    for file in (json_file, html_file, png_file):
        if file is not None and not file.absolute().parent.is_dir():
            raise Misused(f"{file} cannot be written: there is no folder {file.parent}")
    world = scenarios.load(scenario, people=people, closed=national_holidays(scenarios.BEGINS_AT))
    study = Study(scenario=world, policies=rules, constants=standard(), chips=chips, days=days, runs=runs, seed=seed)
    workers = jobs or os.cpu_count() or 1
    started = time.perf_counter()
    with progress(f"simulating {scenario}", total=study.chip_days) as bar:
        outcomes = play(study, jobs=workers, progress=bar)
    wall_s = time.perf_counter() - started
    simulate_show.print_result(study, outcomes, wall_s=wall_s)
    found = _sense(study, workers) if sensitivity else None
    if found is not None:
        simulate_show.print_sensitivity(*found)
    if json_file is not None:
        result = report.to_json(scenario, runs, seed, outcomes, wall_s=wall_s, chip_days=study.chip_days)
        _write(json_file, orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    if html_file is not None or png_file is not None:
        from julia_warmer.cli import simulate_plots

        if png_file is not None:
            _write(png_file, simulate_plots.as_png(study, outcomes))
        if html_file is not None:
            _write(html_file, simulate_plots.as_html(study, outcomes, wall_s=wall_s).encode())


def _sense(study: "Study", workers: int) -> "tuple[list[str], list[Shift]]":
    """The same comparison, smaller, in every world with one guess changed."""
    from julia_warmer.sim.sensitivity import FACTORS, guesses, sense

    small = replace(study, runs=min(study.runs, SENSITIVITY_RUNS), chips=min(study.chips, SENSITIVITY_CHIPS))
    worlds = 1 + len(FACTORS) * len(guesses(small))
    with progress(f"{worlds} worlds", total=worlds * small.chip_days) as bar:
        return sense(small, jobs=workers, progress=bar)


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Misused(f"{file} cannot be written: {error.strerror}") from error
    err.print(f"written to {file}")
