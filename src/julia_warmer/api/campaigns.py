"""Routes of what is said and to whom: templates as Meta has them, campaigns that draw on them, and what a message costs."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field, StringConstraints

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    ID_MAX,
    PRINTABLE,
    At,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    Name,
    Page,
    PathId,
    Reason,
    RowId,
    Text,
    View,
    by_id,
    example,
    id_from,
    new_router,
    page,
)
from julia_warmer.core.model import Purpose
from julia_warmer.engine import setup, upkeep
from julia_warmer.engine.setup import CampaignStatus
from julia_warmer.store import views
from julia_warmer.store.db import Connection
from julia_warmer.store.setup import NewCampaign

router = new_router("campaigns")

PARAMETERS_MAX = 20
PRICES_MAX = 100  # categories that Meta has: four
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$")]
Audience = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), PRINTABLE]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$", to_lower=True)]


class TemplateView(View):
    """An approved message form, or one that is not approved (yet)."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=4,
            account_id=1,
            template_id="1407680676729941",
            name="convite_plantao",
            language="pt_BR",
            category="MARKETING",
            status="APPROVED",
            quality="GREEN",
            paused_at=None,
            synced_at="2026-06-01T11:55:00Z",
        )
    )

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


class SyncedView(View):
    """What a sync did. Accounts that failed have an alert that says why."""

    model_config = ConfigDict(json_schema_extra=example(accounts=2, failed=0, changed=1))

    accounts: int
    failed: int
    changed: int


class CampaignView(View):
    """A template for an audience: the well of messages that warm-up draws from."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=3,
            name="invitations",
            portfolio_id=1,
            chip_id=None,
            template="convite_plantao",
            language="pt_BR",
            purpose="marketing",
            audience="doctors-sp",
            parameters=["{name}"],
            priority=100,
            status="active",
            ttl_h=12,
            repeat_after_d=7,
            created_at="2026-06-01T12:00:00Z",
        )
    )

    id: int
    name: str
    portfolio_id: int
    chip_id: int | None
    template: str
    language: str
    purpose: Purpose
    audience: str
    parameters: list[Any]
    priority: int
    status: CampaignStatus
    ttl_h: int
    repeat_after_d: int | None
    created_at: datetime


class CampaignForm(Form):
    """A campaign to add. It is active at once; chips draw from it as far as their budgets go."""

    model_config = ConfigDict(
        json_schema_extra=example(
            name="invitations",
            portfolio_id=1,
            template="convite_plantao",
            language="pt_BR",
            purpose="marketing",
            audience="doctors-sp",
            parameters=["{name}"],
            repeat_after_d=7,
        )
    )

    name: Name
    portfolio_id: RowId
    chip_id: RowId | None = Field(default=None, description="Only this chip; by default every chip of the portfolio.")
    template: TemplateName
    language: Language = "pt_BR"
    purpose: Purpose
    audience: Audience = "all"
    parameters: list[Text] = Field(
        default=[],
        max_length=PARAMETERS_MAX,
        description="One for each place of the template's body, in order; `{name}` is the person's name.",
    )
    priority: int = Field(default=100, ge=0, le=1_000_000, description="Lower goes first.")
    ttl_h: int = Field(default=12, ge=1, le=720, description="Hours after which Meta no longer delivers a message.")
    repeat_after_d: int | None = Field(default=None, ge=1, le=3650, description="Days after which a person may get it again; null: never.")


class PriceView(View):
    """What a message of a category costs, for the spend limits."""

    model_config = ConfigDict(json_schema_extra=example(category="marketing", amount="0.0625", currency="USD", since="2026-01-01"))

    category: str
    amount: Decimal
    currency: str
    since: date


class PriceForm(Form):
    """A price. It takes the place of the category's former one."""

    model_config = ConfigDict(json_schema_extra=example(category="marketing", amount="0.0625", currency="USD", since="2026-01-01"))

    category: Category
    amount: Decimal = Field(ge=0, lt=10**6, max_digits=12, decimal_places=6)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]
    since: date | None = Field(default=None, description="By default today (UTC).")


# ------------------------------------------------------------------ templates


