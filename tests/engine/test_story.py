"""The story of one person, in order: what they allowed, got and did not get, wrote, and what a person of ours said of it."""

from datetime import timedelta

from julia_warmer.engine.dossier import gather
from julia_warmer.engine.merge import merge_people
from julia_warmer.engine.questions import Answer, answer
from julia_warmer.engine.story import Story, tell_story
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
    message,
    messages,
    phone_of,
    status,
    statuses,
)
from tests.engine.outgoing import settings

db = scratch.db

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def story_of(db: Database, nth: int = 0) -> Story:
    async with transaction(db.pool) as conn:
        return await tell_story(conn, await gather(conn, f"+{phone_of(nth)}", seal=SEAL, settings=settings(), at=NOW))


async def test_everything_is_told_in_its_order_with_why_not(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, name="Ana", purposes=["marketing"])
    await add_out(db.pool, fleet, person, message_id="wamid.0", at=AT - DAY)
    await add_send(db.pool, fleet, person, due_at=AT + DAY)
    await apply(
        db,
        statuses(status("delivered", "wamid.0", AT - DAY + MINUTE)),
        messages(message("wamid.i", "Oi!", AT - DAY + 2 * MINUTE)),
        messages(message("wamid.q", "cancelar?")),
        at=NOW - 2 * MINUTE,
    )
    async with transaction(db.pool) as conn:
        question = await conn.fetchval("select id from questions")
        await answer(conn, question, Answer.STOP, by="rita", why="she said so by phone", seal=SEAL, at=NOW)
    told = await story_of(db)
    assert (told.contact_id, told.whole, told.same_as) == (person, True, ())
    assert [line.at for line in told.lines] == sorted(line.at for line in told.lines)
    assert told_of(told, "consent")[0].startswith("granted marketing by form; row ")
    (sent,) = told_of(told, "sent")
    assert sent == "campaign-one (marketing) of one-0: delivered 05-31 14:01, answered 05-31 14:02"
    assert told_of(told, "not sent") == ["campaign-one (marketing) of one-0: cancelled: may have asked to stop"]
    assert told_of(told, "wrote") == ["text to one-0: Oi!", "text to one-0: cancelar?"]
    opened, answered = told_of(told, "question")
    assert opened.endswith(f"marketing waits for an answer, question {question}")
    assert answered == "answered by rita: stop (she said so by phone)"
    assert told_of(told, "stopped") == ["no more everything, by word"]
    assert told_of(told, "act") == ["question answered by rita: she said so by phone"]


async def test_a_number_of_nobody_tells_only_that_it_was_stopped(db: Database):
    await add_fleet(db.pool)
    await db.pool.execute(
        "insert into suppressions (phone_key, purpose, source, at) values ($1, 'all', 'word', $2)", f"m:{phone_of(7)}", AT
    )
    told = await story_of(db, 7)
    assert (told.contact_id, [line.sentence for line in told.lines]) == (None, ["no more everything, by word"])


async def test_a_merge_is_told_with_who_is_the_same(db: Database):
    await add_fleet(db.pool)
    one, two = [await add_person(db.pool, nth) for nth in range(2)]
    async with transaction(db.pool) as conn:
        await merge_people(conn, [one], two, by="rita", why="one person", at=NOW)
    told = await story_of(db, 1)
    assert told.same_as == (one,)
    assert told_of(told, "act") == ["contacts merged by rita: one person"]
    assert await story_of(db, 0) == told  # asked for by the number that was left


def told_of(story: Story, what: str) -> list[str]:
    return [line.sentence for line in story.lines if line.what == what]
