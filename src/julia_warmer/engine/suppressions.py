"""A person's hand on the list of whom not to write to: to put somebody on it who asked by another way, and to let a number back.

Lifting allows nothing: what was withdrawn stays withdrawn in the ledger, and only a consent that is newer counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from julia_warmer.core.events import OptOutRequested, OptOutSource
from julia_warmer.core.phone import SAO_PAULO, digits_of, e164_with_ninth, key_of, zone_of
from julia_warmer.engine.erased import find_all
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.urgent import stop_people
from julia_warmer.store import contacts, erasure, people, suppressions
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.people import PLATFORM_SOURCES, Names, OptOut, Person, Stranger
from julia_warmer.store.seal import ERASED, Seal
from julia_warmer.store.suppressions import Suppression

LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What was put on the list. `contact_id` None: of a number that is no contact."""

    contact_id: int | None
    purpose: str
    request: OptOutRequested = field(repr=False)  # for the journal


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was lifted, and what stays because only the person can end it, in WhatsApp."""

    contact_id: int
    ids: tuple[int, ...]
    left: int


async def suppress(conn: Connection, phone: str, purpose: str, *, seal: Seal, at: datetime, by: str, why: str) -> Suppressed:
    """Write to this number (E.164) no more, for marketing or for all. The withdrawal goes into the ledger, as often as one likes."""
    request = OptOutRequested(at=at, phone=digits_of(phone), source=OptOutSource.OPERATOR, purpose=purpose)
    await stop_people(conn, [request], seal=seal, at=at, by=by)
    _, locked = await _meet(conn, phone, seal)
    contact_id = next(iter(locked), None)
    await _record(conn, "suppressed", contact_id, {"purpose": purpose}, at=at, by=by, why=why)
    return Suppressed(contact_id, purpose, request)


async def lift(conn: Connection, phone: str, *, seal: Seal, at: datetime, by: str, why: str) -> Lifted:
    """Let a number back. Whoever was erased comes in as a stranger. Raises NotFound, and Conflict for WhatsApp's own switch."""
    await contacts.wait_turn(conn)
    names, locked = await _meet(conn, phone, seal)
    keys = [key for key in (names.phone_key, *(person.phone_key for person in locked.values())) if key]
    rows = await suppressions.lock_open(conn, keys, [person.user_id for person in locked.values() if person.user_id])
    if not rows:
        raise NotFound("nothing stands against this number", mend="`warmer suppressions list` shows what does")
    ours = [row for row in rows if row.source not in PLATFORM_SOURCES]
    if not ours:
        raise Conflict("the person switched marketing off in WhatsApp", mend="only they can switch it on again, there")
    live = [person.id for person in locked.values() if not person.is_erased]
    contact_id = live[0] if live else await _let_in(conn, phone, ours, seal, at=at, by=by)
    await suppressions.lift(conn, [row.id for row in ours], by=by, why=why, at=at)
    await suppressions.end_stops(conn, [contact_id, *live], at=at)
    await contacts.refresh_standing(conn, sorted({contact_id, *live}), at=at)
    await _record(conn, "suppression lifted", contact_id, {"ids": [row.id for row in ours]}, at=at, by=by, why=why)
    return Lifted(contact_id, tuple(row.id for row in ours), len(rows) - len(ours))


async def list_of(conn: Connection, phone: str, *, seal: Seal, limit: int) -> list[Suppression]:
    """All that stood or stands against a number, newest first."""
    names, locked = await _meet(conn, phone, seal)
    keys = sorted({key for key in (key_of(phone), seal.pseudonym(key_of(phone)), names.phone_key) if key})
    user_ids = [person.user_id for person in locked.values() if person.user_id]
    return await suppressions.list_suppressions(conn, phone_keys=keys, user_ids=user_ids, open_only=False, before=LAST_ID, limit=limit)


def name_of(row: Suppression) -> str:
    """How a person reads whom a row is about."""
    if row.phone_key is None:
        return f"user id {row.user_id}"
    return "erased" if row.phone_key.startswith(ERASED) else e164_with_ninth(row.phone_key[2:])


async def _meet(conn: Connection, phone: str, seal: Seal) -> tuple[Names, dict[int, Person]]:
    """The names of this number, hashed when its person was erased, and the contacts that fit, locked."""
    ((names, ids),) = await find_all(conn, [Names(phone_key=key_of(phone), wa_id=digits_of(phone))], seal)
    return names, await people.lock_people(conn, ids)


async def _let_in(conn: Connection, phone: str, rows: Sequence[Suppression], seal: Seal, *, at: datetime, by: str) -> int:
    """A contact that allows nothing, with what was withdrawn: a consent from before does not count."""
    for row in rows:
        if row.phone_key and row.phone_key.startswith(ERASED):
            await erasure.let_back(conn, row.phone_key, at=at)
    names = Names(phone_key=key_of(phone), wa_id=digits_of(phone))
    stranger = Stranger(
        phone=e164_with_ninth(phone),
        phone_key=names.phone_key or "",
        wa_id=names.wa_id or "",
        user_id=None,
        name=None,
        zone=zone_of(phone) or SAO_PAULO,
    )
    await people.add_strangers(conn, [stranger], at=at)
    ((contact_id, *_),) = await people.find_people(conn, [names])
    last = max(rows, key=lambda row: row.at)
    old = OptOut(contact_id=contact_id, phone_key=None, user_id=None, purpose=last.purpose, source=last.source, evidence={}, at=last.at)
    await people.withdraw(conn, [old], {}, seal=seal, at=at, by=by)
    return contact_id


async def _record(conn: Connection, what: str, contact_id: int | None, body: dict[str, object], *, at: datetime, by: str, why: str) -> None:
    """Audit rows name nobody: a contact by its id, an unknown number not at all."""
    target = f"contact:{contact_id}" if contact_id is not None else None
    await record_act(conn, at=at, who=by, what=what, target=target, why=why, body=body)
