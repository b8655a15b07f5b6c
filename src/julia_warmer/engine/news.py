"""What the platform says about portfolios, numbers and templates: written down, told to a person where it matters. People come later.

All of it is idempotent: an older word never replaces a newer one. What stops sending was done before the 200, in `engine/urgent`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from julia_warmer.core.events import (
    AccountChanged,
    AccountRestricted,
    Event,
    Fact,
    LimitChanged,
    NameReviewed,
    QualityChanged,
    SecurityChanged,
    TemplateCategoryChanged,
    TemplateFact,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from julia_warmer.core.model import Quality
from julia_warmer.engine.scene import Places
from julia_warmer.store import platform
from julia_warmer.store.db import Connection
from julia_warmer.store.platform import Alert, TemplateName

FactT = TypeVar("FactT", bound=Fact)

FLAGGED = "FLAGGED"
QUALITIES = frozenset(Quality)
NO_STATUS = frozenset({FLAGGED, "UNARCHIVED"})  # news about a template that leave its status as it is
SAME_STATUS = {"REINSTATED": "APPROVED"}
NAME_STATUSES = {"APPROVED": "APPROVED", "DEFERRED": "PENDING_REVIEW", "PENDING": "PENDING_REVIEW", "REJECTED": "DECLINED"}
ALERT_LEVELS = {"CRITICAL": "critical", "WARNING": "warning"}
QUIET_STATUSES = frozenset({"APPROVED", "PENDING", "PAUSED", "DISABLED", "REINSTATED"})  # good, or told before the 200


async def write_news(conn: Connection, events: Sequence[Event], places: Places, *, at: datetime) -> None:
    """Write what these facts say about what is ours. Locks portfolios, then chips; call it before any contact is locked."""
    await _set_limits(conn, events, places)
    await _set_chips(conn, events, places, at=at)
    await _set_templates(conn, [event for event in events if isinstance(event, TemplateFact)], places, at=at)


async def _set_limits(conn: Connection, events: Sequence[Event], places: Places) -> None:
    limits: dict[int, tuple[int | None, datetime]] = {}
    for event in _in_time(events):
        if isinstance(event, LimitChanged) and (account := places.account_of(event)):
            limits[account.portfolio_id] = (event.limit, event.at)
    if limits:
        await platform.lock_portfolios(conn, sorted(limits))
        await platform.set_limits(conn, limits)


async def _set_chips(conn: Connection, events: Sequence[Event], places: Places, *, at: datetime) -> None:
    qualities: dict[int, tuple[str, datetime]] = {}
    names: dict[int, tuple[str, str | None]] = {}
    for event in _in_time(events):
        match event:
            case QualityChanged(value=value) if value in QUALITIES and (chip := places.chip_of(event)):
                qualities[chip.id] = (value, event.at)
            case NameReviewed(value=value) if value in NAME_STATUSES and (chip := places.chip_of(event)):
                names[chip.id] = (NAME_STATUSES[value], event.name if value == "APPROVED" else None)
            case _:
                pass
    if qualities or names:
        await platform.lock_chips(conn, sorted({*qualities, *names}))
        await platform.set_quality(conn, qualities, at=at)
        await platform.set_names(conn, names)


async def _set_templates(conn: Connection, events: Sequence[TemplateFact], places: Places, *, at: datetime) -> None:
    known = [(event, account.id) for event in _in_time(events) if (account := places.account_of(event))]
    names = [
        TemplateName(account_id=account_id, template_id=event.template_id, name=event.template, language=event.language)
        for event, account_id in known
    ]
    statuses: dict[int, tuple[str, datetime]] = {}
    qualities: dict[int, tuple[str, datetime]] = {}
    categories: dict[int, str] = {}
    for template in await platform.find_templates(conn, names):
        match known[template.ordinal][0]:
            case TemplateStatusChanged(value=value, at=said_at) if value not in NO_STATUS:
                statuses[template.id] = (SAME_STATUS.get(value, value), said_at)
            case TemplateQualityChanged(value=value, at=said_at):
                qualities[template.id] = (value if value in QUALITIES else Quality.UNKNOWN, said_at)
            case TemplateCategoryChanged(value=value, effective_at=effective_at) if effective_at is None or effective_at <= at:
                categories[template.id] = value
            case _:
                pass
    await platform.set_template_status(conn, statuses)
    await platform.set_template_quality(conn, qualities)
    await platform.set_template_category(conn, categories)


def _in_time(events: Iterable[FactT]) -> list[FactT]:
    return sorted(events, key=lambda event: event.at)


# ------------------------------------------------------------------ what a person is told


def alerts_for(event: Event, places: Places) -> list[Alert]:
    """What a person should know of a new fact; nothing for most."""
    told = _told(event)
    if told is None:
        return []
    rule, level, text = told
    chip, account = places.chip_of(event), places.account_of(event)
    whose = f"chip:{chip.id}" if chip else f"account:{account.id}" if account else "unknown"
    return [
        Alert(rule=rule, level=level, text=text, chip_id=chip.id if chip else None, open_key=f"{rule}:{whose}:{text}"[:200], at=event.at)
    ]


def _told(event: Event) -> tuple[str, str, str] | None:  # noqa: PLR0911 - a table, read from top to bottom
    """Rule, level and text of the alert for a fact."""
    match event:
        case QualityChanged(value=value) if value in (FLAGGED, Quality.YELLOW):
            return "platform quality", "warning", f"The platform rates the number {value}"
        case TemplateStatusChanged(value=value) if value not in QUIET_STATUSES:
            return "template", "warning", f"Template {event.template or event.template_id}: {value} {event.reason or ''}".rstrip()
        case TemplateQualityChanged(value=value) if value in (Quality.YELLOW, Quality.RED):
            return "template", "warning", f"Template {event.template or event.template_id} is rated {value}"
        case TemplateCategoryChanged():
            when = f" on {event.effective_at:%Y-%m-%d %H:%M} UTC" if event.effective_at else ""
            return "template", "warning", f"Template {event.template or event.template_id} becomes {event.value}{when}"
        case NameReviewed(value="REJECTED"):
            return "display name", "warning", f"The display name was rejected: {event.name or 'no name given'}"
        case SecurityChanged():
            return "security", "critical", f"{event.value}: if it was not you, somebody may be taking the number over"
        case AccountRestricted(details=details):
            return "account", "critical", f"{event.value}: {', '.join(event.restrictions) or details or event.code or 'no details'}"
        case AccountChanged(field="account_alerts"):
            level = ALERT_LEVELS.get(event.severity or "", "info")
            return "account", level, f"{event.value} {event.details or ''}".rstrip()
        case AccountChanged(value="ERROR" | "REJECTED" | "ACCOUNT_OFFBOARDED" | "PARTNER_REMOVED"):
            return "account", "warning", f"{event.value} {event.code or ''} {event.details or ''}".rstrip()
        case AccountChanged(value="DISABLED_UPDATE"):
            return "account", "info", f"{event.value} {event.details or ''}: a person releases the stop".rstrip()
        case _:
            return None
