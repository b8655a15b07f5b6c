"""Typed calls for what goes out: claim, call, settle, sweep. It must not know the provider, policies or what a person would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from julia_warmer.core.commands import StopScope
from julia_warmer.core.model import Media
from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class PortfolioLimits:
    """What a portfolio may spend: unique people in a moving 24 h (None = never read, -1 = unlimited), money a day (None = no limit)."""

    messaging_limit: int | None
    spend_day_max: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipRoom:
    """A chip that may send, with what is left of its day and of its portfolio. `probing`: a throttle has just ended."""

    chip_id: int
    day: date  # the chip's calendar day
    room: int  # campaign messages; may be below 0
    people_used: int  # of the portfolio, in the moving 24 h
    spent: Decimal  # of the portfolio, today
    probing_app: bool
    probing: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A due send whose person is locked, and the person's zone."""

    send_id: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What a claim judges by: the person's caps and hours, and what is left of chips, people and money."""

    marketing_7d_max: int
    marketing_30d_max: int
    utility_1d_max: int
    pair_s: float
    opens_at: Mapping[str, datetime]  # by zone: the first allowed moment that is not before now
    rooms: Sequence["Room"]
    people_left: int | None  # None = unlimited
    money_left: Decimal | None


@dataclass(frozen=True, slots=True)
class Room:
    """How many sends of one chip a claim may take."""

    chip_id: int
    day: date
    campaign: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the claim made of a send: `claimed`, `cancelled`, or `planned` for later, with the reason."""

    send_id: int
    portfolio_id: int
    chip_id: int
    contact_id: int
    state: str
    reason: str | None


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
    parameters: list[Any] | None = None  # of the campaign
    template_row: int | None = None
    template_id: str | None = None
    template: str | None = None
    language: str | None = None
    named_components: list[Any] | None = None  # of a template whose places have names


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSend:
    """The provider took a send: from the answer to its request, or from a status that carries our id."""

    send_id: int
    message_id: str | None
    held: bool = False
    wa_id: str | None = None
    media: Media = Media.TEXT


@dataclass(frozen=True, slots=True)
class SettledSend:
    """A send that changed: it became `accepted` (or held) or `unknown`."""

    id: int
    became: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSend:
    """The provider refused a send. `due_at` set: surely not taken, try again then. `free`: its slot and its place in the day come back."""

    send_id: int
    code: int
    reason: str
    free: bool
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """What one call came to: accepted, held, refused or unclear."""

    attempt_id: UUID
    outcome: str
    http: int | None = None
    code: int | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class ThrottleTries:
    """How often in a row a scope had to wait."""

    scope: str
    target_id: int
    tries: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found: leases given back, calls lost with their worker, plans whose time was over."""

    released: int
    lost: int
    expired: int


@dataclass(frozen=True, slots=True)
class UnknownSend:
    """A send of which nobody knows whether it was taken."""

    id: int
    contact_id: int
    message_id: str | None


# ------------------------------------------------------------------ claim


async def plan_once(conn: Connection) -> None:
    """Plan each statement once on this connection, until it goes back to its pool."""
    await queries.plan_once.fetchval(conn)


async def find_due_portfolios(conn: Connection, *, at: datetime) -> list[int]:
    return [row["id"] for row in await queries.find_due_portfolios.fetch(conn, at=at)]


async def lock_portfolio(conn: Connection, portfolio_id: int) -> PortfolioLimits:
    """The first lock of a claim. Raises LookupError."""
    limits = await queries.lock_portfolio.fetchrow_as(PortfolioLimits, conn, portfolio_id=portfolio_id)
    if limits is None:
        raise LookupError(f"no portfolio {portfolio_id}")
    return limits


async def lock_due_chips(conn: Connection, portfolio_id: int, *, at: datetime) -> list[int]:
    return [row["id"] for row in await queries.lock_due_chips.fetch(conn, portfolio_id=portfolio_id, at=at)]


async def survey_chips(
    conn: Connection, portfolio_id: int, chip_ids: Sequence[int], *, with_people: bool, with_money: bool, at: datetime
) -> list[ChipRoom]:
    """The chips that may send. The portfolio and the chips must be locked."""
    return await queries.survey_chips.fetch_as(
        ChipRoom, conn, portfolio_id=portfolio_id, chip_ids=chip_ids, with_people=with_people, with_money=with_money, at=at
    )


async def lock_candidates(
    conn: Connection, rooms: Sequence[Room], *, people_left: int | None, money_left: Decimal | None, most: int, at: datetime
) -> list[Candidate]:
    return await queries.lock_candidates.fetch_as(
        Candidate,
        conn,
        chip_ids=[room.chip_id for room in rooms],
        rooms=[room.campaign for room in rooms],
        reply_rooms=[room.reply for room in rooms],
        people_left=people_left,
        money_left=money_left,
        most=most,
        at=at,
    )


async def take_sends(
    conn: Connection, send_ids: Sequence[int], guards: Guards, *, worker: str, lease_until: datetime, at: datetime
) -> list[Judged]:
    """Judge these and take what passes. Portfolio, chips and people must be locked, each by an earlier statement."""
    return await queries.take_sends.fetch_as(
        Judged,
        conn,
        send_ids=send_ids,
        zones=list(guards.opens_at),
        opens_at=list(guards.opens_at.values()),
        chip_ids=[room.chip_id for room in guards.rooms],
        rooms=[room.campaign for room in guards.rooms],
        days=[room.day for room in guards.rooms],
        marketing_7d_max=guards.marketing_7d_max,
        marketing_30d_max=guards.marketing_30d_max,
        utility_1d_max=guards.utility_1d_max,
        pair_s=guards.pair_s,
        people_left=guards.people_left,
        money_left=guards.money_left,
        worker=worker,
        lease_until=lease_until,
        at=at,
    )


