"""What Meta shows of a number, an account and a template when asked, and what it would never show: the truth. Reads only."""

from dataclasses import dataclass
from datetime import UTC, datetime

from julia_warmer.sim.meta import TIER_NAMES
from julia_warmer.sim.state import Account, Chip, Template
from julia_warmer.sim.world import World

# platform.md 2.4: the codes of `health_status` that this world can show
LOCKED = (141000, "The WhatsApp Business Account is restricted.", "Review the account's quality and policy status.")
UNPAID = (141006, "There is an error with the payment method.", "Add a valid payment method to the account.")
NOT_APPROVED = (141002, "Message templates can only be sent out if they are approved.", "Edit or appeal the review decision.")
NOT_REGISTERED = (141000, "The phone number is not registered.", "Register the phone number.")


@dataclass(frozen=True, slots=True)
class Health:
    """One entity of `health_status` (platform.md 2.4)."""

    entity: str
    id: str
    can_send: str  # AVAILABLE, LIMITED, BLOCKED
    error: tuple[int, str, str] | None = None  # code, description, possible solution
    info: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipView:
    id: str
    account_id: str
    display_phone: str
    name: str
    name_status: str
    status: str
    quality: str
    limit: int
    tier: str
    registered: bool
    health: tuple[Health, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    id: str
    portfolio_id: str
    name: str
    limit: int
    tier: str
    verified: bool
    chips: tuple[str, ...]
    health: tuple[Health, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateView:
    id: str
    account_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    quality_at: datetime
    health: tuple[Health, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipTruth:
    """What nobody outside the world may know."""

    id: str
    quality: str
    delivered: int
    negatives: dict[str, int]


def phone_view(world: World, chip_id: str) -> ChipView:
    """What `GET /{phone_number_id}` can show. The rating is the one of this moment: platform.md 2.1."""
    chip = world.chips[chip_id]
    world.lives.meta.look_at_number(chip, world.line.now)
    limit = chip.account.portfolio.limit
    return ChipView(
        id=chip.id,
        account_id=chip.account.id,
        display_phone=chip.display_phone,
        name=chip.name,
        name_status=chip.name_status,
        status=chip.status if chip.registered else "PENDING",
        quality=chip.rating,
        limit=limit,
        tier=TIER_NAMES.get(limit, "UNTIERED"),
        registered=chip.registered,
        health=(_health_of_chip(chip), *_health_of_account(chip.account, world.line.now)),
    )


def account_view(world: World, account_id: str) -> AccountView:
    """What `GET /{waba_id}` can show."""
    account = world.accounts[account_id]
    limit = account.portfolio.limit
    return AccountView(
        id=account.id,
        portfolio_id=account.portfolio.id,
        name=account.name,
        limit=limit,
        tier=TIER_NAMES.get(limit, "UNTIERED"),
        verified=account.portfolio.verified,
        chips=tuple(chip.id for chip in account.chips),
        health=_health_of_account(account, world.line.now),
    )


def template_view(world: World, template_id: str) -> TemplateView:
    """What `GET /{template_id}` can show."""
    template = world.templates[template_id]
    return TemplateView(
        id=template.id,
        account_id=template.account.id,
        name=template.name,
        language=template.language,
        category=template.category.upper(),
        status=template.status,
        quality=template.rating,
        quality_at=datetime.fromtimestamp(int(template.rating_at), UTC),
        health=(_health_of_template(template), *_health_of_account(template.account, world.line.now)),
    )


def truth_of(world: World, chip_id: str) -> ChipTruth:
    """What really happened to a number."""
    chip = world.chips[chip_id]
    return ChipTruth(id=chip.id, quality=phone_view(world, chip_id).quality, delivered=chip.delivered, negatives=dict(chip.negatives))


def _health_of_chip(chip: Chip) -> Health:
    if not chip.registered or chip.status != "CONNECTED":
        return Health("PHONE_NUMBER", chip.id, "BLOCKED", error=NOT_REGISTERED)
    if chip.name_status != "APPROVED":
        return Health("PHONE_NUMBER", chip.id, "LIMITED", info="Your display name has not been approved yet.")
    return Health("PHONE_NUMBER", chip.id, "AVAILABLE")


def _health_of_account(account: Account, t: float) -> tuple[Health, Health]:
    business = Health("BUSINESS", account.portfolio.id, "BLOCKED" if t < account.portfolio.review_until else "AVAILABLE")
    if account.locked or t < account.restricted_until:
        return Health("WABA", account.id, "BLOCKED", error=LOCKED), business
    if not account.paid:
        return Health("WABA", account.id, "BLOCKED", error=UNPAID), business
    return Health("WABA", account.id, "AVAILABLE"), business


def _health_of_template(template: Template) -> Health:
    if template.status != "APPROVED":
        return Health("MESSAGE_TEMPLATE", template.id, "BLOCKED", error=NOT_APPROVED)
    return Health("MESSAGE_TEMPLATE", template.id, "AVAILABLE")
