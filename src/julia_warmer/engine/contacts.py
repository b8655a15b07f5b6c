"""Takes people and their proven consents into the store, all or nothing and as often as one likes. It sends to nobody and lifts no stop."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from julia_warmer.engine.contacts_csv import BadRow, Proof, Row, Sheet, read_contacts
from julia_warmer.engine.erased import list_erased
from julia_warmer.store import contacts as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.contacts import Grant, Person
from julia_warmer.store.db import Connection
from julia_warmer.store.seal import Seal

AUDIENCE = "all"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each row: read = imported + updated + unchanged + repeated + suppressed + len(bad)."""

    read: int
    imported: int  # new people
    updated: int  # known people of whom something changed, or who gave a new consent
    unchanged: int
    repeated: int  # further rows of a person who is in the file already; their consents count
    suppressed: int  # asked us to stop: left as they are
    no_consent: int  # of all stored ones: stored, but without proof, so that nobody writes to them
    bad: tuple[BadRow, ...]
    ignored_columns: tuple[str, ...] = ()


async def import_contacts(
    conn: Connection,
    stream: Iterable[str],
    *,
    at: datetime,
    by: str,
    seal: Seal,
    source: str | None = None,
    purpose: str | None = None,
    text: str | None = None,
    text_version: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    audience: str = AUDIENCE,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import lines of CSV. What is given here holds for every row whose own cell is empty. Raises Wrong for a file that cannot be used."""
    proof = Proof(source=source, purpose=purpose, text=text, text_version=text_version, evidence=evidence or {})
    sheet = await asyncio.to_thread(read_contacts, stream, proof, at=at, progress=progress)
    return await store_contacts(conn, sheet, audience=audience, seal=seal, at=at, by=by)


async def store_contacts(conn: Connection, sheet: Sheet, *, seal: Seal, at: datetime, by: str, audience: str = AUDIENCE) -> ImportReport:
    """Write what was read. Opt-outs that come in meanwhile wait or win: contacts are locked before their standing is worked out."""
    await store.wait_turn(conn)
    rows, suppressed = await _drop_suppressed(conn, sheet.rows, seal)
    people = _people(rows)
    added = await store.add_contacts(conn, list(people.values()), audience=audience, at=at)
    known = await store.lock_contacts(conn, list(people))
    changed = await store.change_contacts(conn, [person for key, person in people.items() if key not in added], at=at)
    granted = await store.add_grants(conn, _grants(rows), known, seal=seal, at=at, by=by)
    await store.refresh_standing(conn, sorted(granted), at=at)
    updated = sum(known[key].id in changed or known[key].id in granted for key in people if key not in added)
    report = ImportReport(
        read=sheet.read,
        imported=len(added),
        updated=updated,
        unchanged=len(people) - len(added) - updated,
        repeated=len(rows) - len(people),
        suppressed=suppressed,
        no_consent=_without_grant(rows, people),
        bad=sheet.bad,
        ignored_columns=sheet.ignored_columns,
    )
    await _record(conn, report, at=at, by=by)
    return report


async def _drop_suppressed(conn: Connection, rows: Iterable[Row], seal: Seal) -> tuple[list[Row], int]:
    """The rows that may be stored, without the grants that a stop forbids; and how many were dropped. Nobody who was erased comes back."""
    rows = list(rows)
    keys = list({row.person.phone_key for row in rows})
    found = {row.phone_key: row.everything for row in await store.list_suppressed(conn, keys)}
    found |= dict.fromkeys(await list_erased(conn, keys, seal), True)
    kept: list[Row] = []
    for row in rows:
        everything = found.get(row.person.phone_key)
        if everything is None:
            kept.append(row)
        elif not everything and (others := tuple(grant for grant in row.grants if grant.purpose != "marketing")):
            kept.append(Row(row.person, others))
    return kept, len(rows) - len(kept)


def _people(rows: Iterable[Row]) -> dict[str, Person]:
    """One person for each key: what the last row says that says something."""
    people: dict[str, Person] = {}
    for row in rows:
        person, before = row.person, people.get(row.person.phone_key)
        people[person.phone_key] = person if before is None else _join(before, person)
    return people


def _join(before: Person, after: Person) -> Person:
    zoned = after if after.zone_given else before
    return Person(
        phone=after.phone,
        phone_key=after.phone_key,
        zone=zoned.zone,
        zone_given=zoned.zone_given,
        name=after.name or before.name,
        audience=after.audience or before.audience,
    )


def _grants(rows: Iterable[Row]) -> list[Grant]:
    """Every grant once, however often the file says it."""
    unique = {
        (grant.phone_key, grant.purpose, grant.granted_at, grant.source, grant.text_version, grant.text_shown): grant
        for row in rows
        for grant in row.grants
    }
    return list(unique.values())


def _without_grant(rows: Iterable[Row], people: Iterable[str]) -> int:
    return len(set(people) - {row.person.phone_key for row in rows if row.grants})


async def _record(conn: Connection, report: ImportReport, *, at: datetime, by: str) -> None:
    counts = {name: getattr(report, name) for name in ("read", "imported", "updated", "unchanged", "repeated", "suppressed", "no_consent")}
    await record_act(conn, at=at, who=by, what="contacts imported", body={**counts, "bad": len(report.bad)})
