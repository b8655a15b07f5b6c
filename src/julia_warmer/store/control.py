"""Typed calls for the owner's hand: a chip's state as a command leaves it, stops and releases. It must not know what a command means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from julia_warmer.core.commands import StopScope
from julia_warmer.core.control import Standing
from julia_warmer.core.model import ChipState, Quality
from julia_warmer.store.chips import state_of
from julia_warmer.store.db import Connection, Record, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipRow:
    """A locked chip, as SQL gives it; `LockedChip` is what it means."""

    id: int
    name: str
    zone: str
    today: date
    route_set: bool
    quality: str
    phone_status: str
    budget_day_max: int
    failed_day: int
    status: str
    phase: str
    phase_since: datetime
    paused_from: str | None
    pauses: list[dict[str, Any]]
    pauses_in_row: int
    speed: float
    slow_until: datetime | None
    risk_cap: int | None
    risk_cap_since: date | None
    rearmed_at: datetime | None
    advanced_on: date | None
    demoted_on: date | None
    harm_at: datetime | None
    ready_at: datetime | None


@dataclass(frozen=True, slots=True)
class LockedChip:
    """A chip that nobody else changes now: its state, and what an answer to a command needs besides."""

    id: int
    name: str
    state: ChipState
    standing: Standing


@dataclass(frozen=True, slots=True)
class OpenStop:
    """A stop that holds."""

    id: int
    scope: StopScope
    target_id: int | None
    reason: str


async def lock_chips(conn: Connection, scope: StopScope, target_id: int | None, *, at: datetime) -> list[LockedChip]:
    """Lock one chip, or all chips under a scope that may send, in the order of their ids."""
    return [_locked(record) for record in await queries.lock_chips.fetch(conn, scope=scope.value, target_id=target_id, at=at)]


def _locked(row: Record) -> LockedChip:
    standing = Standing(
        today=row["today"],
        route_set=row["route_set"],
        failed_day=row["failed_day"],
        quality=Quality(row["quality"]),
        phone_status=row["phone_status"],
    )
    return LockedChip(row["id"], row["name"], state_of(row), standing)


async def write_state(conn: Connection, chip_id: int, state: ChipState, *, started: bool = False, at: datetime) -> None:
    """Write the state of a locked chip; it is looked at again now."""
    await queries.write_state.execute(
        conn,
        chip_id=chip_id,
        status=state.status,
        phase=state.phase,
        phase_since=state.phase_since,
        started=started,
        paused_from=state.paused_from,
        pauses=state.pauses,
        pauses_in_row=state.pauses_in_row,
        speed=state.speed,
        slow_until=state.slow_until,
        risk_cap=state.risk_cap,
        risk_cap_since=state.risk_cap_since,
        rearmed_at=state.rearmed_at,
        advanced_on=state.advanced_on,
        demoted_on=state.demoted_on,
        harm_at=state.harm_at,
        ready_at=state.ready_at,
        at=at,
    )


async def lock_portfolios(conn: Connection, scope: StopScope, target_id: int | None) -> list[int]:
    """Lock the portfolios that a scope touches: no claim and no call begins there meanwhile. Empty: the target does not exist."""
    found = [row["id"] for row in await queries.find_portfolios.fetch(conn, scope=scope.value, target_id=target_id)]
    await _lock(conn, found)
    return found


async def _lock(conn: Connection, portfolio_ids: Sequence[int]) -> None:
    await queries.lock_portfolios.execute(conn, portfolio_ids=portfolio_ids)


async def open_stop(conn: Connection, scope: StopScope, target_id: int | None, *, reason: str, by: str, at: datetime) -> int | None:
    """The new stop's id; None when one is open already."""
    return await queries.open_stop.fetchval(conn, scope=scope.value, target_id=target_id, reason=reason, by=by, at=at)


async def find_stop(
    conn: Connection, *, stop_id: int | None = None, scope: StopScope | None = None, target_id: int | None = None
) -> OpenStop | None:
    """An open stop by its id, or by what it covers; locked."""
    return await queries.find_stop.fetchrow_as(OpenStop, conn, stop_id=stop_id, scope=scope.value if scope else None, target_id=target_id)


async def close_stop(conn: Connection, stop_id: int, *, by: str, why: str, at: datetime) -> None:
    await queries.close_stop.execute(conn, stop_id=stop_id, by=by, why=why, at=at)


async def wake_chips(conn: Connection, scope: StopScope, target_id: int | None, *, at: datetime) -> None:
    """The chips under a scope are decided on again now."""
    await queries.wake_chips.execute(conn, scope=scope.value, target_id=target_id, at=at)
