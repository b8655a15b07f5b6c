"""`warmer forecast`: when chips will be ready, what stands in the way most, and how often such forecasts were right."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.naming import find_chip
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_json, print_table, progress, say
from julia_warmer.store import forecasts
from julia_warmer.store.forecasts import Forecasted, Judged

if TYPE_CHECKING:
    from julia_warmer.core.policy import Policy
    from julia_warmer.sim.onward import Past

CALIBRATION = "calibration"  # in the place of a chip
TITLES = ["chip", "phase", "day now", "ready on day", "80 % band", "which is", "ready by then", "main risk"]

Found = tuple[int, str, "Past", "Policy"]


def forecast(
    chips: Annotated[
        list[str] | None,
        typer.Argument(metavar="CHIP… | calibration", help="Names or ids of chips; or the word `calibration`.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All chips that warm up.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same forecast.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Say when chips will be ready, and how often such forecasts were right.

    Lives on a chip 200 times from where it stands, by its policy, with people drawn from what is known of its people: the day of ready
    with the band that holds 80 % of the lives, and the main risk. A few seconds a chip; workers do it every night. Each is kept:
    `warmer forecast calibration` says how often the band was right. There the first forecast of each chip in each phase counts, so that
    asking often proves nothing; it is settled when the chip became ready, or when the band has passed.
    """
    if chips == [CALIBRATION]:
        _show_calibration(as_json=as_json)
        return
    if bool(chips) == every:
        raise Misused("name chips, or say --all")
    at, found = do(lambda act: _gather(act, chips or []))
    made = _simulate(found, at, seed, shown=not as_json)

    async def keep(act: Act) -> None:
        for _, _, one in made:
            await forecasts.add(act.conn, one)

    do(keep)
    if as_json:
        print_json([{"chip": chip, **asdict(one), "ready_on": _on(born, one.day_median)} for chip, born, one in made])
    else:
        _show(made)


def _simulate(found: "list[Found]", at: datetime, seed: int, *, shown: bool) -> list[tuple[str, datetime, Forecasted]]:
    from julia_warmer.engine.forecast import forecast_past
    from julia_warmer.sim.constants import standard

    made: list[tuple[str, datetime, Forecasted]] = []
    with progress("simulating", total=len(found), shown=shown) as bar:
        for chip_id, chip, past, policy in found:
            one = forecast_past(chip_id, past, at=at, policy=policy, constants=standard(), seed=seed)
            made.append((chip, past.snapshot.registered_at, one))
            bar(1)
    return made


def _show(made: list[tuple[str, datetime, Forecasted]]) -> None:
    rows = [
        (
            chip,
            one.phase,
            one.day_now,
            _day(one.day_median, one),
            f"{_day(one.day_low, one)} to {_day(one.day_high, one)}",
            _on(born, one.day_median) or "-",
            f"{one.ready_share:.0%}",
            one.risk,
        )
        for chip, born, one in made
    ]
    print_table("Ready", TITLES, rows, empty="no chip warms up")
    if made:
        one = made[0][2]
        say(f"Of {one.lives} simulated lives each. Ready by then: within the {one.horizon_d - one.day_now} days that were simulated.")


async def _gather(act: Act, names: list[str]) -> "tuple[datetime, list[Found]]":
    from julia_warmer.engine.closed_days import national_holidays
    from julia_warmer.engine.errors import Conflict
    from julia_warmer.engine.forecast import read_past
    from julia_warmer.engine.rules import rules_of

    found: list[Found] = []
    ids = [await find_chip(act.conn, name) for name in names] or await forecasts.list_warming(act.conn)
    rules = await rules_of(act.conn, await act.policy(), ids)
    for chip_id in ids:
        try:
            chip, past = await read_past(act.conn, chip_id, at=act.at, policy=rules.of(chip_id), holidays=national_holidays(act.at))
        except Conflict:
            if names:
                raise
            continue  # nothing was decided about it yet
        found.append((chip_id, chip, past, rules.of(chip_id)))
    return act.at, found


def _day(day: float | None, one: Forecasted) -> str:
    return f"after {one.horizon_d}" if day is None else f"{day:.0f}"


def _on(registered_at: datetime, day: float | None) -> str | None:
    return None if day is None else f"{registered_at + timedelta(days=day - 1):%Y-%m-%d}"


def _show_calibration(*, as_json: bool) -> None:
    from julia_warmer.engine.forecast import calibrate

    async def work(act: Act) -> list[Judged]:
        return await forecasts.list_judged(act.conn, at=act.at)

    found = calibrate(do(work))
    if as_json:
        print_json([{**asdict(one), "share": one.share, "ci95": one.interval} for one in found])
        return
    rows = [
        (one.phase, f"{one.right} of {one.settled}", _share(one.share), _span(one.interval), _share(one.expected), one.open)
        for one in found
    ]
    print_table("How often the 80 % band was right", ["made in", "right", "share", "95 % interval", "should be", "still open"], rows)
    say("Should be: what the bands held of their own lives. Days are whole, so a band of 80 % mostly holds more.")


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.0%} to {interval[1]:.0%}"
