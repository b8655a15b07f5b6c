"""Plan: budgets become sends, each for one person, at a moment within that person's allowed hours.

It decides no budget and sends nothing; the claim checks every guard again. It runs inside its caller's transaction.
docs/decisions/0007-plan-and-review.md says how people are dealt to chips and how times are spread.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from julia_warmer.core.days import day_start, next_day_start
from julia_warmer.core.hours import open_span, span_within
from julia_warmer.core.policy import HourRules, Policy
from julia_warmer.store import plans
from julia_warmer.store.db import Connection
from julia_warmer.store.plans import Draw, DueChip, Hours, Load, Order, Outcome

PLAN_MAX = 500  # chips of one transaction: their rows are locked for as long as it takes
PASSES_MAX = 4  # of one plan: a pass deals the pool evenly, the next ones deal what was left over
AGAIN = timedelta(minutes=15)  # how soon a planned chip is looked at again: failed sends have freed places, people were imported
OVERDUE = timedelta(minutes=15)  # sends that are so late (an outage, a released stop) are spread anew, not sent in a burst
PEOPLE_MAX = 1000  # people are counted up to this, or up to twice a larger budget


@dataclass(frozen=True, slots=True)
class Planned:
    """What one plan did. `chips` below the limit of a call means that no more are due."""

    chips: int = 0
    sends: int = 0
    moved: int = 0
    trimmed: int = 0


@dataclass(frozen=True, slots=True)
class _Day:
    """The day of some chips that are planned together: how each stands, and which hours are left of it."""

    at: datetime
    policy: Policy
    chips: Sequence[DueChip]
    loads: Mapping[int, Load]
    hours: Sequence[Hours]
    places: Mapping[int, int]  # by chip: how many messages the hours that are left have room for


async def plan(conn: Connection, *, at: datetime, policy: Policy, holidays: Collection[date], limit: int = PLAN_MAX) -> Planned:
    """Plan the day of the chips that are due for it, at most `limit` of them: trim, draw people, space them out."""
    due = await plans.lock_due_chips(conn, at=at, overdue=at - OVERDUE, limit=limit)
    if not due:
        return Planned()
    day = await _read_day(conn, due, at=at, policy=policy, holidays=holidays)
    trimmed = await _trim(conn, day)
    added, moved = await _draw(conn, day)
    await _put_outcomes(conn, day, added)
    return Planned(len(due), added.total(), moved, trimmed)


async def preview(
    conn: Connection, *, day: date, at: datetime, policy: Policy, holidays: Collection[date], chip_ids: Sequence[int] | None = None
) -> tuple[Draw, ...]:
    """What a day's plan would add under today's budgets. Nothing is written, and what is planned already is left out."""
    draws: list[Draw] = []
    chips = await plans.list_sending_chips(conn, day=day, chip_ids=chip_ids)
    for zone in sorted({chip.zone for chip in chips}):
        start = max(at, day_start(day, zone))
        found = await _read_day(conn, [chip for chip in chips if chip.zone == zone], at=start, policy=policy, holidays=holidays)
        draws += await _draw_once(conn, found, [order for order in _orders(found, Counter()) if order.need])
    return tuple(draw for draw in draws if draw.send_id is None)


async def _read_day(conn: Connection, chips: Sequence[DueChip], *, at: datetime, policy: Policy, holidays: Collection[date]) -> _Day:
    loads = await plans.count_loads(conn, {chip.chip_id: chip.day for chip in chips})
    hours = await _hours(conn, {chip.zone for chip in chips}, at=at, rules=policy.hours, holidays=holidays)
    places = {chip.chip_id: _places(chip, hours, policy.hours, holidays) for chip in chips}
    return _Day(at, policy, chips, loads, hours, places)


async def _hours(conn: Connection, homes: Collection[str], *, at: datetime, rules: HourRules, holidays: Collection[date]) -> list[Hours]:
    """For each home zone of a chip and each zone of people: what is left of the chip's day in which these may be written to."""
    zones = await plans.list_zones(conn)
    spans = [(home, zone, span_within(rules, at, zone, next_day_start(at, home), holidays)) for home in sorted(homes) for zone in zones]
    return [Hours(home=home, zone=zone, opens_at=span.opens_at, closes_at=span.closes_at) for home, zone, span in spans if span]


