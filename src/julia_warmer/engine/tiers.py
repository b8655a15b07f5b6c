"""Gathers what the plan for a portfolio's next messaging limit looks at, and asks the core for it. It decides and writes nothing."""

import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from julia_warmer.core.days import local_day
from julia_warmer.core.hours import open_span
from julia_warmer.core.limits import LOW_QUALITY, STEPS
from julia_warmer.core.pauses import SENDING
from julia_warmer.core.policy import HourRules, Policy
from julia_warmer.core.record import decision_from_json, snapshot_from_json
from julia_warmer.core.tier_scene import Scene, Sender
from julia_warmer.core.tier_search import HORIZON_D
from julia_warmer.core.tiers import Proposal, propose
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.rules import Rules, rules_of
from julia_warmer.store import draws, tiers
from julia_warmer.store.db import Connection
from julia_warmer.store.tiers import Ahead, LastDecided, Owner, Standing

DAYS = 7  # of a plan, unless asked otherwise: the span in which Meta counts
DAYS_MAX = 30
WEEK = timedelta(days=7)
PEOPLE_FACTOR = 2  # people are counted up to so many times those that the step asks for


@dataclass(frozen=True, slots=True)
class PortfolioTier:
    """A portfolio and the proposal for its next limit. `undecided`: chips that have no part in it, nothing being decided about them yet."""

    portfolio_id: int
    portfolio: str
    proposal: Proposal
    undecided: tuple[str, ...] = ()


async def propose_tier(
    conn: Connection, portfolio_id: int, *, at: datetime, policy: Policy, holidays: Container[date], days: int = DAYS
) -> PortfolioTier:
    """How the portfolio reaches its next limit at least risk, or why it need not. `policy` is the one in force. Raises NotFound."""
    owner = await tiers.read_owner(conn, portfolio_id)
    if owner is None:
        raise NotFound(f"there is no portfolio {portfolio_id}", mend="`warmer portfolios list` shows them")
    standing = await tiers.list_standing(conn, portfolio_id)
    decided = {one.chip_id: one for one in await tiers.list_decided(conn, [chip.chip_id for chip in standing], at=at)}
    rules = await rules_of(conn, policy, list(decided))
    scene = await _scene(conn, owner, standing, decided, rules, at=at, holidays=holidays)
    undecided = tuple(chip.chip for chip in standing if chip.chip_id not in decided)
    return PortfolioTier(owner.portfolio_id, owner.name, propose(scene, days=days), undecided)


async def _scene(
    conn: Connection,
    owner: Owner,
    standing: Sequence[Standing],
    decided: Mapping[int, LastDecided],
    rules: Rules,
    *,
    at: datetime,
    holidays: Container[date],
) -> Scene:
    zone = _home(standing)
    today = local_day(at, zone)
    step = STEPS.get(rules.policy.budget.limit_unknown if owner.messaging_limit is None else owner.messaging_limit)
    span = step.days if step else DAYS
    reached = await tiers.list_reached(conn, owner.portfolio_id, since=at - timedelta(days=span), zone=zone)
    accepted: defaultdict[int, dict[date, int]] = defaultdict(dict)
    for row in await tiers.list_accepted(conn, list(decided), since=today - WEEK):
        accepted[row.chip_id][row.day] = row.accepted
    await draws.expect_values(conn)
    wells = await draws.list_wells(conn, list(decided))
    most = PEOPLE_FACTOR * (step.people if step else 0)
    people: defaultdict[int | None, list[Ahead]] = defaultdict(list)
    for row in await tiers.count_ahead(conn, wells, at=at, today=today, zone=zone, days=span, horizon=HORIZON_D, most=most):
        people[row.chip_id].append(row)
    audiences: defaultdict[int, set[str]] = defaultdict(set)
    for well in wells:
        audiences[well.chip_id].add(well.audience)
    senders = [
        Sender(
            snapshot=snapshot_from_json(json.dumps(decided[chip.chip_id].record.snapshot)),
            decision=decision_from_json(json.dumps(decided[chip.chip_id].record.decision)),
            policy=rules.of(chip.chip_id),
            days=accepted[chip.chip_id],
            open_share=open_shares(rules.of(chip.chip_id).hours, chip.zone, at=at, holidays=holidays),
            own=_by_day(people[chip.chip_id]),
            draws=frozenset(audiences[chip.chip_id]),
            hindrance=_since_then(chip),
        )
        for chip in standing
        if chip.chip_id in decided
    ]
    return Scene(
        at=at,
        today=today,
        limit=owner.messaging_limit,
        policy=rules.policy,
        reached={row.day: row.people for row in reached},
        reached_now=sum(row.people for row in reached),
        low=[*[chip.chip for chip in standing if chip.quality in LOW_QUALITY], *await tiers.list_low_templates(conn, owner.portfolio_id)],
        spend=_spend(owner, senders),
        senders=senders,
        pool={audience: _by_day(rows) for audience, rows in groupby(sorted(people[None], key=_audience), key=_audience)},
    )


def _audience(row: Ahead) -> str:
    return row.audience


def _since_then(chip: Standing) -> str | None:
    """What stands in its way now, whatever its last decision said."""
    if chip.status not in SENDING:
        return chip.status.value
    if chip.stops:
        return f"stopped: {chip.stops[0]}"
    return None if chip.phone_status == "CONNECTED" else f"the number is {chip.phone_status}, not CONNECTED"


def open_shares(hours: HourRules, zone: str, *, at: datetime, holidays: Container[date]) -> tuple[float, ...]:
    """How much of each day's allowed hours is left, from today on: 0 when it is closed or over, 1 the whole."""
    today = local_day(at, zone)
    spans = [open_span(hours, today + timedelta(days=ahead), zone, holidays) for ahead in range(HORIZON_D)]
    return tuple(0.0 if span is None else min(1.0, max(0.0, (span.closes_at - at) / span.length)) for span in spans)


def _by_day(people: Iterable[Ahead]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for row in people:
        found[row.ahead] += row.people
    return found


def _home(standing: Sequence[Standing]) -> str:
    """The zone whose calendar the plan is written in: that of most chips."""
    zones = Counter(chip.zone for chip in standing)
    return min(zones, key=lambda zone: (-zones[zone], zone), default="UTC")


def _spend(owner: Owner, senders: Sequence[Sender]) -> tuple[int, int] | None:
    """Messages that money pays for, today and on a whole day, at the dearest price; without a price nothing, as in the claim."""
    if owner.spend_day_max is None:
        return None
    whole = int(owner.spend_day_max / owner.price) if owner.price else 0
    left = [sender.snapshot.spend_left for sender in senders if sender.snapshot.spend_left is not None]
    return min([whole, *left]), whole
