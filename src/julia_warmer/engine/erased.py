"""Whoever was erased is known by keyed hashes only: how facts, imports and requests about them find those, and what is kept of a fact.

Asked only of names that fit nobody, so that it costs nothing where all are known. It must not know how a person is erased.
"""

from collections.abc import Iterable, Sequence

from julia_warmer.core.events import Kind
from julia_warmer.store import erasure, people
from julia_warmer.store.db import Connection
from julia_warmer.store.erasure import Fact
from julia_warmer.store.people import Names
from julia_warmer.store.seal import ERASED, Seal

KEPT_OF_BODY = ("category", "pricing_type", "purpose", "answered", "by_person", "played", "referral")  # of a fact: counts, names nobody
NAMING_VALUES = frozenset(  # kinds of facts whose value may name a message or a person
    {Kind.MESSAGE_SENT, Kind.MESSAGE_DELIVERED, Kind.MESSAGE_READ, Kind.MESSAGE_FAILED, Kind.SIGNUP_RECEIVED}
)


def hashed(names: Names, seal: Seal) -> Names:
    """The same names as they stand for somebody who was erased."""
    return Names(
        phone_key=_hash(names.phone_key, seal),
        wa_id=_hash(names.wa_id, seal),
        user_id=_hash(names.user_id, seal),
    )


def _hash(name: str | None, seal: Seal) -> str | None:
    return name if name is None or name.startswith(ERASED) else seal.pseudonym(name)


async def find_all(conn: Connection, names: Sequence[Names], seal: Seal | None) -> list[tuple[Names, list[int]]]:
    """Each of these names with the contacts that fit, best first. Where none does, the erased ones that do, and the names hashed."""
    found = await people.find_people(conn, names)
    strange = [nth for nth, fitting in enumerate(found) if not fitting]
    result = list(zip(names, found, strict=True))
    if strange and seal is not None:
        others = [hashed(names[nth], seal) for nth in strange]
        for nth, other, fitting in zip(strange, others, await people.find_people(conn, others), strict=True):
            if fitting:
                result[nth] = (other, fitting)
    return result


async def list_erased(conn: Connection, phone_keys: Iterable[str], seal: Seal) -> set[str]:
    """Those of these canonical keys whose person was erased: no file brings them back. Costs a hash each once anybody was."""
    erased = await erasure.list_erased_keys(conn)
    return {key for key in phone_keys if seal.pseudonym(key) in erased} if erased else set()


def key_without_names(kind: str, key: str, seal: Seal) -> str:
    """The natural key of a fact about somebody who was erased: the same for the same fact, whenever it comes."""
    return f"{kind}:{seal.pseudonym(key)}"


def without_names(fact: Fact, seal: Seal) -> Fact:
    """A fact under a key and a value that name nobody."""
    value = _hash(fact.value, seal) if fact.kind in NAMING_VALUES else fact.value
    return Fact(fact.at, fact.kind, key_without_names(fact.kind, fact.key, seal), value)
