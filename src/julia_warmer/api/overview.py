"""Routes that look at the whole: whether it lives, whether it is ready, how it stands, and who did what."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict

from julia_warmer.api.edge import At, Conn, Cursor, InParts, Limit, Page, View, by_id, example, id_from, new_router, page
from julia_warmer.core.model import ChipStatus, Phase
from julia_warmer.engine import restore, spool
from julia_warmer.engine.parts import Parts
from julia_warmer.store import audit, holds, migrate, spools, views
from julia_warmer.store.db import Connection, transaction
from julia_warmer.store.errors import StoreError

open_router = APIRouter(tags=["health"])  # for probes: no key, and nothing that is worth hiding
router = new_router("overview")

WORKER_QUIET = timedelta(minutes=5)  # a worker wakes its steps far more often
INBOX_LATE = timedelta(minutes=5)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


class Live(View):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra=example(status="ok"))

    status: str = "ok"


class Ready(View):
    """Whether work gets done, each part by itself. `problems` says what to mend; empty: all is well."""

    model_config = ConfigDict(
        json_schema_extra=example(
            ready=True, database="ok", schema_number=2, worker="ok", worker_at="2026-06-01T11:59:30Z", inbox_age_s=0, problems=[]
        )
    )

    ready: bool
    database: str
    schema_number: int | None
    worker: str  # ok, late, never: late and never are told, and do not make this process unready
    worker_at: datetime | None
    inbox_age_s: int
    problems: list[str]


class StatusCountView(View):
    """How many chips stand where."""

    status: ChipStatus
    phase: Phase
    chips: int


class MessageCountsView(View):
    """Messages accepted since a moment, and what became of them by now. `reached` counts people; rates are made over it."""

    accepted: int
    reached: int
    delivered: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int
    held: int
    failed: int
    unknown: int
    received: int


class OpenCountsView(View):
    """What waits for a person or for a worker."""

    alerts: int
    stops: int
    conversations: int
    unknown_sends: int
    planned_sends: int
    inbox: int
    quarantine: int


COUNTS: dict[str, int] = {
    "accepted": 310,
    "reached": 292,
    "delivered": 301,
    "read": 240,
    "replied": 102,
    "opted_out": 3,
    "undeliverable": 4,
    "limited": 2,
    "held": 0,
    "failed": 1,
    "unknown": 0,
    "received": 131,
}
WAITING: dict[str, int] = {
    "alerts": 1,
    "stops": 0,
    "conversations": 12,
    "unknown_sends": 0,
    "planned_sends": 44,
    "inbox": 0,
    "quarantine": 0,
}


class Stats(View):
    """How the whole stands."""

    model_config = ConfigDict(
        json_schema_extra=example(
            at="2026-06-01T12:00:00Z",
            chips=[{"status": "warming", "phase": "expansion", "chips": 8}],
            last_24h=COUNTS,
            last_7d=COUNTS,
            waiting=WAITING,
        )
    )

    at: datetime
    chips: list[StatusCountView]
    last_24h: MessageCountsView
    last_7d: MessageCountsView
    waiting: OpenCountsView


class ActView(View):
    """One act: who did what, when, to what, and why."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=41,
            at="2026-06-01T12:00:00Z",
            who="api",
            what="chip paused",
            target="chip:7",
            why="people complain about the text",
            body={"from": "warming", "to": "paused"},
        )
    )

    id: int
    at: datetime
    who: str
    what: str
    target: str | None
    why: str | None
    body: dict[str, Any]


@open_router.get("/healthz", name="live")
async def live() -> Live:
    """Whether the process answers. Asks nothing else."""
    return Live()


@open_router.get("/readyz", name="ready", responses={503: {"model": Ready, "description": "Something is missing; `problems` says what"}})
async def ready(parts: InParts, at: At, response: Response) -> Ready:
    """Whether this process can work: the database, its schema. Says too when workers are silent or webhooks wait."""
    found = await _look(parts, at)
    response.status_code = HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return found


@router.get("/warmer/stats", name="stats")
async def stats(conn: Conn, at: At) -> Stats:
    """How the whole stands: chips by status, messages of a day and a week, and what waits."""
    return Stats.model_validate(
        {
            "at": at,
            "chips": await views.count_chips(conn),
            "last_24h": await views.count_messages(conn, since=at - DAY),
            "last_7d": await views.count_messages(conn, since=at - WEEK),
            "waiting": await views.count_open(conn),
        }
    )


@router.get("/warmer/audit", name="audit")
async def list_acts(
    conn: Conn,
    target: Annotated[str | None, Query(pattern=r"^[a-z]{1,20}(:[A-Za-z0-9_.-]{1,60})?$", examples=["chip:7"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ActView]:
    """Who did what and why, newest first; of one target, or of all."""
    rows = await audit.list_acts(conn, target=target, before=id_from(cursor, views.LAST_ID), limit=limit + 1)
    return page(ActView, rows, limit, by_id)


async def _look(parts: Parts, at: datetime) -> Ready:
    """Ask the database what a probe wants to know. What is wrong is said in words that hold no address."""
    try:
        async with transaction(parts.pool) as conn:
            number, wrong = await _schema(conn)
            if wrong:
                return _unready("ok", number, wrong)
            state = await views.read_ready(conn)
            held = restore.reasons_of(await holds.list_holds(conn))
            held += [spool.sentence(one) for one in await spools.list_overdue(conn, before=at)]
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _unready("unusable", None, f"the database cannot be used ({type(error).__name__}): `warmer doctor` says more")
    worker = "never" if state.worker_at is None else "late" if at - state.worker_at > WORKER_QUIET else "ok"
    age = max(at - state.inbox_since, timedelta()) if state.inbox_since else timedelta()
    problems = [
        *(["no worker gave a sign lately: is `warmer worker` running?"] if worker != "ok" else []),
        *(["webhooks wait: nothing grows until they are taken in"] if age > INBOX_LATE else []),
        *(["everything is stopped: `warmer release everything` lets it go on"] if state.stopped else []),
        *held,
    ]
    return Ready(
        ready=True,
        database="ok",
        schema_number=number,
        worker=worker,
        worker_at=state.worker_at,
        inbox_age_s=int(age.total_seconds()),
        problems=problems,
    )


async def _schema(conn: Connection) -> tuple[int | None, str | None]:
    """The schema's number, or what is wrong with it."""
    try:
        await migrate.check_schema(conn)
    except StoreError as error:
        return None, str(error)
    return len(migrate.read_migrations()), None


def _unready(database: str, number: int | None, problem: str) -> Ready:
    return Ready(ready=False, database=database, schema_number=number, worker="unknown", worker_at=None, inbox_age_s=0, problems=[problem])
