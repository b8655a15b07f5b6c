"""`warmer explain`."""

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from julia_warmer.cli.chips import until
from julia_warmer.cli.explain_webhook import is_not_json, lines_for
from julia_warmer.cli.forms import AsJson, group, phone_of
from julia_warmer.cli.naming import LIST_MAX, find_chip
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import cell, exact, print_json, print_json_line, print_table, say, warn
from julia_warmer.clock import SystemClock
from julia_warmer.config import load_settings
from julia_warmer.core.model import ChipStatus
from julia_warmer.core.opt_out import own_words
from julia_warmer.engine.blame import Blamed
from julia_warmer.engine.closed_days import national_holidays
from julia_warmer.engine.dossier import gather
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.explain import ChipExplained, WhyNot, explain_chip, why_not_now
from julia_warmer.engine.story import Story, tell_story
from julia_warmer.store import views

WITHOUT_SHOWN = 3

app = group("Say what a webhook means, and why a chip or a person waits.")


@app.command()
def webhook(
    files: Annotated[list[Path], typer.Argument(help="Files that hold a webhook's body each, as it came.", show_default=False)],
) -> None:
    """Print each fact of webhook bodies as a line of JSON. Needs no database.

    Exits with 2 when a file was not JSON, with 1 when one could not be read.
    """
    words = own_words(load_settings().opt_out_words)
    code = 0
    for file in files:
        try:
            body = file.read_bytes()
        except OSError as error:
            warn(f"{file} cannot be read: {error.strerror or error}")
            code = max(code, 1)
            continue
        for line in lines_for(str(file), body, SystemClock().now(), words):
            print_json_line(line)
            code = 2 if is_not_json(line) else code
    raise typer.Exit(code)


# ------------------------------------------------------------------ a person


@app.command()
def contact(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="A number in any notation, such as +55 11 98765-4321.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of a person in order, then why they are not written to now, and the earliest allowed moment."""
    number = phone_of(phone)

    async def work(act: Act) -> tuple[WhyNot, Story | None]:
        why = await why_not_now(act.conn, number, at=act.at, policy=await act.policy(), holidays=national_holidays(act.at))
        try:
            held = await gather(act.conn, number, seal=act.seal(), settings=act.settings, at=act.at)
        except NotFound:
            return why, None
        return why, await tell_story(act.conn, held)

    why, story = do(work)
    if as_json:
        print_json({**{field.name: getattr(why, field.name) for field in fields(why)}, "story": story})
        return
    if story is not None:
        _tell(story)
    by = f" by {why.chip}, for {why.campaign}" if why.chip else ""
    if why.binding is None:
        say(f"{number}: nothing stands in the way; the next plan may take this person{by}.")
    elif why.earliest_at is None:
        say(f"{number}: {why.binding.sentence}. Not as things stand{by}.")
    else:
        say(f"{number}: {why.binding.sentence}. At the earliest {_moment(why.earliest_at)}{by}.")
    if len(why.obstacles) > 1:
        rows = [(one.name, one.sentence, one.until or "does not end by itself") for one in why.obstacles]
        print_table("All that stands in the way", ["what", "why", "until (UTC)"], rows)


def _tell(story: Story) -> None:
    print_table("Story (UTC)", ["at", "what", ""], [(line.at, line.what, line.sentence) for line in story.lines])
    if not story.whole:
        say("Older lines are left out; `warmer contacts export` has all that is held.")
    if story.same_as:
        say(f"The same person as contact {', '.join(map(str, story.same_as))}: a stop of one is a stop of all.")


# ------------------------------------------------------------------ a chip


@app.command()
def chip(
    name: Annotated[str, typer.Argument(metavar="CHIP", help="A chip's name or id.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say how a chip came to stand as it does: score, gates, budget, and what changed lately."""

    async def work(act: Act) -> tuple[views.Chip, ChipExplained | None, list[str]]:
        chip_id = await find_chip(act.conn, name)
        found = await views.read_chip(act.conn, chip_id, at=act.at)
        assert found is not None  # it was found in this transaction
        stops = [stop.reason for stop in await views.list_stops(act.conn, open_only=True, limit=LIST_MAX) if covers(stop, found)]
        return found, await explain_chip(act.conn, chip_id, at=act.at, policy=await act.policy()), stops

    found, explained, stops = do(work)
    if as_json:
        print_json({"chip": found, "stops": stops, "explained": explained})
        return
    say(_where(found, stops))
    if explained is None:
        say("Nothing was decided about it yet" + ("; `warmer chips start` begins." if found.status is ChipStatus.PENDING else "."))
        return
    _show(explained)


def covers(stop: views.Stop, chip: views.Chip) -> bool:
    """Whether a stop holds this chip as such; campaigns and templates are none of its own."""
    targets = {"everything": None, "portfolio": chip.portfolio_id, "account": chip.account_id, "chip": chip.id}
    return stop.scope in targets and stop.target_id == targets[stop.scope]


def _where(chip: views.Chip, stops: list[str]) -> str:
    lines = [f"{chip.name} is {chip.status.value}, in {chip.phase.value} since {chip.phase_since:%Y-%m-%d}, health {cell(chip.health)}."]
    lines += [f"Paused: {pause.get('reason')}, {until(pause)}." for pause in chip.pauses]
    lines += [f"Stopped: {why}." for why in stops]
    lines.append(f"Today {chip.accepted_today} of {chip.budget_day_max}, bound by: {chip.budget_binding}.")
    return "\n".join(lines)


def _show_blamed(blamed: Blamed) -> None:
    """What the score would be without a template, list or source, and who does worse than the others of its kind."""
    for one in blamed.without[:WITHOUT_SHOWN]:
        say(f"{one.sentence[0].upper()}{one.sentence[1:]}.")
    for split in blamed.splits:
        rows = [(one.kind, one.name, one.rate, one.others, f"{one.sure:.0%}", f"{one.share:.0%}") for one in split.suspects]
        if rows:
            print_table(f"Blame for {split.signal}", ["kind", "name", "its own", "the others", "sure", "of it not explained"], rows)


def _show(explained: ChipExplained) -> None:
    decision = explained.decision
    say(f"Decided {_moment(decision.at)} by {decision.policy}; looks again {_moment(decision.look_again_at)}.")
    why = explained.why
    say(f"To do: {why.todo.sentence}.")
    for told in why.so_far:
        say(f"Recent sends: {told}.")
    bars = [("begins at", why.base, "", ""), *((b.name, f"{b.points:+g}", b.without, b.sentence) for b in why.waterfall)]
    print_table(f"Health {decision.health.score}", ["term", "points", "without it", "why"], bars)
    _show_blamed(explained.blamed)
    steps = [(step.gate, step.verdict, step.missing or step.sentence) for step in why.path]
    print_table(f"For {why.next_phase.value}" if why.next_phase else "To stay here", ["gate", "answer", "why"], steps, empty="no gates")
    if explained.own:
        print_table("Own rules", ["rule", "here", "policy"], [(rule.key, exact(rule.own), exact(rule.policy)) for rule in explained.own])
    if decision.alarms:
        print_table("Alarms", ["rule", "asks to", "why"], [(alarm.rule, alarm.action, alarm.sentence) for alarm in decision.alarms])
    print_table(f"Budget {decision.budget.day_max}, bound by {decision.budget.binding}", ["constraint", "allows"], decision.budget.parts)
    rows = [(past.at, ", ".join(past.changes), past.phase, "; ".join(past.reasons)) for past in explained.changes]
    print_table("What changed (UTC)", ["at", "change", "phase", "why"], rows, empty="nothing yet")


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "-"
