"""Typed calls for questions: messages of which nobody can tell whether they ask to stop. It must not know the rules that doubt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuestion:
    """A message that may ask to stop. `contact_id` None: of somebody whom we know by a user id at most."""

    contact_id: int | None
    user_id: str | None
    phone_number_id: str | None
    message_id: str
    source: str
    purpose: str  # what it would cover: marketing, all
    rule: str
    at: datetime  # when the person wrote


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that is new."""

    id: int
    contact_id: int | None
    message_id: str


@dataclass(frozen=True, slots=True)
class Question:
    """A locked question."""

    id: int
    contact_id: int | None
    user_id: str | None
    message_id: str
    source: str
    purpose: str
    at: datetime
    answered_at: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question as it is shown. `sealed`: what the person wrote."""

    id: int
    contact_id: int | None
    phone: str | None
    name: str | None
    chip_id: int | None
    chip: str | None
    message_id: str
    source: str
    purpose: str
    rule: str
    sealed: bytes | None = field(repr=False)
    at: datetime
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None
    answered_why: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many questions are open, and since when the first of them."""

    number: int
    since: datetime | None


async def add_questions(conn: Connection, new: Sequence[NewQuestion], *, at: datetime) -> list[Asked]:
    """Open these questions; returns those that were not known yet."""
    if not new:
        return []
    return await queries.add_questions.fetch_as(
        Asked,
        conn,
        contact_ids=[one.contact_id for one in new],
        user_ids=[one.user_id for one in new],
        phone_number_ids=[one.phone_number_id for one in new],
        message_ids=[one.message_id for one in new],
        sources=[one.source for one in new],
        purposes=[one.purpose for one in new],
        rules=[one.rule for one in new],
        ats=[one.at for one in new],
        at=at,
    )


async def hold_marketing(conn: Connection, contact_ids: Sequence[int], *, at: datetime) -> None:
    """Marketing to these locked contacts waits until their questions are answered."""
    if contact_ids:
        await queries.hold_marketing.execute(conn, ids=contact_ids, at=at)


async def adopt_questions(conn: Connection, contact_ids: Sequence[int]) -> list[int]:
    """Give these contacts the open questions that were asked under their user id; returns those who had one."""
    if not contact_ids:
        return []
    return [row["contact_id"] for row in await queries.adopt_questions.fetch(conn, ids=contact_ids)]


async def find_contact(conn: Connection, question_id: int) -> int | None:
    """Whose question it is; None when it is nobody's that we know, or there is no such question."""
    return await queries.read_question.fetchval(conn, id=question_id)


async def lock_question(conn: Connection, question_id: int) -> Question | None:
    """The question, locked to the end of the transaction: after its person."""
    return await queries.lock_question.fetchrow_as(Question, conn, id=question_id)


async def answer_question(conn: Connection, question_id: int, answer: str, *, by: str, why: str, at: datetime) -> None:
    """Write the answer down."""
    await queries.answer_question.execute(conn, id=question_id, answer=answer, by=by, why=why, at=at)


async def close_questions(conn: Connection, contact_ids: Sequence[int], *, by: str, at: datetime) -> None:
    """These contacts stopped everything: their open questions are answered by it."""
    if contact_ids:
        await queries.close_questions.execute(conn, contact_ids=contact_ids, by=by, at=at)


async def release_marketing(conn: Connection, contact_ids: Sequence[int], *, at: datetime) -> list[int]:
    """Let marketing go on to those of these contacts about whom nothing is asked any more; returns them."""
    return [row["id"] for row in await queries.release_marketing.fetch(conn, ids=contact_ids, at=at)]


async def list_questions(conn: Connection, *, open_only: bool, after: int = 0, limit: int) -> list[QuestionRow]:
    """Questions, oldest first."""
    return await queries.list_questions.fetch_as(QuestionRow, conn, open_only=open_only, after=after, limit=limit)


async def list_of(conn: Connection, contact_id: int, *, limit: int) -> list[QuestionRow]:
    """All questions about one contact, oldest first."""
    return await queries.list_of_person.fetch_as(QuestionRow, conn, contact_id=contact_id, limit=limit)


async def count_open(conn: Connection) -> Waiting:
    """What waits for a person's answer."""
    waiting = await queries.count_open.fetchrow_as(Waiting, conn)
    assert waiting is not None
    return waiting
