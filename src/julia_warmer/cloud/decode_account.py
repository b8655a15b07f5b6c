"""Reads the webhooks about accounts, numbers and templates: one change is one item. Pure. They carry no `metadata`."""

from collections.abc import Callable
from datetime import datetime

from julia_warmer.cloud import wire
from julia_warmer.cloud.place import Place
from julia_warmer.cloud.wire import Json, Unreadable
from julia_warmer.core.events import (
    AccountChanged,
    AccountRestricted,
    Event,
    LimitChanged,
    NameReviewed,
    QualityChanged,
    SecurityChanged,
    TemplateCategoryChanged,
    TemplateQualityChanged,
    TemplateStatusChanged,
    ThroughputChanged,
)

FieldReader = Callable[[Json, Place, str], list[Event]]
_LIMITS = ("max_daily_conversations_per_business", "max_daily_conversation_per_phone", "current_limit")


def _need(value: Json, name: str) -> str:
    found = wire.upper(value.get(name))
    if found is None:
        raise Unreadable(f"{name} is missing")
    return found


def _changed(value: Json, place: Place, path: str, name: str, *, details: str | None = None, severity: str | None = None) -> AccountChanged:
    template = wire.word(value.get("message_template_name"))
    return AccountChanged(
        **place.common(path), value=name, field=place.field, details=details, severity=severity, template=template, key=place.key(value)
    )


def _limits(value: Json, place: Place, path: str) -> list[Event]:
    """The messaging limit, whichever of its names it goes by: v24, v23, legacy."""
    found = next((value[name] for name in _LIMITS if value.get(name) is not None), None)
    if found is None:
        return []
    return [LimitChanged(**place.common(path), value=wire.word(found) or "", limit=wire.limit(found), key=place.key(value))]


# ---------------------------------------------------------------- accounts


def read_account_update(value: Json, place: Place, path: str) -> list[Event]:
    """Policy, bans and partners (Meta: account_update, 2026-04-20). A ban state that we do not know counts as a ban."""
    event = _need(value, "event")
    ban = wire.record(value.get("ban_info"))
    state = wire.upper(ban.get("waba_ban_state")) if ban else None
    violation = wire.word(wire.record(value.get("violation_info")).get("violation_type"))
    restricts = event in ("ACCOUNT_VIOLATION", "ACCOUNT_RESTRICTION", "ACCOUNT_DELETED") or (
        event == "DISABLED_UPDATE" and state != "REINSTATE"
    )
    if not restricts:
        return [_changed(value, place, path, event, details=state)]
    restrictions = wire.records(value.get("restriction_info"))
    kinds = [wire.upper(restriction.get("restriction_type")) for restriction in restrictions] or [state]
    return [
        AccountRestricted(
            **place.common(path),
            value=event,
            restrictions=tuple(kind for kind in kinds if kind),
            until=_latest([wire.moment(restriction.get("expiration")) for restriction in restrictions]),
            details=violation,
            key=place.key(value),
        )
    ]


def _latest(ends: list[datetime | None]) -> datetime | None:
    """The latest end; None when there is none, or one of them is open."""
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def read_account_alert(value: Json, place: Place, path: str) -> list[Event]:
    """A warning, such as INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED."""
    alert = wire.record(value.get("alert_info")) or value
    details = wire.text(alert.get("alert_description"))
    return [_changed(value, place, path, _need(alert, "alert_type"), details=details, severity=wire.upper(alert.get("alert_severity")))]


def read_account_review(value: Json, place: Place, path: str) -> list[Event]:
    """The decision about an account: APPROVED, REJECTED, PENDING, DEFERRED."""
    return [_changed(value, place, path, _need(value, "decision"))]


def read_capability(value: Json, place: Place, path: str) -> list[Event]:
    """What the business may do: the new messaging limit, as a number or a tier, or only how many numbers it may have."""
    return _limits(value, place, path) or [_changed(value, place, path, "CAPABILITY_UPDATE")]


# ---------------------------------------------------------------- numbers


