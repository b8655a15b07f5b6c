"""What people wished in the time that a restored database forgot: to be written to no more, to be erased. Found in the journal, done again.

Both are safe to do again, and a grant that came after a stop is forgotten too: who stopped stays stopped until they are asked anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.core.events import OptOutRequested
from julia_warmer.engine.erased import hashed
from julia_warmer.engine.erasure import add_hash, erase_contact
from julia_warmer.engine.journal import ErasedEntry, Journal
from julia_warmer.engine.scene import names_of
from julia_warmer.engine.urgent import stop_people
from julia_warmer.store import erasure, restores
from julia_warmer.store.db import Connection
from julia_warmer.store.restores import Stop
from julia_warmer.store.seal import Seal

LOOK_AT = 200  # newest wishes of a journal: a restore forgets the newest first
CHUNK = 500
PAGE = 20_000  # contacts whose hash is looked at together
BY = "journal"
WHY = "erased before the database was restored"


@dataclass(frozen=True, slots=True)
class Wishes:
    """How many were forgotten, and are done again."""

    stops: int = 0
    erased: int = 0


async def are_forgotten(conn: Connection, journal: Journal) -> bool:
    """Whether the database does not know one of the newest wishes. Reads two short ends of files."""
    stops = next(journal.stops_newest_first(LOOK_AT), [])
    erased = next(journal.erased_newest_first(LOOK_AT), [])
    return bool(await _forgotten_stops(conn, stops, journal.seal) or await _forgotten_erasures(conn, erased))


async def fulfil_again(conn: Connection, journal: Journal, *, at: datetime) -> Wishes:
    """Erase and stop again all that the database forgot. In one transaction, one comparison at a time."""
    erased = [entry for entries in journal.erased_newest_first(CHUNK) for entry in await _forgotten_erasures(conn, entries)]
    await _erase_again(conn, erased, journal.seal)
    stops = 0
    for requests in journal.stops_newest_first(CHUNK):
        forgotten = await _forgotten_stops(conn, requests, journal.seal)
        await stop_people(conn, forgotten, seal=journal.seal, at=at, by=BY)
        stops += len(forgotten)
    return Wishes(stops, len(erased))


async def _forgotten_stops(conn: Connection, requests: Sequence[OptOutRequested], seal: Seal) -> list[OptOutRequested]:
    if not requests:
        return []
    places = await restores.find_forgotten_stops(conn, [_stop(one, seal) for one in requests])
    return [one for nth, one in enumerate(requests) if nth in places]


def _stop(request: OptOutRequested, seal: Seal) -> Stop:
    names = names_of(request.phone, request.user_id)
    others = hashed(names, seal)
    return Stop(
        phone_key=names.phone_key,
        hashed_key=others.phone_key,
        user_id=names.user_id,
        hashed_id=others.user_id,
        source=request.source,
        at=request.at,
    )


async def _forgotten_erasures(conn: Connection, entries: Sequence[ErasedEntry]) -> list[ErasedEntry]:
    if not entries:
        return []
    places = await restores.find_forgotten_erasures(conn, [one.person for one in entries], [one.at for one in entries])
    return [one for nth, one in enumerate(entries) if nth in places]


async def _erase_again(conn: Connection, entries: Sequence[ErasedEntry], seal: Seal) -> None:
    """The hash alone tells who it was: contacts are hashed until each is found. Who is not among them is known by the hash from now on."""
    when = {entry.person: entry.at for entry in sorted(entries, key=lambda entry: entry.at)}  # the last time, if it was twice
    found = await _find(conn, when, seal)
    for person, erased_at in when.items():
        if person in found:
            await erase_contact(conn, found[person], person, seal=seal, at=erased_at, by=BY, why=WHY)
        else:
            await add_hash(conn, person, at=erased_at)
    await erasure.note_erasures(conn, [(one.person, one.at) for one in await _forgotten_erasures(conn, entries)])


async def _find(conn: Connection, persons: Iterable[str], seal: Seal) -> dict[str, int]:
    """Contacts by their hash; reads them all, page by page, until nobody is left to find."""
    left, found, after = set(persons), dict[str, int](), 0
    while left and (page := await restores.list_keys(conn, after=after, limit=PAGE)):
        for key in page:
            if (person := seal.pseudonym(key.phone_key)) in left:
                left.discard(person)
                found[person] = key.id
        after = page[-1].id
    return found
