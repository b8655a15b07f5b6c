"""Typed calls for what people did and how the platform names them. It must not know the wire; the caller holds the contacts' locks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from julia_warmer.store.consents import seal_private
from julia_warmer.store.db import Connection, load
from julia_warmer.store.seal import Seal

queries = load(__file__)

PLATFORM_SOURCES = frozenset({"platform", "code"})  # WhatsApp's own switch: apart from what a person says to us


@dataclass(frozen=True, slots=True)
class CallOf:
    """A send whose request may be under way, and to whom."""

    id: int
    contact_id: int


@dataclass(frozen=True, slots=True)
class Names:
    """What a fact calls a person. Any of them may be missing."""

    phone_key: str | None = None
    wa_id: str | None = None  # digits, as the platform writes them
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A contact that fits; rank 1 by canonical key, 2 by the platform's form of the phone, 3 by user id."""

    ordinal: int  # from 1
    id: int
    rank: int


@dataclass(frozen=True, slots=True)
class Person:
    """A locked contact and its names."""

    id: int
    phone_key: str
    wa_id: str | None
    user_id: str | None
    is_undeliverable: bool
    is_erased: bool  # the names are keyed hashes
    secret: UUID | None = field(repr=False)  # what the ledger's sealed fields about this person open by; None: erased


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Somebody who wrote to us and is no contact yet."""

    phone: str  # E.164
    phone_key: str
    wa_id: str
    user_id: str | None
    name: str | None
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """A request to stop, of a contact; `contact_id` None: of somebody we do not know."""

    contact_id: int | None
    phone_key: str | None
    user_id: str | None
    purpose: str  # marketing, all
    source: str
    evidence: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Switch:
    """The last position of WhatsApp's marketing switch that a contact's facts tell."""

    contact_id: int
    at: datetime
    resumed: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """A contact that was found to be suppressed, for marketing or for all."""

    id: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Warmth:
    """What changed in how a contact takes our messages."""

    contact_id: int
    delivered: int
    replied: int


@dataclass(frozen=True, slots=True)
class MovedPerson:
    """Where a person who changed the number stands: `moved` is the contact, `taken` another one that has the new number."""

    moved: int | None
    taken: int | None


async def find_people(conn: Connection, names: Sequence[Names]) -> list[list[int]]:
    """The contacts that fit each of these names, best first."""
    found: list[list[int]] = [[] for _ in names]
    if not names:
        return found
    await queries.plan_by_index.fetchval(conn)
    rows = await queries.find_people.fetch(
        conn,
        phone_keys=[name.phone_key for name in names],
        wa_ids=[name.wa_id for name in names],
        user_ids=[name.user_id for name in names],
    )
    for row in rows:
        fitting = found[row["ordinal"] - 1]
        if row["id"] not in fitting:
            fitting.append(row["id"])
    return found


async def lock_people(conn: Connection, ids: Sequence[int], *, patient: bool = True) -> dict[int, Person]:
    """Lock these contacts, in the order of their ids, to the end of the transaction; if not `patient`, those whom nobody else holds."""
    if not ids:
        return {}
    lock = queries.lock_people if patient else queries.lock_free_people
    return {person.id: person for person in await lock.fetch_as(Person, conn, ids=ids)}


async def add_strangers(conn: Connection, strangers: Sequence[Stranger], *, at: datetime) -> None:
    """Make contacts of people who wrote first. They allow nothing by it; they may be answered."""
    if not strangers:
        return
    await queries.add_strangers.execute(
        conn,
        phones=[one.phone for one in strangers],
        phone_keys=[one.phone_key for one in strangers],
        wa_ids=[one.wa_id for one in strangers],
        user_ids=[one.user_id for one in strangers],
        names=[one.name for one in strangers],
        zones=[one.zone for one in strangers],
        at=at,
    )


async def drop_recorded(conn: Connection, opt_outs: Sequence[OptOut]) -> list[OptOut]:
    """Those opt-outs that the ledger does not hold yet; those of unknown people always."""
    known = [(ordinal, one) for ordinal, one in enumerate(opt_outs) if one.contact_id is not None]
    if not known:
        return list(opt_outs)
    rows = await queries.list_recorded.fetch(
        conn,
        ordinals=[ordinal for ordinal, _ in known],
        contact_ids=[one.contact_id for _, one in known],
        sources=[one.source for _, one in known],
        ats=[one.at for _, one in known],
    )
    recorded = {row["ordinal"] for row in rows}
    return [one for ordinal, one in enumerate(opt_outs) if ordinal not in recorded]


async def add_suppressions(conn: Connection, opt_outs: Sequence[OptOut]) -> None:
    """Write down whom not to write to again, whether or not we know them."""
    if not opt_outs:
        return
    await queries.add_suppressions.execute(
        conn,
        phone_keys=[one.phone_key for one in opt_outs],
        user_ids=[one.user_id for one in opt_outs],
        purposes=[one.purpose for one in opt_outs],
        sources=[one.source for one in opt_outs],
        ats=[one.at for one in opt_outs],
    )


async def withdraw(
    conn: Connection,
    opt_outs: Sequence[OptOut],
    secrets: Mapping[int, UUID | None],
    *,
    seal: Seal | None,
    at: datetime,
    by: str = "whatsapp",
) -> None:
    """Write the withdrawals of contacts into the ledger, and mark the contacts. `secrets` are the contacts' own; `by` recorded it."""
    known = [one for one in opt_outs if one.contact_id is not None]
    if not known:
        return
    ids, purposes, ats = [one.contact_id for one in known], [one.purpose for one in known], [one.at for one in known]
    sources = [one.source for one in known]
    privates = [seal_private(one.evidence, secrets.get(one.contact_id or 0), seal) if seal else None for one in known]
    await queries.add_withdrawals.execute(
        conn, contact_ids=ids, purposes=purposes, sources=sources, privates=privates, ats=ats, at=at, by=by
    )
    by_platform = [source in PLATFORM_SOURCES for source in sources]
    await queries.stop_people.execute(conn, contact_ids=ids, purposes=purposes, by_platform=by_platform, ats=ats, at=at)


