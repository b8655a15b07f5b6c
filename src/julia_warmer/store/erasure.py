"""Typed calls for the erasure of a person. It must not know how a hash is made, nor who may ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """A locked contact with all its names."""

    id: int
    phone: str = field(repr=False)
    phone_key: str = field(repr=False)
    wa_id: str | None = field(repr=False)
    user_id: str | None = field(repr=False)
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names that a contact has from now on."""

    id: int
    phone_key: str
    wa_id: str | None
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Suppressed:
    id: int
    phone_key: str | None = field(repr=False)
    user_id: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fact:
    """An event by its natural key."""

    at: datetime
    kind: str
    key: str = field(repr=False)
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageId:
    id: int
    message_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    id: int
    item: bytes = field(repr=False)


async def lock_erasable(conn: Connection, ids: Sequence[int]) -> list[Erasable]:
    return await queries.lock_erasable.fetch_as(Erasable, conn, ids=ids)


async def list_erased_keys(conn: Connection) -> frozenset[str]:
    """The hashed keys of who was erased; empty as long as nobody was, which is all that an import then pays."""
    return frozenset(row["phone_key"] for row in await queries.list_erased_keys.fetch(conn))


async def list_erased(conn: Connection, *, after: int, limit: int) -> list[int]:
    return [row["id"] for row in await queries.list_erased.fetch(conn, after=after, limit=limit)]


async def add_erased(conn: Connection, *, phone_key: str, wa_id: str, zone: str, at: datetime) -> int | None:
    """Somebody of whom nothing was held; None when the hash is there."""
    return await queries.add_erased.fetchval(conn, phone_key=phone_key, wa_id=wa_id, zone=zone, at=at)


async def erase_contacts(conn: Connection, names: Sequence[Names], *, zone: str, at: datetime) -> None:
    await queries.erase_contacts.execute(
        conn,
        ids=[one.id for one in names],
        phone_keys=[one.phone_key for one in names],
        wa_ids=[one.wa_id for one in names],
        user_ids=[one.user_id for one in names],
        zone=zone,
        at=at,
    )


async def list_suppressions(conn: Connection, phone_keys: Sequence[str], user_ids: Sequence[str]) -> list[Suppressed]:
    return await queries.list_suppressions.fetch_as(Suppressed, conn, phone_keys=phone_keys, user_ids=user_ids)


async def name_suppressions(conn: Connection, rows: Sequence[Suppressed]) -> None:
    await queries.name_suppressions.execute(
        conn, ids=[one.id for one in rows], phone_keys=[one.phone_key for one in rows], user_ids=[one.user_id for one in rows]
    )


async def list_facts(conn: Connection, ids: Sequence[int], *, limit: int) -> list[Fact]:
    return await queries.list_facts.fetch_as(Fact, conn, ids=ids, limit=limit)


async def name_facts(conn: Connection, facts: Sequence[Fact], renamed: Sequence[Fact], *, kept: Sequence[str]) -> None:
    """Write these facts under the keys and values of the renamed ones; of their bodies only the parts `kept` stay."""
    await queries.name_facts.execute(
        conn,
        ats=[one.at for one in facts],
        kinds=[one.kind for one in facts],
        keys=[one.key for one in facts],
        new_keys=[one.key for one in renamed],
        new_values=[one.value for one in renamed],
        kept=list(kept),
    )


async def empty_deliveries(conn: Connection, ids: Sequence[int], *, nothing: bytes) -> int:
    return len(await queries.empty_deliveries.fetch(conn, ids=ids, nothing=nothing))


async def list_received(conn: Connection, ids: Sequence[int]) -> list[str]:
    return [row["message_id"] for row in await queries.list_received.fetch(conn, ids=ids)]


async def empty_received(conn: Connection, message_ids: Sequence[str], new_ids: Sequence[str]) -> None:
    await queries.empty_received.execute(conn, message_ids=message_ids, new_ids=new_ids)


async def empty_sends(conn: Connection, ids: Sequence[int]) -> int:
    return len(await queries.empty_sends.fetch(conn, ids=ids))


async def list_message_ids(conn: Connection, ids: Sequence[int]) -> list[MessageId]:
    return await queries.list_message_ids.fetch_as(MessageId, conn, ids=ids)


async def name_messages(conn: Connection, rows: Sequence[MessageId]) -> None:
    await queries.name_messages.execute(conn, ids=[one.id for one in rows], message_ids=[one.message_id for one in rows])


async def forget_questions(conn: Connection, ids: Sequence[int], user_ids: Sequence[str]) -> None:
    await queries.forget_questions.execute(conn, ids=ids, user_ids=user_ids)


async def settle_conversations(conn: Connection, ids: Sequence[int]) -> None:
    await queries.settle_conversations.execute(conn, ids=ids)


async def list_quarantined(conn: Connection, *, after: int, limit: int) -> list[Item]:
    return await queries.list_quarantined.fetch_as(Item, conn, after=after, limit=limit)


async def empty_quarantined(conn: Connection, ids: Sequence[int], *, reason: str) -> None:
    if ids:
        await queries.empty_quarantined.execute(conn, ids=ids, reason=reason)


async def empty_requests(conn: Connection, *, person: str, contact_id: int, at: datetime, by: str) -> None:
    await queries.empty_requests.execute(conn, person=person, contact_id=contact_id, at=at, by=by)


async def withdraw_all(conn: Connection, ids: Sequence[int], *, at: datetime, by: str) -> None:
    await queries.withdraw_all.execute(conn, ids=ids, at=at, by=by)


async def suppress_erased(conn: Connection, ids: Sequence[int], *, at: datetime) -> None:
    await queries.suppress_erased.execute(conn, ids=ids, at=at)


async def note_erasures(conn: Connection, persons: Sequence[tuple[str, datetime]]) -> None:
    if persons:
        await queries.note_erasures.execute(conn, persons=[person for person, _ in persons], ats=[at for _, at in persons])


async def let_back(conn: Connection, phone_key: str, *, at: datetime) -> None:
    """Lift what an erasure put against a number: the number's next owner, or the person, may be met anew."""
    await queries.let_back.execute(conn, phone_key=phone_key, at=at)


async def note_hash_key(conn: Connection, hash_check: str) -> None:
    """Remember which key makes the keyed hashes; the first one stays."""
    await queries.note_hash_key.execute(conn, hash_check=hash_check)


async def read_hash_key(conn: Connection) -> str | None:
    """Which key makes the keyed hashes; None: there are none yet."""
    return await queries.read_hash_key.fetchval(conn)
