"""What must be there before the first message: portfolios, accounts, chips, routes, campaigns, prices, each with who added it.

Nothing here sends or decides. Steps take a connection inside a transaction and raise NotFound, Conflict or Wrong with the mend.
"""

import ipaddress
import re
import secrets
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from julia_warmer.core.model import ChipStatus, Phase, Purpose
from julia_warmer.core.phone import SAO_PAULO, digits_of, zone_of
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.engine.zones import is_zone
from julia_warmer.store import setup as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.seal import Seal
from julia_warmer.store.setup import Account, AddedChip, NewCampaign, NewChip, Stand, TemplateForm

TOKEN = "accounts.token"  # noqa: S105 - what a sealed token is bound to
ROUTE_SECRET = "routes.secret"  # noqa: S105
SANDBOX_TOKEN = "sandbox-"  # noqa: S105 - how every token of the sandbox begins
CHIPS_MAX = 500  # of one call
SECRET_HEAD = "whsec_"  # noqa: S105 - how every secret of a signed webhook begins
SECRET_BYTES = 32
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64

_CHIP_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_INSIDE = (".local", ".internal", ".localhost", ".lan", ".home.arpa")


class RouteKind(StrEnum):
    """Where inbound messages go: the page of waiting conversations, or a signed webhook of yours."""

    PAGE = "page"
    WEBHOOK = "webhook"


class CampaignStatus(StrEnum):
    """A campaign's life; `ended` is final."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number to add as a chip; what is None is worked out."""

    phone_number_id: str
    display_phone: str
    name: str | None = None
    verified_name: str | None = None
    zone: str | None = None
    registered_at: datetime | None = None  # None: now. Its age counts from there


@dataclass(frozen=True, slots=True)
class AddedChips:
    """Chips that were added, and numbers that were chips already."""

    added: tuple[AddedChip, ...]
    known: tuple[str, ...]  # phone number ids


@dataclass(frozen=True, slots=True)
class AddedRoute:
    """A route; its secret is told this once."""

    id: int
    secret: str | None = field(repr=False)


# ------------------------------------------------------------------ portfolios and accounts


async def add_portfolio(conn: Connection, *, business_id: str, name: str, at: datetime, by: str) -> int:
    """Returns its id. Raises Conflict when the business id is known."""
    portfolio_id = await store.add_portfolio(conn, business_id=business_id, name=name, at=at)
    if portfolio_id is None:
        raise Conflict(f"a portfolio with the business id {business_id} is there already", mend="use it, or check the id")
    await _record(conn, "portfolio added", f"portfolio:{portfolio_id}", at=at, by=by, business_id=business_id, name=name)
    return portfolio_id


async def set_spend_limit(conn: Connection, portfolio_id: int, spend_day_max: Decimal | None, *, why: str, at: datetime, by: str) -> None:
    """The most that the portfolio may spend on one day, in the currency of the prices; None is no limit."""
    if spend_day_max is not None and not Decimal(0) <= spend_day_max < Decimal(10**10):
        raise Wrong(f"a spend limit of {spend_day_max} is not usable", mend="give an amount from 0, or null for no limit")
    if await store.set_spend_limit(conn, portfolio_id, spend_day_max) is None:
        raise _no("portfolio", portfolio_id)
    amount = None if spend_day_max is None else str(spend_day_max)
    await _record(conn, "spend limit set", f"portfolio:{portfolio_id}", at=at, by=by, why=why, spend_day_max=amount)


async def add_account(
    conn: Connection, seal: Seal, *, portfolio_id: int, waba_id: str, name: str, token: str, sandbox: bool, at: datetime, by: str
) -> int:
    """Add a WhatsApp Business Account; its token is stored sealed. `sandbox`: whether the sandbox stands in for Meta. Returns its id."""
    check_token(token, sandbox=sandbox)
    if await store.find_portfolio(conn, portfolio_id) is None:
        raise _no("portfolio", portfolio_id)
    sealed = seal.close(token.encode(), use=TOKEN)
    account_id = await store.add_account(conn, portfolio_id=portfolio_id, waba_id=waba_id, name=name, token=sealed, at=at)
    if account_id is None:
        raise Conflict(f"the account {waba_id} is there already", mend="set its token to replace it")
    await _record(conn, "account added", f"account:{account_id}", at=at, by=by, waba_id=waba_id, name=name)
    return account_id


