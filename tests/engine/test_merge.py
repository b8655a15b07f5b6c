"""Two contacts that turn out to be one person: history and every withdrawal go along, and the ledger's proof stays whole."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from julia_warmer.engine.consents import prove_person, seal_consents, verify_ledger
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.merge import Merged, merge_by_hand, merge_people
from julia_warmer.store.contacts import refresh_standing
from julia_warmer.store.db import transaction
from julia_warmer.store.merges import follow_merges
from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    add_consent,
    add_fleet,
    add_out,
    add_person,
    add_send,
    apply,
    change,
    message,
    messages,
    phone_of,
    row,
    stamp,
    webhook,
)
from tests.engine.outgoing import claimer

db = scratch.db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def moved(old: int, new: int | None, at: datetime = AT, *, user_id: str | None = None) -> bytes:
    """WhatsApp's word that a person has another number or user id."""
    kind = "user_changed_number" if new is not None else "user_changed_user_id"
    system = {"type": kind, **({"wa_id": phone_of(new)} if new is not None else {}), **({"user_id": user_id} if user_id else {})}
    return messages(message(f"wamid.system.{old}.{new}.{stamp(at)}", at=at, nth=old, kind="system", content=system))


async def merge(db: Database, one: int, into: int, *, at: datetime = NOW) -> Merged:
    async with transaction(db.pool) as conn:
        return await merge_people(conn, [one], into, by="rita", why="one person", at=at)


async def sendable(db: Database, fleet: Any, person: int) -> bool:
    """Whether a claim takes a campaign message to this contact now. Nothing of it stays."""
    async with transaction(db.pool) as conn:
        trial = conn.transaction()
        await trial.start()
        await add_send(conn, fleet, person, due_at=AT)
        taken = (await claimer().claim(conn, fleet.portfolio, limit=5, at=AT)).taken
        await trial.rollback()
    return person in {send.contact_id for send in taken}


async def test_a_new_number_that_is_another_contacts_makes_them_one(db: Database):
    fleet = await add_fleet(db.pool)
    old, new = await add_person(db.pool, 0, name="Ana", user_id="BR.1"), await add_person(db.pool, 1, name="Ana")
    sent = await add_out(db.pool, fleet, old, message_id="wamid.0", at=AT - HOUR)
    planned = await add_send(db.pool, fleet, old, due_at=AT + HOUR)
    await apply(db, messages(message("wamid.i", "Oi", AT - HOUR)), moved(0, 1, user_id="BR.2"))
    stays, left = await row(db, "contacts", new), await row(db, "contacts", old)
    assert (stays["user_id"], stays["merged_into"], left["user_id"], left["merged_into"]) == ("BR.2", None, None, new)
    assert ((await row(db, "sends", sent))["contact_id"], (await row(db, "sends", planned))["state"]) == (new, "cancelled")
    assert await db.pool.fetchval("select contact_id from received") == new
    assert await db.pool.fetchval("select contact_id from budget_uses where send_id = $1", sent) == new
    assert await db.pool.fetchval("select contact_id from conversations") == new
    assert not await sendable(db, fleet, old)


async def test_a_stop_of_either_is_a_stop_of_both_before_and_after(db: Database):
    fleet = await add_fleet(db.pool)
    one, two, other = [await add_person(db.pool, nth, name="Ana") for nth in range(3)]
    await apply(db, messages(message("wamid.s", "SAIR", AT - HOUR)))
    assert await sendable(db, fleet, two)
    await merge(db, one, two)
    assert not await sendable(db, fleet, two)
    await merge(db, other, two)
    assert (await row(db, "contacts", other))["merged_into"] == two


async def test_a_stop_from_a_number_that_was_left_reaches_who_has_it_no_more(db: Database):
    fleet = await add_fleet(db.pool)
    one, two = [await add_person(db.pool, nth, name="Ana") for nth in range(2)]
    await merge(db, one, two)
    assert await sendable(db, fleet, two)
    await add_send(db.pool, fleet, two, due_at=AT + HOUR)
    await apply(db, messages(message("wamid.late", "SAIR", AT - DAY)))
    assert not await sendable(db, fleet, two)
    assert (await row(db, "contacts", two))["stopped_at"] == AT - DAY