async def cancel_sends(
    conn: Connection, purposes: Mapping[int, str], *, reason: str, at: datetime, confirmations: bool = False
) -> list[int]:
    """Cancel what is planned or claimed for these contacts, for a purpose or for `all`; returns the sends.

    The confirmation of a stop goes on, unless `confirmations` says that it is to be cancelled too.
    """
    if not purposes:
        return []
    rows = await queries.cancel_sends.fetch(
        conn, contact_ids=list(purposes), purposes=list(purposes.values()), reason=reason, confirmations=confirmations, at=at
    )
    return [row["id"] for row in rows]


async def list_calling(conn: Connection, contact_ids: Sequence[int]) -> list[CallOf]:
    """Sends to these contacts whose request may be under way."""
    return await queries.list_calling.fetch_as(CallOf, conn, contact_ids=contact_ids)


async def count_calling(conn: Connection, ids: Sequence[int]) -> int:
    """How many of these sends are still being called."""
    return await queries.count_calling.fetchval(conn, ids=ids)


async def name_people(conn: Connection, names: Mapping[int, Names], *, at: datetime) -> None:
    """Keep how the platform names these contacts."""
    if not names:
        return
    await queries.name_people.execute(
        conn,
        contact_ids=list(names),
        wa_ids=[name.wa_id for name in names.values()],
        user_ids=[name.user_id for name in names.values()],
        at=at,
    )


async def stop_suppressed(conn: Connection, ids: Sequence[int], *, at: datetime) -> dict[int, str]:
    """Stop those of these contacts for whom a suppression is open by a name just learned; returns them, each with what it covers."""
    if not ids:
        return {}
    return {row["id"]: row["purpose"] for row in await queries.stop_suppressed.fetch(conn, ids=ids, at=at)}