async def set_token(conn: Connection, seal: Seal, account_id: int, token: str, *, sandbox: bool, at: datetime, by: str) -> None:
    """Another token for an account, such as after 190."""
    check_token(token, sandbox=sandbox)
    if await store.set_token(conn, account_id, seal.close(token.encode(), use=TOKEN)) is None:
        raise _no("account", account_id)
    await _record(conn, "token set", f"account:{account_id}", at=at, by=by)


async def read_account(conn: Connection, account_id: int) -> Account:
    """The account with its sealed token. Raises NotFound."""
    account = await store.read_account(conn, account_id)
    if account is None:
        raise _no("account", account_id)
    return account


def check_token(token: str, *, sandbox: bool) -> None:
    """A token of the sandbox never meets Meta, and one of Meta's never the sandbox. Raises Wrong, without the token."""
    if not token.isascii() or not token.isprintable() or not token.strip() or " " in token:
        raise Wrong("the token holds characters that no token has", mend="copy it again, without spaces")
    if sandbox and not token.startswith(SANDBOX_TOKEN):
        raise Wrong("this is not a token of the sandbox", mend=f"with WARMER_SANDBOX_URL set, only `{SANDBOX_TOKEN}` tokens are taken")
    if not sandbox and token.startswith(SANDBOX_TOKEN):
        raise Wrong("this is a token of the sandbox", mend="set WARMER_SANDBOX_URL to use the sandbox, or give a token of Meta's")


# ------------------------------------------------------------------ chips


async def add_chips(
    conn: Connection,
    account_id: int,
    numbers: Sequence[Number],
    *,
    at: datetime,
    by: str,
    phase: Phase = Phase.SETUP,
    active: bool = False,
    route_id: int | None = None,
    why: str = "",
) -> AddedChips:
    """Add an account's numbers as chips, all or none; numbers that are chips already are left as they are.

    With a `phase` they are taken as warm already: at `operation` they are ready at once (`active`: in Julia's hands), before it they
    wait there for their start. That needs a `why`, and at `operation` a route, for they send from now on.
    """
    account = await read_account(conn, account_id)
    stand = await _stand(conn, phase, active, route_id, why, at)
    if len(numbers) > CHIPS_MAX:
        raise Wrong(f"{len(numbers)} numbers at once are too many", mend=f"add at most {CHIPS_MAX} at a time")
    known = await store.find_known_numbers(conn, [number.phone_number_id for number in numbers])
    chips = [_new_chip(number, at) for number in numbers if number.phone_number_id not in known]
    await _check_names(conn, chips)
    try:
        async with conn.transaction():
            added = await store.add_chips(conn, account, chips, stand, route_id=route_id, at=at)
    except asyncpg.UniqueViolationError:
        raise Conflict("somebody adds the same numbers at this moment", mend="try again") from None
    for chip in added:
        await _record(
            conn, "chip added", f"chip:{chip.id}", at=at, by=by, why=why or None, name=chip.name, phase=phase, status=stand.status
        )
    return AddedChips(tuple(added), tuple(sorted(known)))


async def _stand(conn: Connection, phase: Phase, active: bool, route_id: int | None, why: str, at: datetime) -> Stand:
    """Where the new chips stand. Raises NotFound, Conflict."""
    if route_id is not None and await store.find_route(conn, route_id) is None:
        raise _no("route", route_id)
    if phase is Phase.SETUP:
        return Stand(status=ChipStatus.PENDING, phase=phase)
    if not why.strip():
        raise Wrong(f"a number imported at {phase} needs a reason", mend="say in `why` how it was warmed")
    if phase is not Phase.OPERATION:
        return Stand(status=ChipStatus.PENDING, phase=phase)
    if route_id is None:
        raise Conflict("a chip cannot send without an answering route", mend="create a route and name it here")
    status = ChipStatus.ACTIVE if active else ChipStatus.READY
    return Stand(status=status, phase=phase, started_at=at, ready_at=at, look_again_at=at)


