"""Pictures of a simulation: growth, ready, feedback and RED under each policy, and what bound it. Only here is Matplotlib loaded."""

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from julia_warmer.cli.simulate_show import BOUND, WORDS, definition, rows_of, title_of
from julia_warmer.sim.constants import world_hash
from julia_warmer.sim.report import bound_shares, by_run, compare, interval
from julia_warmer.sim.streams import Floats
from julia_warmer.sim.study import Outcome, Study

COLOURS = ("#0b6e99", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#5c5c5c")  # told apart in print and by most colour-blind people
BAND = (0.1, 0.9)  # of runs
BOUND_MAX = 6  # kinds of what bound the budget that have a colour of their own
DPI = 130


def as_png(study: Study, outcomes: Sequence[Outcome]) -> bytes:
    """All pictures as one."""
    figure = _figure(study, outcomes)
    FigureCanvasAgg(figure)
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=DPI)
    return page.getvalue()


def _figure(study: Study, outcomes: Sequence[Outcome]) -> Figure:
    figure = Figure(figsize=(13, 10.5), layout="constrained")
    figure.suptitle(f"{title_of(study)}, seed {study.seed}\nbands: eight of ten runs", fontsize=13)
    axes: Any = figure.subplots(3, 2)
    days = np.arange(1, study.days + 1)
    _lines(axes[0, 0], days, outcomes, "Messages a day and chip", lambda o: o.sent_by_day)
    _lines(axes[0, 1], days, outcomes, "Ready, % of chips", lambda o: 100 * ready_by_day(o, study.days))
    _lines(axes[1, 0], days, outcomes, "Rated RED on the day, % of chips", lambda o: 100 * o.red_by_day)
    _dots(axes[1, 1], outcomes, "negatives_per_1000", "Negative feedback per 1,000 delivered (mean, 95 % interval)")
    _first_days(axes[2, 0], outcomes, study.days)
    _bound(axes[2, 1], outcomes)
    return figure


def ready_by_day(outcome: Outcome, days: int) -> Floats:
    """The share of each run's chips that were ready by each day."""
    return (outcome.ready_day[:, :, None] <= np.arange(1, days + 1)).mean(axis=1)


def _lines(axis: Any, days: Any, outcomes: Sequence[Outcome], title: str, read: Any) -> None:
    """A line for each policy, the mean of runs, in its band."""
    for outcome, colour in zip(outcomes, _colours(outcomes), strict=True):
        values = read(outcome)
        low, high = np.quantile(values, BAND, axis=0)
        axis.fill_between(days, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.plot(days, values.mean(axis=0), color=colour, label=outcome.policy, linewidth=1.8)
    _dress(axis, title, "day")
    axis.set_ylim(0, max(1.0, axis.get_ylim()[1]))
    axis.legend(frameon=False, loc="upper left")


def _dots(axis: Any, outcomes: Sequence[Outcome], metric: str, title: str) -> None:
    """A mean and its interval for each policy."""
    for place, (outcome, colour) in enumerate(zip(outcomes, _colours(outcomes), strict=True)):
        mean, (low, high) = interval(by_run(outcome, metric))
        if np.isfinite(low):
            axis.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt")
        axis.plot(mean, place, "o", color=colour, markersize=8)
        axis.annotate(f"{mean:.1f}", (mean, place), textcoords="offset points", xytext=(0, 9), ha="center", fontsize=9)
    axis.set_yticks(range(len(outcomes)), [outcome.policy for outcome in outcomes])
    axis.set_ylim(len(outcomes) - 0.4, -0.6)
    _dress(axis, title, "")


def _first_days(axis: Any, outcomes: Sequence[Outcome], days: int) -> None:
    """On which day chips got ready."""
    edges = np.arange(0.5, days + 1.5)
    width = 1 / (len(outcomes) + 1)
    for place, (outcome, colour) in enumerate(zip(outcomes, _colours(outcomes), strict=True)):
        counts, _ = np.histogram(outcome.ready_day[np.isfinite(outcome.ready_day)], edges)
        axis.bar(edges[:-1] + 0.5 + (place - (len(outcomes) - 1) / 2) * width, 100 * counts / outcome.ready_day.size, width, color=colour)
    _dress(axis, "Day of ready, % of chips", "day")


def _bound(axis: Any, outcomes: Sequence[Outcome]) -> None:
    """What bound the budget: a bar for each policy."""
    shares = [bound_shares(outcome) for outcome in outcomes]
    names = sorted({name for share in shares for name in share}, key=lambda name: -sum(share.get(name, 0) for share in shares))
    for name, colour in zip(names[:BOUND_MAX], COLOURS, strict=False):
        before = [100 * sum(share.get(other, 0) for other in names[: names.index(name)]) for share in shares]
        values = [100 * share.get(name, 0) for share in shares]
        axis.barh(range(len(outcomes)), values, left=before, color=colour, label=BOUND.get(name, name), alpha=0.85)
    axis.set_yticks(range(len(outcomes)), [outcome.policy for outcome in outcomes])
    axis.invert_yaxis()
    _dress(axis, "What bound the budget, % of chips' open days", "")
    axis.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.08), fontsize=9)


def _dress(axis: Any, title: str, under: str) -> None:
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_xlabel(under)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _colours(outcomes: Sequence[Outcome]) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(len(outcomes))]


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; margin: 1rem 0 }} td, th {{ padding: .25rem .9rem; border-bottom: 1px solid #ddd; text-align: right }}
td:first-child, th:first-child {{ text-align: left }} img {{ max-width: 100% }} p.small {{ color: #666; font-size: 13px }}
</style></head><body>
<h1>{title}</h1>
<p>{definition}</p>
{metrics}
<h2>Paired differences whose 95 % interval excludes zero</h2>
{paired}
<img alt="Growth, ready, RED, feedback and what bound the budget, by policy" src="data:image/png;base64,{picture}">
<p class="small">{foot}</p>
</body></html>
"""


def as_html(study: Study, outcomes: Sequence[Outcome], *, wall_s: float) -> str:
    """A page that needs nothing else: tables and pictures."""
    sure = [d for d in compare(outcomes) if d.sign]
    paired = [[f"{d.b} - {d.a}", WORDS[d.metric], f"{d.difference:+,.4g}", f"{d.ci95[0]:,.4g} to {d.ci95[1]:,.4g}"] for d in sure] or [
        ["none", "", "", ""]
    ]
    return PAGE.format(
        title=html.escape(f"{study.scenario.name}: {', '.join(outcome.policy for outcome in outcomes)}"),
        definition=html.escape(definition(study)),
        metrics=_table(["", *(outcome.policy for outcome in outcomes)], rows_of(outcomes)),
        paired=_table(["b - a", "metric", "difference", "95 % interval"], paired),
        picture=base64.b64encode(as_png(study, outcomes)).decode(),
        foot=html.escape(
            f"{title_of(study)}; seed {study.seed}; "
            f"world {world_hash()[:12]}; {study.chip_days / max(wall_s, 1e-9):,.0f} chip-days/s. People and platform are simulated."
        ),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"
