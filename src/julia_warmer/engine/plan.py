"""Plan: budgets become sends, each for one person, at a moment within that person's allowed hours.

It decides no budget and sends nothing; the claim checks every guard again. It runs inside its caller's transaction.
docs/decisions/0007-plan-and-review.md says how people are dealt to chips and how times are spread.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from julia_warmer.core.days import day_start, next_day_start
from julia_warmer.core.hours import open_span, span_within
from julia_warmer.core.policy import HourRules, Policy
from julia_warmer.engine.spread import Place, spread
from julia_warmer.store import draws, plans
from julia_warmer.store.db import Connection
from julia_warmer.store.draws import Choice, Hours, Order, Well
from julia_warmer.store.plans import AddedSend, DueChip, Load, Move, NewSend, Outcome, Standing

PLAN_MAX = 500  # chips of one transaction: their rows are locked for as long as it takes
PASSES_MAX = 4  # of one plan: a pass deals the pool evenly, the next ones deal what was left over
AGAIN = timedelta(minutes=30)  # how soon a chip that wants for people is looked at again: some were imported, or are free by now
AGAIN_FED = timedelta(hours=2)  # and one whose day is full: a message that was cancelled has left a place
OVERDUE = timedelta(minutes=15)  # sends that are so late (an outage, a released stop) are spread anew, not sent in a burst
MOVED = timedelta(minutes=1)  # a smaller change of a planned time is not worth a write
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
    wells: Sequence[Well]
    hours: Sequence[Hours]
    places: Mapping[int, int]  # by chip: how many messages the hours that are left have room for


async def plan(conn: Connection, *, at: datetime, policy: Policy, holidays: Collection[date], limit: int = PLAN_MAX) -> Planned:
    """Plan the day of the chips that are due for it, at most `limit` of them: trim, choose people, space them out."""
    due = await plans.lock_due_chips(conn, at=at, overdue=at - OVERDUE, limit=limit)
    if not due:
        return Planned()
    await draws.expect_values(conn)
    day = await _read_day(conn, due, at=at, policy=policy, holidays=holidays)
    trimmed = await _trim(conn, day)
    added, moved = await _add(conn, day)
    await _put_outcomes(conn, day, added)
    return Planned(len(due), added.total(), moved, trimmed)


async def preview(
    conn: Connection, *, day: date, at: datetime, policy: Policy, holidays: Collection[date], chip_ids: Sequence[int] | None = None
) -> tuple[NewSend, ...]:
    """What the plan of a day would add under today's budgets. Nothing is written, and what is planned already is left out."""
    sends: list[NewSend] = []
    chips = await plans.list_sending_chips(conn, day=day, chip_ids=chip_ids)
    await draws.expect_values(conn)
    for zone in sorted({chip.zone for chip in chips}):
        start = max(at, day_start(day, zone))
        found = await _read_day(conn, [chip for chip in chips if chip.zone == zone], at=start, policy=policy, holidays=holidays)
        chosen = await draws.choose_people(conn, _orders(found, Counter()), found.wells, found.hours, at=start)
        sends += _time(found, chosen, [])[0]
    return tuple(sends)


async def _read_day(conn: Connection, chips: Sequence[DueChip], *, at: datetime, policy: Policy, holidays: Collection[date]) -> _Day:
    loads = await plans.count_loads(conn, {chip.chip_id: chip.day for chip in chips})
    wells = await draws.list_wells(conn, [chip.chip_id for chip in chips])
    hours = await _hours(conn, {chip.zone for chip in chips}, at=at, rules=policy.hours, holidays=holidays)
    places = {chip.chip_id: _places(chip, hours, policy.hours, holidays) for chip in chips}
    return _Day(at, policy, chips, loads, wells, hours, places)


async def _hours(conn: Connection, homes: Collection[str], *, at: datetime, rules: HourRules, holidays: Collection[date]) -> list[Hours]:
    """For each home zone of a chip and each zone of people: what is left of the chip's day in which these may be written to."""
    zones = await draws.list_zones(conn)
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
        excess = min(load.planned, load.taken - chip.budget_day_max)
        if excess > 0:
            excesses[chip.chip_id] = (chip.day, excess)
    return await plans.trim_sends(conn, excesses) if excesses else 0


async def _add(conn: Connection, day: _Day) -> tuple[Counter[int], int]:
    """Choose and write until every chip has what it needs, or nobody is left. Gives new sends by chip, and how many were moved."""
    added: Counter[int] = Counter()
    late = await plans.find_late(conn, [chip.chip_id for chip in day.chips], overdue=day.at - OVERDUE)
    moved = 0
    for _ in range(PASSES_MAX):
        chosen = await draws.choose_people(conn, _orders(day, added), day.wells, day.hours, at=day.at)
        touched = {choice.chip_id for choice in chosen} | late
        standing = await plans.list_planned(conn, {chip.chip_id: chip.day for chip in day.chips if chip.chip_id in touched})
        sends, moves = _time(day, chosen, standing)
        written = await _write(conn, sends, at=day.at) if sends else []
        moved += await plans.move_sends(conn, moves) if moves else 0
        added.update(send.chip_id for send in written)
        late = set()
        if not written:
            break
    return added, moved


