"""Typed calls for what a shadow policy makes of the chips. It must not know any rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from julia_warmer.core.beside import Beside
from julia_warmer.core.model import ChipState, Decision
from julia_warmer.core.record import state_from_json
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What was decided, what the shadow policy decides, and what it carries on."""

    live: Decision
    shadow: Decision
    after: Beside


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    chip_id: int
    own: dict[str, Any]
    lived: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCourse:
    """A chip under a shadow policy. `held_back` and `granted_more` are messages, by the largest budgets of each of the chip's days."""

    chip: str
    policy: str
    decisions: int
    differ: int
    since: datetime
    first_differs_at: datetime | None
    held_back: int
    granted_more: int
    pauses_live: int
    pauses_shadow: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowParting:
    """A moment at which both policies part, or part in another way than before."""

    chip: str
    at: datetime
    policy: str
    budget: int
    binding: str
    phase: str
    status: str
    changes: list[str]
    live_policy: str
    live_budget: int
    live_phase: str
    live_status: str
    live_changes: list[str]


async def read_states(conn: Connection, chip_ids: Sequence[int], *, policy: str) -> dict[int, Beside]:
    """By chip id, under this version of the shadow policy. Raises RecordError."""
    rows = await queries.read_shadow_states.fetch_as(StateRow, conn, chip_ids=list(chip_ids), policy=policy)
    return {row.chip_id: Beside(_state(row.own), _state(row.lived)) for row in rows}


def _state(value: dict[str, Any]) -> ChipState:
    return state_from_json(orjson.dumps(value).decode())


async def write(conn: Connection, found: Sequence[Shadowed], *, policy: str) -> None:
    """The shadow states and decisions of some chips."""
    chip_ids = [one.live.chip_id for one in found]
    await queries.write_shadow_states.execute(
        conn, chip_ids=chip_ids, policy=policy, owns=[one.after.own for one in found], lived=[one.after.lived for one in found]
    )
    await queries.add_shadow_decisions.execute(
        conn,
        chip_ids=chip_ids,
        policy=policy,
        ats=[one.live.at for one in found],
        budgets=[one.shadow.budget.day_max for one in found],
        bindings=[one.shadow.budget.binding for one in found],
        phases=[one.shadow.state.phase for one in found],
        statuses=[one.shadow.state.status for one in found],
        changes=[" ".join(one.shadow.changes) for one in found],
        live_policies=[one.live.policy for one in found],
        live_budgets=[one.live.budget.day_max for one in found],
        live_phases=[one.live.state.phase for one in found],
        live_statuses=[one.live.state.status for one in found],
        live_changes=[" ".join(one.live.changes) for one in found],
    )


async def list_courses(conn: Connection, *, since: datetime) -> list[ShadowCourse]:
    return await queries.list_shadow_courses.fetch_as(ShadowCourse, conn, since=since)


async def list_partings(conn: Connection, *, since: datetime, limit: int) -> list[ShadowParting]:
    return await queries.list_shadow_partings.fetch_as(ShadowParting, conn, since=since, limit=limit)
