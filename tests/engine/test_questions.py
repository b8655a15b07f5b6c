"""Messages that may ask to stop: before the 200 marketing waits, a person answers, and only then it goes on or stops."""

from datetime import timedelta
from typing import Any

import pytest

from julia_warmer import policies
from julia_warmer.cli.explain_webhook import lines_for
from julia_warmer.core.events import OptOutDoubted, OptOutSource
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.explain import why_not_now
from julia_warmer.engine.questions import Answer, Answered, answer, doubt_people, tell_waiting
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    add_fleet,
    add_out,
    add_person,
    add_send,
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
from tests.engine.outgoing import claimer

db = scratch.db

HOUR = timedelta(hours=1)
DOUBTFUL = ["cancelar?", "parar?", "não tenho interesse", "número errado"]


async def claimed(db: Database, fleet: Any) -> int:
    async with transaction(db.pool) as conn:
        return len((await claimer().claim(conn, fleet.portfolio, limit=10, at=AT)).taken)


async def say(db: Database, question: int, said: Answer, *, at: Any = NOW) -> Answered:
    async with transaction(db.pool) as conn:
        return await answer(conn, question, said, by="rita", why="read it", seal=SEAL, at=at)


async def question_of(db: Database) -> Any:
    return await db.pool.fetchrow("select * from questions")


@pytest.mark.parametrize("text", DOUBTFUL)
async def test_a_doubtful_message_holds_marketing_before_its_200(db: Database, text: str):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    planned = await add_send(db.pool, fleet, person, due_at=AT)
    other = await add_person(db.pool, 1, name="Bia")
    await add_send(db.pool, fleet, other, due_at=AT)
    await deliver(db, messages(message("wamid.q", text)))
    found = await row(db, "sends", planned)
    assert (found["state"], found["reason"]) == ("cancelled", "may have asked to stop")
    assert (await row(db, "contacts", person))["stopped_at"] is None
    question = await question_of(db)
    assert (question["contact_id"], question["message_id"], question["at"], question["answer"]) == (person, "wamid.q", AT, None)
    assert await claimed(db, fleet) == 1  # the other one's


async def test_what_is_planned_all_the_same_is_not_claimed_and_utility_is(db: Database):
    fleet, helpful = await add_fleet(db.pool), await add_fleet(db.pool, name="two", purpose="utility")
    person = await add_person(db.pool, name="Ana")
    await deliver(db, messages(message("wamid.q", "cancelar?")))
    late = await add_send(db.pool, fleet, person, due_at=AT)
    assert await claimed(db, fleet) == 0
    assert (await row(db, "sends", late))["reason"] == "may have asked to stop: a person is to say"
    await add_send(db.pool, helpful, person, due_at=AT, purpose="utility")
    assert await claimed(db, helpful) == 1


