"""`warmer plan`: what a day would send, how many people the chips need, and how many chips the people feed. It plans nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.naming import LIST_MAX, find_chip
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_json, print_table, say
from julia_warmer.core.days import local_day
from julia_warmer.core.hours import open_span
from julia_warmer.core.model import ChipStatus
from julia_warmer.core.phone import SAO_PAULO
from julia_warmer.core.policy import Policy
from julia_warmer.engine.closed_days import national_holidays
from julia_warmer.engine.needs import PeopleNeeded, chips_fed, people_needed
from julia_warmer.engine.plan import preview
from julia_warmer.store import lookup, views
from julia_warmer.store.lookup import People
from julia_warmer.store.plans import NewSend

WARMING = (ChipStatus.PENDING, ChipStatus.WARMING, ChipStatus.PAUSED)
OPERATING = (ChipStatus.READY, ChipStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class Outlook:
    """All that the command shows."""

    day: date
    is_closed: bool
    chips: Sequence[views.Chip]
    sends: Sequence[NewSend]
    phones: dict[int, str]
    people: Sequence[People]
    needed: PeopleNeeded
    fed: tuple[int, int]  # chips that the people bring to ready, chips that they keep in operation


def plan(
    day: Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Which day. Default: tomorrow.")] = None,
    chip: Annotated[list[str] | None, typer.Option("--chip", help="Only this chip; may be given again.")] = None,
    every: Annotated[bool, typer.Option("--sends", help="Show every message: when, by which chip, to whom.")] = False,
    as_json: AsJson = False,
) -> None:
    """Preview a day's sends, and who feeds whom. Nothing is written.

    It takes today's budgets and leaves out what is planned already; tomorrow's budgets are decided tomorrow, by what today shows.
    """

    async def work(act: Act) -> Outlook:
        ids = [await find_chip(act.conn, name) for name in chip] if chip else None
        return await _look(act, day.date() if day else None, ids)

    outlook = do(work)
    if as_json:
        print_json(_value(outlook))
        return
    _show_sends(outlook, every=every)
    _show_people(outlook)


async def _look(act: Act, day: date | None, chip_ids: list[int] | None) -> Outlook:
    policy, holidays = await act.policy(), national_holidays(act.at)
    day = day or local_day(act.at, SAO_PAULO) + timedelta(days=1)
    sends = await preview(act.conn, day=day, at=act.at, policy=policy, holidays=holidays, chip_ids=chip_ids)
    chips = await views.list_chips(act.conn, at=act.at, limit=LIST_MAX)
    people = await lookup.count_people(act.conn, limit=LIST_MAX)
    return Outlook(
        day=day,
        is_closed=open_span(policy.hours, day, SAO_PAULO, holidays) is None,
        chips=[row for row in chips if chip_ids is None or row.id in chip_ids],
        sends=sorted(sends, key=lambda send: (send.due_at, send.chip_id)),
        phones=await lookup.list_phones(act.conn, [send.contact_id for send in sends]),
        people=people,
        needed=people_needed(policy),
        fed=_fed(people, policy),
    )


def _fed(people: Sequence[People], policy: Policy) -> tuple[int, int]:
    return chips_fed(sum(row.marketing for row in people), policy)


def _by_chip(outlook: Outlook) -> list[dict[str, Any]]:
    """One row a chip that may send, or will."""
    rows: list[dict[str, Any]] = []
    for chip in outlook.chips:
        mine = [send for send in outlook.sends if send.chip_id == chip.id]
        if mine or chip.status in (*WARMING, *OPERATING):
            rows.append(
                {
                    "chip": chip.name,
                    "status": chip.status,
                    "phase": chip.phase,
                    "budget": chip.budget_day_max,
                    "bound_by": chip.budget_binding,
                    "sends": len(mine),
                    "canaries": sum(send.canary for send in mine),
                    "first_at": mine[0].due_at if mine else None,
                    "last_at": mine[-1].due_at if mine else None,
                    "people": chip.eligible_people,
                }
            )
    return rows


def _value(outlook: Outlook) -> dict[str, Any]:
    names = {chip.id: chip.name for chip in outlook.chips}
    sends = [
        {"at": send.due_at, "chip": names.get(send.chip_id), "to": outlook.phones.get(send.contact_id), "canary": send.canary}
        for send in outlook.sends
    ]
    return {
        "day": outlook.day,
        "closed": outlook.is_closed,
        "chips": _by_chip(outlook),
        "sends": sends,
        "people": outlook.people,
        "people_needed": outlook.needed,
        "chips_fed": {"until_ready": outlook.fed[0], "in_operation": outlook.fed[1]},
    }


def _show_sends(outlook: Outlook, *, every: bool) -> None:
    rows = _by_chip(outlook)
    columns = {"chip": "chip", "status": "status", "phase": "phase", "budget": "budget today", "bound_by": "bound by", "sends": "sends"}
    columns |= {"first_at": "from (UTC)", "last_at": "to (UTC)", "people": "people"}
    title = f"{outlook.day:%A %Y-%m-%d}: {len(outlook.sends):,} messages"
    print_table(title, list(columns.values()), [[row[key] for key in columns] for row in rows], empty="no chip sends")
    if outlook.is_closed:
        say("This is a day on which nobody is written to: a Sunday or a holiday (policy: [hours]).")
    if every:
        names = {chip.id: chip.name for chip in outlook.chips}
        moments = [(send.due_at, names.get(send.chip_id), outlook.phones.get(send.contact_id), send.canary) for send in outlook.sends]
        print_table("Messages", ["at (UTC)", "chip", "to", "canary"], moments)


def _show_people(outlook: Outlook) -> None:
    audiences = [(row.audience, row.people, row.marketing, row.utility, row.free) for row in outlook.people]
    titles = ["audience", "people", "may get marketing", "may get utility", "without a chip"]
    print_table("People", titles, audiences, empty="none yet; `warmer contacts import FILE` brings them")
    needed, chips = outlook.needed, outlook.chips
    warming, operating = sum(chip.status in WARMING for chip in chips), sum(chip.status in OPERATING for chip in chips)
    say(
        f"A chip needs about {needed.until_ready:,} people with marketing consent to become ready, in {needed.days_until_ready} days "
        f"if all goes well, and {needed.in_operation:,} in operation at the phase's cap."
    )
    wanted = warming * needed.until_ready + operating * needed.in_operation
    there = sum(row.marketing for row in outlook.people)
    verdict = "enough" if there >= wanted else f"{wanted - there:,} too few"
    say(f"There are {there:,}. The {warming} chips in warm-up and {operating} in operation need about {wanted:,}: {verdict}.")
    say(f"The list feeds {outlook.fed[0]} chips until they are ready, or {outlook.fed[1]} in operation.")
