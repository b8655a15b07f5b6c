"""Prints what a simulation found: policies side by side, what bound them, which differences are sure, and which rest on a guess."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from julia_warmer.cli.output import out, plural
from julia_warmer.sim.constants import world_hash
from julia_warmer.sim.report import Difference, bound_shares, by_run, compare, interval, summarise
from julia_warmer.sim.sensitivity import Shift, flipped
from julia_warmer.sim.study import Outcome, Study

WORDS = {
    "p_red": "chance of RED",
    "red_days": "red-days a chip",
    "ready_share": "ready",
    "ready_day_median": "day of ready, median",
    "negatives_per_1000": "negative per 1,000",
    "sent": "messages sent",
}
BOUND = {
    "phase": "the phase's cap",
    "growth": "growth",
    "people": "people",
    "risk": "coming back after a pause",
    "hold": "hold after harm, or blind",
    "share": "the portfolio's share",
    "paused": "paused",
}
SHIFTS_MAX = 40  # lines of conclusions that faded


def print_result(study: Study, outcomes: Sequence[Outcome], *, wall_s: float, to: Console = out) -> None:
    """Everything that a person compares."""
    to.print()
    to.print(metrics_table(study, outcomes))
    to.print()
    to.print(bound_table(outcomes))
    if len(outcomes) > 1 and study.runs > 1:
        to.print()
        to.print(paired_table(compare(outcomes)))
    to.print(f"\n{definition(study)}", soft_wrap=True)
    decisions = sum(outcome.decisions for outcome in outcomes)
    done = f"{study.chip_days:,} chip-days and {decisions:,} decisions in {wall_s:.1f} s"
    to.print(
        f"{done}: {study.chip_days / max(wall_s, 1e-9):,.0f} chip-days/s; world {world_hash()[:12]}…; seed {study.seed}.", soft_wrap=True
    )


def title_of(study: Study) -> str:
    """What was simulated."""
    return f"{study.scenario.name}: {plural(study.runs, 'run')} of {plural(study.chips, 'chip')} over {plural(study.days, 'day')}"


def definition(study: Study) -> str:
    """What ready means here."""
    ready = study.scenario.ready
    return (
        f"Ready, for every policy alike: {ready.days} sending days in a row with {ready.messages} messages accepted, at most "
        f"{ready.negative:.0%} of the people reached opting out, blocking or reporting, and the number neither YELLOW nor RED. "
        "Days of ready are those of the chips that got ready; the first day is 1. Brackets: 95 % interval of the mean over runs."
    )


def metrics_table(study: Study, outcomes: Sequence[Outcome]) -> Table:
    """One column a policy."""
    table = _table(title_of(study), [""] + [outcome.policy for outcome in outcomes])
    for row in rows_of(outcomes):
        table.add_row(*row)
    return table


def rows_of(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """The metrics in words and numbers, a row each."""
    found = [summarise(outcome) for outcome in outcomes]
    return [
        ["chance of RED", *(f"{s.p_red:.1%} {_band(o, 'p_red', 100)}" for s, o in zip(found, outcomes, strict=True))],
        ["red-days a chip", *(f"{s.red_days:.2f} {_band(o, 'red_days')}" for s, o in zip(found, outcomes, strict=True))],
        ["ready", *(f"{s.ready_share:.1%} {_band(o, 'ready_share', 100)}" for s, o in zip(found, outcomes, strict=True))],
        ["day of ready: median (80 % band)", *(_days(s.ready_day_median, s.ready_day_p10, s.ready_day_p90) for s in found)],
        ["ready by the policy's own word", *(_own(outcome) for outcome in outcomes)],
        [
            "negative feedback per 1,000",
            *(f"{s.negatives_per_1000:.1f} {_band(o, 'negatives_per_1000')}" for s, o in zip(found, outcomes, strict=True)),
        ],
        ["messages sent, a run", *(f"{s.sent:,.0f} {_band(o, 'sent')}" for s, o in zip(found, outcomes, strict=True))],
    ]


def _band(outcome: Outcome, metric: str, factor: float = 1.0) -> str:
    _, (low, high) = interval(by_run(outcome, metric) * factor)
    if math.isinf(low):
        return ""
    return f"({max(low, 0):,.0f}-{high:,.0f})" if high > 1000 else f"({max(low, 0):.1f}-{high:.1f})"


def _days(median: float | None, low: float | None, high: float | None) -> str:
    return "-" if median is None else f"{median:.0f} ({low:.0f}-{high:.0f})"


def _own(outcome: Outcome) -> str:
    """How many chips the policy called ready, and the median day."""
    days = sorted(day for day in outcome.own_day.ravel().tolist() if math.isfinite(day))
    return f"{len(days) / outcome.own_day.size:.1%}, day {days[len(days) // 2]:.0f}" if days else "none"


def bound_table(outcomes: Sequence[Outcome]) -> Table:
    """What bound the budget, as a share of chips' open days."""
    shares = [bound_shares(outcome) for outcome in outcomes]
    table = _table("What bound the budget, of chips' open days", [""] + [outcome.policy for outcome in outcomes])
    for name in dict.fromkeys(name for share in shares for name in share):
        table.add_row(BOUND.get(name, name), *(f"{share.get(name, 0):.1%}" for share in shares))
    return table


def paired_table(differences: Sequence[Difference]) -> Table:
    """Differences that are surely not zero."""
    sure = [d for d in differences if d.sign]
    table = _table("Paired differences whose 95 % interval excludes zero", ["b - a", "metric", "difference", "95 % interval"])
    for d in sure:
        table.add_row(f"{d.b} - {d.a}", WORDS[d.metric], f"{d.difference:+,.4g}", f"{d.ci95[0]:,.4g} to {d.ci95[1]:,.4g}")
    if not sure:
        table.add_row("none", "", "", "")
    return table


def print_sensitivity(constants: Sequence[str], shifts: Sequence[Shift], to: Console = out) -> None:
    """Which conclusions a changed guess turns round, and which fade or come up."""
    turned = flipped(shifts)
    to.print(
        f"\n{len(constants)} guesses halved and doubled, one at a time: {plural(len(turned), 'conclusion')} turned round.", soft_wrap=True
    )
    for shift in turned:
        to.print(f"  {shift.constant} x {shift.factor:g}: {_order(shift, shift.before)}, then {_order(shift, shift.after)}", soft_wrap=True)
    rest = [shift for shift in shifts if not shift.flips]
    to.print(f"{plural(len(rest), 'conclusion')} faded or came up (an order that is sure only on one side):", soft_wrap=True)
    for shift in rest[:SHIFTS_MAX]:
        to.print(f"  {shift.constant} x {shift.factor:g}: {_order(shift, shift.before)}, then {_order(shift, shift.after)}", soft_wrap=True)
    if len(rest) > SHIFTS_MAX:
        to.print(f"  … and {len(rest) - SHIFTS_MAX} more", soft_wrap=True)


def _order(shift: Shift, sign: int) -> str:
    words = {1: "more", 0: "no sure difference", -1: "less"}[sign]
    return (
        f"{WORDS[shift.metric]}: {shift.b} {words} than {shift.a}"
        if sign
        else f"{WORDS[shift.metric]}: no sure difference between {shift.a} and {shift.b}"
    )


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for nth, column in enumerate(columns):
        table.add_column(column, justify="right" if nth else "left", no_wrap=True)
    return table
