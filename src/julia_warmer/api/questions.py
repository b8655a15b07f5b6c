"""Routes of questions: messages that may ask to stop, and a person's answer. The text is unsealed for whoever has to understand it."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict, Field

from julia_warmer.api.access import By
from julia_warmer.api.edge import At, Conn, Cursor, Form, InParts, Limit, Page, PathId, View, Why, by_id, example, id_from, new_router, page
from julia_warmer.engine import questions
from julia_warmer.engine.journal import remember_stops
from julia_warmer.engine.questions import Answer
from julia_warmer.store.inbound import TEXT_USE
from julia_warmer.store.questions import QuestionRow, list_questions

router = new_router("desk")


class QuestionView(View):
    """A message that may ask to stop. Its writer gets no marketing until it is answered."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=12,
            contact_id=120,
            phone="+5531987654321",
            name="Ana",
            chip="north-1",
            message_id="wamid.HBgM",
            source="word",
            purpose="all",
            rule="command",
            text="cancelar?",
            at="2026-06-01T11:40:00Z",
            answer=None,
            answered_at=None,
            answered_by=None,
            answered_why=None,
        )
    )

    id: int
    contact_id: int | None
    phone: str | None
    name: str | None
    chip: str | None
    message_id: str
    source: str
    purpose: str = Field(description="What a stop would cover: `all`, or `marketing` only.")
    rule: str = Field(description="The sentence of the tables that it fits.")
    text: str | None = Field(default=None, description="What was written; null for a moment after it came.")
    at: datetime
    answer: Answer | None
    answered_at: datetime | None
    answered_by: str | None
    answered_why: str | None


class NewAnswer(Form):
    """What the message meant, as a person understands it."""

    model_config = ConfigDict(json_schema_extra=example(answer="go on", why="she asked about a shift"))

    answer: Answer
    why: Why


class AnsweredView(View):
    """The answer that stands. `calling`: requests to this person on their way when it came."""

    model_config = ConfigDict(json_schema_extra=example(id=12, answer="go on", calling=0))

    id: int
    answer: Answer
    calling: int


@router.get("/warmer/questions", name="list_questions")
async def list_open(
    conn: Conn,
    parts: InParts,
    open_only: Annotated[bool, Query(alias="open", description="Only those that wait for an answer.")] = True,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[QuestionView]:
    """Messages that may ask to stop, oldest first."""
    rows = await list_questions(conn, open_only=open_only, after=id_from(cursor, 0), limit=limit + 1)
    texts = {row.id: _text(row, parts) for row in rows}
    found = page(QuestionView, rows, limit, by_id)
    return found.model_copy(update={"items": [one.model_copy(update={"text": texts[one.id]}) for one in found.items]})


@router.post("/warmer/questions/{question_id}/answer", name="answer_question")
async def answer_question(question_id: PathId, form: NewAnswer, conn: Conn, parts: InParts, at: At, by: By) -> AnsweredView:
    """Say what it meant. `stop` stops its writer from the moment it was written; `go on` lets marketing go on."""
    done = await questions.answer(conn, question_id, form.answer, by=by, why=form.why, seal=parts.seal, at=at)
    if done.request is not None:
        remember_stops(parts.journal, [done.request], at=at)
    return AnsweredView(id=question_id, answer=form.answer, calling=len(done.calling))


def _text(row: QuestionRow, parts: InParts) -> str | None:
    return parts.seal.open(row.sealed, use=TEXT_USE).decode("utf-8", "replace") if row.sealed else None