async def _write(conn: Connection, sends: Sequence[NewSend], *, at: datetime) -> list[AddedSend]:
    await draws.expect_values(conn, False)
    written = await plans.add_sends(conn, sends, at=at)
    await draws.expect_values(conn)
    return written


def _orders(day: _Day, added: Mapping[int, int]) -> list[Order]:
    """What each chip still needs: what its budget leaves, as far as the hours have room."""
    orders: list[Order] = []
    for chip in day.chips:
        load, more = day.loads[chip.chip_id], added.get(chip.chip_id, 0)
        need = min(chip.budget_day_max - load.used, day.places[chip.chip_id]) - load.planned - more
        if need > 0:
            canaries = canaries_of(need, day.policy.people.canary_share, f"{chip.chip_id} {day.at.isoformat()}")
            orders.append(Order(chip_id=chip.chip_id, home=chip.zone, need=need, canaries=canaries, day=chip.day))
    return orders


def _time(day: _Day, chosen: Sequence[Choice], standing: Sequence[Standing]) -> tuple[list[NewSend], list[Move]]:
    """Times for new messages, and other times for those that are planned already, so that a chip's day stays even."""
    by_chip: defaultdict[int, list[Choice | Standing]] = defaultdict(list)
    for message in (*standing, *chosen):
        by_chip[message.chip_id].append(message)
    spans = {(row.home, row.zone): row for row in day.hours}
    wells = {(well.chip_id, well.campaign_id): well for well in day.wells}
    sends: list[NewSend] = []
    moves: list[Move] = []
    for chip in day.chips:
        placed = [(message, place) for message in by_chip[chip.chip_id] if (place := _place(spans.get((chip.zone, message.zone)), message))]
        moments = spread([place for _, place in placed], spacing_s=day.policy.hours.spacing_s)
        for (message, place), due_at in zip(placed, moments, strict=True):
            match message:
                case Choice():
                    well = wells[chip.chip_id, message.campaign_id]
                    sends.append(_new_send(chip, message, well, due_at, _expiry(due_at, well.ttl_h, place)))
                case Standing() if abs(due_at - message.due_at) >= MOVED:
                    moves.append(Move(send_id=message.send_id, due_at=due_at, expires_at=_expiry(due_at, message.ttl_h, place)))
                case Standing():
                    pass
    return sends, moves


def _place(span: Hours | None, message: Choice | Standing) -> Place | None:
    """Where in the day a message may lie; None when its person has no hours left today."""
    if span is None or (message.free_at is not None and message.free_at >= span.closes_at):
        return None
    return Place(span.opens_at, span.closes_at, message.free_at)


def _expiry(due_at: datetime, ttl_h: int, place: Place) -> datetime:
    return min(due_at + timedelta(hours=ttl_h), place.closes_at)


def _new_send(chip: DueChip, choice: Choice, well: Well, due_at: datetime, expires_at: datetime) -> NewSend:
    return NewSend(
        chip_id=chip.chip_id,
        contact_id=choice.contact_id,
        campaign_id=choice.campaign_id,
        template_row=well.template_row,
        purpose=choice.purpose,
        canary=choice.canary,
        day=chip.day,
        due_at=due_at,
        expires_at=expires_at,
    )


def canaries_of(need: int, share: float, key: str) -> int:
    """How many of a day's people come from the next colder group: the share, rounded up or down by a draw keyed with `key`."""
    lot = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    return min(need, int(need * share + lot))


async def _put_outcomes(conn: Connection, day: _Day, added: Mapping[int, int]) -> None:
    """What could be reached today, who there is to write to, and when to plan again: tomorrow, where all hours are over."""
    ends = {chip.chip_id: next_day_start(day.at, chip.zone) for chip in day.chips}
    asked = {chip.chip_id: (ends[chip.chip_id], max(PEOPLE_MAX, 2 * chip.budget_day_max)) for chip in day.chips}
    people = await draws.count_people(conn, asked, day.wells, at=day.at)
    homes = {row.home for row in day.hours}
    outcomes = [
        Outcome(
            chip_id=chip.chip_id,
            day=chip.day,
            granted=chip.budget_day_max,
            reachable=_reachable(chip, day.loads[chip.chip_id], added.get(chip.chip_id, 0)),
            people=people[chip.chip_id],
            plan_again_at=min(ends[chip.chip_id], _again_at(day, chip, added)) if chip.zone in homes else ends[chip.chip_id],
        )
        for chip in day.chips
    ]
    await plans.put_outcomes(conn, outcomes, at=day.at)


def _again_at(day: _Day, chip: DueChip, added: Mapping[int, int]) -> datetime:
    load = day.loads[chip.chip_id]
    is_fed = load.taken + added.get(chip.chip_id, 0) >= chip.budget_day_max and chip.budget_binding != "people"
    return day.at + (AGAIN_FED if is_fed else AGAIN)


def _reachable(chip: DueChip, load: Load, added: int) -> int:
    """The least of budget, people and open hours: those who were written to, and those for whom there is a time."""
    return min(chip.budget_day_max, load.taken + added)
