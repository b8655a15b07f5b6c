"""Typed calls of the claim: what is due, what may go out now, who takes it. It must not know the provider, nor what becomes of a call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from julia_warmer.store.db import Connection, load

PEOPLE_EXACT_MAX = 2000  # a portfolio of a smaller limit is counted at every claim while it is nearly full

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class PortfolioLimits:
    """What a portfolio may spend: unique people in a moving 24 h (None = never read, -1 = unlimited), money a day (None = no limit)."""

    messaging_limit: int | None
    spend_day_max: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipRoom:
    """A chip that may send, with what is left of its day and of its portfolio's money. `probing`: a throttle has just ended."""

    chip_id: int
    account_id: int
    day: date  # the chip's calendar day
    room: int  # campaign messages; may be below 0
    spent: Decimal  # of the portfolio, today
    probing_app: bool
    probing_account: bool
    probing: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A due send whose person is locked, and the person's zone."""

    send_id: int
    zone: str


@dataclass(frozen=True, slots=True)
class Room:
    """How many sends of one chip a claim may take."""

    chip_id: int
    day: date
    campaign: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What a claim judges by: the person's caps and hours, and what is left of chips, people and money."""

    marketing_7d_max: int
    marketing_30d_max: int
    utility_1d_max: int
    pair_s: float
    opens_at: Mapping[str, datetime]  # by zone: the first allowed moment that is not before now
    rooms: Sequence["Room"]
    people_left: int | None  # None = unlimited; -1: more than the limit hold a slot, and none of them gets another
    money_left: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the claim made of a send: `claimed`, `cancelled`, or `planned` for later, with the reason."""

    send_id: int
    portfolio_id: int
    chip_id: int
    contact_id: int
    state: str
    reason: str | None


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


async def try_portfolio(conn: Connection, portfolio_id: int) -> PortfolioLimits | None:
    """`lock_portfolio` without waiting: None when somebody else holds it."""
    return await queries.try_portfolio.fetchrow_as(PortfolioLimits, conn, portfolio_id=portfolio_id)


async def lock_due_chips(conn: Connection, portfolio_id: int, *, at: datetime) -> list[int]:
    return [row["id"] for row in await queries.lock_due_chips.fetch(conn, portfolio_id=portfolio_id, at=at)]


async def count_people(conn: Connection, portfolio_id: int, *, people_max: int, most: int, at: datetime) -> int:
    """People used of the moving 24 h, never too few; this claim may add `most`. An earlier statement has locked the portfolio."""
    return await queries.count_people.fetchval(
        conn, portfolio_id=portfolio_id, people_max=people_max, most=most, exact_max=PEOPLE_EXACT_MAX, at=at
    )


async def survey_chips(conn: Connection, portfolio_id: int, chip_ids: Sequence[int], *, with_money: bool, at: datetime) -> list[ChipRoom]:
    """The chips that may send. The portfolio and the chips must be locked."""
    return await queries.survey_chips.fetch_as(ChipRoom, conn, portfolio_id=portfolio_id, chip_ids=chip_ids, with_money=with_money, at=at)


async def lock_candidates(
    conn: Connection, rooms: Sequence[Room], *, people_left: int | None, money_left: Decimal | None, most: int, share: int, at: datetime
) -> list[Candidate]:
    """At most `most`, and `share` of each chip's campaigns and of its replies."""
    return await queries.lock_candidates.fetch_as(
        Candidate,
        conn,
        chip_ids=[room.chip_id for room in rooms],
        rooms=[room.campaign for room in rooms],
        reply_rooms=[room.reply for room in rooms],
        people_left=people_left,
        money_left=money_left,
        most=most,
        share=share,
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
