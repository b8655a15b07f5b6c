"""All that is held about one person, opened and in one piece, with why and how long; and the score of their engagement, explained.

What the program knows is what the person is told. It changes nothing but the score's switch; who may ask is not its business.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

import orjson

from julia_warmer.config import Settings
from julia_warmer.core.phone import digits_of, key_of
from julia_warmer.engine.consents import Proof, prove_person
from julia_warmer.engine.erased import find_all
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.persons import ENGAGEMENT_WEIGHT
from julia_warmer.engine.requests import Request, list_requests
from julia_warmer.engine.suppressions import list_of
from julia_warmer.store import dossier as store
from julia_warmer.store import merges, questions
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.dossier import Engagement, Fact, Person, Rest, Sent, Talk
from julia_warmer.store.inbound import DETAILS_USE, TEXT_USE
from julia_warmer.store.people import Names
from julia_warmer.store.personal import TABLES, Held
from julia_warmer.store.questions import QuestionRow
from julia_warmer.store.seal import Seal
from julia_warmer.store.suppressions import Suppression

ROWS_MAX = 10_000  # of each list
UNNAMED = "nobody has been named: set WARMER_PERSON_IN_CHARGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the person wrote."""

    at: datetime
    chip: str
    type: str
    text: str | None
    details: dict[str, Any]
    routed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A message of theirs that may ask to stop, and what a person of ours said it means."""

    at: datetime
    rule: str
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None
    answered_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTable:
    """Where it lies, why, and for how long."""

    table: str
    why: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A person's engagement, explained."""

    scored: bool
    engagement: float
    delivered: int
    replied: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that is held. `contact` None: only what stands against writing to the number, and requests."""

    made_at: datetime
    person_in_charge: str
    phone: str
    contact: Person | None
    engagement: Score | None
    consents: Sequence[Proof]
    suppressions: Sequence[Suppression]
    requests: Sequence[Request]
    sent: Sequence[Sent]
    written: Sequence[Message]
    facts: Sequence[Fact]
    conversations: Sequence[Talk]
    doubts: Sequence[Doubt]
    rest: Rest | None
    kept: Sequence[KeptTable]
    whole: bool  # False: a list had more than `ROWS_MAX` rows, the newest are here


async def gather(conn: Connection, phone: str, *, seal: Seal, settings: Settings, at: datetime) -> Dossier:
    """Everything about whoever has this number (E.164). Raises NotFound when there is nothing."""
    contact_id = await find_person(conn, phone, seal)
    suppressions = await list_of(conn, phone, seal=seal, limit=ROWS_MAX)
    requests = await list_requests(conn, seal=seal, phone=phone, open_only=False, limit=ROWS_MAX)
    if contact_id is None:
        if not suppressions and not requests:
            raise NotFound(f"nothing is held about {phone}")
        return _dossier(phone, None, suppressions, requests, settings, at=at)
    contact = await store.read_person(conn, contact_id)
    known = await store.read_engagement(conn, contact_id)
    return _dossier(
        phone,
        contact,
        suppressions,
        requests,
        settings,
        at=at,
        engagement=explain_score(known) if known and contact and contact.erased_at is None else None,
        consents=await prove_person(conn, contact_id, seal),
        sent=await store.list_sent(conn, contact_id, limit=ROWS_MAX),
        written=[_message(row, seal) for row in await store.list_written(conn, contact_id, limit=ROWS_MAX)],
        facts=await store.list_facts(conn, contact_id, limit=ROWS_MAX),
        conversations=await store.list_talks(conn, contact_id),
        doubts=[_doubt(row) for row in await questions.list_of(conn, contact_id, limit=ROWS_MAX)],
        rest=await store.read_rest(conn, contact_id),
    )


async def export(conn: Connection, phone: str, *, seal: Seal, settings: Settings, at: datetime, by: str) -> Dossier:
    """`gather`, written down as an act: it leaves the house."""
    found = await gather(conn, phone, seal=seal, settings=settings, at=at)
    target = f"contact:{found.contact.id}" if found.contact else None
    await record_act(conn, at=at, who=by, what="person exported", target=target)
    return found


async def find_person(conn: Connection, phone: str, seal: Seal) -> int | None:
    """The contact with this number, also one who was erased; of somebody with several numbers the one that is written to."""
    ((_, ids),) = await find_all(conn, [Names(phone_key=key_of(phone), wa_id=digits_of(phone))], seal)
    return await merges.find_root(conn, ids[0]) if ids else None


def _dossier(
    phone: str,
    contact: Person | None,
    suppressions: Sequence[Suppression],
    requests: Sequence[Request],
    settings: Settings,
    *,
    at: datetime,
    engagement: Score | None = None,
    consents: Sequence[Proof] = (),
    sent: Sequence[Sent] = (),
    written: Sequence[Message] = (),
    facts: Sequence[Fact] = (),
    conversations: Sequence[Talk] = (),
    doubts: Sequence[Doubt] = (),
    rest: Rest | None = None,
) -> Dossier:
    lists: tuple[Sequence[Any], ...] = (suppressions, requests, sent, written, facts)
    return Dossier(
        made_at=at,
        person_in_charge=settings.person_in_charge or UNNAMED,
        phone=phone,
        contact=contact,
        engagement=engagement,
        consents=consents,
        suppressions=suppressions,
        requests=requests,
        sent=sent,
        written=written,
        facts=facts,
        conversations=conversations,
        doubts=doubts,
        rest=rest,
        kept=kept_tables(settings),
        whole=all(len(rows) < ROWS_MAX for rows in lists),
    )


def kept_tables(settings: Settings) -> list[KeptTable]:
    """Where people's data lies, as it is set up here."""
    return [
        KeptTable(table=name, why=table.why, until=f"{getattr(settings, table.days)} days" if table.days else table.ends)
        for name, table in TABLES.items()
        if any(column.held in (Held.NAMES, Held.SAYS, Held.ABOUT) for column in table.columns.values())
    ]


