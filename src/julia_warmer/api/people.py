"""Routes of people: what they allowed, what they wrote, and the answer to it. Only what somebody must read is unsealed."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import ConfigDict, Field, StringConstraints

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    PRINTABLE,
    At,
    ChipKey,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    Page,
    PathId,
    Text,
    View,
    decode,
    example,
    find_chip,
    new_router,
    page,
)
from julia_warmer.cloud.encode import MediaKind
from julia_warmer.core.model import Purpose
from julia_warmer.core.phone import key_of
from julia_warmer.engine.contacts_csv import read_phone
from julia_warmer.engine.errors import NotFound, Wrong
from julia_warmer.engine.explain import why_not_now
from julia_warmer.engine.reply import queue_reply
from julia_warmer.engine.rules import in_force
from julia_warmer.store import contacts, views
from julia_warmer.store.audit import record_act
from julia_warmer.store.inbound import TEXT_USE
from julia_warmer.store.views import LAST_ID

router = new_router("people")

CONSENTS_MAX = 100
MESSAGES_MAX = 100
NEWEST = datetime(9000, 1, 1, tzinfo=UTC)

Phone = Annotated[str, Path(min_length=6, max_length=25, pattern=r"^[+(0-9][0-9 ().-]+$", examples=["+5531987654321"])]


class ConsentView(View):
    """One row of the ledger."""

    purpose: Purpose
    act: str
    source: str
    text_version: str | None
    text_shown: str | None
    evidence: dict[str, Any]
    at: datetime
    recorded_at: datetime
    recorded_by: str


class ContactView(View):
    """A person: what may be sent to them, since when, and what stands against it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=120,
            phone="+5531987654321",
            user_id=None,
            name="Ana",
            zone="America/Sao_Paulo",
            audience="doctors",
            chip="north-1",
            opted_in_at="2026-05-31T17:05:00Z",
            may_marketing=True,
            may_utility=False,
            suppressed=False,
            stopped_at=None,
            platform_stopped_at=None,
            undeliverable_at=None,
            cooldown_until=None,
            next_marketing_at="2026-06-08T13:00:00Z",
            last_received_at=None,
            last_accepted_at="2026-06-01T13:00:00Z",
            consents=[
                {
                    "purpose": "marketing",
                    "act": "granted",
                    "source": "form",
                    "text_version": "v3",
                    "text_shown": None,
                    "evidence": {"form": "https://julia.example/oi", "ip": "203.0.113.9"},
                    "at": "2026-05-31T17:05:00Z",
                    "recorded_at": "2026-06-01T09:00:00Z",
                    "recorded_by": "api",
                }
            ],
        )
    )

    id: int
    phone: str
    user_id: str | None
    name: str | None
    zone: str
    audience: str
    chip: str | None
    opted_in_at: datetime | None
    may_marketing: bool
    may_utility: bool
    suppressed: bool
    stopped_at: datetime | None
    platform_stopped_at: datetime | None
    undeliverable_at: datetime | None
    cooldown_until: datetime | None
    next_marketing_at: datetime | None
    last_received_at: datetime | None
    last_accepted_at: datetime | None
    consents: list[ConsentView] = Field(default_factory=list[ConsentView])


class ObstacleView(View):
    """One thing that stands in the way; `until` null: it does not end by itself."""

    name: str
    sentence: str
    until: datetime | None


class WhyNotView(View):
    """Why a person is not written to now: what binds, everything else that stands in the way, and the earliest allowed moment."""

    model_config = ConfigDict(
        json_schema_extra=example(
            contact_id=120,
            chip="north-1",
            campaign="invitations",
            binding={
                "name": "cap",
                "sentence": "has had as much marketing as the policy lets a person have",
                "until": "2026-06-08T13:00:00Z",
            },
            earliest_at="2026-06-08T13:00:00Z",
            obstacles=[
                {"name": "cap", "sentence": "has had as much marketing as the policy lets a person have", "until": "2026-06-08T13:00:00Z"}
            ],
        )
    )

    contact_id: int | None
    chip: str | None
    campaign: str | None
    binding: ObstacleView | None
    earliest_at: datetime | None
    obstacles: list[ObstacleView]


class ConversationView(View):
    """A person and a chip. `waiting`: they wrote and nobody answered; an answer is possible until `window_until`."""

    model_config = ConfigDict(
        json_schema_extra=example(
            chip_id=7,
            chip="north-1",
            contact_id=120,
            phone="+5531987654321",
            name="Ana",
            window_until="2026-06-02T11:40:00Z",
            last_received_at="2026-06-01T11:40:00Z",
            last_sent_at="2026-06-01T11:10:00Z",
            waiting=True,
        )
    )

    chip_id: int
    chip: str
    contact_id: int
    phone: str
    name: str | None
    window_until: datetime | None
    last_received_at: datetime
    last_sent_at: datetime | None
    waiting: bool


