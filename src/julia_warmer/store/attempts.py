"""Typed calls around a request: claimed sends become `calling` right before it. It must not know the provider, nor whom to write to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from julia_warmer.core.commands import StopScope
from julia_warmer.store.claims import Judged
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A send whose request may begin, with all that the request needs."""

    attempt_id: UUID
    send_id: int
    attempts: int  # this one included
    portfolio_id: int
    account_id: int
    chip_id: int
    contact_id: int
    phone_number_id: str
    waba_id: str
    token: bytes = field(repr=False)  # sealed
    phone: str
    contact_name: str | None
    kind: str
    body: dict[str, Any]
    campaign_id: int | None = None
    parameters: list[Any] | None = None  # of the campaign
    template_row: int | None = None
    template_id: str | None = None
    template: str | None = None
    language: str | None = None
    named_components: list[Any] | None = None  # of a template whose places have names


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """What one call came to: accepted, held, refused or unclear."""

    attempt_id: UUID
    outcome: str
    http: int | None = None
    code: int | None = None
    details: str | None = None


async def begin_calls(conn: Connection, sends: Sequence[Judged], *, worker: str, lease_until: datetime, at: datetime) -> list[Call]:
    """Mark claimed sends as `calling` and write their attempts ahead. What may not go out any more is given back or left alone."""
    await queries.lock_callers.execute(conn, portfolio_ids=list({send.portfolio_id for send in sends}))
    await queries.lock_calling_chips.execute(conn, chip_ids=list({send.chip_id for send in sends}))
    await queries.lock_called_people.execute(conn, contact_ids=list({send.contact_id for send in sends}))
    return await queries.begin_calls.fetch_as(
        Call, conn, send_ids=[send.send_id for send in sends], worker=worker, lease_until=lease_until, at=at
    )


async def end_attempts(conn: Connection, attempts: Sequence[EndedAttempt], *, at: datetime) -> None:
    await queries.end_attempts.execute(
        conn,
        attempt_ids=[attempt.attempt_id for attempt in attempts],
        outcomes=[attempt.outcome for attempt in attempts],
        https=[attempt.http for attempt in attempts],
        codes=[attempt.code for attempt in attempts],
        details=[attempt.details for attempt in attempts],
        at=at,
    )


async def count_calls(
    conn: Connection, *, scope: StopScope = StopScope.EVERYTHING, target_id: int | None = None, contact_ids: Sequence[int] | None = None
) -> int:
    """Calls that may still begin or have no answer yet: under a scope, or of these people."""
    return await queries.count_calls.fetchval(conn, contact_ids=contact_ids, scope=scope.value, target_id=target_id)
