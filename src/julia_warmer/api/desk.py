"""Routes of what a person decides: stops and their release, alerts, and sends of which nobody knows whether they were sent."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import ConfigDict, Field

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    At,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    Page,
    PathId,
    Reason,
    RowId,
    View,
    Why,
    by_id,
    example,
    id_from,
    new_router,
    page,
)
from julia_warmer.core.commands import StopScope
from julia_warmer.engine import control, setup
from julia_warmer.engine.rules import in_force
from julia_warmer.store import views

router = new_router("desk")

OpenOnly = Annotated[bool, Query(alias="open", description="Only those that are open.")]


class NewStop(Form):
    """What to stop. `everything` has no target; any other scope names its row."""

    model_config = ConfigDict(json_schema_extra=example(scope="portfolio", target_id=1, why="the list was bought"))

    scope: StopScope
    target_id: RowId | None = None
    why: Why


class StoppedView(View):
    """An open stop. `new`: this call opened it. `calls`: requests on their way when it came, which may still reach people."""

    model_config = ConfigDict(json_schema_extra=example(stop_id=5, new=True, calls=0))

    stop_id: int
    new: bool
    calls: int


class ReleasedView(View):
    """A stop that ended, and the chips that go on, at half of what they last sent."""

    model_config = ConfigDict(json_schema_extra=example(stop_id=5, chips=[7, 8]))

    stop_id: int
    chips: list[int]


class StopView(View):
    """A stop, open or released."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=5,
            scope="portfolio",
            target_id=1,
            reason="the list was bought",
            by="api",
            at="2026-06-01T11:00:00Z",
            released_at=None,
            released_by=None,
            released_why=None,
        )
    )

    id: int
    scope: StopScope
    target_id: int | None
    reason: str
    by: str
    at: datetime
    released_at: datetime | None
    released_by: str | None
    released_why: str | None


class AlertView(View):
    """What a person was told."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=31,
            at="2026-06-01T11:30:00Z",
            chip_id=7,
            chip="north-1",
            rule="opt_outs",
            level="warning",
            text="4 of 52 people asked to stop: more than 3 %",
            closed_at=None,
            closed_by=None,
        )
    )

    id: int
    at: datetime
    chip_id: int | None
    chip: str | None
    rule: str
    level: Literal["info", "warning", "critical"]
    text: str
    closed_at: datetime | None
    closed_by: str | None


class ClosedView(View):
    """An alert that is closed."""

    model_config = ConfigDict(json_schema_extra=example(id=31))

    id: int


class UnknownSendView(View):
    """A send of which nobody knows whether Meta took it. It is never sent again by itself."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=8841,
            chip_id=7,
            chip="north-1",
            contact_id=120,
            phone="+5531987654321",
            campaign_id=2,
            kind="campaign",
            called_at="2026-06-01T10:12:00Z",
            unknown_at="2026-06-01T10:12:30Z",
            reason="the answer did not come",
        )
    )

    id: int
    chip_id: int
    chip: str
    contact_id: int
    phone: str
    campaign_id: int | None
    kind: str
    called_at: datetime | None
    unknown_at: datetime | None
    reason: str | None


class Resolution(Form):
    """What a person found out."""

    model_config = ConfigDict(json_schema_extra=example(was_sent=True, why="the person answered it"))

    was_sent: bool = Field(description="True: it counts as accepted. False: it never reached Meta, and its slot is free.")
    why: Why


class ResolvedView(View):
    """A send that is unknown no more."""

    model_config = ConfigDict(json_schema_extra=example(id=8841, was_sent=True))

    id: int
    was_sent: bool


@router.get("/warmer/stops", name="list_stops")
async def list_stops(conn: Conn, open_only: OpenOnly = True, limit: Limit = 50, cursor: Cursor = None) -> Page[StopView]:
    """Stops, newest first, the platform's too."""
    rows = await views.list_stops(conn, open_only=open_only, before=id_from(cursor, views.LAST_ID), limit=limit + 1)
    return page(StopView, rows, limit, by_id)


@router.post("/warmer/stops", name="stop", status_code=201)
async def stop(form: NewStop, conn: Conn, at: At, by: By) -> StoppedView:
    """The big stop. After the answer no request of that scope begins; a scope that is stopped already stays so."""
    return StoppedView.model_validate(await control.stop(conn, form.scope, form.target_id, by=by, why=form.why, at=at))


@router.post("/warmer/stops/{stop_id}/release", name="release")
async def release(stop_id: PathId, form: Reason, conn: Conn, parts: InParts, at: At, by: By) -> ReleasedView:
    """End a stop. Nothing but a person does."""
    released = await control.release(conn, stop_id=stop_id, by=by, why=form.why, at=at, policy=await in_force(conn, parts.policy, at=at))
    return ReleasedView.model_validate(released)


@router.get("/warmer/alerts", name="list_alerts")
async def list_alerts(conn: Conn, open_only: OpenOnly = True, limit: Limit = 50, cursor: Cursor = None) -> Page[AlertView]:
    """Alerts, newest first."""
    rows = await views.list_alerts(conn, open_only=open_only, before=id_from(cursor, views.LAST_ID), limit=limit + 1)
    return page(AlertView, rows, limit, by_id)


@router.post("/warmer/alerts/{alert_id}/close", name="close_alert")
async def close_alert(alert_id: PathId, conn: Conn, at: At, by: By) -> ClosedView:
    """Somebody has seen to it."""
    await setup.close_alert(conn, alert_id, at=at, by=by)
    return ClosedView(id=alert_id)


@router.get("/warmer/unknown", name="list_unknown_sends")
async def list_unknown_sends(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[UnknownSendView]:
    """Sends that wait for a status, or for a person."""
    rows = await views.list_unknown(conn, after=id_from(cursor, 0), limit=limit + 1)
    return page(UnknownSendView, rows, limit, by_id)


@router.post("/warmer/unknown/{send_id}/resolve", name="resolve_unknown_send")
async def resolve_unknown_send(send_id: PathId, form: Resolution, conn: Conn, at: At, by: By) -> ResolvedView:
    """Say whether it was sent. It is not sent again either way."""
    await control.resolve_unknown(conn, send_id, form.was_sent, by=by, why=form.why, at=at)
    return ResolvedView(id=send_id, was_sent=form.was_sent)
