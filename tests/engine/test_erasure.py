"""Erasing a person: nothing that names them is left anywhere, nothing is lost of what was counted, and nothing ever goes to them again."""

import base64
import io
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.engine.consents import prove_person, seal_consents, verify_ledger
from julia_warmer.engine.contacts import import_contacts
from julia_warmer.engine.erasure import Erased, erase_person, sweep_erased
from julia_warmer.engine.errors import Conflict
from julia_warmer.engine.reply import queue_reply
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.dump import dump_of, traces
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    add_out,
    apply,
    change,
    deliver,
    message,
    messages,
    phone_of,
    row,
    status,
    statuses,
    webhook,
)
from tests.engine.outgoing import Fleet, add, add_fleet, add_reply, add_send, claimer

pytestmark = pytest.mark.pg15

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PHONE = f"+55319{phone_of(0)[4:]}"
WORDS = ["Marialva", "Quero o plantao de sexta", "Bom dia, Marialva", "BR.4455667788", phone_of(0), PHONE[1:], "203.0.113.77"]
PROOF: dict[str, Any] = {"source": "form", "purpose": "marketing", "text_version": "v3", "evidence": {"ip": "203.0.113.77"}}
LATER = NOW + DAY


def wamid(nth: int, phone: str = phone_of(0)) -> str:
    """As Meta makes them: the number is in it."""
    return "wamid." + base64.b64encode(b"\x1d\x04" + phone.encode() + bytes([18, nth])).decode()


async def erase(db: Database, phone: str = PHONE, *, at: Any = LATER) -> Erased:
    async with transaction(db.pool) as conn:
        return await erase_person(conn, phone, seal=SEAL, at=at, by="ana", why="asked by mail")


async def bring(db: Database, *, at: Any = LATER, phone: str = PHONE) -> Any:
    text = f"phone,name,consent_at\n{phone},Marialva,2026-05-01 09:00\n"
    async with transaction(db.pool) as conn:
        return await import_contacts(conn, io.StringIO(text), at=at, by="ana", seal=SEAL, **PROOF)


async def live(db: Database) -> tuple[Fleet, int]:
    """Somebody with a history on every road."""
    fleet = await add_fleet(db.pool)
    await bring(db, at=AT - HOUR)
    person = await db.pool.fetchval("select id from contacts")
    sent = wamid(1)
    send = await add_out(db.pool, fleet, person, message_id=sent)
    await add(db.pool, "attempts", send_id=send, number=1, worker="w", began_at=AT, details=f"no way to {PHONE}")
    who = {"profile": {"name": "Marialva"}, "wa_id": phone_of(0), "user_id": "BR.4455667788"}
    said = message(wamid(2), "Quero o plantao de sexta", AT + timedelta(minutes=9), from_user_id="BR.4455667788")
    await apply(db, statuses(status("delivered", sent)), webhook(change(contacts=[who], messages=[said])))
    await add(
        db.pool,
        "quarantine",
        at=NOW,
        kind="x",
        path="y",
        reason="z",
        item=SEAL.close(f"from {phone_of(0)}".encode(), use="quarantine.item"),
    )
    await add_reply(db.pool, fleet, person, text="Bom dia, Marialva")
    return fleet, person


async def count(db: Database, table: str) -> int:
    return await db.pool.fetchval(f"select count(*) from {table}")


async def test_nothing_that_names_the_person_is_left_and_nothing_that_counts_is_lost(db: Database):
    _fleet, person = await live(db)
    assert traces(await dump_of(db.owner), ["Marialva", phone_of(0)])  # the test can see them
    before = {table: await count(db, table) for table in ("sends", "events", "received", "inbox", "chip_counts", "attempts")}
    done = await erase(db)
    assert (done.contact_ids, done.before, done.cancelled, done.messages) == ((person,), False, 1, 3)
    assert traces(await dump_of(db.owner), WORDS) == []
    assert {table: await count(db, table) for table in before} == before
    found = await row(db, "contacts", person)
    assert (found["phone_key"], found["secret"], found["may_marketing"]) == (done.person, None, False)
    assert await db.pool.fetchval("select phone_key from suppressions where source = 'erasure'") == done.person
    assert (await erase(db)).before
    assert await db.pool.fetchval("select count(*) from audit_log where what = 'person erased'") == 1


async def test_the_ledger_still_proves_what_was_granted_and_names_nobody(db: Database):
    _fleet, person = await live(db)
    async with transaction(db.pool) as conn:
        await seal_consents(conn, at=NOW)
    await erase(db)
    async with transaction(db.pool) as conn:
        await seal_consents(conn, at=LATER)
        assert (await verify_ledger(conn)).broken is None
        first, last = await prove_person(conn, person, SEAL)
    assert (first.row.act, first.evidence, first.erased, first.holds) == ("granted", {}, True, True)
    assert (last.row.act, last.row.source, last.row.recorded_by) == ("withdrawn", "erasure", "ana")


