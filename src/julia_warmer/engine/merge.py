"""Merges: contacts that turn out to be one person become one, and no withdrawal of any of them is lost.

docs/decisions/0030-merges.md says why the ledger is added to and never rewritten. It must not know how the platform tells of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.store import contacts, merges, people
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.people import Person

ONE_PERSON = "is one person with another contact"  # why a planned message was cancelled


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did. `contact_id` stays, `others` point to it from now on."""

    contact_id: int
    others: tuple[int, ...]
    consents: int = 0
    sends: int = 0


async def merge_people(
    conn: Connection, ids: Sequence[int], into: int, *, user_id: str | None = None, by: str = "whatsapp", why: str, at: datetime
) -> Merged:
    """Make these contacts, and all who were merged with them before, one person: `into` is who is written to. As often as one likes."""
    kin = await merges.list_kin(conn, sorted({*ids, into}))
    group = sorted({*ids, into, *(one for others in kin.values() for one in others)})
    await people.lock_people(conn, group)
    others = tuple(one for one in group if one != into)
    if not others:
        return Merged(into, ())
    await people.cancel_sends(conn, dict.fromkeys(group, "all"), reason=ONE_PERSON, at=at)
    carried = await merges.carry_all(conn, group, into, user_id=user_id, by=by, at=at)
    await people.stop_suppressed(conn, [into], at=at)
    await contacts.refresh_standing(conn, [into], at=at)
    body = {"merged": list(others), "consents": carried.consents, "sends": len(carried.sends)}
    await record_act(conn, at=at, who=by, what="contacts merged", target=f"contact:{into}", why=why, body=body)
    return Merged(into, others, carried.consents, len(carried.sends))


async def merge_by_hand(conn: Connection, phone_key: str, into_key: str, *, by: str, why: str, at: datetime) -> Merged:
    """A person says that two numbers are one person's: the second is written to. Raises NotFound, and Conflict for who was erased."""
    found = await people.find_people(conn, [people.Names(phone_key=phone_key), people.Names(phone_key=into_key)])
    if not all(found):
        raise NotFound("one of these numbers is nobody's here", mend="`warmer contacts show PHONE` says who is known")
    one, into = found[0][0], found[1][0]
    if one == into:
        raise Conflict("these are two ways to write one number", mend="nothing is to be done")
    locked = await people.lock_people(conn, sorted({one, into}))
    if any(person.is_erased for person in locked.values()):
        raise Conflict("one of these people was erased", mend="nothing that names them may come back")
    return await merge_people(conn, [one], into, by=by, why=why, at=at)


async def kin_of(conn: Connection, locked: Mapping[int, Person]) -> dict[int, dict[int, Person]]:
    """The other contacts of these people, locked: a request to stop is the person's, whichever number it came from."""
    kin = await merges.list_kin(conn, sorted(locked))
    more = await people.lock_people(conn, sorted({one for others in kin.values() for one in others} - set(locked)))
    known = {**locked, **more}
    return {contact_id: {one: known[one] for one in others} for contact_id, others in kin.items()}