def _new_chip(number: Number, at: datetime) -> NewChip:
    phone = digits_of(number.display_phone)
    if not phone:
        raise Wrong(f"the number {number.phone_number_id} has no phone", mend="give its display phone")
    registered_at = number.registered_at or at
    if registered_at > at:
        raise Wrong(f"the number {number.phone_number_id} is registered in the future", mend="check `registered_at`")
    name = number.name or _name_of(number, phone)
    if not _CHIP_NAME.fullmatch(name) or name.isdigit():
        raise Wrong(f"{name!r} is no name for a chip", mend="use a-z, 0-9, dot, dash and underscore, at most 63, not digits alone")
    zone = number.zone or zone_of(phone) or SAO_PAULO
    if not is_zone(zone):
        raise Wrong(f"{zone!r} is not a time zone", mend="write it like America/Sao_Paulo")
    return NewChip(phone_number_id=number.phone_number_id, display_phone=phone, name=name, zone=zone, registered_at=registered_at)


def _name_of(number: Number, phone: str) -> str:
    """A name that a person recognises: the business's, and the last four digits."""
    plain = unicodedata.normalize("NFKD", number.verified_name or "").encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return f"{words[:50] or 'chip'}-{phone[-4:]}"


async def _check_names(conn: Connection, chips: Sequence[NewChip]) -> None:
    names = [chip.name for chip in chips]
    twice = {name for name in names if names.count(name) > 1} | await store.find_taken_names(conn, names)
    if twice:
        raise Conflict(f"the name {min(twice)!r} is taken", mend="give the chip another name")


# ------------------------------------------------------------------ routes


async def add_route(
    conn: Connection,
    seal: Seal,
    *,
    name: str,
    kind: RouteKind,
    url: str | None = None,
    secret: str | None = None,
    local: bool = False,
    at: datetime,
    by: str,
) -> AddedRoute:
    """Add a place where inbound messages go. A webhook's messages are signed with its secret (made here unless given).

    `local` allows plain http to this machine, for the sandbox and tests only.
    """
    if kind is RouteKind.WEBHOOK:
        check_url(url, local=local)
        secret = secret or f"{SECRET_HEAD}{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
        _check_secret(secret)
    elif url or secret:
        raise Wrong("a page has no address and no secret", mend="leave them out, or use the kind `webhook`")
    sealed = seal.close(secret.encode(), use=ROUTE_SECRET) if secret else None
    route_id = await store.add_route(conn, name=name, kind=kind, url=url, secret=sealed, at=at)
    if route_id is None:
        raise Conflict(f"a route is named {name!r} already", mend="use it, or give another name")
    await _record(conn, "route added", f"route:{route_id}", at=at, by=by, name=name, kind=kind, url=url)
    return AddedRoute(route_id, secret)


def _check_secret(secret: str) -> None:
    """The form of standardwebhooks.com: 24 to 64 random bytes in base64. Raises Wrong."""
    try:
        size = len(b64decode(secret.removeprefix(SECRET_HEAD), validate=True))
    except ValueError:
        size = 0
    if not secret.startswith(SECRET_HEAD) or not SECRET_BYTES_MIN <= size <= SECRET_BYTES_MAX:
        raise Wrong("this is no secret of a signed webhook", mend="write it like whsec_… with base64 behind it, or leave it out")


async def set_route(conn: Connection, route_id: int, chip_ids: Sequence[int], *, at: datetime, by: str) -> None:
    """Send the inbound messages of these chips there, from now on."""
    if await store.find_route(conn, route_id) is None:
        raise _no("route", route_id)
    found = await store.set_route(conn, sorted(chip_ids), route_id)
    if lacking := set(chip_ids) - found:
        raise _no("chip", min(lacking))
    for chip_id in sorted(found):
        await _record(conn, "route set", f"chip:{chip_id}", at=at, by=by, route_id=route_id)


def check_url(url: str | None, *, local: bool) -> None:
    """Raise Wrong unless the address is outside: https, no user in it, no address of this machine, a private net or a cloud's metadata.

    A name may still resolve to the inside: whoever connects looks at the address it got.
    """
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.username or parts.password or not host:
        raise Wrong("this is not the address of a webhook", mend="write it like https://julia.example/whatsapp")
    if local and host in ("127.0.0.1", "localhost", "::1") and parts.scheme in ("http", "https"):
        return
    if parts.scheme != "https":
        raise Wrong("messages of people travel encrypted only", mend="give an https address")
    if _is_inside(host):
        raise Wrong(f"{host} is an address of the inside", mend="give an address that the internet can reach")


def _split(url: str | None) -> Any:
    try:
        parts = urlsplit(url or "")
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return urlsplit("")
    return parts


