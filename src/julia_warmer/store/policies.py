"""Typed calls for versions of the rules, for what is in force when, and for chips' own rules. It must not know what a rule means."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the rules, as canonical JSON."""

    version: str
    rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """From which moment on which version is in force: who changed it, when, why, what differs and what it was expected to lead to."""

    id: int
    version: str
    before: str
    valid_from: datetime
    made_at: datetime
    made_by: str
    why: str
    layers: list[list[str]]  # (file, TOML) pairs, bottom first
    differs: list[dict[str, Any]]
    effect: dict[str, Any]
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Rules that a chip has of its own."""

    id: int
    chip_id: int
    chip: str
    body: str  # TOML
    since: datetime
    set_by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """A change as it is written down."""

    version: str
    before: str
    valid_from: datetime
    made_at: datetime
    made_by: str
    why: str
    layers: Sequence[tuple[str, str]]
    differs: Sequence[dict[str, Any]]
    effect: dict[str, Any]


async def keep_versions(conn: Connection, versions: Collection[Version], *, at: datetime) -> None:
    """Keep the rules of these versions, those that are not kept yet."""
    rules = {one.version: one.rules for one in versions}
    for row in await queries.find_missing.fetch(conn, versions=list(rules)):
        await queries.keep_version.execute(conn, version=row["version"], rules=rules[row["version"]], at=at)


async def list_versions(conn: Connection, versions: Collection[str] | None = None) -> list[Version]:
    """Those of them that are kept; without names all."""
    return await queries.list_versions.fetch_as(Version, conn, versions=None if versions is None else list(versions))


async def read_version_at(conn: Connection, *, at: datetime) -> str | None:
    """The version in force at a moment; None while nothing was ever applied."""
    return await queries.read_version_at.fetchval(conn, at=at)


async def lock_changes(conn: Connection) -> None:
    """Wait until nobody else changes policies or chips' own rules; held until the transaction ends."""
    await queries.lock_changes.execute(conn)


async def list_changes(conn: Connection, *, limit: int) -> list[PolicyChange]:
    return await queries.list_changes.fetch_as(PolicyChange, conn, limit=limit)


async def add_change(conn: Connection, change: NewChange) -> int:
    return await queries.add_change.fetchval(
        conn,
        version=change.version,
        before=change.before,
        valid_from=change.valid_from,
        made_at=change.made_at,
        made_by=change.made_by,
        why=change.why,
        layers=[list(layer) for layer in change.layers],
        differs=list(change.differs),
        effect=change.effect,
    )


async def withdraw_change(conn: Connection, change_id: int, *, by: str, why: str, at: datetime) -> str | None:
    """Take back a change that is not valid yet; None when there is none such."""
    return await queries.withdraw_change.fetchval(conn, change_id=change_id, by=by, why=why, at=at)


async def list_overrides(conn: Connection, chip_ids: Collection[int] | None = None) -> list[Override]:
    """The own rules that stand now, by chip."""
    return await queries.list_overrides.fetch_as(Override, conn, chip_ids=None if chip_ids is None else list(chip_ids))


async def add_override(conn: Connection, chip_id: int, body: str, *, by: str, why: str, at: datetime) -> int:
    return await queries.add_override.fetchval(conn, chip_id=chip_id, body=body, by=by, why=why, at=at)


async def end_override(conn: Connection, chip_id: int, *, by: str, why: str, at: datetime) -> int | None:
    """End the chip's own rules; None when it has none."""
    return await queries.end_override.fetchval(conn, chip_id=chip_id, by=by, why=why, at=at)
