"""Routes of a person's rights: all that is held, the proof of their consents, erasure, scoring, and their requests with the clock."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field, StringConstraints

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    PRINTABLE,
    At,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    Page,
    PathId,
    Reason,
    Text,
    View,
    decode,
    example,
    new_router,
    page,
)
from julia_warmer.api.people import Phone, number_of
from julia_warmer.engine import dossier, requests
from julia_warmer.engine.consents import prove_person
from julia_warmer.engine.erasure import erase_person, remember_erasure
from julia_warmer.engine.errors import NotFound, Wrong
from julia_warmer.engine.requests import Asked, Outcome
from julia_warmer.store.db import transaction

router = new_router("rights")

PhoneField = Annotated[str, StringConstraints(min_length=6, max_length=25, pattern=r"^[+(0-9][0-9 ().-]+$")]
ERASED_HASH = "h:9f2c4f0e6a5d4c3b2a190817f6e5d4c3b2a190817f6e5d4c3b2a190817f6e5d4"


class ProofView(View):
    """One row of the ledger, and the way from it to its seal; `seal` null: the next one will cover it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            purpose="marketing",
            act="granted",
            source="form",
            at="2026-05-31T17:05:00Z",
            zone="America/Sao_Paulo",
            text_version="v3",
            text_shown=None,
            evidence={"form": "https://julia.example/oi"},
            erased=False,
            recorded_at="2026-06-01T09:00:00Z",
            recorded_by="api",
            line='consent 1|1|120|marketing|granted|"form"|…',
            seal={"id": 4, "root": "9a0f…", "chain": "51c2…", "sealed_at": "2026-06-01T09:01:00Z"},
            steps=[{"side": "left", "hash": "77ab…"}],
            holds=True,
        )
    )

    purpose: str
    act: str
    source: str
    at: datetime
    zone: str | None
    text_version: str | None
    text_shown: str | None
    evidence: dict[str, Any]
    erased: bool = Field(description="The evidence cannot be read any more: its key was destroyed with the person.")
    recorded_at: datetime
    recorded_by: str
    line: str
    seal: dict[str, Any] | None
    steps: list[dict[str, str]]
    holds: bool


class ProofsView(View):
    """The whole ledger of a person, oldest first."""

    items: list[ProofView]


class ExportView(View):
    """All that is held about a person, opened; `kept` says where, why and until when. `whole` false: a list had more than 10,000 rows."""

    model_config = ConfigDict(
        json_schema_extra=example(
            made_at="2026-06-02T10:00:00Z",
            person_in_charge="Bia Souza, privacidade@julia.example",
            phone="+5531987654321",
            contact={"id": 120, "phone": "+5531987654321", "name": "Ana", "zone": "America/Sao_Paulo", "may_marketing": True},
            engagement={"scored": True, "engagement": 0.4, "delivered": 3, "replied": 1, "sentence": "0.40: 1 of 3 campaign messages …"},
            consents=[],
            suppressions=[],
            requests=[],
            sent=[{"id": 8841, "kind": "campaign", "template": "convite", "state": "read", "accepted_at": "2026-06-01T13:00:00Z"}],
            written=[{"at": "2026-06-01T13:20:00Z", "chip": "north-1", "type": "text", "text": "Tenho interesse", "details": {}}],
            facts=[],
            conversations=[],
            rest={"deliveries": 2, "slots": 1, "attempts": 1},
            kept=[{"table": "contacts", "why": "to whom may be written, when and by which number", "until": "until erased"}],
            whole=True,
        )
    )

    made_at: datetime
    person_in_charge: str
    phone: str
    contact: dict[str, Any] | None
    engagement: dict[str, Any] | None
    consents: list[dict[str, Any]]
    suppressions: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    sent: list[dict[str, Any]]
    written: list[dict[str, Any]]
    facts: list[dict[str, Any]]
    conversations: list[dict[str, Any]]
    rest: dict[str, Any] | None
    kept: list[dict[str, Any]]
    whole: bool


class ErasedView(View):
    """What an erasure did. `person`: the keyed hash that stays. `before`: it had been done already. `calling`: these may still arrive."""

    model_config = ConfigDict(
        json_schema_extra=example(
            person=ERASED_HASH, contact_ids=[120], before=False, cancelled=1, calling=0, facts=7, messages=4, deliveries=3
        )
    )

    person: str
    contact_ids: list[int]
    before: bool
    cancelled: int
    calling: int
    facts: int
    messages: int
    deliveries: int


class ScoreView(View):
    """A person's engagement, with a sentence that can be read to them."""

    model_config = ConfigDict(
        json_schema_extra=example(scored=True, engagement=0.4, delivered=3, replied=1, sentence="0.40: 1 of 3 campaign messages …")
    )

    scored: bool
    engagement: float
    delivered: int
    replied: int
    sentence: str


class Scoring(Form):
    """Whether a person is scored from now on."""

    model_config = ConfigDict(json_schema_extra=example(scored=False, why="the person asked by mail"))

    scored: bool
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), PRINTABLE]


class NewRequest(Form):
    """What a person asks. The 15 days run from `received_at`; left out: from now."""

    model_config = ConfigDict(
        json_schema_extra=example(
            phone="+5531987654321", kind="access", said="What do you have about me? ana@mail.example", received_at="2026-06-01T08:00:00Z"
        )
    )

    phone: PhoneField
    kind: Asked
    said: Text
    received_at: datetime | None = None


