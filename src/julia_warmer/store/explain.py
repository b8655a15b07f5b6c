"""Typed calls for explanations: what a plan and a claim look at for one person, and what was decided about a chip. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from julia_warmer.store.db import Connection, load
from julia_warmer.store.records import Recorded

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person, with what stands against writing to them."""

    contact_id: int
    zone: str
    audience: str
    chip_id: int | None
    may_marketing: bool
    may_utility: bool
    stopped_at: datetime | None
    platform_stopped_at: datetime | None
    undeliverable_at: datetime | None
    cooldown_until: datetime | None
    questioned_at: datetime | None
    merged_into: int | None
    next_marketing_at: datetime | None
    held_source: str | None
    suppressed_all: bool
    suppressed_marketing: bool
    utility_sent_at: datetime | None  # the message that fills the day's cap; None: there is room
    open_state: str | None  # of the message that is on its way
    open_due_at: datetime | None
    open_chip: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A chip and a campaign by which a person could be reached, and what stands in the way."""

    chip_id: int
    chip: str
    chip_zone: str
    chip_status: str
    phone_status: str
    pauses: list[dict[str, Any]]
    budget_day_max: int
    budget_binding: str
    used_today: int
    messaging_limit: int | None
    people_used: int
    has_slot: bool
    slot_free_at: datetime | None
    campaign: str
    campaign_status: str
    purpose: str
    priority: int
    repeat_after_d: int | None
    hit_at: datetime | None
    unsettled: bool  # whether the campaign reached this person is not known
    template: str
    template_status: str | None
    template_purpose: str | None
    stops: list[str]
    throttled_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as it was recorded."""

    at: datetime
    policy: str
    record: Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A decision that changed something."""

    at: datetime
    changes: list[str]
    record: Recorded


async def read_person(conn: Connection, phone_key: str, *, utility_1d_max: int, at: datetime) -> Person | None:
    return await queries.read_person.fetchrow_as(Person, conn, phone_key=phone_key, utility_1d_max=utility_1d_max, at=at)


async def list_ways(conn: Connection, person: Person, *, at: datetime, limit: int) -> list[Way]:
    return await queries.list_ways.fetch_as(
        Way, conn, contact_id=person.contact_id, audience=person.audience, home_chip_id=person.chip_id, at=at, limit=limit
    )


async def read_last_decision(conn: Connection, chip_id: int, *, at: datetime) -> Decided | None:
    return await queries.read_last_decision.fetchrow_as(Decided, conn, chip_id=chip_id, at=at)


async def list_changes(conn: Connection, chip_id: int, *, at: datetime, limit: int) -> list[Changed]:
    return await queries.list_changes.fetch_as(Changed, conn, chip_id=chip_id, at=at, limit=limit)
