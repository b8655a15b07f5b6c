"""`warmer policy curve`: what a policy's alarms do, by the true rate of a harm. Prints, writes JSON, draws."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from julia_warmer import policies
from julia_warmer.cli.output import plain, print_table, say
from julia_warmer.core.evidence import percent
from julia_warmer.core.policy import Signal

if TYPE_CHECKING:
    from julia_warmer.sim.curve import Curve, Point

SIGNALS = (Signal.OPT_OUTS, Signal.UNDELIVERABLE, Signal.LIMITED, Signal.REPLIES)
HEADLINE = (Signal.OPT_OUTS, Signal.REPLIES)
RUNS_MAX = 100_000
JOBS_MAX = 64
TITLES = ["true rate", "slowed", "paused", "caught in 90", "in 150", "in 250", "paused in 250", "half caught by", "loudest"]


def draw_curve(
    policy: Annotated[str, typer.Argument(help="Name or file.")] = "standard",
    runs: Annotated[int, typer.Option(min=100, max=RUNS_MAX, help="Lives for each true rate.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same lives.")] = 1,
    signal: Annotated[
        list[Signal] | None, typer.Option(help=f"What is bad: {', '.join(SIGNALS)}. May be given several times.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=JOBS_MAX, help="Processes. The numbers are the same for any.")] = 2,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.", show_default=False)] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw the curves to this file.", show_default=False)] = None,
) -> None:
    """Show how often, and how soon, all alarms together slow or pause a chip over its first sends, by the true rate of a harm.

    Without --signal: opt-outs and replies. The other rates stay those of a good list. Needs no database.
    """
    rules, wanted = policies.load(policy), tuple(signal or HEADLINE)
    if unknown := [one for one in wanted if one not in SIGNALS]:
        raise typer.BadParameter(f"{unknown[0]}: must be one of {', '.join(SIGNALS)}", param_hint="--signal")
    from julia_warmer.sim import curve as sim
    from julia_warmer.sim.curve_lives import SENDS
    from julia_warmer.sim.curve_picture import svg_of

    rates = {one: sim.REPLY_RATES if one is Signal.REPLIES else sim.BAD_RATES for one in wanted}
    with ProcessPoolExecutor(jobs) as pool:
        curves = [sim.curve(rules, one, rates=rates[one], runs=runs, seed=seed, each=pool.map) for one in wanted]
    for one in curves:
        _show(one, SENDS)
    if json is not None:
        json.write_bytes(orjson.dumps(plain(curves), option=orjson.OPT_INDENT_2) + b"\n")
        say(f"written: {json}")
    if svg is not None:
        svg.write_text(svg_of(curves), encoding="utf-8")
        say(f"drawn: {svg}")


def _show(found: "Curve", sends: int) -> None:
    say(f"{found.signal} under {found.policy}: {found.runs} lives of {sends} sends for each rate, seed {found.seed}")
    print_table("at every review, outcomes as late as they come", TITLES, [_row(point) for point in found.at_reviews])
    print_table("after every send, outcomes at once (the worst case)", TITLES, [_row(point) for point in found.after_every_send])


def _row(point: "Point") -> tuple[str, ...]:
    loudest = max(point.by_rule, key=lambda pair: pair[1])[0] if point.by_rule else "-"
    half = f"send {point.caught_median}" if point.caught_median else "-"
    shares = (point.slowed, point.paused, point.caught_90, point.caught_150, point.caught_250, point.paused_250)
    return percent(point.rate), *(f"{100 * share:.2f} %" for share in shares), half, loudest
