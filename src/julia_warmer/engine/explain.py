"""Explains: why a person is not written to now and when that could be at the earliest, and how a chip came to stand as it does.

Pure data out; whoever asks prints it. It repeats no rule: hours and health come from the core, the rest is what the claim looks at.
"""

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from julia_warmer.core.days import next_day_start
from julia_warmer.core.explain import Explanation
from julia_warmer.core.explain import explain as explain_decision
from julia_warmer.core.hours import is_open, next_open
from julia_warmer.core.model import Decision, Snapshot
from julia_warmer.core.pauses import SENDING
from julia_warmer.core.phone import key_of
from julia_warmer.core.policy import Policy
from julia_warmer.core.policy_rules import differences
from julia_warmer.core.record import decision_from_json, snapshot_from_json
from julia_warmer.engine.blame import Blamed, blame_chip
from julia_warmer.engine.rules import read_versions, rules_of
from julia_warmer.store import explain
from julia_warmer.store.chips import pause_of
from julia_warmer.store.db import Connection
from julia_warmer.store.explain import Person, Way

WAYS_MAX = 200  # chips and campaigns that are looked at for one person
UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that stands in the way. `until` None: it does not end by itself."""

    name: str  # consent, suppression, stopped, switch, undeliverable, cooldown, cap, underway, campaign, reached, template, chip, stop …
    sentence: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The answer for one person. Nothing in the way: `binding` is None and `earliest_at` is the moment asked about."""

    contact_id: int | None  # None: nobody with this number is known
    chip: str | None = None  # by which it would go, of all ways the soonest
    campaign: str | None = None
    binding: Obstacle | None = None  # what ends by itself never, or else last
    earliest_at: datetime | None = None  # the earliest allowed moment; None: not as things stand
    obstacles: tuple[Obstacle, ...] = ()


async def why_not_now(conn: Connection, phone: str, *, at: datetime, policy: Policy, holidays: Container[date]) -> WhyNot:
    """Why the person with this number is not written to now, and the earliest allowed moment. Raises NotAPhone without a digit."""
    person = await explain.read_person(conn, key_of(phone), utility_1d_max=policy.people.utility_1d_max, at=at)
    if person is None:
        unknown = Obstacle("consent", "nobody with this number is known: import the person with the proof of their consent")
        return WhyNot(contact_id=None, binding=unknown, obstacles=(unknown,))
    ways = await explain.list_ways(conn, person, at=at, limit=WAYS_MAX)
    if not ways:
        return _answer(person, None, (*_of_person(person, None), *_no_way(person)), at=at, policy=policy, holidays=holidays)
    answers = [
        _answer(person, way, (*_of_person(person, way), *_of_way(way, at=at, policy=policy)), at=at, policy=policy, holidays=holidays)
        for way in ways
    ]
    return min(answers, key=lambda answer: (answer.earliest_at is None, answer.earliest_at or at, len(answer.obstacles)))


def _answer(
    person: Person, way: Way | None, obstacles: tuple[Obstacle, ...], *, at: datetime, policy: Policy, holidays: Container[date]
) -> WhyNot:
    """What binds: the first that does not end by itself, or else the one that ends last; then the person's hours have their say."""
    chip, campaign = (way.chip, way.campaign) if way else (None, None)
    obstacles = tuple(one for one in obstacles if one.until is None or one.until > at)
    if not is_open(policy.hours, at, person.zone, holidays):
        opens_at = next_open(policy.hours, at, person.zone, holidays)
        obstacles = (*obstacles, Obstacle("hours", f"outside the allowed hours in {person.zone}", opens_at))
    never = next((one for one in obstacles if one.until is None), None)
    if never is not None:
        return WhyNot(contact_id=person.contact_id, chip=chip, campaign=campaign, binding=never, obstacles=obstacles)
    last = max(obstacles, key=lambda one: one.until or at, default=None)
    free_at = max(at, (last.until or at) if last else at)
    earliest_at = next_open(policy.hours, free_at, person.zone, holidays)
    return WhyNot(contact_id=person.contact_id, chip=chip, campaign=campaign, binding=last, earliest_at=earliest_at, obstacles=obstacles)


