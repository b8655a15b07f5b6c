"""Typed calls for what is looked at. It must not know who looks, or in which form. Pages: `after`/`before` is the last row seen."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from julia_warmer.core.model import ChipStatus, Phase, Quality
from julia_warmer.store.db import Connection, load
from julia_warmer.store.records import Recorded

queries = load(__file__)

LAST_ID = 2**63 - 1  # before it: from the newest on


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What the readiness of the system is read from."""

    worker_at: datetime | None  # when a worker last began a schedule, by the database's clock
    inbox_since: datetime | None  # the oldest webhook that waits
    stopped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A chip, as its owner sees it."""

    id: int
    name: str
    portfolio_id: int
    account_id: int
    route_id: int | None
    phone_number_id: str
    display_phone: str
    zone: str
    registered_at: datetime
    started_at: datetime | None
    ready_at: datetime | None
    status: ChipStatus
    phase: Phase
    phase_since: datetime
    paused_from: ChipStatus | None
    pauses: list[dict[str, Any]]
    speed: float
    slow_until: datetime | None
    quality: Quality
    quality_at: datetime | None
    phone_status: str
    name_status: str
    verified_name: str | None
    webhook_at: datetime | None
    health: int | None
    budget_day_max: int
    budget_binding: str
    policy: str | None
    decided_at: datetime | None
    look_again_at: datetime | None
    portfolio_share: int | None
    eligible_people: int
    clamp: int | None
    accepted_today: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthEntry:
    """A score of the past."""

    at: datetime
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A score, with the decision that it was for."""

    at: datetime
    score: int
    record: Recorded | None

    @property
    def terms(self) -> list[dict[str, Any]]:
        """Every term as it was written down; none when the decision is not kept any more."""
        return self.record.decision["health"]["terms"] if self.record else []


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEntry:
    """A decision, as it was stored."""

    id: int
    at: datetime
    policy: str
    changes: tuple[str, ...]
    record: Recorded

    @property
    def decision(self) -> dict[str, Any]:
        """What was decided, as it was written down."""
        return self.record.decision


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCount:
    status: ChipStatus
    phase: Phase
    chips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCounts:
    """Messages accepted since a moment, and what became of them by now."""

    accepted: int
    reached: int
    delivered: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int
    held: int
    failed: int
    unknown: int
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCounts:
    """What waits for a person or for a worker."""

    alerts: int
    stops: int
    conversations: int
    unknown_sends: int
    planned_sends: int
    inbox: int
    quarantine: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    id: int
    business_id: str
    name: str
    messaging_limit: int | None
    limit_read_at: datetime | None
    spend_day_max: Decimal | None
    created_at: datetime
    slots_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account without its token."""

    id: int
    portfolio_id: int
    waba_id: str
    name: str
    health: str
    polled_at: datetime | None
    templates_synced_at: datetime | None
    webhook_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    id: int
    account_id: int
    template_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    paused_at: datetime | None
    synced_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    id: int
    name: str
    portfolio_id: int
    chip_id: int | None
    template: str
    language: str
    purpose: str
    audience: str
    parameters: list[Any]
    priority: int
    status: str
    ttl_h: int
    repeat_after_d: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    id: int
    name: str
    kind: str
    url: str | None
    created_at: datetime
    chips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    id: int
    scope: str
    target_id: int | None
    reason: str
    by: str
    at: datetime
    released_at: datetime | None
    released_by: str | None
    released_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    id: int
    at: datetime
    chip_id: int | None
    chip: str | None
    rule: str
    level: str
    text: str
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    chip_id: int
    chip: str
    contact_id: int
    phone: str
    name: str | None
    window_until: datetime | None
    last_received_at: datetime
    last_sent_at: datetime | None
    waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation. `sealed`: what the person wrote; `body` and `state`: ours."""

    at: datetime
    by_person: bool
    type: str
    sealed: bytes | None = field(repr=False)
    body: dict[str, Any] | None = field(repr=False)
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSend:
    id: int
    chip_id: int
    chip: str
    contact_id: int
    phone: str
    campaign_id: int | None
    kind: str
    called_at: datetime | None
    unknown_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    category: str
    amount: Decimal
    currency: str
    since: date


async def read_ready(conn: Connection) -> Ready:
    ready = await queries.read_ready.fetchrow_as(Ready, conn)
    assert ready is not None  # an aggregate always has one row
    return ready


