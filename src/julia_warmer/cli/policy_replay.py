"""`warmer policy replay`: recorded decisions made again, by the same policy or by another."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from julia_warmer import policies
from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.naming import find_chip
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import plural, print_json, print_table, say
from julia_warmer.core.policy import Policy
from julia_warmer.engine.rebuild import Rebuilt, rebuild
from julia_warmer.engine.replay import BEGINNING, END, ChipCourse, Period, Replayed, backtest, replay

PARTINGS_SHOWN = 40
DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

Since = Annotated[datetime | None, typer.Option("--since", formats=DAYS, help="First moment (UTC). Default: the first decision.")]
Until = Annotated[datetime | None, typer.Option("--until", formats=DAYS, help="First moment that counts no more (UTC).")]


def replay_decisions(
    since: Since = None,
    until: Until = None,
    chip: Annotated[str | None, typer.Option("--chip", help="Only this chip: name or id.", show_default=False)] = None,
    again: Annotated[bool, typer.Option("--rebuild", help="Count the snapshots again too, from the stored sends and events.")] = False,
    policy: Annotated[str | None, typer.Option("--policy", help="Another policy: name or file.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Make recorded decisions again, and compare.

    Without --policy each is made by its own policy version and must come out the same, byte for byte; exits with 1 when one does not. With
    --rebuild what each was decided on is counted again from the stored sends and events, and compared with what the database counted. With
    --policy: what another policy would have decided on the same snapshots, and from where on nobody can know what would have become of it.
    """
    other = None if policy is None else policies.load(policy)
    if other is not None and again:
        raise Misused("--rebuild counts what was recorded: leave out --policy")

    async def work(act: Act) -> Replayed | Rebuilt | list[ChipCourse]:
        chip_id = None if chip is None else await find_chip(act.conn, chip)
        period = Period(since=_utc(since) or BEGINNING, until=_utc(until) or END, chip_id=chip_id)
        if other is not None:
            return await backtest(act.conn, period, policy=other)
        if again:
            return await rebuild(act.conn, period, at_hand=_at_hand(await act.policy()))
        return await replay(act.conn, period, at_hand=_at_hand(await act.policy()))

    found = do(work)
    if isinstance(found, Replayed):
        _show_replayed(found, as_json=as_json)
    elif isinstance(found, Rebuilt):
        _show_rebuilt(found, as_json=as_json)
    else:
        assert other is not None
        _show_courses(found, other, as_json=as_json)


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


def _at_hand(current: Policy) -> dict[str, Policy]:
    """By version: the policies that come with the program, and the one that is set."""
    found = [current, *(policies.load(name) for name in policies.shipped())]
    return {one.version: one for one in found}


def _show_replayed(found: Replayed, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        say(f"{plural(found.same, 'decision')} came out the same, byte for byte; {found.differ:,} did not.")
        for version, number in found.not_at_hand.items():
            say(f"{plural(number, 'decision')} by {version} could not be made again: that version is not at hand.")
        if (first := found.first) is not None:
            say(f"The first that differs: {first.chip}, {first.at:%Y-%m-%d %H:%M:%S} UTC, by {first.policy}.")
            say(f"  recorded: …{first.recorded}…\n  again:    …{first.again}…")
    if found.differ:
        raise typer.Exit(1)


def _show_rebuilt(found: Rebuilt, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        say(f"{plural(found.same, 'snapshot')} counted the same from stored sends and events; {found.differ:,} did not.")
        if found.not_at_hand:
            say(f"{plural(found.not_at_hand, 'snapshot')} could not be counted: the policy version is not at hand.")
        if (first := found.first) is not None:
            say(f"The first that differs: {first.chip}, {first.at:%Y-%m-%d %H:%M:%S} UTC, {first.field}:")
            say(f"  counted: {first.counted}\n  folded:  {first.folded}")
    if found.differ:
        raise typer.Exit(1)


def _show_courses(courses: list[ChipCourse], policy: Policy, *, as_json: bool) -> None:
    if as_json:
        print_json({"policy": policy.version, "chips": courses})
        return
    rows = [
        (
            one.chip,
            f"{one.differ} of {one.decisions}",
            one.held_back,
            one.granted_more,
            pair(one.pauses_then, one.pauses_now),
            pair(one.demoted_then, one.demoted_now),
            pair(f"{one.phase_then}, {one.status_then}", f"{one.phase_now}, {one.status_now}"),
            one.leaves_at or "never",
        )
        for one in courses
    ]
    titles = ["chip", "decisions differ", "held back", "granted more", "pauses", "demotions", "at the end", "observed until (UTC)"]
    print_table(f"Under {policy.version}", titles, rows, empty="no decision in this period")
    partings = sorted((parting for one in courses for parting in one.partings), key=lambda one: (one.at, one.chip))
    told = [
        (
            one.at,
            one.chip,
            pair(one.budget_then, one.budget_now),
            one.binding_now,
            pair(one.phase_then, one.phase_now),
            pair(one.status_then, one.status_now),
            pair(", ".join(one.changes_then) or "-", ", ".join(one.changes_now) or "-"),
            one.observed,
        )
        for one in partings[:PARTINGS_SHOWN]
    ]
    if partings:
        titles = ["at (UTC)", "chip", "budget", "bound by", "phase", "status", "change", "observed"]
        print_table("Where the policies part: then > now", titles, told)
    if len(partings) > PARTINGS_SHOWN:
        say(f"… and {len(partings) - PARTINGS_SHOWN:,} more: --json has all.")
    say("Held back: accepted beyond its budget of that day, so avoided or delayed. Granted more: the most that it could add.")
    say("From where it would have sent more than was sent, what people would have done is not known: read on with `warmer simulate`.")


def pair(then: object, now: object) -> str:
    """Then and now; once, where they are the same."""
    return f"{then}" if then == now else f"{then} > {now}"