# ------------------------------------------------------------------ call


async def begin_calls(conn: Connection, sends: Sequence[Judged], *, worker: str, lease_until: datetime, at: datetime) -> list[Call]:
    """Mark claimed sends as `calling` and write their attempts ahead. What may not go out any more is given back or left alone."""
    await queries.lock_callers.execute(conn, portfolio_ids=list({send.portfolio_id for send in sends}))
    await queries.lock_calling_chips.execute(conn, chip_ids=list({send.chip_id for send in sends}))
    await queries.lock_called_people.execute(conn, contact_ids=list({send.contact_id for send in sends}))
    return await queries.begin_calls.fetch_as(
        Call, conn, send_ids=[send.send_id for send in sends], worker=worker, lease_until=lease_until, at=at
    )


# ------------------------------------------------------------------ settle


async def lock_people_of(conn: Connection, send_ids: Sequence[int]) -> None:
    await queries.lock_people_of.execute(conn, send_ids=send_ids)


async def settle_sends(conn: Connection, accepted: Sequence[AcceptedSend], lost: Sequence[int] = (), *, at: datetime) -> set[int]:
    """The one place where a send becomes accepted (or held), from `calling` or `unknown` only, once; and where `lost` calls become unknown.

    Returns the ids that were accepted by this call. The people of these sends must be locked by then, in the order of their ids:
    `lock_people_of`, or the caller's own lock.
    """
    if not accepted and not lost:
        return set()
    changed = await queries.settle_sends.fetch_as(
        SettledSend,
        conn,
        send_ids=[row.send_id for row in accepted],
        message_ids=[row.message_id for row in accepted],
        held=[row.held for row in accepted],
        wa_ids=[row.wa_id for row in accepted],
        media=[int(row.media) for row in accepted],
        lost_ids=lost,
        at=at,
    )
    return {row.id for row in changed if row.became == "accepted"}


async def accept_sends(conn: Connection, rows: Sequence[AcceptedSend], *, at: datetime) -> set[int]:
    """`settle_sends` for what was taken. Returns the ids that were accepted by this call."""
    return await settle_sends(conn, rows, at=at)


async def lose_sends(conn: Connection, send_ids: Sequence[int], *, at: datetime) -> None:
    """`settle_sends` for what nobody knows."""
    await settle_sends(conn, (), send_ids, at=at)


async def mark_held(conn: Connection, send_ids: Sequence[int]) -> None:
    """For sends that a status had accepted before our answer said that they are held."""
    await queries.mark_held.execute(conn, send_ids=send_ids)


async def refuse_sends(conn: Connection, rows: Sequence[RefusedSend], *, at: datetime) -> list[int]:
    """Settle refusals: planned again, or failed. Returns the ids that changed."""
    changed = await queries.refuse_sends.fetch(
        conn,
        send_ids=[row.send_id for row in rows],
        again=[row.due_at is not None for row in rows],
        free=[row.free for row in rows],
        due_at=[row.due_at for row in rows],
        codes=[row.code for row in rows],
        reasons=[row.reason for row in rows],
        at=at,
    )
    return [row["id"] for row in changed]


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


async def note_people(
    conn: Connection,
    *,
    undeliverable: Sequence[int],
    limited: Sequence[int],
    limited_wait_h: float,
    limited_wait_h_max: float,
    at: datetime,
) -> None:
    """What a refusal said about people, by contact id. They must be locked."""
    await queries.note_people.execute(
        conn,
        undeliverable=undeliverable,
        limited=limited,
        limited_wait_h=limited_wait_h,
        limited_wait_h_max=limited_wait_h_max,
        at=at,
    )


async def read_throttle_tries(conn: Connection, targets: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """How often in a row these scopes had to wait; those that did not are not in it."""
    rows = await queries.read_throttle_tries.fetch_as(
        ThrottleTries, conn, scopes=[scope for scope, _ in targets], target_ids=[target_id for _, target_id in targets]
    )
    return {(row.scope, row.target_id): row.tries for row in rows}


async def set_throttle(conn: Connection, scope: str, target_id: int, *, until_at: datetime, tries: int, code: int, at: datetime) -> None:
    await queries.set_throttle.execute(conn, scope=scope, target_id=target_id, until_at=until_at, tries=tries, code=code, at=at)


# ------------------------------------------------------------------ what was left behind


async def sweep_sends(conn: Connection, *, lost_before: datetime, most: int, at: datetime) -> Swept:
    swept = await queries.sweep_sends.fetchrow_as(Swept, conn, lost_before=lost_before, most=most, at=at)
    return swept or Swept(0, 0, 0)


async def find_unknown(conn: Connection, send_id: int) -> UnknownSend | None:
    return await queries.find_unknown.fetchrow_as(UnknownSend, conn, send_id=send_id)


async def cancel_unknown(conn: Connection, send_id: int, *, reason: str, at: datetime) -> None:
    await queries.cancel_unknown.execute(conn, send_id=send_id, reason=reason, at=at)


async def count_calls(
    conn: Connection, *, scope: StopScope = StopScope.EVERYTHING, target_id: int | None = None, contact_ids: Sequence[int] | None = None
) -> int:
    """Calls that may still begin or have no answer yet: under a scope, or of these people."""
    return await queries.count_calls.fetchval(conn, contact_ids=contact_ids, scope=scope.value, target_id=target_id)