def _is_inside(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:  # a name; one without a dot, or whose last part is a number (0x7f.1), is never a public one
        return "." not in host or host.endswith(_INSIDE) or not host.rsplit(".", 1)[1].isalpha()


# ------------------------------------------------------------------ campaigns, prices, alerts


async def add_campaign(conn: Connection, campaign: NewCampaign, *, at: datetime, by: str) -> int:
    """Add a template for an audience; returns its id. Raises Wrong when the template does not fit its purpose or its parameters."""
    if await store.find_portfolio(conn, campaign.portfolio_id) is None:
        raise _no("portfolio", campaign.portfolio_id)
    if campaign.chip_id is not None and not await store.find_chips(conn, campaign.portfolio_id, [campaign.chip_id]):
        raise NotFound(f"portfolio {campaign.portfolio_id} has no chip {campaign.chip_id}", mend="name a chip of the portfolio, or none")
    forms = await store.find_template(conn, campaign.portfolio_id, campaign.template, campaign.language)
    if not forms:
        raise Conflict(
            f"the portfolio has no template {campaign.template!r} in {campaign.language}", mend="sync the templates, or check the name"
        )
    for form in forms:
        _check_form(form, campaign)
    campaign_id = await store.add_campaign(conn, campaign, at=at)
    if campaign_id is None:
        raise Conflict(f"a campaign is named {campaign.name!r} already", mend="give another name")
    await _record(
        conn,
        "campaign added",
        f"campaign:{campaign_id}",
        at=at,
        by=by,
        name=campaign.name,
        template=campaign.template,
        purpose=campaign.purpose,
        audience=campaign.audience,
    )
    return campaign_id


def _check_form(form: TemplateForm, campaign: NewCampaign) -> None:
    """A marketing template goes to people who agreed to marketing, and every place of its body is filled. Raises Wrong."""
    if form.category.upper() == "MARKETING" and campaign.purpose is not Purpose.MARKETING:
        raise Wrong(f"{campaign.template!r} is a marketing template", mend="use the purpose marketing: people must have agreed to it")
    body = next((str(part.get("text", "")) for part in form.components if str(part.get("type", "")).upper() == "BODY"), "")
    places = len(dict.fromkeys(_PLACE.findall(body)))
    if places != len(campaign.parameters):
        raise Wrong(f"the template's body has {places} places, {len(campaign.parameters)} parameters were given", mend="give one for each")


async def set_campaign_status(conn: Connection, campaign_id: int, status: CampaignStatus, *, why: str, at: datetime, by: str) -> None:
    """Pause, resume or end a campaign: nothing more is planned for it. Raises Conflict when it has ended."""
    before = await store.lock_campaign(conn, campaign_id)
    if before is None:
        raise _no("campaign", campaign_id)
    if before == status:
        return
    if before == CampaignStatus.ENDED:
        raise Conflict(f"campaign {campaign_id} has ended", mend="add a new one")
    await store.set_campaign_status(conn, campaign_id, status)
    await _record(conn, f"campaign {status}", f"campaign:{campaign_id}", at=at, by=by, why=why or None)


async def set_price(conn: Connection, *, category: str, amount: Decimal, currency: str, since: date, at: datetime, by: str) -> None:
    """What a message of a category costs, for spend limits."""
    if not Decimal(0) <= amount < Decimal(10**6):
        raise Wrong(f"a price of {amount} is not usable", mend="give an amount from 0")
    await store.put_price(conn, category=category.lower(), amount=amount, currency=currency.upper(), since=since)
    await _record(conn, "price set", f"price:{category.lower()}", at=at, by=by, amount=str(amount), currency=currency.upper())


async def close_alert(conn: Connection, alert_id: int, *, at: datetime, by: str) -> None:
    """A person has seen to it. Closing it again changes nothing."""
    rule = await store.close_alert(conn, alert_id, by=by, at=at)
    if rule is not None:
        await _record(conn, "alert closed", f"alert:{alert_id}", at=at, by=by, rule=rule)
    elif await store.find_alert(conn, alert_id) is None:
        raise _no("alert", alert_id)


def _no(what: str, target: object) -> NotFound:
    return NotFound(f"there is no {what} {target}", mend=f"list the {what}s to find its id")


async def _record(conn: Connection, what: str, target: str, *, at: datetime, by: str, why: str | None = None, **body: Any) -> None:
    await record_act(conn, at=at, who=by, what=what, target=target, why=why, body=body)
