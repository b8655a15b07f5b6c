"""Erases a person: names become keyed hashes, texts and evidence go, and nothing is ever sent to that number again.

One transaction. What stays says what was sent and proved, of nobody. docs/decisions/0024-erasure.md says why each thing goes or stays.
It must not know who may ask for it, nor the journal that tells a restored backup.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.core.phone import SAO_PAULO, digits_of, key_of
from julia_warmer.engine.erased import KEPT_OF_BODY, find_all, hashed, without_names
from julia_warmer.engine.journal import Journal, JournalError
from julia_warmer.engine.requests import FIRST, Asked, key_of_alert
from julia_warmer.store import contacts, erasure, merges, people, platform, requests
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.erasure import Erasable, MessageId, Suppressed
from julia_warmer.store.erasure import Names as NewNames
from julia_warmer.store.inbox import BODY_USE, ITEM_USE
from julia_warmer.store.people import Names
from julia_warmer.store.seal import ERASED, Seal, SealBroken

BATCH_MAX = 5000  # facts, or people, of one round of statements
REASON = "erased with its person"
WITHDRAWN = "the person was erased"
NOTHING = b"{}"  # in the place of a webhook body


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did. `person`: the keyed hash that stays. `calling`: messages whose request was under way, and may still arrive."""

    person: str
    contact_ids: tuple[int, ...]  # empty: nothing was held, the hash alone is
    before: bool = False  # the person had been erased already; nothing was done
    cancelled: int = 0
    calling: int = 0
    facts: int = 0
    messages: int = 0
    deliveries: int = 0


def remember_erasure(journal: Journal | None, done: Erased, *, at: datetime) -> None:
    """After the commit: a backup of before must learn of it. Raises JournalError, and then it is to be done again: twice is as once."""
    if journal is None:
        return
    try:
        journal.write_erasure(done.person, done.contact_ids, at=at)
    except OSError as error:
        raise JournalError(f"erased, but the journal cannot be told: {error}; mend its disk, then erase again") from error


def person_of(phone: str, seal: Seal) -> str:
    """The keyed hash by which a number is known once its person is erased."""
    return seal.pseudonym(key_of(phone))


async def erase_person(conn: Connection, phone: str, *, seal: Seal, at: datetime, by: str, why: str) -> Erased:
    """Erase whoever has this number (E.164). Twice is as once. The reason goes into the audit log: it must name nobody."""
    await contacts.wait_turn(conn)  # an import that has looked for erased people already must not bring this one back
    wanted = Names(phone_key=key_of(phone), wa_id=digits_of(phone))
    ((names, ids),) = await find_all(conn, [wanted], seal)
    ids = await _with_kin(conn, ids)
    rows = [row for row in await erasure.lock_erasable(conn, ids) if row.erased_at is None]
    person = person_of(phone, seal)
    if ids and not rows:
        return Erased(person=person, contact_ids=tuple(ids), before=True)
    await erasure.note_hash_key(conn, seal.hash_check)
    if not rows:
        return await _erase_unknown(conn, names, person, seal, at=at, by=by, why=why)
    return await _erase(conn, rows, person, seal, at=at, by=by, why=why)


async def _with_kin(conn: Connection, ids: Sequence[int]) -> list[int]:
    """With the other contacts of the same person: number changes left them."""
    kin = await merges.list_kin(conn, ids)
    return sorted({*ids, *(one for others in kin.values() for one in others)})


async def erase_contact(conn: Connection, contact_id: int, person: str, *, seal: Seal, at: datetime, by: str, why: str) -> Erased:
    """Erase a contact by its id, as a restored backup has it again."""
    await contacts.wait_turn(conn)
    rows = [row for row in await erasure.lock_erasable(conn, await _with_kin(conn, [contact_id])) if row.erased_at is None]
    if not rows:
        return Erased(person=person, contact_ids=(contact_id,), before=True)
    await erasure.note_hash_key(conn, seal.hash_check)
    return await _erase(conn, rows, person, seal, at=at, by=by, why=why)


async def add_hash(conn: Connection, person: str, *, at: datetime) -> None:
    """Nothing is held of this person: only the hash is to be known, and suppressed."""
    if (contact_id := await erasure.add_erased(conn, phone_key=person, wa_id=person, zone=SAO_PAULO, at=at)) is not None:
        await erasure.suppress_erased(conn, [contact_id], at=at)


async def _erase_unknown(conn: Connection, names: Names, person: str, seal: Seal, *, at: datetime, by: str, why: str) -> Erased:
    """Somebody who is no contact may stand on the list of suppressions, and in the quarantine."""
    new = hashed(names, seal)
    contact_id = await erasure.add_erased(conn, phone_key=person, wa_id=new.wa_id or person, zone=SAO_PAULO, at=at)
    assert contact_id is not None  # else it had been found
    await _hash_suppressions(conn, [names], seal)
    await erasure.suppress_erased(conn, [contact_id], at=at)
    await _empty_quarantine(conn, _words([names]), seal)
    await _finish(conn, contact_id, person, why, {}, at=at, by=by)
    return Erased(person=person, contact_ids=())