async def list_switches(conn: Connection, contact_ids: Sequence[int], *, since: datetime) -> list[Switch]:
    """Where WhatsApp's marketing switch stands for these contacts, by the facts since then."""
    if not contact_ids:
        return []
    return await queries.list_switches.fetch_as(Switch, conn, contact_ids=contact_ids, since=since)


async def resume_marketing(conn: Connection, switches: Sequence[Switch], *, at: datetime) -> list[int]:
    """End the platform's stop of these contacts, where there is one; the grant it had interrupted stands again. Returns them."""
    if not switches:
        return []
    ids, ats = [one.contact_id for one in switches], [one.at for one in switches]
    resumed = [row["id"] for row in await queries.resume_marketing.fetch(conn, contact_ids=ids, ats=ats, at=at)]
    again = [one for one in switches if one.contact_id in set(resumed)]
    await queries.grant_again.execute(conn, contact_ids=[one.contact_id for one in again], ats=[one.at for one in again], at=at)
    return resumed


async def sign_up(
    conn: Connection,
    contact_ids: Sequence[int],
    privates: Sequence[bytes | None],
    ats: Sequence[datetime],
    *,
    text_digests: Sequence[bytes | None],
    at: datetime,
) -> None:
    """A grant by WhatsApp's own sign-up page; it ends the stops that came before it."""
    if not contact_ids:
        return
    await queries.grant_signup.fetch(conn, contact_ids=contact_ids, text_digests=text_digests, privates=privates, ats=ats, at=at)
    await queries.lift_stops.execute(conn, contact_ids=contact_ids, ats=ats, at=at, why="the person signed up again")


async def warm_people(conn: Connection, changes: Sequence[Warmth], *, weight: float, at: datetime) -> None:
    """Work out how engaged these contacts are. `weight`: as how many messages the imported engagement counts."""
    if not changes:
        return
    await queries.warm_people.execute(
        conn,
        contact_ids=[one.contact_id for one in changes],
        delivered=[one.delivered for one in changes],
        replied=[one.replied for one in changes],
        weight=weight,
        at=at,
    )


async def judge_reachability(
    conn: Connection,
    ids: Sequence[int],
    *,
    undeliverable: Sequence[int],
    limited: Sequence[int],
    cooldown_h: float,
    cooldown_h_max: float,
    at: datetime,
) -> None:
    """Work out whether these contacts can be reached, and since when not, from what became of their messages."""
    if not ids:
        return
    await queries.judge_reachability.execute(
        conn, ids=ids, undeliverable=undeliverable, limited=limited, cooldown_h=cooldown_h, cooldown_h_max=cooldown_h_max, at=at
    )


async def hear_people(conn: Connection, contact_ids: Sequence[int], ats: Sequence[datetime], *, at: datetime) -> None:
    """Keep when these contacts last wrote or called."""
    if contact_ids:
        await queries.hear_people.execute(conn, contact_ids=contact_ids, ats=ats, at=at)


async def move_person(conn: Connection, contact_id: int, *, phone: str | None, names: Names, at: datetime) -> MovedPerson:
    """Give a contact its new number and user id, unless another contact has that number."""
    moved = await queries.move_person.fetchrow_as(
        MovedPerson,
        conn,
        contact_id=contact_id,
        phone=phone,
        phone_key=names.phone_key,
        wa_id=names.wa_id,
        user_id=names.user_id,
        at=at,
    )
    assert moved is not None
    return moved


async def copy_suppressions(conn: Connection, *, old: Names, new: Names) -> None:
    """What is suppressed under the old names is suppressed under the new ones too."""
    await queries.copy_suppressions.execute(
        conn, phone_key=old.phone_key, user_id=old.user_id, new_phone_key=new.phone_key, new_user_id=new.user_id
    )


async def leave_number(conn: Connection, contact_id: int, *, at: datetime) -> None:
    """The person of this contact is reached at another contact's number now."""
    await queries.leave_number.execute(conn, contact_id=contact_id, at=at)
