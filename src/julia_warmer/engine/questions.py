"""Questions: what may be a request to stop is put before a person, and marketing to its writer waits for the answer.

It must not know which sentences are doubtful (`core/opt_out`), nor how a stop is carried out (`engine/urgent`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from julia_warmer.core.events import OptOutDoubted, OptOutRequested, OptOutSource
from julia_warmer.engine.erased import find_all
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.merge import kin_of
from julia_warmer.engine.scene import names_of
from julia_warmer.engine.urgent import stop_people
from julia_warmer.store import people, platform
from julia_warmer.store import questions as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.people import Person
from julia_warmer.store.platform import Alert
from julia_warmer.store.questions import NewQuestion, Question
from julia_warmer.store.seal import Seal

MAY_STOP = "may have asked to stop"  # why a planned message was cancelled
ALERT, LATE_ALERT = "questions", "questions late"


class Answer(StrEnum):
    """What a person says of a message that may ask to stop."""

    STOP = "stop"
    GO_ON = "go on"


async def doubt_people(conn: Connection, doubts: Sequence[OptOutDoubted], *, seal: Seal, at: datetime) -> list[tuple[int, ...]]:
    """Open a question for each of these messages, and let marketing to their writers wait. As often as one likes.

    Before the 200 already. Returns for each the sends to its writer whose request may be under way: the 200 waits for those.
    """
    found = [fitting for _, fitting in await find_all(conn, [names_of(doubt.phone, doubt.user_id) for doubt in doubts], seal)]
    locked = await people.lock_people(conn, sorted({contact_id for fitting in found for contact_id in fitting}))
    kin = await kin_of(conn, locked)
    found = [[*fitting, *(one for contact_id in fitting for one in kin.get(contact_id, {}) if one not in fitting)] for fitting in found]
    new = [
        NewQuestion(
            contact_id=contact_id,
            user_id=doubt.user_id,
            phone_number_id=doubt.phone_number_id,
            message_id=doubt.message_id,
            source=doubt.source,
            purpose=doubt.purpose,
            rule=doubt.rule,
            at=doubt.at,
        )
        for doubt, fitting in zip(doubts, found, strict=True)
        for contact_id in _whose(doubt, fitting)
    ]
    asked = await store.add_questions(conn, new, at=at)
    await _let_wait(conn, sorted({one.contact_id for one in asked if one.contact_id is not None}), at=at)
    calling = await people.list_calling(conn, sorted({contact_id for fitting in found for contact_id in fitting}))
    return [tuple(call.id for call in calling if call.contact_id in fitting) for fitting in found]


def _whose(doubt: OptOutDoubted, fitting: Sequence[int]) -> Sequence[int | None]:
    """The contacts that a question is about. Somebody with a phone whom nobody knows yet becomes a contact first (`engine/scene`)."""
    return fitting or ([None] if doubt.user_id and not doubt.phone else [])


async def adopt_questions(conn: Connection, contact_ids: Sequence[int], *, at: datetime) -> None:
    """The user ids of these locked contacts have just become known: what was asked under them holds for them."""
    await _let_wait(conn, sorted(set(await store.adopt_questions(conn, contact_ids))), at=at)


async def _let_wait(conn: Connection, contact_ids: Sequence[int], *, at: datetime) -> None:
    await store.hold_marketing(conn, contact_ids, at=at)
    await people.cancel_sends(conn, dict.fromkeys(contact_ids, "marketing"), reason=MAY_STOP, at=at)


# ------------------------------------------------------------------ the answer


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer did. `calling`: sends whose request is under way. `request`: the stop that was carried out, for the journal."""

    calling: tuple[int, ...] = ()
    request: OptOutRequested | None = None


async def answer(conn: Connection, question_id: int, said: Answer, *, by: str, why: str, seal: Seal, at: datetime) -> Answered:
    """Answer a question. `stop`: the message was a request to stop, from the moment it was written. `go on`: it was not.

    Raises NotFound; Conflict when another answer stands.
    """
    contact_id = await store.find_contact(conn, question_id)
    locked = await people.lock_people(conn, [contact_id] if contact_id is not None else [])
    question = await store.lock_question(conn, question_id)
    if question is None:
        raise NotFound(f"there is no question {question_id}", mend="`warmer desk questions` lists them")
    if question.answered_at is not None:
        if question.answer == said:
            return Answered()
        raise Conflict(f"question {question_id} was answered already: {question.answer}", mend="a new consent lets marketing go on")
    await store.answer_question(conn, question_id, said, by=by, why=why, at=at)
    done = Answered()
    if said is Answer.STOP:
        request = _request(question, locked)
        (stopped,) = await stop_people(conn, [request], seal=seal, at=at, by=by)
        done = Answered(stopped.calling, request)
    if question.contact_id is not None:
        await store.release_marketing(conn, [question.contact_id], at=at)
    target = f"contact:{question.contact_id}" if question.contact_id is not None else None
    await record_act(
        conn, at=at, who=by, what="question answered", target=target, why=why, body={"question_id": question_id, "answer": said}
    )
    await tell_waiting(conn, late_after=None, at=at)
    return done


def _request(question: Question, locked: Mapping[int, Person]) -> OptOutRequested:
    """The message as what it was: a request to stop, under the names that its writer has now."""
    person = locked.get(question.contact_id or 0)
    return OptOutRequested(
        at=question.at,
        phone=person.phone_key.partition(":")[2] if person else None,
        user_id=question.user_id or (person.user_id if person else None),
        source=OptOutSource(question.source),
        purpose=question.purpose,
        message_id=question.message_id,
    )


# ------------------------------------------------------------------ who is told


async def tell_waiting(conn: Connection, *, late_after: timedelta | None, at: datetime) -> None:
    """Alert a person that questions wait, and once more, louder, when one has waited for so long; close both when none does."""
    waiting = await store.count_open(conn)
    if waiting.since is None:
        await platform.close_alerts(conn, [ALERT, LATE_ALERT], by="questions", at=at)
        return
    if late_after is None:
        return
    text = "Messages that may ask to stop wait for your answer, and their writers get no marketing until then: `warmer desk questions`"
    alerts = [Alert(rule="questions", level="info", text=text, open_key=ALERT, at=at)]
    if waiting.since <= at - late_after:
        late = f"A message that may ask to stop has waited for an answer since {waiting.since:%Y-%m-%d %H:%M} UTC: `warmer desk questions`"
        alerts.append(Alert(rule="questions", level="warning", text=late, open_key=LATE_ALERT, at=at))
    await platform.add_alerts(conn, alerts)
