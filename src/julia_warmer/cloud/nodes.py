"""What Meta's reads answer, as values: numbers, accounts, templates, health, usage. Pure: from parsed JSON, whatever it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from julia_warmer.cloud import wire
from julia_warmer.cloud.wire import Json

# Fields to ask for (platform.md 2.3). A field that the Graph version does not know fails the whole read, so no more than these.
NUMBER_FIELDS = (
    "id,display_phone_number,verified_name,status,quality_rating,name_status,new_name_status,code_verification_status,account_mode,"
    "platform_type,throughput,health_status,is_official_business_account,is_pin_enabled,last_onboarded_time,"
    "whatsapp_business_manager_messaging_limit"
)
ACCOUNT_FIELDS = (
    "id,name,timezone_id,account_review_status,business_verification_status,country,ownership_type,health_status,"
    "whatsapp_business_manager_messaging_limit"
)
TEMPLATE_FIELDS = "id,name,language,status,category,previous_category,quality_score,rejected_reason,parameter_format,components"
SIGNUP_FIELDS = "id,signup_message,confirmation_message,privacy_policy_url,website_url,promo_code,display_name"
PROFILE_FIELDS = "about,address,description,email,profile_picture_url,websites,vertical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that limits or blocks sending."""

    entity: str  # PHONE_NUMBER, MESSAGE_TEMPLATE, WABA, BUSINESS, APP
    id: str | None
    code: int | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`health_status` (Meta, 2025-10-22). `can_send`: AVAILABLE, LIMITED, BLOCKED; UNKNOWN when it was not told."""

    can_send: str = "UNKNOWN"
    issues: tuple[Issue, ...] = ()
    business_id: str | None = None  # the portfolio, as one of the entities


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    """A business number as the platform sees it. Anything but CONNECTED means: do not send."""

    id: str
    display_phone: str | None
    verified_name: str | None
    status: str  # UNKNOWN when it was not told
    quality: str  # GREEN, YELLOW, RED, UNKNOWN (also for NA)
    name_status: str
    new_name_status: str | None
    code_verification: str | None
    account_mode: str | None
    platform_type: str | None
    throughput: str | None
    limit: int | None  # people per moving 24 h, -1 = unlimited, None = not usable (plan with 250)
    limit_value: str | None  # as it came
    is_pin_enabled: bool | None
    is_official: bool | None
    last_onboarded_time: str | None
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A WhatsApp Business Account."""

    id: str
    name: str | None
    timezone_id: str | None
    review_status: str | None
    business_verification: str | None
    country: str | None
    ownership: str | None
    limit: int | None
    limit_value: str | None
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A message template. `components` are Meta's, as they came."""

    id: str
    name: str
    language: str
    status: str
    category: str
    previous_category: str | None
    quality: str  # GREEN, YELLOW, RED, UNKNOWN
    rejected_reason: str | None
    parameter_format: str  # POSITIONAL, NAMED
    components: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A template that was handed in. The category may differ from the one asked for."""

    id: str
    status: str
    category: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupNode:
    """An In-App Signup link (In-App Signup, 2026-07-03)."""

    id: str
    message: str | None
    confirmation: str | None
    privacy_url: str | None
    website_url: str | None
    promo_code: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessProfile:
    """What people see of the business."""

    about: str | None
    address: str | None
    description: str | None
    email: str | None
    picture_url: str | None
    websites: tuple[str, ...]
    vertical: str | None

    @property
    def missing(self) -> tuple[str, ...]:
        """What a profile needs to count as filled and does not have: who this is, in words, and in which trade."""
        trade = None if self.vertical == "UNDEFINED" else self.vertical
        needs = {"description": self.description or self.about, "vertical": trade}
        return tuple(name for name, value in needs.items() if not value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of a call quota is used, in per cent, and in how many seconds calls are taken again (0 = now)."""

    calls: float = 0
    cpu: float = 0
    time: float = 0
    regain_s: float = 0


def read_number(node: Json) -> PhoneNumber:
    """Raises wire.Unreadable without an id."""
    value = node.get("whatsapp_business_manager_messaging_limit")
    return PhoneNumber(
        id=wire.ident(node.get("id"), "id"),
        display_phone=wire.digits(node.get("display_phone_number")),
        verified_name=wire.word(node.get("verified_name")),
        status=wire.upper(node.get("status")) or "UNKNOWN",
        quality=_quality(node.get("quality_rating")),
        name_status=wire.upper(node.get("name_status")) or "NONE",
        new_name_status=wire.upper(node.get("new_name_status")),
        code_verification=wire.upper(node.get("code_verification_status")),
        account_mode=wire.upper(node.get("account_mode")),
        platform_type=wire.upper(node.get("platform_type")),
        throughput=wire.upper(wire.record(node.get("throughput")).get("level")),
        limit=wire.limit(value),
        limit_value=wire.word(value),
        is_pin_enabled=_flag(node.get("is_pin_enabled")),
        is_official=_flag(node.get("is_official_business_account")),
        last_onboarded_time=wire.word(node.get("last_onboarded_time")),
        health=read_health(node.get("health_status")),
    )


