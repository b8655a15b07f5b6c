"""Typed calls for facts, the sends they move and the counts they add to. It must not know the wire, nor what a fact means for people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True)
class ChipRef:
    """A chip that a delivery speaks of."""

    id: int
    phone_number_id: str
    display_phone: str
    account_id: int
    portfolio_id: int
    zone: str


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account that a delivery speaks of."""

    id: int
    waba_id: str
    portfolio_id: int


@dataclass(frozen=True, slots=True)
class SendRef:
    """One of our sends. `name` is what it was found by: the platform's message id, or the id of an attempt."""

    id: int
    name: str
    contact_id: int
    chip_id: int
    state: str
    was_held: bool
    called_at: datetime | None
    is_accepted: bool
    template_id: str | None  # Meta's


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A request that has no clear answer yet."""

    chip_id: int
    contact_id: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A call, and how many facts say that it was answered."""

    call_id: str
    facts: int


@dataclass(frozen=True, slots=True)
class Appended:
    """The key of a fact that is new."""

    at: datetime
    kind: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A fact as it is stored. `value` of a status names the message while its send is not known to be accepted."""

    at: datetime
    kind: str
    key: str
    chip_id: int | None = None
    account_id: int | None = None
    contact_id: int | None = None
    send_id: int | None = None
    code: int | None = None
    value: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inbox_id: int | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person did, to be credited to a send of this chip within so many hours."""

    ordinal: int
    chip_id: int
    contact_id: int
    at: datetime
    hours: int


@dataclass(frozen=True, slots=True)
class Attributed:
    """The send that a deed is credited to."""

    ordinal: int
    send_id: int


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said about a send. `what` is a status's kind, `replied` or `opted_out`."""

    send_id: int
    what: str
    at: datetime
    code: int | None = None
    category: str | None = None
    pricing_type: str | None = None


@dataclass(frozen=True, slots=True)
class Early:
    """A status that had come before its send was accepted."""

    send_id: int
    contact_id: int
    kind: str
    at: datetime
    code: int | None
    category: str | None
    pricing_type: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """What changed in the counts of a send's cohort. `counts`: it is a campaign's, so that it counts at all."""

    chip_id: int
    contact_id: int
    counts: bool
    hour: datetime
    delivered: int
    reached: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int
    failed: int
    failure_changed: bool


@dataclass(slots=True)
class HourCounts:
    """What is added to the counts of one chip and hour. `media` is a mask."""

    delivered: int = 0
    reached: int = 0
    read: int = 0
    replied: int = 0
    opted_out: int = 0
    undeliverable: int = 0
    limited: int = 0
    failed: int = 0
    received: int = 0
    conversations: int = 0
    media: int = 0
    spam: int = 0
    warnings: int = 0
    calls: int = 0


COUNTED = tuple(column.name for column in fields(HourCounts))


async def find_chips(conn: Connection, *, phone_number_ids: Sequence[str], display_phones: Sequence[str]) -> list[ChipRef]:
    return await queries.find_chips.fetch_as(ChipRef, conn, phone_number_ids=phone_number_ids, display_phones=display_phones)


async def find_accounts(conn: Connection, waba_ids: Sequence[str]) -> list[AccountRef]:
    return await queries.find_accounts.fetch_as(AccountRef, conn, waba_ids=waba_ids)


async def find_sends(conn: Connection, message_ids: Sequence[str]) -> dict[str, SendRef]:
    """Our sends by the platform's message id."""
    if not message_ids:
        return {}
    return {send.name: send for send in await queries.find_sends.fetch_as(SendRef, conn, message_ids=message_ids)}


async def find_attempts(conn: Connection, attempt_ids: Sequence[UUID]) -> dict[str, SendRef]:
    """Our sends by the id of an attempt, written as text."""
    if not attempt_ids:
        return {}
    return {send.name: send for send in await queries.find_attempts.fetch_as(SendRef, conn, attempt_ids=attempt_ids)}


async def revive_sends(conn: Connection, ids: Sequence[int]) -> None:
    """Take back what we believed of sends that a status proves to be out."""
    if ids:
        await queries.revive_sends.execute(conn, ids=ids)