async def _erase(conn: Connection, rows: Sequence[Erasable], person: str, seal: Seal, *, at: datetime, by: str, why: str) -> Erased:
    ids = [row.id for row in rows]
    names = [Names(phone_key=row.phone_key, wa_id=row.wa_id, user_id=row.user_id) for row in rows]
    cancelled = await people.cancel_sends(conn, dict.fromkeys(ids, "all"), reason=WITHDRAWN, confirmations=True, at=at)
    calling = await people.list_calling(conn, ids)
    await erasure.withdraw_all(conn, ids, at=at, by=by)
    await _hash_suppressions(conn, names, seal)
    await erasure.erase_contacts(conn, [_new_names(row.id, one, seal) for row, one in zip(rows, names, strict=True)], zone=SAO_PAULO, at=at)
    await erasure.suppress_erased(conn, ids, at=at)
    deliveries = await erasure.empty_deliveries(conn, ids, nothing=seal.close(NOTHING, use=BODY_USE))
    facts = await _hash_facts(conn, ids, seal)
    messages = await _empty_messages(conn, ids, seal)
    await erasure.forget_questions(conn, ids, [one.user_id for one in names if one.user_id])
    await _empty_quarantine(conn, _words(names), seal)
    done = {"cancelled": len(cancelled), "calling": len(calling), "facts": facts, "messages": messages, "deliveries": deliveries}
    for contact_id in ids:
        await _finish(conn, contact_id, person, why, done, at=at, by=by)
    return Erased(
        person=person,
        contact_ids=tuple(ids),
        cancelled=len(cancelled),
        calling=len(calling),
        facts=facts,
        messages=messages,
        deliveries=deliveries,
    )


def _new_names(contact_id: int, names: Names, seal: Seal) -> NewNames:
    new = hashed(names, seal)
    return NewNames(id=contact_id, phone_key=new.phone_key or "", wa_id=new.wa_id, user_id=new.user_id)


async def _hash_suppressions(conn: Connection, names: Sequence[Names], seal: Seal) -> None:
    """What stood against writing to the person goes on to, under the hashes."""
    keys, user_ids = [one.phone_key for one in names if one.phone_key], [one.user_id for one in names if one.user_id]
    found = await erasure.list_suppressions(conn, keys, user_ids)
    new = [(row.id, hashed(Names(phone_key=row.phone_key, user_id=row.user_id), seal)) for row in found]
    await erasure.name_suppressions(conn, [Suppressed(row_id, one.phone_key, one.user_id) for row_id, one in new])


async def _hash_facts(conn: Connection, ids: Sequence[int], seal: Seal) -> int:
    total = 0
    while facts := await erasure.list_facts(conn, ids, limit=BATCH_MAX):
        await erasure.name_facts(conn, facts, [without_names(fact, seal) for fact in facts], kept=KEPT_OF_BODY)
        total += len(facts)
    return total


async def _empty_messages(conn: Connection, ids: Sequence[int], seal: Seal) -> int:
    """What was said, by both; the platform's ids of messages hold the number."""
    received = await erasure.list_received(conn, ids)
    await erasure.empty_received(conn, received, [seal.pseudonym(one) for one in received])
    sent = await erasure.empty_sends(conn, ids)
    await hash_message_ids(conn, ids, seal)
    await erasure.settle_conversations(conn, ids)
    return len(received) + sent


async def hash_message_ids(conn: Connection, ids: Sequence[int], seal: Seal) -> int:
    """The platform's ids of messages to people who were erased. An answer that was under way then writes one later."""
    found = await erasure.list_message_ids(conn, ids)
    await erasure.name_messages(conn, [MessageId(row.id, seal.pseudonym(row.message_id)) for row in found])
    return len(found)


async def sweep_erased(conn: Connection, *, seal: Seal) -> int:
    """What came late for people who were erased; how many ids were hashed."""
    after = swept = 0
    while ids := await erasure.list_erased(conn, after=after, limit=BATCH_MAX):
        swept += await hash_message_ids(conn, ids, seal)
        after = ids[-1]
    return swept


async def _empty_quarantine(conn: Connection, words: frozenset[str], seal: Seal) -> None:
    """What could not be used and speaks of the person. It is not known whom an item is about, so each is opened."""
    after = 0
    while items := await erasure.list_quarantined(conn, after=after, limit=BATCH_MAX):
        await erasure.empty_quarantined(conn, [one.id for one in items if _speaks_of(one.item, words, seal)], reason=REASON)
        after = items[-1].id


def _speaks_of(item: bytes, words: frozenset[str], seal: Seal) -> bool:
    try:
        text = seal.open(item, use=ITEM_USE).decode("utf-8", "replace")
    except SealBroken:
        return False
    return any(word in text for word in words)


def _words(names: Iterable[Names]) -> frozenset[str]:
    """How an item would name the person: the number with and without the ninth digit, the user id."""
    words: set[str] = set()
    for one in names:
        if one.phone_key and not one.phone_key.startswith(ERASED):
            kind, digits = one.phone_key[:2], one.phone_key[2:]
            words |= {digits, f"{digits[:4]}9{digits[4:]}"} if kind == "m:" else {digits}
        words |= {name for name in (one.wa_id, one.user_id) if name}
    return frozenset(words)


async def _finish(conn: Connection, contact_id: int, person: str, why: str, body: dict[str, int], *, at: datetime, by: str) -> None:
    """Requests of the person, the alerts about them, and the log."""
    asked = await requests.list_requests(conn, person=person, open_only=True, after=FIRST, limit=BATCH_MAX)
    alerts = [key_of_alert(one.id, late) for one in asked if one.kind == Asked.ERASURE for late in (False, True)]
    await erasure.empty_requests(conn, person=person, contact_id=contact_id, at=at, by=by)
    await platform.close_alerts(conn, [f"erased:{contact_id}", *alerts], by=by, at=at)
    await record_act(conn, at=at, who=by, what="person erased", target=f"contact:{contact_id}", why=why, body=body)