async def test_the_200_waits_for_a_call_to_who_may_have_asked_to_stop(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    calling = await add_out(db.pool, fleet, person, message_id=None, state="calling", accepted_at=None)
    (receipt,) = await deliver(db, messages(message("wamid.q", "cancelar?")))
    assert (receipt.calling, receipt.opt_outs) == ((calling,), 0)


async def test_go_on_lets_marketing_go_on_and_stop_stops_from_the_words_on(db: Database):
    fleet = await add_fleet(db.pool)
    people = [await add_person(db.pool, nth, name="Ana") for nth in range(2)]
    await apply(db, *(messages(message(f"wamid.{nth}", "cancelar?", nth=nth)) for nth in range(2)))
    first, second = [one["id"] for one in await db.pool.fetch("select id from questions order by contact_id")]
    await say(db, first, Answer.GO_ON)
    await say(db, second, Answer.STOP)
    assert [(await row(db, "contacts", person))["questioned_at"] for person in people] == [None, None]
    for person in people:
        await add_send(db.pool, fleet, person, due_at=AT)
    assert await claimed(db, fleet) == 1
    stopped = await row(db, "contacts", people[1])
    assert (stopped["stopped_at"], stopped["may_marketing"]) == (AT, False)
    ledger = await db.pool.fetch("select purpose, source, at, recorded_by from consents where act = 'withdrawn' order by purpose")
    assert [tuple(one) for one in ledger] == [("marketing", "word", AT, "rita"), ("utility", "word", AT, "rita")]
    acts = await db.pool.fetch("select what, target, why from audit_log order by id")
    assert [tuple(act) for act in acts] == [("question answered", f"contact:{person}", "read it") for person in people]


async def test_an_answer_stands(db: Database):
    await add_fleet(db.pool)
    await add_person(db.pool, name="Ana")
    await deliver(db, messages(message("wamid.q", "cancelar?")))
    question = (await question_of(db))["id"]
    await say(db, question, Answer.STOP)
    assert await say(db, question, Answer.STOP) == Answered()
    with pytest.raises(Conflict, match="answered already: stop"):
        await say(db, question, Answer.GO_ON)
    with pytest.raises(NotFound):
        await say(db, 999, Answer.STOP)


async def test_a_plain_request_to_stop_answers_what_was_open(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    await apply(db, messages(message("wamid.q", "cancelar?"), message("wamid.s", "SAIR", AT + HOUR)))
    question = await question_of(db)
    assert question is None or (question["answer"], question["answered_by"]) == ("stop", "the person")
    assert (await row(db, "contacts", person))["questioned_at"] is None
    assert (await row(db, "contacts", person))["stopped_at"] == AT + HOUR
    await apply(db, messages(message("wamid.later", "parar?", AT + 2 * HOUR)))
    assert await db.pool.fetchval("select count(*) from questions where answered_at is null") == 0


async def test_two_questions_hold_until_both_are_answered(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    await apply(db, messages(message("wamid.a", "cancelar?")), messages(message("wamid.b", "parar?")))
    first, second = [one["id"] for one in await db.pool.fetch("select id from questions order by id")]
    await say(db, first, Answer.GO_ON)
    assert (await row(db, "contacts", person))["questioned_at"] is not None
    await say(db, second, Answer.GO_ON)
    assert (await row(db, "contacts", person))["questioned_at"] is None


async def test_the_same_message_again_asks_once_and_not_after_its_answer(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    item = message("wamid.q", "cancelar?")
    await apply(db, messages(item), messages(item))
    assert await db.pool.fetchval("select count(*) from questions") == 1
    await say(db, (await question_of(db))["id"], Answer.GO_ON)
    await apply(db, messages(item))
    assert (await row(db, "contacts", person))["questioned_at"] is None


async def test_who_writes_first_is_asked_about_once_they_are_a_contact(db: Database):
    await add_fleet(db.pool)
    await deliver(db, messages(message("wamid.q", "cancelar?")))
    assert await question_of(db) is None
    await apply(db)
    question = await question_of(db)
    assert question["contact_id"] == await db.pool.fetchval("select id from contacts")


async def test_who_hides_the_phone_is_held_as_soon_as_the_user_id_is_known(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana")
    send = await add_out(db.pool, fleet, person, message_id="wamid.0")
    await apply(db, messages(message("wamid.q", "cancelar?") | {"from": "", "from_user_id": "BR.9"}))
    assert (await question_of(db))["contact_id"] is None
    await apply(db, statuses(status("delivered", "wamid.0", recipient_user_id="BR.9")))
    assert (await question_of(db))["contact_id"] == person
    assert (await row(db, "contacts", person))["questioned_at"] is not None
    assert (await row(db, "sends", send))["state"] == "delivered"


async def test_people_are_told_once_and_louder_when_it_takes_long(db: Database):
    await add_fleet(db.pool)
    await add_person(db.pool, name="Ana")
    await deliver(db, messages(message("wamid.q", "cancelar?")))

    async def told(at: Any) -> list[tuple[str, bool]]:
        async with transaction(db.pool) as conn:
            await tell_waiting(conn, late_after=4 * HOUR, at=at)
        return [(one["level"], one["closed_at"] is None) for one in await db.pool.fetch("select level, closed_at from alerts order by id")]

    assert await told(NOW) == [("info", True)]
    assert await told(NOW + 5 * HOUR) == [("info", True), ("warning", True)]
    await say(db, (await question_of(db))["id"], Answer.GO_ON)
    assert await told(NOW + 6 * HOUR) == [("info", False), ("warning", False)]


async def test_why_not_now_names_the_question(db: Database):
    await add_fleet(db.pool)
    await add_person(db.pool, name="Ana")
    await deliver(db, messages(message("wamid.q", "cancelar?")))
    async with transaction(db.pool) as conn:
        why = await why_not_now(conn, phone_of(0), at=NOW, policy=policies.load("standard"), holidays=frozenset())
    assert "question" in [one.name for one in why.obstacles]


async def test_a_stopped_person_is_not_asked_about(db: Database):
    await add_fleet(db.pool)
    await add_person(db.pool, stopped_at=AT)
    doubt = OptOutDoubted(
        at=AT, phone=phone_of(0), source=OptOutSource.WORD, purpose="all", message_id="wamid.q", rule="command", text="cancelar?"
    )
    async with transaction(db.pool) as conn:
        await doubt_people(conn, [doubt], seal=SEAL, at=NOW)
    assert await question_of(db) is None


def test_a_webhook_is_explained_with_its_doubt():
    lines = list(lines_for("one.json", webhook(change(messages=[message("wamid.q", "cancelar?")])), AT))
    assert [(line["kind"], line.get("value")) for line in lines] == [("message_received", "text"), ("opt_out_doubted", "all")]
