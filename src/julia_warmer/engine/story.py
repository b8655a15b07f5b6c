"""The story of one person in the order of time: what they allowed, what they were sent and why not, what they wrote, what held it up.

Made from what is held about them (`engine/dossier`) with their questions and merges; nothing is decided here. Texts come as the dossier
opened them: who may read it is not this module's business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from julia_warmer.core.events import Kind
from julia_warmer.engine.consents import Proof
from julia_warmer.engine.dossier import Dossier
from julia_warmer.store import audit, merges, questions
from julia_warmer.store.audit import Act
from julia_warmer.store.db import Connection
from julia_warmer.store.dossier import Sent
from julia_warmer.store.questions import QuestionRow

ROWS_MAX = 1000  # of questions, and of acts
LINES_MAX = 500  # of a story, the newest
# What the story tells by itself: messages, opt-outs and their sends have lines of their own.
TOLD = frozenset(
    {
        *(Kind.MESSAGE_SENT, Kind.MESSAGE_DELIVERED, Kind.MESSAGE_READ, Kind.MESSAGE_FAILED, Kind.MESSAGE_RECEIVED),
        *(Kind.OPT_OUT_REQUESTED, Kind.OPT_OUT_DOUBTED, Kind.SIGNUP_RECEIVED),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened, at the moment at which it did."""

    at: datetime
    what: str  # known, consent, sent, not sent, planned, wrote, fact, question, stopped, lifted, act
    sentence: str


@dataclass(frozen=True, slots=True)
class Story:
    """All of it, oldest first. `same_as`: other contacts of the same person. `whole` False: older lines were left out."""

    contact_id: int | None
    same_as: tuple[int, ...]
    lines: tuple[Line, ...]
    whole: bool


async def tell_story(conn: Connection, held: Dossier) -> Story:
    """The story of whom the dossier is about."""
    person = held.contact
    if person is None:
        lines = sorted(_of_suppressions(held), key=lambda line: line.at)
        return Story(None, (), tuple(lines), held.whole)
    asked = await questions.list_of(conn, person.id, limit=ROWS_MAX)
    acts = await audit.list_acts(conn, target=f"contact:{person.id}", limit=ROWS_MAX)
    kin = await merges.list_kin(conn, [person.id])
    lines = sorted(_lines(held, asked, acts), key=lambda line: line.at)
    return Story(person.id, tuple(kin.get(person.id, ())), tuple(lines[-LINES_MAX:]), held.whole and len(lines) <= LINES_MAX)


def _lines(held: Dossier, asked: Sequence[QuestionRow], acts: Sequence[Act]) -> Iterator[Line]:
    person = held.contact
    if person is not None:
        yield Line(at=person.created_at, what="known", sentence="became known here")
        if person.assigned_at is not None and person.chip is not None:
            yield Line(at=person.assigned_at, what="known", sentence=f"belongs to {person.chip} from now on")
    yield from (_of_consent(proof) for proof in held.consents)
    for send in held.sent:
        yield from _of_send(send)
    for message in held.written:
        said = f": {message.text}" if message.text else ""
        yield Line(at=message.at, what="wrote", sentence=f"{message.type} to {message.chip}{said}")
    for fact in held.facts:
        if fact.kind not in TOLD:
            value = " ".join(str(part) for part in (fact.value, fact.code) if part is not None)
            yield Line(at=fact.at, what="fact", sentence=f"{fact.kind.replace('_', ' ')}{f': {value}' if value else ''}")
    yield from _of_questions(asked)
    yield from _of_suppressions(held)
    yield from (Line(at=act.at, what="act", sentence=f"{act.what} by {act.who}{f': {act.why}' if act.why else ''}") for act in acts)


def _of_consent(proof: Proof) -> Line:
    row = proof.row
    text = f", having read {row.text_version or row.text_shown!r}" if row.text_version or row.text_shown else ""
    again = f", as row {row.refers_to} says" if row.refers_to is not None else ""
    holds = "" if proof.holds else "; THE ROW IS NOT WHAT WAS SEALED"
    sentence = f"{row.act} {row.purpose} by {row.source}{text}{again}; row {row.id}, recorded by {row.recorded_by}{holds}"
    return Line(at=row.at, what="consent", sentence=sentence)


def _of_send(send: Sent) -> Iterator[Line]:
    """A message that went out, with how far it came; or one that did not, and why."""
    name = f"{send.campaign or send.kind} ({send.purpose}) of {send.chip}"
    if send.accepted_at is not None:
        marks = (
            ("delivered", send.delivered_at),
            ("read", send.read_at),
            ("answered", send.replied_at),
            ("asked to stop", send.opted_out_at),
        )
        far = ", ".join(f"{word} {at:%m-%d %H:%M}" for word, at in marks if at is not None) or send.state
        failed = f", failed ({send.code})" if send.failed_at is not None else ""
        yield Line(at=send.accepted_at, what="sent", sentence=f"{name}: {far}{failed}")
    elif send.state in ("planned", "claimed", "calling"):
        waits = f", moved there: {send.reason}" if send.reason else ""
        yield Line(at=send.due_at, what="planned", sentence=f"{name} is {send.state}{waits}")
    else:
        why = send.reason or (f"error {send.code}" if send.code is not None else "no reason was kept")
        yield Line(at=send.due_at, what="not sent", sentence=f"{name}: {send.state}: {why}")


def _of_questions(asked: Sequence[QuestionRow]) -> Iterator[Line]:
    for one in asked:
        yield Line(
            at=one.at, what="question", sentence=f"may have asked to stop ({one.rule}): marketing waits for an answer, question {one.id}"
        )
        if one.answered_at is not None:
            yield Line(at=one.answered_at, what="question", sentence=f"answered by {one.answered_by}: {one.answer} ({one.answered_why})")


def _of_suppressions(held: Dossier) -> Iterator[Line]:
    """Each stop once, though it stands under several names."""
    for key in sorted({(one.at, one.purpose, one.source) for one in held.suppressions}):
        at, purpose, source = key
        what = "everything" if purpose == "all" else purpose
        yield Line(at=at, what="stopped", sentence=f"no more {what}, by {source}")
    for lifted_at, why in sorted({(one.lifted_at, one.lifted_why) for one in held.suppressions if one.lifted_at is not None}):
        yield Line(at=lifted_at, what="lifted", sentence=f"the stop ended: {why}")
