"""Routes of chips: what each one is, why it stands where it stands, and the hand that starts, pauses, resumes and retires it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Body, Query
from pydantic import AwareDatetime, ConfigDict, Field

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    At,
    ChipKey,
    ChipName,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    MaybeReason,
    NodeId,
    Note,
    Page,
    Reason,
    RowId,
    View,
    by_id,
    chip_key,
    decode,
    example,
    find_chip,
    id_from,
    new_router,
    no_chip,
    page,
)
from julia_warmer.api.edge import Name as AnyName
from julia_warmer.core.model import ChipState, ChipStatus, Phase, Quality
from julia_warmer.engine import control, setup
from julia_warmer.engine.rules import in_force
from julia_warmer.store import views
from julia_warmer.store.db import Connection

router = new_router("chips")

FIRST_YEAR = datetime(2009, 1, 1, tzinfo=UTC)  # WhatsApp's
MAYBE = Annotated[MaybeReason | None, Body()]
CHIP: dict[str, Any] = {
    "id": 7,
    "name": "north-1",
    "portfolio_id": 1,
    "account_id": 1,
    "route_id": 1,
    "phone_number_id": "106540352242922",
    "display_phone": "5511990000001",
    "zone": "America/Sao_Paulo",
    "registered_at": "2026-05-20T12:00:00Z",
    "started_at": "2026-05-21T12:00:00Z",
    "ready_at": None,
    "status": "warming",
    "phase": "expansion",
    "phase_since": "2026-05-29T12:00:00Z",
    "paused_from": None,
    "pauses": [],
    "speed": 1.0,
    "slow_until": None,
    "quality": "GREEN",
    "quality_at": "2026-06-01T11:59:00Z",
    "phone_status": "CONNECTED",
    "name_status": "APPROVED",
    "verified_name": "Julia Plantões",
    "webhook_at": "2026-06-01T11:58:20Z",
    "health": 78,
    "budget_day_max": 30,
    "budget_binding": "phase cap",
    "policy": "standard@1f0e9c4b7a22",
    "decided_at": "2026-06-01T11:30:00Z",
    "look_again_at": "2026-06-01T12:30:00Z",
    "portfolio_share": 180,
    "eligible_people": 412,
    "clamp": None,
    "accepted_today": 12,
}


class ChipView(View):
    """A chip, with what the platform and the last decision said of it."""

    model_config = ConfigDict(json_schema_extra=example(**CHIP))

    id: int
    name: str
    portfolio_id: int
    account_id: int
    route_id: int | None
    phone_number_id: str
    display_phone: str
    zone: str
    registered_at: datetime
    started_at: datetime | None
    ready_at: datetime | None
    status: ChipStatus
    phase: Phase
    phase_since: datetime
    paused_from: ChipStatus | None
    pauses: list[dict[str, Any]]
    speed: float
    slow_until: datetime | None
    quality: Quality
    quality_at: datetime | None
    phone_status: str
    name_status: str
    verified_name: str | None
    webhook_at: datetime | None
    health: int | None
    budget_day_max: int
    budget_binding: str
    policy: str | None
    decided_at: datetime | None
    look_again_at: datetime | None
    portfolio_share: int | None
    eligible_people: int
    clamp: int | None
    accepted_today: int


class NewChip(Form):
    """One number, added by hand. `POST /warmer/accounts/{id}/numbers` adds many, as Meta lists them."""

    model_config = ConfigDict(
        json_schema_extra=example(
            account_id=1, phone_number_id="106540352242922", display_phone="+55 11 99000-0001", name="north-1", route_id=1
        )
    )

    account_id: RowId
    phone_number_id: NodeId
    display_phone: Annotated[str, Field(pattern=r"^\+?[0-9 ().-]{8,25}$")]
    name: ChipName | None = None
    zone: AnyName | None = None
    registered_at: AwareDatetime | None = Field(default=None, ge=FIRST_YEAR, description="When Meta registered it; by default now.")
    route_id: RowId | None = Field(default=None, description="Where its inbound messages go; it cannot start without.")
    phase: Phase = Field(default=Phase.SETUP, description="Where an already warm number begins; then `why` says how it was warmed.")
    active: bool = Field(default=False, description="With phase `operation`: it is in your agent's hands already.")
    why: Note = ""


class ChipRoute(Form):
    """Where its inbound messages go from now on."""

    model_config = ConfigDict(json_schema_extra=example(route_id=1))

    route_id: RowId


class TermView(View):
    """One term of the score."""

    name: str
    value: float
    points: float
    sentence: str


class ScoreView(View):
    """A score of the past."""

    at: datetime
    score: int


class HealthView(View):
    """The last score with every term, and the scores before it, newest first."""

    model_config = ConfigDict(
        json_schema_extra=example(
            chip="north-1",
            at="2026-06-01T11:30:00Z",
            score=78,
            terms=[{"name": "sent", "value": 84, "points": 8, "sentence": "84 messages sent in 30 days: +8"}],
            history=[{"at": "2026-06-01T11:30:00Z", "score": 78}, {"at": "2026-06-01T10:30:00Z", "score": 77}],
            next=None,
        )
    )

    chip: str
    at: datetime | None
    score: int | None
    terms: list[TermView]
    history: list[ScoreView]
    next: str | None


class DecisionView(View):
    """What was decided, by which version of the policy, and why."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=912,
            at="2026-06-01T11:30:00Z",
            policy="standard@1f0e9c4b7a22",
            changes=["advanced"],
            decision={"reasons": ["P(replies >= 20 %) = 0.97"], "budget": {"day_max": 30, "binding": "phase cap"}},
        )
    )

    id: int
    at: datetime
    policy: str
    changes: list[str]
    decision: dict[str, Any]


