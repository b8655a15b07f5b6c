"""Routes of what owns the chips: portfolios, accounts with their tokens, and the numbers that Meta lists for them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    Added,
    At,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    Name,
    NodeId,
    Note,
    Page,
    PathId,
    RowId,
    View,
    Why,
    by_id,
    example,
    id_from,
    new_router,
    page,
)
from julia_warmer.api.problems import asked
from julia_warmer.cloud.answers import Refused, Unclear
from julia_warmer.cloud.nodes import PhoneNumber
from julia_warmer.core.model import Phase
from julia_warmer.engine import setup, upkeep
from julia_warmer.engine.numbers import list_numbers as ask_for_numbers
from julia_warmer.engine.numbers import number_of
from julia_warmer.engine.parts import Parts
from julia_warmer.store import views
from julia_warmer.store.db import transaction
from julia_warmer.store.setup import find_known_numbers

router = new_router("accounts")

Token = Annotated[SecretStr, Field(min_length=8, max_length=2000)]


class NewPortfolio(Form):
    """A business portfolio of Meta's: its chips share one messaging limit, which is read from Meta."""

    model_config = ConfigDict(json_schema_extra=example(business_id="104996122399160", name="Julia"))

    business_id: NodeId
    name: Name


class PortfolioView(View):
    """A portfolio. `messaging_limit`: unique people in a moving 24 hours, -1 unlimited, null never read (then 250 is planned with)."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=1,
            business_id="104996122399160",
            name="Julia",
            messaging_limit=2000,
            limit_read_at="2026-06-01T11:59:00Z",
            spend_day_max="150.00",
            created_at="2026-05-20T12:00:00Z",
            slots_used=161,
        )
    )

    id: int
    business_id: str
    name: str
    messaging_limit: int | None
    limit_read_at: datetime | None
    spend_day_max: Decimal | None
    created_at: datetime
    slots_used: int


class SpendLimit(Form):
    """The most that may be spent on a day, in the currency of the prices; null is no limit."""

    model_config = ConfigDict(json_schema_extra=example(spend_day_max="150.00", why="the budget of June"))

    spend_day_max: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] | None
    why: Why


class SpendView(View):
    """The limit that holds now."""

    model_config = ConfigDict(json_schema_extra=example(portfolio_id=1, spend_day_max="150.00"))

    portfolio_id: int
    spend_day_max: Decimal | None


class NewAccount(Form):
    """A WhatsApp Business Account. Unless told otherwise the token is tried, and the account's webhooks are sent to the token's app."""

    model_config = ConfigDict(
        json_schema_extra=example(portfolio_id=1, waba_id="102290129340398", name="Julia plantões", token="EAAG… (a system user's)")  # noqa: S106
    )

    portfolio_id: RowId
    waba_id: NodeId
    name: Name | None = Field(default=None, description="By default its name at Meta.")
    token: Token
    check: bool = Field(default=True, description="Ask Meta with the token first.")
    subscribe: bool = Field(default=True, description="Have its webhooks sent to the token's app; without it nothing arrives.")


class NewToken(Form):
    """Another token for an account. It is tried first."""

    model_config = ConfigDict(json_schema_extra=example(token="EAAG… (a system user's)"))  # noqa: S106

    token: Token
    check: bool = True


class AccountView(View):
    """An account without its token."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=1,
            portfolio_id=1,
            waba_id="102290129340398",
            name="Julia plantões",
            health="AVAILABLE",
            polled_at="2026-06-01T11:59:00Z",
            templates_synced_at="2026-06-01T11:45:00Z",
            webhook_at="2026-06-01T11:58:20Z",
            created_at="2026-05-20T12:00:00Z",
        )
    )

    id: int
    portfolio_id: int
    waba_id: str
    name: str
    health: str
    polled_at: datetime | None
    templates_synced_at: datetime | None
    webhook_at: datetime | None
    created_at: datetime