@router.get("/warmer/templates", name="list_templates")
async def list_templates(
    conn: Conn, account_id: Annotated[int | None, Query(ge=1, le=ID_MAX)] = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[TemplateView]:
    """Templates as they were last synced; of one account, or of all."""
    rows = await views.list_templates(conn, account_id=account_id, after=id_from(cursor, 0), limit=limit + 1)
    return page(TemplateView, rows, limit, by_id)


@router.post("/warmer/templates/sync", name="sync_templates")
async def sync_templates(parts: InParts, at: At) -> SyncedView:
    """Ask Meta for the templates of every account now. A worker does the same by itself, a few times an hour."""
    return SyncedView.model_validate(await upkeep.sync_templates(parts, at=at))


# ------------------------------------------------------------------ campaigns


@router.get("/warmer/campaigns", name="list_campaigns")
async def list_campaigns(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[CampaignView]:
    """All campaigns, in the order in which they were added."""
    rows = await views.list_campaigns(conn, after=id_from(cursor, 0), limit=limit + 1)
    return page(CampaignView, rows, limit, by_id)


@router.post("/warmer/campaigns", name="add_campaign", status_code=201)
async def add_campaign(form: CampaignForm, conn: Conn, at: At, by: By) -> CampaignView:
    """Add a campaign. Refused when the template is not there, or does not fit the purpose or its parameters."""
    campaign = NewCampaign(
        name=form.name,
        portfolio_id=form.portfolio_id,
        chip_id=form.chip_id,
        template=form.template,
        language=form.language,
        purpose=form.purpose,
        audience=form.audience,
        parameters=tuple(form.parameters),
        priority=form.priority,
        ttl_h=form.ttl_h,
        repeat_after_d=form.repeat_after_d,
    )
    return await _view(conn, await setup.add_campaign(conn, campaign, at=at, by=by))


@router.post("/warmer/campaigns/{campaign}/pause", name="pause_campaign")
async def pause_campaign(campaign: PathId, form: Reason, conn: Conn, at: At, by: By) -> CampaignView:
    """Plan nothing more for it until it is resumed. `POST /warmer/stops` also takes back what is planned."""
    return await _set(conn, campaign, CampaignStatus.PAUSED, form, at, by)


@router.post("/warmer/campaigns/{campaign}/resume", name="resume_campaign")
async def resume_campaign(campaign: PathId, form: Reason, conn: Conn, at: At, by: By) -> CampaignView:
    """Let it go on."""
    return await _set(conn, campaign, CampaignStatus.ACTIVE, form, at, by)


@router.post("/warmer/campaigns/{campaign}/end", name="end_campaign")
async def end_campaign(campaign: PathId, form: Reason, conn: Conn, at: At, by: By) -> CampaignView:
    """End it for good."""
    return await _set(conn, campaign, CampaignStatus.ENDED, form, at, by)


# ------------------------------------------------------------------ prices


@router.get("/warmer/prices", name="list_prices")
async def list_prices(conn: Conn) -> Page[PriceView]:
    """What a message of each category costs."""
    rows = await views.list_prices(conn, limit=PRICES_MAX)
    return page(PriceView, rows, PRICES_MAX, lambda row: (row.category,))


@router.put("/warmer/prices", name="set_price")
async def set_price(form: PriceForm, conn: Conn, at: At, by: By) -> PriceView:
    """Say what a message of a category costs. A spend limit holds only with prices."""
    since = form.since or at.date()
    await setup.set_price(conn, category=form.category, amount=form.amount, currency=form.currency, since=since, at=at, by=by)
    return PriceView(category=form.category, amount=form.amount, currency=form.currency, since=since)


async def _set(conn: Connection, campaign_id: int, status: CampaignStatus, form: Reason, at: datetime, by: str) -> CampaignView:
    await setup.set_campaign_status(conn, campaign_id, status, why=form.why, at=at, by=by)
    return await _view(conn, campaign_id)


async def _view(conn: Connection, campaign_id: int) -> CampaignView:
    (row,) = await views.list_campaigns(conn, after=campaign_id - 1, limit=1)
    return CampaignView.model_validate(row)