async def list_chips(
    conn: Connection, *, at: datetime, status: str | None = None, portfolio_id: int | None = None, after: int = 0, limit: int
) -> list[Chip]:
    return await queries.list_chips.fetch_as(
        Chip, conn, at=at, id=None, name=None, status=status, portfolio_id=portfolio_id, after=after, limit=limit
    )


async def read_chip(conn: Connection, key: int | str, *, at: datetime) -> Chip | None:
    """A chip by its id (int) or its name (str)."""
    return await queries.list_chips.fetchrow_as(Chip, conn, at=at, **_id_or_name(key), status=None, portfolio_id=None, after=0, limit=1)


async def find_chip(conn: Connection, key: int | str) -> int | None:
    return await queries.find_chip.fetchval(conn, **_id_or_name(key))


async def list_health(conn: Connection, chip_id: int, *, since: datetime, before: datetime, limit: int) -> list[HealthEntry]:
    """Newest first, from just before `before` back to `since`."""
    return await queries.list_health.fetch_as(HealthEntry, conn, chip_id=chip_id, since=since, before=before, limit=limit)


async def read_health(conn: Connection, chip_id: int, *, at: datetime) -> Health | None:
    return await queries.read_health.fetchrow_as(Health, conn, chip_id=chip_id, at=at)


async def list_decisions(conn: Connection, chip_id: int, *, before: int = LAST_ID, limit: int) -> list[DecisionEntry]:
    return await queries.list_decisions.fetch_as(DecisionEntry, conn, chip_id=chip_id, before=before, limit=limit)


async def count_chips(conn: Connection) -> list[StatusCount]:
    return await queries.count_chips.fetch_as(StatusCount, conn)


async def count_messages(conn: Connection, *, since: datetime) -> MessageCounts:
    counts = await queries.count_messages.fetchrow_as(MessageCounts, conn, since=since)
    assert counts is not None
    return counts


async def count_open(conn: Connection) -> OpenCounts:
    counts = await queries.count_open.fetchrow_as(OpenCounts, conn)
    assert counts is not None
    return counts


async def list_portfolios(conn: Connection, *, at: datetime, after: int = 0, limit: int) -> list[Portfolio]:
    return await queries.list_portfolios.fetch_as(Portfolio, conn, at=at, after=after, limit=limit)


async def list_accounts(conn: Connection, *, after: int = 0, limit: int) -> list[AccountView]:
    return await queries.list_accounts.fetch_as(AccountView, conn, after=after, limit=limit)


async def list_templates(conn: Connection, *, account_id: int | None = None, after: int = 0, limit: int) -> list[Template]:
    return await queries.list_templates.fetch_as(Template, conn, account_id=account_id, after=after, limit=limit)


async def list_campaigns(conn: Connection, *, after: int = 0, limit: int) -> list[Campaign]:
    return await queries.list_campaigns.fetch_as(Campaign, conn, after=after, limit=limit)


async def list_routes(conn: Connection, *, after: int = 0, limit: int) -> list[Route]:
    return await queries.list_routes.fetch_as(Route, conn, after=after, limit=limit)


async def list_stops(conn: Connection, *, open_only: bool, before: int = LAST_ID, limit: int) -> list[Stop]:
    return await queries.list_stops.fetch_as(Stop, conn, open_only=open_only, before=before, limit=limit)


async def list_alerts(conn: Connection, *, open_only: bool, before: int = LAST_ID, limit: int) -> list[Alert]:
    return await queries.list_alerts.fetch_as(Alert, conn, open_only=open_only, before=before, limit=limit)


async def list_conversations(conn: Connection, *, waiting_only: bool, before: tuple[datetime, int, int], limit: int) -> list[Conversation]:
    """Before: the last received moment, chip id and contact id of the last row seen."""
    at, chip, contact = before
    return await queries.list_conversations.fetch_as(
        Conversation, conn, waiting_only=waiting_only, before_at=at, before_chip=chip, before_contact=contact, limit=limit
    )


async def list_messages(conn: Connection, chip_id: int, contact_id: int, *, limit: int) -> list[Message]:
    return await queries.list_messages.fetch_as(Message, conn, chip_id=chip_id, contact_id=contact_id, limit=limit)


async def list_unknown(conn: Connection, *, after: int = 0, limit: int) -> list[UnknownSend]:
    return await queries.list_unknown.fetch_as(UnknownSend, conn, after=after, limit=limit)


async def list_prices(conn: Connection, *, limit: int) -> list[Price]:
    return await queries.list_prices.fetch_as(Price, conn, limit=limit)


def _id_or_name(key: int | str) -> dict[str, Any]:
    return {"id": key, "name": None} if isinstance(key, int) else {"id": None, "name": key}