def _of_person(person: Person, way: Way | None) -> Iterator[Obstacle]:
    """What stands against writing to this person, by whatever chip; of the purposes, the one of this way counts."""
    purpose = way.purpose if way else "marketing"
    if person.merged_into is not None:
        yield Obstacle("merged", f"is the same person as contact {person.merged_into}, who is written to in place of this one")
    if person.stopped_at is not None:
        yield Obstacle("stopped", f"asked to stop on {person.stopped_at:%Y-%m-%d}; only a new consent ends it")
    if person.suppressed_all or (purpose == "marketing" and person.suppressed_marketing):
        yield Obstacle("suppression", "is on the list of those who must not be written to")
    if not (person.may_marketing if purpose == "marketing" else person.may_utility):
        yield Obstacle("consent", f"no consent for {purpose} stands")
    if purpose == "marketing" and person.platform_stopped_at is not None:
        yield Obstacle("switch", f"switched marketing off in WhatsApp on {person.platform_stopped_at:%Y-%m-%d}")
    if purpose == "marketing" and person.questioned_at is not None:
        yield Obstacle(
            "question", f"may have asked to stop on {person.questioned_at:%Y-%m-%d}: a person is to say (`warmer desk questions`)"
        )
    if person.held_source is not None:
        yield Obstacle("source", f"the source of the consent is held: {person.held_source}")
    if person.undeliverable_at is not None:
        yield Obstacle("undeliverable", f"could not be reached on WhatsApp on {person.undeliverable_at:%Y-%m-%d} (131026)")
    yield from _waits(person, purpose)


def _waits(person: Person, purpose: str) -> Iterator[Obstacle]:
    """What passes by itself: pauses between messages, and the message that is on its way."""
    if person.open_state == "planned":
        yield Obstacle("underway", f"a message of {person.open_chip} is planned", person.open_due_at)
    elif person.open_state is not None:
        yield Obstacle("underway", f"a message of {person.open_chip} is on its way ({person.open_state})")
    if purpose == "utility" and person.utility_sent_at is not None:
        yield Obstacle("cap", "has had as many messages as a day may hold", person.utility_sent_at + timedelta(days=1))
    if purpose == "marketing" and person.cooldown_until is not None:
        yield Obstacle("cooldown", "WhatsApp spares this person more marketing (131049)", person.cooldown_until)
    if purpose == "marketing" and person.next_marketing_at is not None:
        yield Obstacle("cap", "has had as much marketing as the policy lets a person have", person.next_marketing_at)


def _no_way(person: Person) -> tuple[Obstacle, ...]:
    where = "of their chip" if person.chip_id is not None else "of any portfolio"
    return (Obstacle("campaign", f"no campaign {where} draws from the audience {person.audience!r}"),)


def _of_way(way: Way, *, at: datetime, policy: Policy) -> Iterator[Obstacle]:
    """What stands in the way of this chip and this campaign."""
    yield from (Obstacle("stop", f"stopped: {stop}") for stop in way.stops)
    if way.campaign_status != "active":
        yield Obstacle("campaign", f"campaign {way.campaign} is {way.campaign_status}")
    yield from _of_template(way)
    yield from _reached(way)
    if way.chip_status not in SENDING:
        yield _of_chip(way)
    elif way.phone_status != "CONNECTED":
        yield Obstacle("chip", f"the number of {way.chip} is {way.phone_status}, not CONNECTED")
    if way.throttled_until is not None:
        yield Obstacle("throttle", "the platform asked to wait", way.throttled_until)
    yield from _budgets(way, at=at, policy=policy)


def _of_template(way: Way) -> Iterator[Obstacle]:
    if way.template_status is None:
        yield Obstacle("template", f"template {way.template} is not on the account of {way.chip}")
    elif way.template_status != "APPROVED":
        yield Obstacle("template", f"template {way.template} is {way.template_status}")
    elif way.template_purpose != way.purpose:
        yield Obstacle("template", f"template {way.template} is {way.template_purpose} by now, the campaign {way.purpose}")