def read_number_quality(value: Json, place: Place, path: str) -> list[Event]:
    """Throughput, onboarding, and the old FLAGGED / UNFLAGGED / UPGRADE / DOWNGRADE (Meta: phone_number_quality_update, 2025-11-14)."""
    event = _need(value, "event")
    limits = _limits(value, place, path)
    match event:
        case "FLAGGED" | "UNFLAGGED":
            return [QualityChanged(**place.common(path), value=event, key=place.key(value)), *limits]
        case "THROUGHPUT_UPGRADE":
            return [ThroughputChanged(**place.common(path), value=event, key=place.key(value)), *limits]
        case "UPGRADE" | "DOWNGRADE" if limits:
            return limits
        case _:
            return [_changed(value, place, path, event), *limits]


def read_name(value: Json, place: Place, path: str) -> list[Event]:
    """The review of a display name."""
    decision = _need(value, "decision")
    return [NameReviewed(**place.common(path), value=decision, name=wire.word(value.get("requested_verified_name")), key=place.key(value))]


def read_username(value: Json, place: Place, path: str) -> list[Event]:
    """The business's own username."""
    return [_changed(value, place, path, _need(value, "status"), details=wire.word(value.get("username")))]


def read_security(value: Json, place: Place, path: str) -> list[Event]:
    """PIN_CHANGED, PIN_RESET_REQUEST, PIN_REQUEST_SUCCESS: may be somebody who takes the number over."""
    return [SecurityChanged(**place.common(path), value=_need(value, "event"), key=place.key(value))]


# ---------------------------------------------------------------- templates


def read_template(value: Json, place: Place, path: str) -> list[Event]:
    """Any template webhook, told apart by its keys: Meta prints a quality change under the field of a status change."""
    if value.get("new_quality_score") is not None:
        return [_template_quality(value, place, path)]
    if value.get("event") is not None:
        return [_template_status(value, place, path)]
    if value.get("new_category") is not None or value.get("correct_category") is not None:
        return [_template_category(value, place, path)]
    if place.field == "message_template_components_update":
        return [_changed(value, place, path, "COMPONENTS_UPDATE")]
    raise Unreadable("neither event, quality nor category")


def _template_status(value: Json, place: Place, path: str) -> TemplateStatusChanged:
    reason = wire.word(value.get("reason"))
    return TemplateStatusChanged(
        **place.common(path),
        template_id=wire.maybe_ident(value.get("message_template_id")),
        template=wire.maybe_ident(value.get("message_template_name")),
        language=wire.language(value.get("message_template_language")),
        value=_need(value, "event"),
        reason=None if reason == "NONE" else reason,
        title=wire.upper(wire.record(value.get("other_info")).get("title")),
        key=place.key(value),
    )


def _template_quality(value: Json, place: Place, path: str) -> TemplateQualityChanged:
    return TemplateQualityChanged(
        **place.common(path),
        template_id=wire.maybe_ident(value.get("message_template_id")),
        template=wire.maybe_ident(value.get("message_template_name")),
        language=wire.language(value.get("message_template_language")),
        value=_need(value, "new_quality_score"),
        previous=wire.upper(value.get("previous_quality_score")),
        key=place.key(value),
    )


def _template_category(value: Json, place: Place, path: str) -> TemplateCategoryChanged:
    """A change that was made, or one that is announced 24 h before: then `new_category` is still the present one."""
    is_announced = value.get("correct_category") is not None
    return TemplateCategoryChanged(
        **place.common(path),
        template_id=wire.maybe_ident(value.get("message_template_id")),
        template=wire.maybe_ident(value.get("message_template_name")),
        language=wire.language(value.get("message_template_language")),
        value=_need(value, "correct_category" if is_announced else "new_category"),
        previous=wire.upper(value.get("new_category" if is_announced else "previous_category")),
        effective_at=wire.moment(value.get("category_update_timestamp")),
        key=place.key(value),
    )


ACCOUNT_FIELDS: dict[str, FieldReader] = {
    "account_update": read_account_update,
    "account_alerts": read_account_alert,
    "account_review_update": read_account_review,
    "business_capability_update": read_capability,
    "phone_number_quality_update": read_number_quality,
    "phone_number_name_update": read_name,
    "business_username_update": read_username,
    "security": read_security,
    "message_template_status_update": read_template,
    "message_template_quality_update": read_template,
    "template_category_update": read_template,
    "message_template_components_update": read_template,
}