class MessageView(View):
    """One message: the person's with its text, ours with what it was put together from and how far it came."""

    at: datetime
    by_person: bool
    type: str
    text: str | None
    body: dict[str, Any] | None
    state: str | None


class MessagesView(View):
    """The latest messages of a conversation, newest first."""

    model_config = ConfigDict(
        json_schema_extra=example(
            items=[
                {"at": "2026-06-01T11:40:00Z", "by_person": True, "type": "text", "text": "Tenho interesse", "body": None, "state": None}
            ]
        )
    )

    items: list[MessageView]


class Reply(Form):
    """An answer: a text, or a file by its upload id or https link."""

    model_config = ConfigDict(json_schema_extra=example(type="text", text="Bom dia, Ana! O plantão é das 7 às 19."))

    type: Annotated[str, Field(description=f"text, or {', '.join(MediaKind)}.", max_length=20)] = "text"
    text: Text | None = None
    id: Annotated[str, StringConstraints(min_length=1, max_length=128), PRINTABLE] | None = None
    link: Annotated[str, StringConstraints(max_length=2000, pattern=r"^https://[^\s]+$"), PRINTABLE] | None = None
    caption: Annotated[str, StringConstraints(max_length=1024), PRINTABLE] | None = None
    filename: Annotated[str, StringConstraints(max_length=240), PRINTABLE] | None = None
    reply_to: Annotated[str, StringConstraints(min_length=1, max_length=200), PRINTABLE] | None = None


class ReplyView(View):
    """The send that carries the answer: it goes out at once, while the window is open."""

    model_config = ConfigDict(json_schema_extra=example(send_id=8850))

    send_id: int


def number_of(phone: str) -> str:
    """The number in a path, in E.164. Raises Wrong."""
    try:
        return read_phone(phone)
    except Wrong as error:
        raise Wrong(f"{phone} {error}") from None


@router.get("/warmer/contacts/{phone}", name="read_contact")
async def read_contact(phone: Phone, conn: Conn, parts: InParts) -> ContactView:
    """One person by phone, however it is written, with the ledger of their consents."""
    found = await contacts.read_contact(conn, key_of(number_of(phone)))
    if found is None:
        raise NotFound("nobody with this number is known", mend="import them with the proof of their consent")
    consents = await contacts.list_consents(conn, found.id, seal=parts.seal, limit=CONSENTS_MAX)
    view = ContactView.model_validate(found)
    return view.model_copy(update={"consents": [ConsentView.model_validate(row) for row in consents]})


@router.get("/warmer/contacts/{phone}/why-not-now", name="explain_contact")
async def explain_contact(phone: Phone, conn: Conn, parts: InParts, at: At) -> WhyNotView:
    """Why this person is not written to now, and when that could be at the earliest."""
    found = await why_not_now(conn, number_of(phone), at=at, policy=await in_force(conn, parts.policy, at=at), holidays=parts.holidays)
    return WhyNotView.model_validate(found)


@router.get("/warmer/conversations", name="list_conversations")
async def list_conversations(
    conn: Conn,
    waiting: Annotated[bool, Query(description="Only those that wait for an answer.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ConversationView]:
    """Conversations by the person's last message, newest first: the page that a route of the kind `page` leads to."""
    at, chip, contact = decode(cursor, datetime, int, int) if cursor else (NEWEST, LAST_ID, LAST_ID)
    rows = await views.list_conversations(conn, waiting_only=waiting, before=(at, chip, contact), limit=limit + 1)
    return page(ConversationView, rows, limit, lambda row: (row.last_received_at, row.chip_id, row.contact_id))


@router.get("/warmer/conversations/{chip}/{contact_id}", name="read_conversation")
async def read_conversation(chip: ChipKey, contact_id: PathId, conn: Conn, parts: InParts) -> MessagesView:
    """What a person and a chip wrote to each other lately."""
    chip_id = await find_chip(conn, chip)
    rows = await views.list_messages(conn, chip_id, contact_id, limit=MESSAGES_MAX)
    return MessagesView(
        items=[
            MessageView(
                at=row.at,
                by_person=row.by_person,
                type=row.type,
                text=parts.seal.open(row.sealed, use=TEXT_USE).decode("utf-8", "replace") if row.sealed else None,
                body=row.body,
                state=row.state,
            )
            for row in rows
        ]
    )


@router.post("/warmer/conversations/{chip}/{contact_id}/reply", name="reply", status_code=202)
async def reply(chip: ChipKey, contact_id: PathId, form: Reply, conn: Conn, at: At, by: By) -> ReplyView:
    """Answer a person from the chip that they wrote to. Refused (409) once the service window has closed, or after their STOP."""
    chip_id = await find_chip(conn, chip)
    send_id = await queue_reply(conn, chip_id, contact_id, form.model_dump(exclude_none=True), at=at)
    await record_act(conn, at=at, who=by, what="answered", target=f"chip:{chip_id}", body={"contact_id": contact_id, "send_id": send_id})
    return ReplyView(send_id=send_id)
