"""Typed calls for what is asked of the platform by the clock. It must not know the provider, nor what a change leads to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleAccount:
    """An account to read, with its sealed token."""

    id: int
    portfolio_id: int
    waba_id: str
    name: str
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A chip's number, and what was known of it."""

    chip_id: int
    name: str
    phone_number_id: str
    quality: str
    phone_status: str
    name_status: str
    pin_set: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the platform says of a chip's number now. None: it did not say."""

    chip_id: int
    quality: str
    phone_status: str
    name_status: str
    verified_name: str | None
    pin_set: bool | None
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A number whose business profile is to be read."""

    chip_id: int
    phone_number_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A template as a listing has it."""

    template_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    parameter_format: str
    components: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChange:
    """A template whose status is another one than before; `was` None: it is new."""

    template_row: int
    name: str
    language: str
    was: str | None
    status: str


async def list_stale_accounts(conn: Connection, *, before: datetime, limit: int) -> list[StaleAccount]:
    return await queries.list_stale_accounts.fetch_as(StaleAccount, conn, before=before, limit=limit)


async def list_unsynced_accounts(conn: Connection, *, before: datetime, limit: int) -> list[StaleAccount]:
    return await queries.list_unsynced_accounts.fetch_as(StaleAccount, conn, before=before, limit=limit)


async def lock_numbers(conn: Connection, account_id: int) -> list[Number]:
    """Lock the chips of an account, in the order of their ids. The portfolio is locked before."""
    return await queries.lock_numbers.fetch_as(Number, conn, account_id=account_id)


async def put_numbers(conn: Connection, readings: Sequence[Reading], *, at: datetime) -> None:
    await queries.put_numbers.execute(
        conn,
        at=at,
        chip_ids=[reading.chip_id for reading in readings],
        qualities=[reading.quality for reading in readings],
        phone_statuses=[reading.phone_status for reading in readings],
        name_statuses=[reading.name_status for reading in readings],
        verified_names=[reading.verified_name for reading in readings],
        pins=[reading.pin_set for reading in readings],
        changed=[reading.changed for reading in readings],
    )


async def put_polled(conn: Connection, account_id: int, *, health: str, at: datetime) -> None:
    await queries.put_polled.execute(conn, account_id=account_id, health=health, at=at)


async def list_unread_profiles(conn: Connection, account_id: int, *, before: datetime, empty_before: datetime, limit: int) -> list[Unread]:
    return await queries.list_unread_profiles.fetch_as(
        Unread, conn, account_id=account_id, before=before, empty_before=empty_before, limit=limit
    )


async def put_profiles(conn: Connection, filled: Mapping[int, bool], *, at: datetime) -> None:
    """Whether each of these chips has a filled profile."""
    await queries.put_profiles.execute(conn, chip_ids=list(filled), filled=list(filled.values()), at=at)


async def put_templates(conn: Connection, account_id: int, rows: Sequence[TemplateRow], *, at: datetime) -> list[TemplateChange]:
    """Write an account's whole listing; gives what changed its status."""
    await queries.lock_templates.execute(conn, account_id=account_id)
    return await queries.put_templates.fetch_as(
        TemplateChange,
        conn,
        account_id=account_id,
        at=at,
        template_ids=[row.template_id for row in rows],
        names=[row.name for row in rows],
        languages=[row.language for row in rows],
        categories=[row.category for row in rows],
        statuses=[row.status for row in rows],
        qualities=[row.quality for row in rows],
        formats=[row.parameter_format for row in rows],
        components=[tuple(row.components) for row in rows],  # asyncpg takes a list within a list for a dimension of the array
    )


async def put_synced(conn: Connection, account_id: int, *, changed: bool, at: datetime) -> None:
    await queries.put_synced.execute(conn, account_id=account_id, changed=changed, at=at)


async def delete_old_jobs(conn: Connection, *, before: datetime) -> None:
    await queries.delete_old_jobs.execute(conn, before=before)