async def test_a_chain_of_merges_is_one_person_and_going_back_is_no_circle(db: Database):
    fleet = await add_fleet(db.pool)
    one, two, three = [await add_person(db.pool, nth, name="Ana") for nth in range(3)]
    await merge(db, one, two)
    await merge(db, two, three)
    assert [(await row(db, "contacts", each))["merged_into"] for each in (one, two, three)] == [three, three, None]
    await merge(db, three, one)
    assert [(await row(db, "contacts", each))["merged_into"] for each in (one, two, three)] == [None, one, one]
    assert await sendable(db, fleet, one)
    await apply(db, messages(message("wamid.s", "SAIR", nth=1)))
    assert not await sendable(db, fleet, one)


async def test_what_either_got_counts_against_the_caps_of_the_one(db: Database):
    fleet = await add_fleet(db.pool)
    one, two = [await add_person(db.pool, nth, name="Ana") for nth in range(2)]
    await add_out(db.pool, fleet, one, message_id="wamid.0", at=AT - DAY, state="delivered")
    assert await sendable(db, fleet, two)
    await merge(db, one, two)
    assert not await sendable(db, fleet, two)


async def test_what_was_under_way_of_both_at_the_merge_counts_once_it_is_settled(db: Database):
    fleet = await add_fleet(db.pool)
    people = [await add_person(db.pool, nth, name="Ana") for nth in range(2)]
    sends = [await add_out(db.pool, fleet, person, message_id=None, state="calling", accepted_at=None) for person in people]
    await merge(db, *people)
    assert [(await row(db, "sends", send))["contact_id"] for send in sends] == people
    await db.pool.execute("update sends set state = 'accepted', accepted_at = $1", AT)
    async with transaction(db.pool) as conn:
        assert await follow_merges(conn) == sends[:1]
    assert [(await row(db, "sends", send))["contact_id"] for send in sends] == [people[1]] * 2


async def test_the_proof_of_both_stays_and_the_one_has_every_row(db: Database):
    await add_fleet(db.pool)
    one, two = [await add_person(db.pool, nth, name="Ana") for nth in range(2)]
    await apply(db, messages(message("wamid.s", "SAIR", AT - HOUR)))
    async with transaction(db.pool) as conn:
        await seal_consents(conn, at=NOW)
    before = await db.pool.fetch("select * from consents where contact_id = $1 order by id", one)
    done = await merge(db, one, two)
    again = await merge(db, one, two)
    async with transaction(db.pool) as conn:
        await seal_consents(conn, at=NOW + HOUR)
        assert (await verify_ledger(conn)).broken is None
        proofs = {person: await prove_person(conn, person, SEAL) for person in (one, two)}
    assert await db.pool.fetch("select * from consents where contact_id = $1 order by id", one) == before
    carried = [proof.row for proof in proofs[two] if proof.row.refers_to is not None]
    assert (done.consents, again.consents, len(carried)) == (len(carried), 0, 2)  # the withdrawals; the grants say the same of both
    assert {kept.refers_to for kept in carried} <= {kept["id"] for kept in before}
    assert all(proof.holds for both in proofs.values() for proof in both)


async def test_a_user_id_that_another_contact_has_says_that_they_are_one(db: Database):
    fleet = await add_fleet(db.pool)
    one, two = await add_person(db.pool, 0, name="Ana", user_id="BR.1"), await add_person(db.pool, 1, name="Ana")
    await apply(db, messages(message("wamid.s", "SAIR", AT - HOUR)))
    seen = {"contacts": [{"wa_id": phone_of(1), "user_id": "BR.1"}]}
    await apply(db, webhook(change(**seen, messages=[message("wamid.i", "Oi", nth=1)])))
    assert ((await row(db, "contacts", one))["merged_into"], (await row(db, "contacts", two))["user_id"]) == (two, "BR.1")
    assert not await sendable(db, fleet, two)