def read_account(node: Json) -> Account:
    """Raises wire.Unreadable without an id."""
    value = node.get("whatsapp_business_manager_messaging_limit")
    return Account(
        id=wire.ident(node.get("id"), "id"),
        name=wire.word(node.get("name")),
        timezone_id=wire.word(node.get("timezone_id")),
        review_status=wire.upper(node.get("account_review_status")),
        business_verification=wire.upper(node.get("business_verification_status")),
        country=wire.upper(node.get("country")),
        ownership=wire.upper(node.get("ownership_type")),
        limit=wire.limit(value),
        limit_value=wire.word(value),
        health=read_health(node.get("health_status")),
    )


def read_template(node: Json) -> Template:
    """Raises wire.Unreadable without id, name or language."""
    language = wire.language(node.get("language"))
    if language is None:
        raise wire.Unreadable("language is missing")
    return Template(
        id=wire.ident(node.get("id"), "id"),
        name=wire.ident(node.get("name"), "name"),
        language=language,
        status=wire.upper(node.get("status")) or "UNKNOWN",
        category=wire.upper(node.get("category")) or "UNKNOWN",
        previous_category=wire.upper(node.get("previous_category")),
        quality=_quality(wire.record(node.get("quality_score")).get("score")),
        rejected_reason=_unless_none(wire.upper(node.get("rejected_reason"))),
        parameter_format=wire.upper(node.get("parameter_format")) or "POSITIONAL",
        components=tuple(wire.records(node.get("components"))),
    )


def read_created(node: Json) -> Created:
    """Raises wire.Unreadable without an id."""
    return Created(
        id=wire.ident(node.get("id"), "id"), status=wire.upper(node.get("status")) or "UNKNOWN", category=wire.upper(node.get("category"))
    )


def read_signup(node: Json) -> SignupNode:
    """Raises wire.Unreadable without an id. What was just made tells its id alone."""
    return SignupNode(
        id=wire.ident(node.get("id") or node.get("signup_id"), "id"),
        message=wire.text(node.get("signup_message")),
        confirmation=wire.text(node.get("confirmation_message")),
        privacy_url=wire.text(node.get("privacy_policy_url")),
        website_url=wire.text(node.get("website_url")),
        promo_code=wire.text(node.get("promo_code")),
        name=wire.text(node.get("display_name")),
    )


def read_profile(node: Json) -> BusinessProfile:
    """The one profile of the answer's list; an empty one when there is none."""
    profile = next(iter(wire.records(node.get("data"))), {})
    websites = profile.get("websites")
    return BusinessProfile(
        about=wire.text(profile.get("about")),
        address=wire.text(profile.get("address")),
        description=wire.text(profile.get("description")),
        email=wire.text(profile.get("email")),
        picture_url=wire.text(profile.get("profile_picture_url")),
        websites=tuple(filter(None, map(wire.text, websites))) if isinstance(websites, list) else (),
        vertical=wire.upper(profile.get("vertical")),
    )


def read_health(value: object) -> Health:
    """The worst of all entities, and what each says about why."""
    status = wire.record(value)
    entities = wire.records(status.get("entities"))
    business = next((entity for entity in entities if wire.upper(entity.get("entity_type")) == "BUSINESS"), {})
    return Health(
        can_send=wire.upper(status.get("can_send_message")) or "UNKNOWN",
        issues=tuple(issue for entity in entities for issue in _issues(entity)),
        business_id=wire.maybe_ident(business.get("id")),
    )


def _issues(entity: Json) -> list[Issue]:
    name, node = wire.upper(entity.get("entity_type")) or "UNKNOWN", wire.maybe_ident(entity.get("id"))
    found = [
        Issue(entity=name, id=node, code=wire.integer(error.get("error_code")), sentence=_sentence(error))
        for error in wire.records(entity.get("errors"))
    ]
    infos = entity.get("additional_info")
    infos = filter(None, map(wire.text, infos)) if isinstance(infos, list) else ()
    return [*found, *(Issue(entity=name, id=node, code=None, sentence=info) for info in infos)]


def _sentence(error: Json) -> str:
    parts = (wire.text(error.get("error_description")), wire.text(error.get("possible_solution")))
    return " ".join(part for part in parts if part)


def read_usages(business: str | None, app: str | None) -> tuple[dict[str, Usage], Usage | None]:
    """The usage headers: by account, and of the app. They come only once enough calls were made; anything odd is left out."""
    accounts = {
        account: _worst([_usage(use) for use in wire.records(uses)]) for account, uses in _header(business).items() if wire.records(uses)
    }
    of_app = _header(app)
    return accounts, _usage(of_app) if of_app else None


def _header(value: str | None) -> Json:
    try:
        return wire.record(orjson.loads(value)) if value else {}
    except orjson.JSONDecodeError:
        return {}


def _usage(use: Json) -> Usage:
    """Meta tells the time to regain access in minutes."""
    calls, cpu, time, minutes = (
        max(0.0, float(wire.number(use.get(name)) or 0))
        for name in ("call_count", "total_cputime", "total_time", "estimated_time_to_regain_access")
    )
    return Usage(calls=calls, cpu=cpu, time=time, regain_s=minutes * 60)


def _worst(uses: list[Usage]) -> Usage:
    return Usage(
        calls=max(use.calls for use in uses),
        cpu=max(use.cpu for use in uses),
        time=max(use.time for use in uses),
        regain_s=max(use.regain_s for use in uses),
    )


def _quality(value: object) -> str:
    found = wire.upper(value)
    return found if found in ("GREEN", "YELLOW", "RED") else "UNKNOWN"


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _unless_none(value: str | None) -> str | None:
    return None if value == "NONE" else value
