"""What people ask of whoever holds their data, each with a clock of 15 days, and an alert before and after it has run out.

It must not know how a request is met: `engine/dossier` and `engine/erasure` do that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import orjson

from julia_warmer.core.phone import digits_of, key_of
from julia_warmer.engine.erased import find_all
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.store import erasure, platform
from julia_warmer.store import requests as store
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.people import Names
from julia_warmer.store.platform import Alert
from julia_warmer.store.requests import Pressing, RequestRow
from julia_warmer.store.seal import Seal

ANSWER_WITHIN = timedelta(days=15)  # Lei 13.709/2018 (LGPD), art. 19, II: the full declaration, from the day of the request
RECEIVED_WITHIN = timedelta(days=366)  # a request is written down sooner
TOLD_BEFORE = timedelta(days=3)
TOLD_MAX = 500  # requests of one look
SAID_USE, ANSWER_USE = "requests.said", "requests.answer"
FIRST = (datetime(1970, 1, 1, tzinfo=UTC), 0)


class Asked(StrEnum):
    """What a person may ask."""

    ACCESS = "access"  # what is held
    EXPORT = "export"  # the same as data, to take along
    ERASURE = "erasure"
    OBJECTION = "objection"  # no more messages, or no more scoring


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"  # with the reason in the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as a person reads it. `phone` and `said` are None once its person was erased."""

    id: int
    kind: Asked
    contact_id: int | None
    phone: str | None = field(repr=False)
    said: str | None = field(repr=False)
    received_at: datetime
    due_at: datetime
    recorded_by: str
    closed_at: datetime | None
    closed_by: str | None
    outcome: Outcome | None
    answer: str | None = field(repr=False)

    def is_late(self, at: datetime) -> bool:
        return (self.closed_at or at) > self.due_at


async def open_request(
    conn: Connection, phone: str, kind: Asked, *, said: str, received_at: datetime, seal: Seal, at: datetime, by: str
) -> int:
    """Write a request down; its clock began when it was received. Returns its id. Raises Wrong."""
    if not at - RECEIVED_WITHIN <= received_at <= at:
        raise Wrong("the day on which it came in is not of the last year", mend="give a moment in UTC, such as 2026-06-01T08:00:00Z")
    ((_, ids),) = await find_all(conn, [Names(phone_key=key_of(phone), wa_id=digits_of(phone))], seal)
    await erasure.note_hash_key(conn, seal.hash_check)
    request_id = await store.add_request(
        conn,
        kind=kind,
        contact_id=ids[0] if ids else None,
        person=seal.pseudonym(key_of(phone)),
        said=seal.close(orjson.dumps({"phone": phone, "said": said}), use=SAID_USE),
        received_at=received_at,
        due_at=received_at + ANSWER_WITHIN,
        by=by,
    )
    await record_act(conn, at=at, who=by, what="request received", target=f"request:{request_id}", body={"kind": kind})
    return request_id


async def close_request(conn: Connection, request_id: int, outcome: Outcome, *, answer: str, seal: Seal, at: datetime, by: str) -> None:
    """Say what a person was answered. Raises NotFound, Conflict."""
    row = await store.lock_request(conn, request_id)
    if row is None:
        raise NotFound(f"there is no request {request_id}", mend="`warmer contacts requests` lists them")
    if row.closed_at is not None:
        raise Conflict(f"request {request_id} was closed at {row.closed_at:%Y-%m-%d %H:%M} UTC")
    sealed = seal.close(answer.encode(), use=ANSWER_USE)
    await store.close_request(conn, request_id, outcome=outcome, answer=sealed, by=by, at=at)
    await platform.close_alerts(conn, [key_of_alert(request_id, late) for late in (False, True)], by=by, at=at)
    await record_act(conn, at=at, who=by, what="request closed", target=f"request:{request_id}", body={"outcome": outcome})


async def list_requests(
    conn: Connection,
    *,
    seal: Seal,
    phone: str | None = None,
    open_only: bool = True,
    after: tuple[datetime, int] = FIRST,
    limit: int,
) -> list[Request]:
    """By the end of their time; of one number, or all."""
    person = seal.pseudonym(key_of(phone)) if phone else None
    return [_read(row, seal) for row in await store.list_requests(conn, person=person, open_only=open_only, after=after, limit=limit)]


async def tell_pressing(conn: Connection, *, at: datetime) -> Sequence[Pressing]:
    """An alert for each open request three days before its time is over, and a critical one when it is."""
    pressing = await store.list_pressing(conn, before=at + TOLD_BEFORE, limit=TOLD_MAX)
    await platform.add_alerts(conn, [_alert(one, at=at) for one in pressing])
    await platform.close_alerts(conn, [key_of_alert(one.id, late=False) for one in pressing if one.due_at <= at], by="the clock", at=at)
    return pressing


def _alert(one: Pressing, *, at: datetime) -> Alert:
    late = one.due_at <= at
    when = f"was due on {one.due_at:%Y-%m-%d}" if late else f"is due on {one.due_at:%Y-%m-%d}"
    text = f"Request {one.id} ({one.kind}) {when}: `warmer contacts requests` shows it, `warmer contacts answer` closes it"
    return Alert(rule="request", level="critical" if late else "warning", text=text, open_key=key_of_alert(one.id, late), at=at)


def key_of_alert(request_id: int, late: bool) -> str:
    """The key of the alert about a request that is soon, or already, late."""
    return f"request:{request_id}:{'late' if late else 'soon'}"


def _read(row: RequestRow, seal: Seal) -> Request:
    told = orjson.loads(seal.open(row.said, use=SAID_USE)) if row.said else {}
    return Request(
        id=row.id,
        kind=Asked(row.kind),
        contact_id=row.contact_id,
        phone=told.get("phone"),
        said=told.get("said"),
        received_at=row.received_at,
        due_at=row.due_at,
        recorded_by=row.recorded_by,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        outcome=Outcome(row.outcome) if row.outcome else None,
        answer=seal.open(row.answer, use=ANSWER_USE).decode() if row.answer else None,
    )