async def test_a_new_user_id_goes_along_and_one_of_another_contact_makes_them_one(db: Database):
    await add_fleet(db.pool)
    one, two = await add_person(db.pool, 0, user_id="BR.1"), await add_person(db.pool, 1, user_id="BR.2")
    await apply(db, moved(0, None, user_id="BR.3"))
    assert (await row(db, "contacts", one))["user_id"] == "BR.3"
    done = await apply(db, moved(0, None, AT + HOUR, user_id="BR.2"))
    assert done.quarantined == 0
    assert ((await row(db, "contacts", one))["user_id"], (await row(db, "contacts", two))["merged_into"]) == ("BR.2", one)


async def test_a_person_may_say_that_two_numbers_are_one(db: Database):
    await add_fleet(db.pool)
    one, two = [await row(db, "contacts", await add_person(db.pool, nth)) for nth in range(2)]

    async def by_hand(old: str, new: str) -> Merged:
        async with transaction(db.pool) as conn:
            return await merge_by_hand(conn, old, new, by="rita", why="she told us", at=NOW)

    assert await by_hand(one["phone_key"], two["phone_key"]) == Merged(two["id"], (one["id"],), consents=0)
    with pytest.raises(Conflict, match="two ways to write one number"):
        await by_hand(one["phone_key"], one["phone_key"])
    with pytest.raises(NotFound):
        await by_hand("m:550000000000", two["phone_key"])
    assert await db.pool.fetchval("select why from audit_log where what = 'contacts merged'") == "she told us"


# ------------------------------------------------------------------ the law


@dataclass
class Records:
    """What was recorded of some people, and which of them are one, in the simplest way that can be right."""

    acts: list[tuple[int, datetime, str]] = field(default_factory=list[tuple[int, datetime, str]])  # contact, moment, act
    same: dict[int, int] = field(default_factory=dict[int, int])

    def root(self, person: int) -> int:
        return person if self.same.get(person, person) == person else self.root(self.same[person])

    def may(self, person: int) -> bool:
        """By the union of the records: the latest act is a grant, and no withdrawal has the same moment."""
        said = [(at, act == "withdrawn") for one, at, act in self.acts if self.root(one) == self.root(person)]
        return bool(said) and not max(said)[1]


def steps(seed: int) -> Iterator[tuple[str, int, int, datetime]]:
    draw = random.Random(seed)
    for _ in range(draw.randint(4, 9)):
        what = draw.choice(["grant", "grant", "sign up", "stop", "switch", "merge", "merge", "move"])
        yield what, draw.randrange(4), draw.randrange(4), AT - 10 * DAY + draw.randrange(9) * DAY


@pytest.mark.parametrize("seed", range(30))
async def test_no_interleaving_makes_somebody_sendable_who_is_not_by_the_union(db: Database, seed: int):
    fleet = await add_fleet(db.pool)
    people = [await add_person(db.pool, nth, purposes=(), name="Ana") for nth in range(4)]
    records = Records()
    for nth, (what, one, other, at) in enumerate(steps(seed)):
        match what:
            case "grant":
                await add_consent(db.pool, people[one], at=at)
                async with transaction(db.pool) as conn:
                    await refresh_standing(conn, [people[one]], at=NOW)
                records.acts.append((people[one], at, "granted"))
            case "stop":
                await apply(db, messages(message(f"wamid.{seed}.{nth}", "SAIR", at + HOUR, nth=one)), at=at + 2 * HOUR)
                records.acts.append((people[one], at + HOUR, "withdrawn"))
            case "switch" | "sign up":
                value = {"value": "stop"} if what == "switch" else {"value": "signup", "signup_id": f"s{nth}"}
                item = {"wa_id": phone_of(one), "category": "marketing_messages", "timestamp": int((at + 2 * HOUR).timestamp()), **value}
                await apply(db, webhook(change(field="user_preferences", user_preferences=[item]), at=at), at=at + 3 * HOUR)
                records.acts.append((people[one], at + 2 * HOUR, "withdrawn" if what == "switch" else "granted"))
            case _:
                if one != other and what == "move":
                    await apply(db, moved(one, other, at + 4 * HOUR), at=at + 5 * HOUR)
                elif one != other:
                    await merge(db, people[one], people[other])
                records.same[records.root(people[one])] = records.root(people[other])
        for person in people:
            if await sendable(db, fleet, person):
                assert records.may(person), (what, people.index(person), records)