async def test_a_later_file_brings_nobody_back(db: Database):
    await live(db)
    await erase(db)
    report = await bring(db, at=LATER + HOUR)
    assert (report.imported, report.suppressed) == (0, 1)
    assert await db.pool.fetchval("select count(*) from contacts where may_marketing or may_utility") == 0
    assert traces(await dump_of(db.owner), WORDS) == []


async def test_facts_that_come_later_are_kept_counted_once_and_name_nobody(db: Database):
    fleet, person = await live(db)
    await erase(db)
    late = statuses(status("read", wamid(1), AT + HOUR))
    again = messages(message(wamid(2), "Quero o plantao de sexta", AT + timedelta(minutes=9)))
    new = messages(message(wamid(3), "Bom dia, Marialva", LATER, profile={"name": "Marialva"}))
    applied = await apply(db, late, again, new, at=LATER)
    assert (applied.new, applied.quarantined) == (2, 0)  # the second was known: it has no effect again
    assert await db.pool.fetchval("select state from sends where kind = 'campaign'") == "read"
    assert traces(await dump_of(db.owner), WORDS) == []
    kept = await db.pool.fetchrow("select contact_id, text from received order by at desc")
    assert (kept["contact_id"], SEAL.open(kept["text"], use="received.text").decode()) == (person, "Bom dia, Marialva")
    alert = await db.pool.fetchval("select text from alerts where rule = 'erased'")
    assert f"contact {person}" in alert
    async with transaction(db.pool) as conn:
        with pytest.raises(Conflict, match="asked to stop"):
            await queue_reply(conn, fleet.chips[0], person, {"type": "text", "text": "Oi"}, at=LATER + HOUR)


async def test_a_planned_send_to_an_erased_person_is_refused_by_the_claim(db: Database):
    fleet, person = await live(db)
    await erase(db, at=AT)
    await add_send(db.pool, fleet, person, due_at=AT)
    async with transaction(db.pool) as conn:
        claim = await claimer().claim(conn, fleet.portfolio, limit=10, at=AT + HOUR)
    assert not claim.taken
    assert await db.pool.fetchval("select reason from sends order by id desc limit 1") == "asked to stop"


@pytest.mark.parametrize("words", ["STOP", "quero sair da lista"])
async def test_who_was_erased_and_asks_to_stop_again_leaves_no_name(db: Database, words: str):
    await live(db)
    await erase(db)
    await apply(db, messages(message(wamid(7), words, LATER)), at=LATER + HOUR)
    assert traces(await dump_of(db.owner), WORDS) == []
    assert await db.pool.fetchval("select count(*) from suppressions where phone_key not like 'h:%'") == 0


async def test_a_number_that_we_never_held_can_be_erased_and_never_comes_in(db: Database):
    await add_fleet(db.pool)
    done = await erase(db)
    assert done.contact_ids == ()
    assert (await bring(db)).suppressed == 1
    await apply(db, messages(message(wamid(1), "Oi", LATER)), at=LATER)
    assert await count(db, "contacts") == 1
    assert traces(await dump_of(db.owner), WORDS) == []


async def test_the_suppression_goes_along_to_a_new_number(db: Database):
    await live(db)
    await erase(db)
    moved: dict[str, Any] = {"from": phone_of(0), "id": wamid(8), "timestamp": str(int(LATER.timestamp())), "type": "system"}
    moved["system"] = {"body": "mudou", "type": "user_changed_number", "wa_id": phone_of(5)}
    await apply(db, messages(moved), at=LATER)
    other = f"+55319{phone_of(5)[4:]}"
    assert (await bring(db, phone=other)).suppressed == 1
    assert traces(await dump_of(db.owner), [*WORDS, phone_of(5), other[1:]]) == []


async def test_a_webhook_that_waits_while_its_person_is_erased_names_nobody_afterwards(db: Database):
    await live(db)
    await deliver(db, messages(message(wamid(4), "Quero o plantao de sexta", NOW)))
    await erase(db)
    await apply(db, at=LATER)
    assert await db.pool.fetchval("select count(*) from inbox where body <> '' and applied_at is null") == 0
    bodies = [SEAL.open(one["body"], use="inbox.body") for one in await db.pool.fetch("select body from inbox")]
    assert set(bodies) == {b"{}"}
    assert traces(await dump_of(db.owner), WORDS) == []


async def test_an_answer_that_was_under_way_is_hashed_by_the_next_sweep(db: Database):
    _fleet, person = await live(db)
    await erase(db)
    await db.pool.execute("update sends set message_id = $1 where contact_id = $2 and kind = 'campaign'", wamid(1), person)
    async with transaction(db.pool) as conn:
        assert await sweep_erased(conn, seal=SEAL) == 1
    assert traces(await dump_of(db.owner), WORDS) == []
