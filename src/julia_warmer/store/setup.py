"""Typed calls for what must be there before the first message. It must not know what may be added: `engine/setup` does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from julia_warmer.core.model import ChipStatus, Phase, Purpose
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A WhatsApp Business Account, with its token as it is stored."""

    id: int
    portfolio_id: int
    waba_id: str
    name: str
    token: bytes = field(repr=False)  # sealed for the use `accounts.token`


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChip:
    """A number to add. `registered_at` is when it was registered on the platform: its age counts from there."""

    phone_number_id: str
    display_phone: str  # digits
    name: str
    zone: str
    registered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where new chips stand when they are added."""

    status: ChipStatus
    phase: Phase
    started_at: datetime | None = None
    ready_at: datetime | None = None
    look_again_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    """A campaign to add: a template for an audience."""

    name: str
    portfolio_id: int
    template: str
    purpose: Purpose
    chip_id: int | None = None  # None: every chip of the portfolio
    language: str = "pt_BR"
    audience: str = "all"
    parameters: tuple[str, ...] = ()  # of the template's body, in order; "{name}" stands for the person's name
    priority: int = 100  # lower first
    ttl_h: int = 12
    repeat_after_d: int | None = None  # None: each person once


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateForm:
    """A template as one account has it."""

    id: int
    category: str
    status: str
    components: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class AddedChip:
    """A chip that was added."""

    id: int
    name: str
    phone_number_id: str


async def add_portfolio(conn: Connection, *, business_id: str, name: str, at: datetime) -> int | None:
    return await queries.add_portfolio.fetchval(conn, business_id=business_id, name=name, at=at)


async def find_portfolio(conn: Connection, portfolio_id: int) -> int | None:
    return await queries.find_portfolio.fetchval(conn, id=portfolio_id)


async def set_spend_limit(conn: Connection, portfolio_id: int, spend_day_max: Decimal | None) -> int | None:
    return await queries.set_spend_limit.fetchval(conn, id=portfolio_id, spend_day_max=spend_day_max)


async def add_account(conn: Connection, *, portfolio_id: int, waba_id: str, name: str, token: bytes, at: datetime) -> int | None:
    return await queries.add_account.fetchval(conn, portfolio_id=portfolio_id, waba_id=waba_id, name=name, token=token, at=at)


async def set_token(conn: Connection, account_id: int, token: bytes) -> int | None:
    return await queries.set_token.fetchval(conn, id=account_id, token=token)


async def read_account(conn: Connection, account_id: int) -> Account | None:
    return await queries.read_account.fetchrow_as(Account, conn, id=account_id)


async def add_route(conn: Connection, *, name: str, kind: str, url: str | None, secret: bytes | None, at: datetime) -> int | None:
    return await queries.add_route.fetchval(conn, name=name, kind=kind, url=url, secret=secret, at=at)


async def find_route(conn: Connection, route_id: int) -> int | None:
    return await queries.find_route.fetchval(conn, id=route_id)


async def set_route(conn: Connection, chip_ids: Sequence[int], route_id: int) -> set[int]:
    """Returns the ids of the chips that there are."""
    return {row["id"] for row in await queries.set_route.fetch(conn, chip_ids=chip_ids, route_id=route_id)}


async def find_known_numbers(conn: Connection, phone_number_ids: Sequence[str]) -> set[str]:
    rows = await queries.find_known_numbers.fetch(conn, phone_number_ids=phone_number_ids)
    return {row["phone_number_id"] for row in rows}


async def find_taken_names(conn: Connection, names: Sequence[str]) -> set[str]:
    return {row["name"] for row in await queries.find_taken_names.fetch(conn, names=names)}


async def add_chips(
    conn: Connection, account: Account, chips: Sequence[NewChip], stand: Stand, *, route_id: int | None, at: datetime
) -> list[AddedChip]:
    """Raises asyncpg.UniqueViolationError when another transaction adds one of them at the same moment."""
    return await queries.add_chips.fetch_as(
        AddedChip,
        conn,
        portfolio_id=account.portfolio_id,
        account_id=account.id,
        route_id=route_id,
        names=[chip.name for chip in chips],
        phone_number_ids=[chip.phone_number_id for chip in chips],
        display_phones=[chip.display_phone for chip in chips],
        zones=[chip.zone for chip in chips],
        registered_ats=[chip.registered_at for chip in chips],
        status=stand.status,
        phase=stand.phase,
        started_at=stand.started_at,
        ready_at=stand.ready_at,
        look_again_at=stand.look_again_at,
        at=at,
    )


async def find_chips(conn: Connection, portfolio_id: int, ids: Sequence[int]) -> set[int]:
    return {row["id"] for row in await queries.find_chips.fetch(conn, portfolio_id=portfolio_id, ids=ids)}


async def find_template(conn: Connection, portfolio_id: int, name: str, language: str) -> list[TemplateForm]:
    return await queries.find_template.fetch_as(TemplateForm, conn, portfolio_id=portfolio_id, name=name, language=language)


async def add_campaign(conn: Connection, campaign: NewCampaign, *, at: datetime) -> int | None:
    values: dict[str, Any] = {name: getattr(campaign, name) for name in campaign.__slots__}
    return await queries.add_campaign.fetchval(conn, **{**values, "parameters": list(campaign.parameters)}, at=at)


async def lock_campaign(conn: Connection, campaign_id: int) -> str | None:
    """Its status; None when there is no such campaign."""
    return await queries.lock_campaign.fetchval(conn, id=campaign_id)


async def set_campaign_status(conn: Connection, campaign_id: int, status: str) -> None:
    await queries.set_campaign_status.execute(conn, id=campaign_id, status=status)


async def put_price(conn: Connection, *, category: str, amount: Decimal, currency: str, since: date) -> None:
    await queries.put_price.execute(conn, category=category, amount=amount, currency=currency, since=since)


async def close_alert(conn: Connection, alert_id: int, *, by: str, at: datetime) -> str | None:
    """Its rule; None when it is not open."""
    return await queries.close_alert.fetchval(conn, id=alert_id, by=by, at=at)


async def find_alert(conn: Connection, alert_id: int) -> int | None:
    return await queries.find_alert.fetchval(conn, id=alert_id)