def _doubt(row: QuestionRow) -> Doubt:
    return Doubt(
        at=row.at,
        rule=row.rule,
        answer=row.answer,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        answered_why=row.answered_why,
    )


def _message(row: store.Written, seal: Seal) -> Message:
    return Message(
        at=row.at,
        chip=row.chip,
        type=row.type,
        text=seal.open(row.text, use=TEXT_USE).decode("utf-8", "replace") if row.text else None,
        details=orjson.loads(seal.open(row.details, use=DETAILS_USE)) if row.details else {},
        routed_at=row.routed_at,
    )


def plain(dossier: Dossier) -> dict[str, Any]:
    """As it is handed over: plain data, with the proof of each consent, without the key to the evidence."""
    given = {field.name: getattr(dossier, field.name) for field in fields(dossier) if field.name != "consents"}
    return {**{name: _plain(value) for name, value in given.items()}, "consents": [proof_of(proof) for proof in dossier.consents]}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def proof_of(proof: Proof) -> dict[str, Any]:
    """One row of the ledger with all that proves it."""
    row, sealed = proof.row, proof.seal
    return {
        "purpose": row.purpose,
        "act": row.act,
        "source": row.source,
        "at": row.at,
        "zone": row.zone,
        "text_version": row.text_version,
        "text_shown": row.text_shown,
        "evidence": proof.evidence,
        "erased": proof.erased,
        "recorded_at": row.recorded_at,
        "recorded_by": row.recorded_by,
        "line": row.line,
        "seal": {"id": sealed.id, "root": sealed.root.hex(), "chain": sealed.chain.hex(), "sealed_at": sealed.sealed_at}
        if sealed
        else None,
        "steps": [{"side": side, "hash": value} for side, value in proof.steps],
        "holds": proof.holds,
    }


# ------------------------------------------------------------------ the score


def explain_score(known: Engagement) -> Score:
    """What the score is, in words that a person who is scored can follow."""
    if not known.scored:
        sentence = "Not scored: planned like somebody of whom nothing is known. Nothing is counted towards a score."
    elif not known.delivered:
        sentence = f"{known.engagement:.2f}, as it was when the contact came in: no campaign message has arrived yet."
    else:
        sentence = (
            f"{known.engagement:.2f}: {known.replied} of {known.delivered} campaign messages that arrived were answered within 72 hours, "
            f"with the value at the start weighing like {ENGAGEMENT_WEIGHT:.0f} messages. It decides who of a campaign's people is written "
            "to first, and nothing else: not what is said, nor at what price. It can be switched off."
        )
    return Score(scored=known.scored, engagement=known.engagement, delivered=known.delivered, replied=known.replied, sentence=sentence)


async def read_score(conn: Connection, phone: str, seal: Seal) -> Score:
    """The score of whoever has this number, explained. Raises NotFound."""
    return explain_score(await _known(conn, phone, seal))


async def set_scored(conn: Connection, phone: str, scored: bool, *, seal: Seal, at: datetime, by: str, why: str) -> Score:
    """Score a person from now on, or no more. Raises NotFound; Conflict for somebody who was erased."""
    known = await _known(conn, phone, seal)
    person = await store.read_person(conn, known.id)
    if person is None or person.erased_at is not None:
        raise Conflict("this person was erased, and is not scored")
    await store.set_scored(conn, known, scored, weight=ENGAGEMENT_WEIGHT, at=at)
    what = "scoring switched on" if scored else "scoring switched off"
    await record_act(conn, at=at, who=by, what=what, target=f"contact:{known.id}", why=why)
    return explain_score(await _known(conn, phone, seal))


async def _known(conn: Connection, phone: str, seal: Seal) -> Engagement:
    contact_id = await find_person(conn, phone, seal)
    known = await store.read_engagement(conn, contact_id) if contact_id is not None else None
    if known is None:
        raise NotFound("nobody with this number is known", mend="import them with the proof of their consent")
    return known
