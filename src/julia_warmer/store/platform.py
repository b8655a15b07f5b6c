"""Typed calls for what the platform says about portfolios, accounts, numbers and templates, and the stops that follow. It decides none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from julia_warmer.core.model import ChipState, ChipStatus, Phase
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class ChipPauses:
    """A locked chip: what a pause is added to. The pauses are those of `core.model.Pause`, as JSON."""

    id: int
    name: str
    status: ChipStatus
    phase: Phase
    phase_since: datetime
    paused_from: ChipStatus | None
    pauses: list[dict[str, Any]]
    pauses_in_row: int


@dataclass(frozen=True, slots=True)
class ChipOf:
    """A chip of an account."""

    id: int
    account_id: int


@dataclass(frozen=True, slots=True)
class TemplateRef:
    """A template that a fact speaks of."""

    ordinal: int
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class TemplateName:
    """How a fact names a template."""

    account_id: int
    template_id: str | None
    name: str | None
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a person is told. One alert of a key is open at a time."""

    rule: str
    level: str  # info, warning, critical
    text: str
    chip_id: int | None = None
    open_key: str | None = None
    at: datetime


async def hear(conn: Connection, *, accounts: Mapping[int, datetime], chips: Mapping[int, datetime]) -> None:
    """Webhooks of these accounts and chips were heard at these moments."""
    if accounts:
        await queries.hear_accounts.execute(conn, account_ids=list(accounts), ats=list(accounts.values()))
    if chips:
        await queries.hear_chips.execute(conn, chip_ids=list(chips), ats=list(chips.values()))


async def lock_portfolios(conn: Connection, ids: Sequence[int]) -> None:
    if ids:
        await queries.lock_portfolios.execute(conn, ids=ids)


async def lock_chips(conn: Connection, ids: Sequence[int]) -> list[ChipPauses]:
    """Lock these chips, in the order of their ids."""
    return await queries.lock_chips.fetch_as(ChipPauses, conn, ids=ids) if ids else []


async def pause_chip(conn: Connection, chip_id: int, state: ChipState, *, at: datetime) -> None:
    """Write the pauses of a locked chip, and nothing else of its state."""
    await queries.pause_chip.execute(
        conn,
        chip_id=chip_id,
        status=state.status,
        paused_from=state.paused_from,
        pauses=state.pauses,
        pauses_in_row=state.pauses_in_row,
        at=at,
    )


async def set_limits(conn: Connection, limits: Mapping[int, tuple[int | None, datetime]]) -> None:
    """Messaging limits of portfolios, with when they were said."""
    if not limits:
        return
    values = list(limits.values())
    await queries.set_limits.execute(conn, portfolio_ids=list(limits), limits=[limit for limit, _ in values], ats=[at for _, at in values])


async def set_quality(conn: Connection, qualities: Mapping[int, tuple[str, datetime]], *, at: datetime) -> None:
    """Qualities of chips, with when they were said."""
    if not qualities:
        return
    values = list(qualities.values())
    await queries.set_quality.execute(
        conn, chip_ids=list(qualities), qualities=[quality for quality, _ in values], ats=[said_at for _, said_at in values], at=at
    )


async def set_names(conn: Connection, names: Mapping[int, tuple[str, str | None]]) -> None:
    """Name status and, when it was approved, the display name of chips."""
    if not names:
        return
    values = list(names.values())
    await queries.set_names.execute(
        conn, chip_ids=list(names), name_statuses=[status for status, _ in values], verified_names=[name for _, name in values]
    )


async def find_templates(conn: Connection, names: Sequence[TemplateName]) -> list[TemplateRef]:
    """The templates of these names; `ordinal` counts the names from 0."""
    if not names:
        return []
    return await queries.find_templates.fetch_as(
        TemplateRef,
        conn,
        ordinals=list(range(len(names))),
        account_ids=[name.account_id for name in names],
        template_ids=[name.template_id for name in names],
        names=[name.name for name in names],
        languages=[name.language for name in names],
    )


async def set_template_status(conn: Connection, statuses: Mapping[int, tuple[str, datetime]]) -> set[int]:
    """Statuses of templates, with when they were said; returns those that took it."""
    if not statuses:
        return set()
    values = list(statuses.values())
    rows = await queries.set_template_status.fetch(
        conn, ids=list(statuses), statuses=[status for status, _ in values], ats=[at for _, at in values]
    )
    return {row["id"] for row in rows}


async def set_template_quality(conn: Connection, qualities: Mapping[int, tuple[str, datetime]]) -> None:
    if not qualities:
        return
    values = list(qualities.values())
    await queries.set_template_quality.execute(
        conn, ids=list(qualities), qualities=[quality for quality, _ in values], ats=[at for _, at in values]
    )


async def set_template_category(conn: Connection, categories: Mapping[int, str]) -> None:
    if categories:
        await queries.set_template_category.execute(conn, ids=list(categories), categories=list(categories.values()))


async def list_chips_of(conn: Connection, account_ids: Sequence[int]) -> list[ChipOf]:
    """The chips of these accounts that are not over."""
    return await queries.list_chips_of.fetch_as(ChipOf, conn, account_ids=account_ids) if account_ids else []


async def add_stop(conn: Connection, *, scope: str, target_id: int, reason: str, at: datetime) -> int | None:
    """Open a stop by the platform; None when one is open already."""
    return await queries.add_stop.fetchval(conn, scope=scope, target_id=target_id, reason=reason, at=at)


async def add_alerts(conn: Connection, alerts: Sequence[Alert]) -> None:
    if not alerts:
        return
    await queries.add_alerts.execute(
        conn,
        ats=[alert.at for alert in alerts],
        chip_ids=[alert.chip_id for alert in alerts],
        rules=[alert.rule for alert in alerts],
        levels=[alert.level for alert in alerts],
        texts=[alert.text for alert in alerts],
        open_keys=[alert.open_key for alert in alerts],
    )


async def close_alerts(conn: Connection, open_keys: Sequence[str], *, by: str, at: datetime) -> None:
    """Close the open alerts of these keys."""
    if open_keys:
        await queries.close_alerts.execute(conn, open_keys=open_keys, by=by, at=at)