@router.get("/warmer/chips", name="list_chips")
async def list_chips(
    conn: Conn,
    at: At,
    status: ChipStatus | None = None,
    portfolio_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ChipView]:
    """All chips, in the order in which they were added."""
    after = id_from(cursor, 0)
    rows = await views.list_chips(conn, at=at, status=status, portfolio_id=portfolio_id, after=after, limit=limit + 1)
    return page(ChipView, rows, limit, by_id)


@router.post("/warmer/chips", name="add_chip", status_code=201)
async def add_chip(form: NewChip, conn: Conn, at: At, by: By) -> ChipView:
    """Add one number by hand. It waits in `pending` for its start, unless it is imported warm at `operation`."""
    number = setup.Number(
        phone_number_id=form.phone_number_id,
        display_phone=form.display_phone,
        name=form.name,
        zone=form.zone,
        registered_at=form.registered_at,
    )
    added = await setup.add_chips(
        conn, form.account_id, [number], at=at, by=by, phase=form.phase, active=form.active, route_id=form.route_id, why=form.why
    )
    if not added.added:
        raise setup.Conflict(f"the number {form.phone_number_id} is a chip already", mend="GET /warmer/chips lists them")
    return await view_chip(conn, added.added[0].id, at)


@router.get("/warmer/chips/{chip}", name="read_chip")
async def read_chip(chip: ChipKey, conn: Conn, at: At) -> ChipView:
    """One chip, by id or name."""
    found = await views.read_chip(conn, chip_key(chip), at=at)
    if found is None:
        raise no_chip(chip)
    return ChipView.model_validate(found)


@router.put("/warmer/chips/{chip}/route", name="set_route")
async def set_route(chip: ChipKey, form: ChipRoute, conn: Conn, at: At, by: By) -> ChipView:
    """Say where its inbound messages go. It cannot start without. `PUT /warmer/routes/{route_id}/chips` sets many at once."""
    chip_id = await find_chip(conn, chip)
    await setup.set_route(conn, form.route_id, [chip_id], at=at, by=by)
    return await view_chip(conn, chip_id, at)


