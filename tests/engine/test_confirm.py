"""The one confirmation of an opt-out: planned by the fact, judged by the claim, past the stop that it confirms and past nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.config import SettingsError, load_settings
from julia_warmer.core.opt_out import own_words
from julia_warmer.engine.confirm import Hearing
from julia_warmer.engine.intake import apply_inbox, look_at, receive_all
from julia_warmer.store import attempts
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import AT, NOW, SEAL, add, add_fleet, add_person, change, deliver, message, messages, phone_of, stamp, webhook
from tests.engine.outgoing import add_reply, claimer

db = scratch.db

MINUTE = timedelta(minutes=1)
SOON = AT + MINUTE
TEXT = "Pronto, não escrevemos mais."
HEARING = Hearing(confirmation=TEXT)


async def hear(db: Database, *bodies: bytes, at: Any = SOON, hearing: Hearing = HEARING) -> None:
    await deliver(db, *bodies, at=at)
    async with transaction(db.pool) as conn:
        await apply_inbox(conn, at=at, seal=SEAL, hearing=hearing)


async def begun(db: Database, fleet: Any, *, at: Any = SOON) -> list[tuple[int, dict[str, Any]]]:
    """What is claimed and called at a moment: whom, and what it says."""
    async with transaction(db.pool) as conn:
        claim = await claimer().claim(conn, fleet.portfolio, limit=10, at=at)
        calls = await attempts.begin_calls(conn, claim.taken, worker="one", lease_until=at + MINUTE, at=at)
        return [(call.contact_id, call.body) for call in calls]


async def confirmations(db: Database) -> list[Any]:
    return await db.pool.fetch("select * from sends where confirms_at is not null order by id")


@pytest.fixture
async def fleet(db: Database) -> Any:
    return await add_fleet(db.pool)


async def test_a_stop_is_confirmed_once_inside_the_window_and_recorded_as_such(db: Database, fleet: Any):
    person = await add_person(db.pool)
    await hear(db, messages(message("wamid.s", "SAIR")))
    (planned,) = await confirmations(db)
    assert (planned["kind"], planned["confirms_at"], planned["expires_at"]) == ("reply", AT, AT + 10 * MINUTE)
    assert await begun(db, fleet) == [(person, {"type": "text", "text": TEXT})]
    await hear(db, messages(message("wamid.s", "SAIR")), messages(message("wamid.again", "sair!!", SOON)), at=SOON + MINUTE)
    assert len(await confirmations(db)) == 1
    assert await begun(db, fleet, at=SOON + MINUTE) == []


async def test_a_second_stop_does_not_take_the_confirmation_back(db: Database, fleet: Any):
    person = await add_person(db.pool)
    await hear(db, messages(message("wamid.s", "SAIR")), messages(message("wamid.t", "PARE", AT + timedelta(seconds=5))))
    assert [contact for contact, _ in await begun(db, fleet)] == [person]


async def test_nothing_but_the_confirmation_passes_the_stop(db: Database, fleet: Any):
    person = await add_person(db.pool)
    await hear(db, messages(message("wamid.s", "SAIR")))
    other = await add_reply(db.pool, fleet, person, due_at=AT, purpose="utility")
    assert [body["text"] for _, body in await begun(db, fleet)] == [TEXT]
    assert await db.pool.fetchval("select reason from sends where id = $1", other) == "asked to stop"


@pytest.mark.parametrize(
    "case", ["no setting", "asked before", "by the switch", "late", "window closed", "chip paused", "erased number", "stopped again"]
)
async def test_a_confirmation_is_not_sent(db: Database, fleet: Any, case: str):
    await add_person(db.pool)
    key = await db.pool.fetchval("select phone_key from contacts")
    body, at, hearing, look = messages(message("wamid.s", "SAIR")), SOON, HEARING, SOON
    match case:
        case "no setting":
            hearing = Hearing()
        case "asked before":
            await add(db.pool, "suppressions", phone_key=key, purpose="all", source="word", at=AT - timedelta(days=9))
        case "by the switch":
            item = {"wa_id": phone_of(0), "category": "marketing_messages", "value": "stop", "timestamp": stamp(AT)}
            body = webhook(change(field="user_preferences", user_preferences=[item]))
        case "late":
            at = look = NOW
        case _:
            look = look + 10 * MINUTE if case == "chip paused" else look
    await hear(db, body, at=at, hearing=hearing)
    if case == "window closed":
        await db.pool.execute("update conversations set window_until = $1", AT)
    elif case == "chip paused":
        await db.pool.execute("update chips set status = 'paused', paused_from = 'warming'")
        assert await begun(db, fleet) == []
        await db.pool.execute("update chips set status = 'warming', paused_from = null")
    elif case == "erased number":
        await db.pool.execute("update contacts set undeliverable_at = $1", AT)
    elif case == "stopped again":  # an earlier stop comes to light after it was planned
        await add(db.pool, "suppressions", phone_key=key, purpose="all", source="word", at=AT - MINUTE)
    assert await begun(db, fleet, at=look) == []


async def test_a_call_for_a_confirmation_begins_and_one_for_another_reply_does_not(db: Database, fleet: Any):
    person = await add_person(db.pool)
    await hear(db, messages(message("wamid.hi", "Oi")))
    other = await add_reply(db.pool, fleet, person, due_at=AT, purpose="utility")
    async with transaction(db.pool) as conn:
        taken = (await claimer().claim(conn, fleet.portfolio, limit=10, at=SOON)).taken
    assert [one.send_id for one in taken] == [other]
    await hear(db, messages(message("wamid.s", "SAIR", SOON)), at=SOON)
    async with transaction(db.pool) as conn:
        assert await attempts.begin_calls(conn, taken, worker="one", lease_until=SOON + MINUTE, at=SOON) == []


async def test_an_owners_own_word_stops_before_the_200(db: Database, fleet: Any):
    person = await add_person(db.pool)
    delivery = look_at(messages(message("wamid.w", "me poupe!")), at=NOW, words=own_words(["me poupe"]))
    async with transaction(db.pool) as conn:
        (receipt,) = await receive_all(conn, [delivery], at=NOW, seal=SEAL)
    assert receipt.opt_outs == 1
    assert await db.pool.fetchval("select stopped_at from contacts where id = $1", person) == AT


def test_settings_refuse_a_word_that_would_stop_the_wrong_people(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WARMER_OPT_OUT_WORDS", "me poupe, chega de zap")
    assert load_settings(config_dir=tmp_path).opt_out_words == ("me poupe", "chega de zap")
    monkeypatch.setenv("WARMER_OPT_OUT_WORDS", "me poupe, quero")
    with pytest.raises(SettingsError, match=r"WARMER_OPT_OUT_WORDS: .*'quero' is what people write who do not ask to stop"):
        load_settings(config_dir=tmp_path)