class NumberView(View):
    """A number as Meta lists it now. `known`: it is a chip already."""

    id: str
    display_phone: str | None
    verified_name: str | None
    status: str
    quality: str
    name_status: str
    is_pin_enabled: bool | None
    known: bool


class NumbersView(View):
    """All numbers of an account."""

    model_config = ConfigDict(
        json_schema_extra=example(
            items=[
                {
                    "id": "106540352242922",
                    "display_phone": "5511990000001",
                    "verified_name": "Julia Plantões",
                    "status": "CONNECTED",
                    "quality": "GREEN",
                    "name_status": "APPROVED",
                    "is_pin_enabled": True,
                    "known": False,
                }
            ]
        )
    )

    items: list[NumberView]


class NewNumbers(Form):
    """Which numbers become chips: those named, or all of them."""

    model_config = ConfigDict(json_schema_extra=example(phone_number_ids=["106540352242922"], route_id=1))

    phone_number_ids: Annotated[list[NodeId], Field(min_length=1, max_length=setup.CHIPS_MAX)] | None = None
    everything: bool = Field(default=False, description="Every number of the account, in place of a list.")
    route_id: RowId | None = None
    phase: Phase = Field(default=Phase.SETUP, description="Where already warm numbers begin; then `why` says how they were warmed.")
    active: bool = False
    why: Note = ""

    @model_validator(mode="after")
    def says_which(self) -> Self:
        if self.everything == bool(self.phone_number_ids):
            raise ValueError("name `phone_number_ids`, or say `everything`: one of the two")
        return self


class AddedChipView(View):
    """A chip that was added."""

    id: int
    name: str
    phone_number_id: str


class AddedChipsView(View):
    """Chips that were added, and numbers that were chips already."""

    model_config = ConfigDict(
        json_schema_extra=example(added=[{"id": 7, "name": "julia-plantoes-0001", "phone_number_id": "106540352242922"}], known=[])
    )

    added: list[AddedChipView]
    known: list[str]


@router.get("/warmer/portfolios", name="list_portfolios")
async def list_portfolios(conn: Conn, at: At, limit: Limit = 50, cursor: Cursor = None) -> Page[PortfolioView]:
    """All portfolios, with how many people hold a slot of the moving 24 hours now."""
    rows = await views.list_portfolios(conn, at=at, after=id_from(cursor, 0), limit=limit + 1)
    return page(PortfolioView, rows, limit, by_id)


@router.post("/warmer/portfolios", name="add_portfolio", status_code=201)
async def add_portfolio(form: NewPortfolio, conn: Conn, at: At, by: By) -> Added:
    """Add a portfolio."""
    return Added(id=await setup.add_portfolio(conn, business_id=form.business_id, name=form.name, at=at, by=by))


@router.put("/warmer/portfolios/{portfolio_id}/spend-limit", name="set_spend_limit")
async def set_spend_limit(portfolio_id: PathId, form: SpendLimit, conn: Conn, at: At, by: By) -> SpendView:
    """Set what its messages may cost on one day."""
    await setup.set_spend_limit(conn, portfolio_id, form.spend_day_max, why=form.why, at=at, by=by)
    return SpendView(portfolio_id=portfolio_id, spend_day_max=form.spend_day_max)