class RequestView(View):
    """A request. `phone` and `said` are null once its person was erased."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=5,
            kind="access",
            contact_id=120,
            phone="+5531987654321",
            said="What do you have about me?",
            received_at="2026-06-01T08:00:00Z",
            due_at="2026-06-16T08:00:00Z",
            recorded_by="api",
            closed_at=None,
            closed_by=None,
            outcome=None,
            answer=None,
            late=False,
        )
    )

    id: int
    kind: Asked
    contact_id: int | None
    phone: str | None
    said: str | None
    received_at: datetime
    due_at: datetime
    recorded_by: str
    closed_at: datetime | None
    closed_by: str | None
    outcome: Outcome | None
    answer: str | None
    late: bool = False


class OpenedView(View):
    """The id of a request, and who is in charge of people's data here."""

    model_config = ConfigDict(json_schema_extra=example(id=5, person_in_charge="Bia Souza, privacidade@julia.example"))

    id: int
    person_in_charge: str | None


class Answered(Form):
    """What the person was answered."""

    model_config = ConfigDict(json_schema_extra=example(outcome="done", answer="Sent by mail on 3 June."))

    outcome: Outcome
    answer: Text


class ClosedRequestView(View):
    """A request that is closed."""

    model_config = ConfigDict(json_schema_extra=example(id=5, outcome="done"))

    id: int
    outcome: Outcome


# ------------------------------------------------------------------ one person


@router.get("/warmer/contacts/{phone}/consents", name="prove_consents")
async def prove_consents(phone: Phone, conn: Conn, parts: InParts) -> ProofsView:
    """What a person agreed to and withdrew, each row with its proof."""
    contact_id = await dossier.find_person(conn, number_of(phone), parts.seal)
    if contact_id is None:
        raise NotFound("nobody with this number is known", mend="import them with the proof of their consent")
    proofs = await prove_person(conn, contact_id, parts.seal)
    return ProofsView(items=[ProofView.model_validate(dossier.proof_of(proof)) for proof in proofs])


@router.get("/warmer/contacts/{phone}/export", name="export_contact")
async def export_contact(phone: Phone, conn: Conn, parts: InParts, at: At, by: By) -> ExportView:
    """All that is held about a person, to be handed over. The act is written into the audit log."""
    found = await dossier.export(conn, number_of(phone), seal=parts.seal, settings=parts.settings, at=at, by=by)
    return ExportView.model_validate(dossier.plain(found))


@router.post("/warmer/contacts/{phone}/erase", name="erase_contact")
async def erase_contact(phone: Phone, form: Reason, parts: InParts, at: At, by: By) -> ErasedView:
    """Erase a person: a keyed hash stays, and nothing is ever sent to that number again. Cannot be undone; the reason must name nobody."""
    async with transaction(parts.pool) as conn:
        done = await erase_person(conn, number_of(phone), seal=parts.seal, at=at, by=by, why=form.why)
    remember_erasure(parts.journal, done, at=at)
    return ErasedView.model_validate(done)


@router.get("/warmer/contacts/{phone}/engagement", name="read_engagement")
async def read_engagement(phone: Phone, conn: Conn, parts: InParts) -> ScoreView:
    """How a person's engagement is scored, and what for, in a sentence that can be read to them."""
    return ScoreView.model_validate(await dossier.read_score(conn, number_of(phone), parts.seal))


@router.put("/warmer/contacts/{phone}/engagement", name="set_engagement")
async def set_engagement(phone: Phone, form: Scoring, conn: Conn, parts: InParts, at: At, by: By) -> ScoreView:
    """Score a person from now on, or no more: then they are planned like somebody of whom nothing is known."""
    score = await dossier.set_scored(conn, number_of(phone), form.scored, seal=parts.seal, at=at, by=by, why=form.why)
    return ScoreView.model_validate(score)


# ------------------------------------------------------------------ requests


@router.get("/warmer/requests", name="list_requests")
async def list_requests(
    conn: Conn,
    parts: InParts,
    at: At,
    open_only: Annotated[bool, Query(description="Only those that wait for an answer.")] = True,
    phone: Annotated[PhoneField | None, Query(description="Only those of this number.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RequestView]:
    """What people ask about their data, by the day on which it must be answered."""
    after: Any = tuple(decode(cursor, datetime, int)) if cursor else requests.FIRST
    number = number_of(phone) if phone else None
    rows = await requests.list_requests(conn, seal=parts.seal, phone=number, open_only=open_only, after=after, limit=limit + 1)
    found = page(RequestView, rows, limit, lambda row: (row.due_at, row.id))
    late = {row.id for row in rows if row.is_late(at)}
    return found.model_copy(update={"items": [one.model_copy(update={"late": one.id in late}) for one in found.items]})


@router.post("/warmer/requests", name="open_request", status_code=201)
async def open_request(form: NewRequest, conn: Conn, parts: InParts, at: At, by: By) -> OpenedView:
    """Write down what a person asks. What they said is kept sealed."""
    received_at = form.received_at or at
    if received_at.utcoffset() is None:
        raise Wrong("received_at has no offset", mend="give a moment in UTC, such as 2026-06-01T08:00:00Z")
    made = await requests.open_request(
        conn, number_of(form.phone), form.kind, said=form.said, received_at=received_at, seal=parts.seal, at=at, by=by
    )
    return OpenedView(id=made, person_in_charge=parts.settings.person_in_charge)


@router.post("/warmer/requests/{request_id}/close", name="close_request")
async def close_request(request_id: PathId, form: Answered, conn: Conn, parts: InParts, at: At, by: By) -> ClosedRequestView:
    """Say what the person was answered. Once."""
    await requests.close_request(conn, request_id, form.outcome, answer=form.answer, seal=parts.seal, at=at, by=by)
    return ClosedRequestView(id=request_id, outcome=form.outcome)