@router.post("/warmer/chips/{chip}/start", name="start_chip")
async def start_chip(chip: ChipKey, conn: Conn, parts: InParts, at: At, by: By, form: MAYBE = None) -> ChipView:
    """Begin its warm-up. Refused (409) without an answering route: somebody must read what people write back."""
    return await _command(control.start_chip, chip, conn, parts, at, by, form.why if form else "")


@router.post("/warmer/chips/{chip}/pause", name="pause_chip")
async def pause_chip(chip: ChipKey, form: Reason, conn: Conn, parts: InParts, at: At, by: By) -> ChipView:
    """Pause it until a person resumes it."""
    return await _command(control.pause_chip, chip, conn, parts, at, by, form.why)


@router.post("/warmer/chips/{chip}/resume", name="resume_chip")
async def resume_chip(chip: ChipKey, form: Reason, conn: Conn, parts: InParts, at: At, by: By) -> ChipView:
    """End every pause of it. It goes on at half of what failed."""
    return await _command(control.resume_chip, chip, conn, parts, at, by, form.why)


@router.post("/warmer/chips/{chip}/activate", name="activate_chip")
async def activate_chip(chip: ChipKey, conn: Conn, parts: InParts, at: At, by: By, form: MAYBE = None) -> ChipView:
    """Hand a ready chip to Julia's agent."""
    return await _command(control.activate_chip, chip, conn, parts, at, by, form.why if form else "")


@router.post("/warmer/chips/{chip}/retire", name="retire_chip")
async def retire_chip(chip: ChipKey, form: Reason, conn: Conn, parts: InParts, at: At, by: By) -> ChipView:
    """Take it out of service for good."""
    return await _command(control.retire_chip, chip, conn, parts, at, by, form.why)


@router.get("/warmer/chips/{chip}/health", name="read_health")
async def read_health(
    chip: ChipKey,
    conn: Conn,
    at: At,
    days: Annotated[int, Query(ge=1, le=400, description="How many days back.")] = 7,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many scores at most.")] = 200,
    cursor: Cursor = None,
) -> HealthView:
    """The score with every term of it, and how it came about: each term with its value, its points and a sentence."""
    found = await views.read_chip(conn, chip_key(chip), at=at)
    if found is None:
        raise no_chip(chip)
    before = decode(cursor, datetime)[0] if cursor else at + timedelta(microseconds=1)
    since = at - timedelta(days=days)
    last = await views.read_health(conn, found.id, at=at)
    scores = await views.list_health(conn, found.id, since=since, before=before, limit=limit + 1)
    history = page(ScoreView, scores, limit, lambda row: (row.at,))
    return HealthView(
        chip=found.name,
        at=last.at if last else None,
        score=last.score if last else None,
        terms=[TermView.model_validate(term) for term in last.terms] if last else [],
        history=history.items,
        next=history.next,
    )


@router.get("/warmer/chips/{chip}/decisions", name="list_decisions")
async def list_decisions(chip: ChipKey, conn: Conn, limit: Limit = 20, cursor: Cursor = None) -> Page[DecisionView]:
    """What was decided for it and why, newest first."""
    chip_id = await find_chip(conn, chip)
    rows = await views.list_decisions(conn, chip_id, before=id_from(cursor, views.LAST_ID), limit=limit + 1)
    return page(DecisionView, rows, limit, by_id)


Command = Callable[..., Awaitable[ChipState]]


async def _command(command: Command, chip: str, conn: Connection, parts: InParts, at: datetime, by: str, why: str) -> ChipView:
    chip_id = await find_chip(conn, chip)
    await command(conn, chip_id, by=by, why=why, at=at, policy=await in_force(conn, parts.policy, at=at))
    return await view_chip(conn, chip_id, at)


async def view_chip(conn: Connection, chip_id: int, at: datetime) -> ChipView:
    return ChipView.model_validate(await views.read_chip(conn, chip_id, at=at))