def _places(chip: DueChip, hours: Sequence[Hours], rules: HourRules, holidays: Collection[date]) -> int:
    """How many messages fit into what is left of the day at the day's own pace: what comes late in the day is no burst at its end."""
    mine = [row for row in hours if row.home == chip.zone]
    if not mine or not chip.budget_day_max:
        return 0
    left_s = (max(row.closes_at for row in mine) - min(row.opens_at for row in mine)).total_seconds()
    whole = open_span(rules, chip.day, chip.zone, holidays)
    even_s = whole.length.total_seconds() / chip.budget_day_max if whole else rules.spacing_s
    gap_s = min(rules.spacing_s, even_s)
    return math.ceil(left_s / gap_s) if gap_s else chip.budget_day_max


async def _trim(conn: Connection, day: _Day) -> int:
    """Cancel what a smaller budget has no place for any more."""
    excesses: dict[int, tuple[date, int]] = {}
    for chip in day.chips:
        load = day.loads[chip.chip_id]
        excess = min(load.planned, load.used + load.planned - chip.budget_day_max)
        if excess > 0:
            excesses[chip.chip_id] = (chip.day, excess)
    return await plans.trim_sends(conn, excesses) if excesses else 0


async def _draw(conn: Connection, day: _Day) -> tuple[Counter[int], int]:
    """Draw and write until every chip has what it needs, or nobody is left. Gives new sends by chip, and how many were moved."""
    added: Counter[int] = Counter()
    moved = 0
    for nth in range(PASSES_MAX):
        orders = [order for order in _orders(day, added) if order.need or nth == 0]  # the first pass also spreads what is overdue
        draws = await _draw_once(conn, day, orders)
        new, old = [draw for draw in draws if draw.send_id is None], [draw for draw in draws if draw.send_id is not None]
        written = await plans.add_sends(conn, new, at=day.at) if new else []
        moved += await plans.move_sends(conn, old) if old else 0
        added.update(send.chip_id for send in written)
        if not written:
            break
    return added, moved


async def _draw_once(conn: Connection, day: _Day, orders: Sequence[Order]) -> list[Draw]:
    spacing_s = day.policy.hours.spacing_s
    return await plans.draw_sends(conn, orders, day.hours, at=day.at, overdue=day.at - OVERDUE, spacing_s=spacing_s)


def _orders(day: _Day, added: Mapping[int, int]) -> list[Order]:
    """What each chip still needs: what its budget leaves, as far as the hours have room."""
    orders: list[Order] = []
    for chip in day.chips:
        load, more = day.loads[chip.chip_id], added.get(chip.chip_id, 0)
        need = max(0, min(chip.budget_day_max - load.used, day.places[chip.chip_id]) - load.planned - more)
        canaries = canaries_of(need, day.policy.people.canary_share, f"{chip.chip_id} {day.at.isoformat()}")
        orders.append(Order(chip_id=chip.chip_id, need=need, canaries=canaries, day=chip.day))
    return orders


def canaries_of(need: int, share: float, key: str) -> int:
    """How many of a day's people come from the next colder group: the share, rounded up or down by a draw keyed with `key`."""
    lot = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    return min(need, int(need * share + lot))


async def _put_outcomes(conn: Connection, day: _Day, added: Mapping[int, int]) -> None:
    """What could be reached today, who there is to write to, and when to plan again: tomorrow, where all hours are over."""
    ends = {chip.chip_id: next_day_start(day.at, chip.zone) for chip in day.chips}
    asked = {chip.chip_id: (ends[chip.chip_id], max(PEOPLE_MAX, 2 * chip.budget_day_max)) for chip in day.chips}
    people = await plans.count_people(conn, asked, at=day.at)
    homes = {row.home for row in day.hours}
    outcomes = [
        Outcome(
            chip_id=chip.chip_id,
            day=chip.day,
            granted=chip.budget_day_max,
            reachable=_reachable(chip, day.loads[chip.chip_id], added.get(chip.chip_id, 0)),
            people=people[chip.chip_id],
            plan_again_at=day.at + AGAIN if chip.zone in homes else ends[chip.chip_id],
        )
        for chip in day.chips
    ]
    await plans.put_outcomes(conn, outcomes, at=day.at)


def _reachable(chip: DueChip, load: Load, added: int) -> int:
    """The least of budget, people and open hours: those who were written to, and those for whom there is a time."""
    return min(chip.budget_day_max, load.used + load.planned + added)
