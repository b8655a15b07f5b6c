"""What of the schema is about people: each table and column, why it is kept, for how long, and what an erasure leaves of it.

Data only. A test walks the catalog and fails at a column that could hold something personal and is not declared here; `docs/privacy.md` is
made from it, and what a person is told of their data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Held(StrEnum):
    """What a column can tell of a person."""

    NAMES = "names"  # who they are
    SAYS = "says"  # what they wrote, read or were told
    ABOUT = "about"  # what they did or are, under the contact's id
    STAFF = "staff"  # who of ours did it
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Column:
    held: Held
    erased: str = ""  # what an erasure leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is about people. `days` names the setting that forgets its rows; None: `ends` says when they go."""

    why: str
    columns: Mapping[str, Column]
    days: str | None = None
    ends: str = ""


HASHED, GONE, STAYS = "keyed hash", "gone", "stays"
UNREADABLE = "stays sealed; its key is destroyed"
NOBODY = Column(Held.NOBODY)
STAFF = Column(Held.STAFF, STAYS)
ABOUT = Column(Held.ABOUT, STAYS)
WITH_CONTACT = "while the contact is kept"


def _nobody(*names: str) -> dict[str, Column]:
    return dict.fromkeys(names, NOBODY)


TABLES: dict[str, Table] = {
    "contacts": Table(
        why="to whom may be written, when and by which number",
        ends="until erased",
        columns={
            "phone": Column(Held.NAMES, GONE),
            "phone_key": Column(Held.NAMES, HASHED),
            "wa_id": Column(Held.NAMES, HASHED),
            "user_id": Column(Held.NAMES, HASHED),
            "name": Column(Held.NAMES, GONE),
            "zone": Column(Held.ABOUT, GONE),
            "audience": Column(Held.ABOUT, GONE),
            "secret": Column(Held.NAMES, GONE),
        },
    ),
    "suppressions": Table(
        why="whom never to write to",
        ends="for good, as a keyed hash once erased",
        columns={
            "phone_key": Column(Held.NAMES, HASHED),
            "user_id": Column(Held.NAMES, HASHED),
            **_nobody("purpose", "source"),
            "lifted_by": STAFF,
            "lifted_why": STAFF,
        },
    ),
    "requests": Table(
        why="what people ask about their data, with its clock",
        days="keep_requests_d",
        columns={
            "contact_id": ABOUT,
            "person": Column(Held.NAMES, HASHED),
            "said": Column(Held.SAYS, GONE),
            "answer": Column(Held.SAYS, GONE),
            **_nobody("kind", "outcome"),
            "recorded_by": STAFF,
            "closed_by": STAFF,
        },
    ),
    "questions": Table(
        why="messages that may ask to stop, and what a person of ours said they mean",
        ends=f"{WITH_CONTACT}; an erasure takes them away",
        columns={
            "contact_id": ABOUT,
            "user_id": Column(Held.NAMES, GONE),
            "message_id": Column(Held.NAMES, GONE),
            "answered_by": Column(Held.STAFF, GONE),
            "answered_why": Column(Held.STAFF, GONE),
            **_nobody("source", "purpose", "rule", "answer"),
        },
    ),
    "consents": Table(
        why="the proof that somebody agreed or withdrew",
        ends="for good: it names nobody",
        columns={
            "contact_id": ABOUT,
            "private": Column(Held.NAMES, UNREADABLE),
            "zone": ABOUT,
            **_nobody("purpose", "act", "source", "text_digest"),
            "recorded_by": STAFF,
        },
    ),
    "imports": Table(
        why="files of people that were brought, and which rows could not be used",
        days="keep_deliveries_d",
        columns={
            "name": Column(Held.STAFF, STAYS),
            "given": Column(Held.SAYS, "gone when the import is over"),
            "bad_rows": Column(Held.SAYS, "stays sealed until its days are over: line, column and reason, no cells"),
            "began_by": STAFF,
            "reason": NOBODY,
            **_nobody("key", "digest", "state"),
        },
    ),
    "import_pieces": Table(
        why="the bytes of an upload, until a worker has imported it",
        ends="with the import; at the latest after `keep_deliveries_d` days",
        columns={"body": Column(Held.NAMES, "gone when the import is over")},
    ),
    "sends": Table(
        why="what was sent, counted against caps and budgets",
        ends=f"{WITH_CONTACT}; what a reply said, `keep_messages_d` days",
        columns={
            "contact_id": ABOUT,
            "body": Column(Held.SAYS, GONE),
            "message_id": Column(Held.NAMES, HASHED),  # a wamid holds the number
            "reason": ABOUT,
            **_nobody("kind", "purpose", "state", "claimed_by", "category", "pricing_type"),
        },
    ),
    "attempts": Table(
        why="each request to the platform, so that nothing is sent twice",
        days="keep_attempts_d",
        columns={"details": Column(Held.SAYS, GONE), **_nobody("id", "worker", "outcome")},
    ),
    "budget_uses": Table(why="the moving 24 hours of the messaging limit", days="keep_slots_d", columns={"contact_id": ABOUT}),
    "conversations": Table(why="who may be answered until when", ends=WITH_CONTACT, columns={"contact_id": ABOUT}),
    "received": Table(
        why="what people wrote, for whoever answers",
        days="keep_messages_d",
        columns={
            "message_id": Column(Held.NAMES, HASHED),
            "contact_id": ABOUT,
            "text": Column(Held.SAYS, GONE),
            "details": Column(Held.NAMES, GONE),
            "type": ABOUT,
            "route_error": Column(Held.NOBODY, GONE),
        },
    ),
    "inbox": Table(
        why="webhook bodies as they came, until their facts are proved right",
        days="keep_deliveries_d",
        columns={"digest": NOBODY, "body": Column(Held.SAYS, GONE)},
    ),
    "quarantine": Table(
        why="what could not be used of a webhook, for a person to look at",
        days="keep_deliveries_d",
        columns={"item": Column(Held.SAYS, GONE), "reason": Column(Held.SAYS, GONE), **_nobody("kind", "path")},
    ),
    "events": Table(
        why="what happened, each fact once",
        days="keep_events_d",
        columns={
            "contact_id": ABOUT,
            "key": Column(Held.NAMES, HASHED),
            "value": Column(Held.ABOUT, HASHED),
            "body": Column(Held.ABOUT, "what counts"),
            "kind": ABOUT,
        },
    ),
    "alerts": Table(
        why="what a person of ours has to see to; texts name chips and contacts by id",
        days="keep_alerts_d",
        columns={"text": ABOUT, "open_key": ABOUT, **_nobody("rule", "level"), "closed_by": STAFF},
    ),
    "audit_log": Table(
        why="who of ours did what, and why; people stand in it by their contact's id",
        ends="for good: append-only",
        columns={"target": ABOUT, "body": ABOUT, "what": NOBODY, "who": STAFF, "why": STAFF},
    ),
    "stops": Table(
        why="who of ours stopped what",
        ends="for good",
        columns={"reason": STAFF, "by": STAFF, "released_by": STAFF, "released_why": STAFF, "scope": NOBODY},
    ),
    "pgqueuer_log": Table(
        why="failures of jobs; a traceback may quote a row",
        ends="7 days",
        columns={"traceback": Column(Held.SAYS, "stays up to 7 days"), **_nobody("entrypoint", "status")},
    ),
}

# Views, and tables whose texts are the platform's, ours, or about numbers and rules of ours: at most they say who of ours did it.
ABOUT_NOBODY = frozenset(
    {
        *("signups", "source_days", "source_holds"),
        *("accounts", "api_keys", "campaign_hits", "campaign_wells", "campaigns", "chip_counts", "chip_days", "chip_months"),
        *("chip_overrides", "chips", "policy_changes"),
        *("consent_leaves", "consent_seals", "consent_texts", "consents_open", "decisions", "fleet_counts", "forecasts", "health_log"),
        *(
            "holds",
            "identity",
            "import_lanes",
            "migrations",
            "pgqueuer",
            "pgqueuer_schedules",
            "pgqueuer_statistics",
            "policies",
            "portfolios",
            "prices",
        ),
        *("import_lanes", "routes", "shadow_chips", "shadow_decisions", "slots_reopened", "spools", "templates", "throttles", "workers"),
    }
)