async def list_open_calls(conn: Connection, chip_ids: Sequence[int]) -> set[tuple[int, int]]:
    """(chip, contact) of requests of these chips that have no clear answer yet."""
    if not chip_ids:
        return set()
    return {(row["chip_id"], row["contact_id"]) for row in await queries.list_open_calls.fetch(conn, chip_ids=chip_ids)}


async def count_answered_calls(conn: Connection, contact_ids: Sequence[int], call_ids: Sequence[str], *, since: datetime) -> dict[str, int]:
    """How many facts since then say of each of these calls, with these people, that it was answered."""
    rows = await queries.count_answered_calls.fetch(conn, contact_ids=contact_ids, call_ids=call_ids, since=since)
    return {row["call_id"]: row["facts"] for row in rows}


async def ensure_months(conn: Connection, ats: Iterable[datetime]) -> None:
    """Make the months that facts of these moments need. First of all in a transaction: a new month locks the whole of `events`."""
    months = {at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for at in ats}
    if months:
        await queries.ensure_months.fetchval(conn, ats=sorted(months))


async def append_events(conn: Connection, rows: Sequence[EventRow], *, at: datetime) -> set[tuple[datetime, str, str]]:
    """Write each fact once; returns (at, kind, key) of the new ones. Their months must be there: `ensure_months`."""
    if not rows:
        return set()
    new = await queries.append_events.fetch(
        conn,
        ats=[row.at for row in rows],
        kinds=[row.kind for row in rows],
        keys=[row.key for row in rows],
        chip_ids=[row.chip_id for row in rows],
        account_ids=[row.account_id for row in rows],
        contact_ids=[row.contact_id for row in rows],
        send_ids=[row.send_id for row in rows],
        codes=[row.code for row in rows],
        values=[row.value for row in rows],
        bodies=[row.body for row in rows],
        inbox_ids=[row.inbox_id for row in rows],
        at=at,
    )
    return {(row["at"], row["kind"], row["key"]) for row in new}


async def adopt_early(conn: Connection, *, since: datetime) -> list[Early]:
    """The statuses, not older than `since`, that waited for a send which is accepted by now. Call it before any contact is locked."""
    return await queries.adopt_early.fetch_as(Early, conn, since=since)


async def attribute_to_sends(conn: Connection, deeds: Sequence[Deed]) -> dict[int, int]:
    """The send that each deed is credited to, by the deed's ordinal."""
    if not deeds:
        return {}
    rows = await queries.attribute_to_sends.fetch(
        conn,
        ordinals=[deed.ordinal for deed in deeds],
        chip_ids=[deed.chip_id for deed in deeds],
        contact_ids=[deed.contact_id for deed in deeds],
        ats=[deed.at for deed in deeds],
        hours=[deed.hours for deed in deeds],
    )
    return {row["ordinal"]: row["send_id"] for row in rows}


async def move_sends(
    conn: Connection,
    said: Sequence[Said],
    *,
    undeliverable: Sequence[int],
    limited: Sequence[int],
    no_failure: Sequence[int],
    at: datetime,
) -> list[Moved]:
    """Join what was said into the sends; returns those whose counts or failure changed. The contacts are locked by the caller.

    The codes say under which count a failure goes: `no_failure` holds all that is not simply `failed`.
    """
    if not said:
        return []
    await queries.lock_sends.execute(conn, ids=sorted({one.send_id for one in said}))
    return await queries.move_sends.fetch_as(
        Moved,
        conn,
        send_ids=[one.send_id for one in said],
        whats=[one.what for one in said],
        ats=[one.at for one in said],
        codes=[one.code for one in said],
        categories=[one.category for one in said],
        pricing_types=[one.pricing_type for one in said],
        undeliverable=undeliverable,
        limited=limited,
        no_failure=no_failure,
        at=at,
    )


async def add_counts(conn: Connection, counts: Mapping[tuple[int, datetime], HourCounts]) -> None:
    """Add to the counts of chips (by id) and clock hours. Once in a transaction: two calls could meet another writer's crosswise."""
    if not counts:
        return
    columns = {name: [getattr(row, name) for row in counts.values()] for name in COUNTED}
    await queries.add_counts.execute(conn, chip_ids=[key[0] for key in counts], hours=[key[1] for key in counts], **columns)