@router.get("/warmer/accounts", name="list_accounts")
async def list_accounts(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[AccountView]:
    """All accounts; their tokens stay sealed."""
    rows = await views.list_accounts(conn, after=id_from(cursor, 0), limit=limit + 1)
    return page(AccountView, rows, limit, by_id)


@router.post("/warmer/accounts", name="add_account", status_code=201)
async def add_account(form: NewAccount, parts: InParts, at: At, by: By) -> Added:
    """Add an account. Its token is stored sealed and never shown again."""
    token, sandbox = form.token.get_secret_value(), parts.settings.sandbox_url is not None
    setup.check_token(token, sandbox=sandbox)
    name = form.name
    if form.check:
        name = name or await _name_at_meta(parts, form.waba_id, token)
    if form.subscribe:
        answer = await parts.graph.subscribe_app(form.waba_id, token)
        if isinstance(answer, Refused | Unclear):
            raise asked(answer, f"the webhooks of account {form.waba_id}")
    async with transaction(parts.pool) as conn:
        account_id = await setup.add_account(
            conn,
            parts.seal,
            portfolio_id=form.portfolio_id,
            waba_id=form.waba_id,
            name=name or form.waba_id,
            token=token,
            sandbox=sandbox,
            at=at,
            by=by,
        )
    return Added(id=account_id)


@router.put("/warmer/accounts/{account_id}/token", name="set_token")
async def set_token(account_id: PathId, form: NewToken, parts: InParts, at: At, by: By) -> Added:
    """Give it another token, such as after error 190. A stop that the old one caused stays until it is released."""
    token, sandbox = form.token.get_secret_value(), parts.settings.sandbox_url is not None
    setup.check_token(token, sandbox=sandbox)
    async with transaction(parts.pool) as conn:
        account = await setup.read_account(conn, account_id)
    if form.check:
        await _name_at_meta(parts, account.waba_id, token)
    async with transaction(parts.pool) as conn:
        await setup.set_token(conn, parts.seal, account_id, token, sandbox=sandbox, at=at, by=by)
    return Added(id=account_id)


@router.get("/warmer/accounts/{account_id}/numbers", name="list_numbers")
async def list_numbers(account_id: PathId, parts: InParts) -> NumbersView:
    """Ask Meta for its numbers, over all pages."""
    rows = await _ask(parts, account_id)
    async with transaction(parts.pool) as conn:
        known = await find_known_numbers(conn, [row.id for row in rows])
    return NumbersView(items=[_number_view(row, row.id in known) for row in rows])


@router.post("/warmer/accounts/{account_id}/numbers", name="add_numbers", status_code=201)
async def add_numbers(account_id: PathId, form: NewNumbers, parts: InParts, at: At, by: By) -> AddedChipsView:
    """Make its numbers chips, all or none; those that are chips already are left as they are."""
    rows = await _ask(parts, account_id)
    wanted = set(form.phone_number_ids or (row.id for row in rows))
    if lacking := wanted - {row.id for row in rows}:
        raise setup.NotFound(f"the account has no number {min(lacking)}", mend=f"GET /warmer/accounts/{account_id}/numbers lists them")
    numbers = [number_of(row, at=at) for row in rows if row.id in wanted]
    async with transaction(parts.pool) as conn:
        added = await setup.add_chips(
            conn, account_id, numbers, at=at, by=by, phase=form.phase, active=form.active, route_id=form.route_id, why=form.why
        )
    await upkeep.poll(parts, at=at)  # quality, status and limit are known from the start
    return AddedChipsView.model_validate(added)


async def _ask(parts: Parts, account_id: int) -> tuple[PhoneNumber, ...]:
    rows = await ask_for_numbers(parts, account_id)
    if isinstance(rows, Refused | Unclear):
        raise asked(rows, f"the numbers of account {account_id}")
    return rows


async def _name_at_meta(parts: Parts, waba_id: str, token: str) -> str | None:
    """The account's name; also tells whether the token is good for it. Raises Problem."""
    found = await parts.graph.read_account(waba_id, token)
    if isinstance(found, Refused | Unclear):
        raise asked(found, f"account {waba_id}")
    return found.name


def _number_view(row: PhoneNumber, known: bool) -> NumberView:
    return NumberView(
        id=row.id,
        display_phone=row.display_phone,
        verified_name=row.verified_name,
        status=row.status,
        quality=row.quality,
        name_status=row.name_status,
        is_pin_enabled=row.is_pin_enabled,
        known=known,
    )