def _reached(way: Way) -> Iterator[Obstacle]:
    """The campaign has written to this person already, or may have."""
    if way.unsettled:
        yield Obstacle("reached", f"campaign {way.campaign}: whether it reached this person is not settled")
    elif way.hit_at is not None and way.repeat_after_d is None:
        yield Obstacle("reached", f"campaign {way.campaign}: each person gets it once, this one had it")
    elif way.hit_at is not None and way.repeat_after_d is not None:
        until = way.hit_at + timedelta(days=way.repeat_after_d)
        yield Obstacle("reached", f"campaign {way.campaign} writes again after {way.repeat_after_d} days", until)


def _of_chip(way: Way) -> Obstacle:
    """A chip that does not send. A pause by rule ends by itself, when its last part does."""
    pauses = [pause_of(raw) for raw in way.pauses]
    if way.chip_status != "paused" or not pauses:
        return Obstacle("chip", f"{way.chip} is {way.chip_status}")
    ends = [pause.until for pause in pauses if pause.until is not None and not pause.hard]
    why = "; ".join(pause.reason for pause in pauses)
    return Obstacle("chip", f"{way.chip} is paused: {why}", max(ends) if len(ends) == len(pauses) else None)


def _budgets(way: Way, *, at: datetime, policy: Policy) -> Iterator[Obstacle]:
    """Today's budget of the chip, and the portfolio's moving day."""
    if way.used_today >= way.budget_day_max:
        said = f"{way.chip} has used {way.used_today} of {way.budget_day_max} today (bound by {way.budget_binding})"
        yield Obstacle("budget", said, next_day_start(at, way.chip_zone))
    limit = policy.budget.limit_unknown if way.messaging_limit is None else way.messaging_limit
    if limit != UNLIMITED and way.people_used >= limit and not way.has_slot:
        yield Obstacle("portfolio", f"the portfolio has reached {way.people_used} of {limit} people in 24 h", way.slot_free_at)


# ------------------------------------------------------------------ chips


@dataclass(frozen=True, slots=True)
class PastChange:
    """What a decision changed, when, and why."""

    at: datetime
    changes: tuple[str, ...]
    phase: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule that a chip has of its own, and what the policy in force says."""

    key: str
    own: float
    policy: float


@dataclass(frozen=True, slots=True)
class ChipExplained:
    """The last decision about a chip with all that it rests on, and the latest ones that changed something.

    `why` explains the decision by the policy that made it: the score's waterfall, the way to the next phase, what a person can do;
    `decision.budget.parts` are every constraint, of which `binding` is the least. `own`: the chip's own rules that stand now.
    `blamed`: the score without each template, list or source, and how harm splits over them.
    """

    snapshot: Snapshot
    decision: Decision
    why: Explanation
    changes: tuple[PastChange, ...]
    own: tuple[OwnRule, ...]
    blamed: Blamed


async def explain_chip(conn: Connection, chip_id: int, *, at: datetime, policy: Policy, changes_max: int = 10) -> ChipExplained | None:
    """How a chip stood at a moment, and how it came to; None when nothing was decided about it by then.

    `policy` is the one in force: it explains what a version decided that is not kept any more.
    """
    decided = await explain.read_last_decision(conn, chip_id, at=at)
    if decided is None:
        return None
    changes = [
        PastChange(
            row.at,
            tuple(row.changes),
            str(_part(row.record.decision, "state").get("phase", "")),
            tuple(map(str, row.record.decision.get("reasons", ()))),
        )
        for row in await explain.list_changes(conn, chip_id, at=at, limit=changes_max)
    ]
    snapshot, decision = snapshot_from_json(json.dumps(decided.record.snapshot)), decision_from_json(json.dumps(decided.record.decision))
    by = (await read_versions(conn, (decision.policy,))).get(decision.policy, policy)
    own = (await rules_of(conn, policy, [chip_id])).of(chip_id)
    return ChipExplained(
        snapshot,
        decision,
        explain_decision(snapshot, by, decision),
        tuple(changes),
        tuple(OwnRule(key, value, was) for key, was, value in differences(policy, own)),
        await blame_chip(conn, snapshot, by),
    )


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, Mapping) else {}
