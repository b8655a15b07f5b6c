"""Routes of the list of whom not to write to: looked at, added to, and lifted with a reason."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import Query
from pydantic import ConfigDict

from julia_warmer.api.access import By
from julia_warmer.api.edge import At, Conn, Cursor, Form, InParts, Limit, Page, View, Why, by_id, example, id_from, new_router, page
from julia_warmer.api.people import number_of
from julia_warmer.api.rights import PhoneField
from julia_warmer.core.phone import key_of
from julia_warmer.engine import suppressions
from julia_warmer.engine.journal import remember_stops
from julia_warmer.store import suppressions as store
from julia_warmer.store.db import transaction

router = new_router("suppressions")


class Purpose(StrEnum):
    MARKETING = "marketing"
    ALL = "all"


class SuppressionView(View):
    """One row of the list. `who`: the number; `erased` of somebody who was, and `user id …` where no number is known."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=31,
            who="+5531987654321",
            purpose="all",
            source="word",
            at="2026-06-01T13:20:00Z",
            lifted_at=None,
            lifted_by=None,
            lifted_why=None,
        )
    )

    id: int
    who: str
    purpose: Purpose
    source: str
    at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_why: str | None


class NewSuppression(Form):
    """Whom not to write to any more, and why: a request that came by another way than WhatsApp."""

    model_config = ConfigDict(json_schema_extra=example(phone="+5531987654321", purpose="all", why="asked by phone"))

    phone: PhoneField
    purpose: Purpose = Purpose.ALL
    why: Why


class SuppressedView(View):
    """Whom it is about; null: no contact of ours."""

    model_config = ConfigDict(json_schema_extra=example(contact_id=120, purpose="all"))

    contact_id: int | None
    purpose: Purpose


class Lift(Form):
    """Which number to let back, and why."""

    model_config = ConfigDict(json_schema_extra=example(phone="+5531987654321", why="signed the form again on 2 June"))

    phone: PhoneField
    why: Why


class LiftedView(View):
    """What was lifted. `left`: rows of WhatsApp's own switch, which only the person ends."""

    model_config = ConfigDict(json_schema_extra=example(contact_id=120, ids=[31], left=0))

    contact_id: int
    ids: list[int]
    left: int


@router.get("/warmer/suppressions", name="list_suppressions")
async def list_suppressions(
    conn: Conn,
    parts: InParts,
    open_only: Annotated[bool, Query(description="Only those that stand.")] = True,
    phone: Annotated[PhoneField | None, Query(description="Only those of this number.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SuppressionView]:
    """Whom not to write to, newest first."""
    key = key_of(number_of(phone)) if phone else None
    keys = [key, parts.seal.pseudonym(key)] if key else None
    before = id_from(cursor, suppressions.LAST_ID)
    rows = await store.list_suppressions(conn, phone_keys=keys, open_only=open_only, before=before, limit=limit + 1)
    return page(SuppressionView, [_view(row) for row in rows], limit, by_id)


@router.post("/warmer/suppressions", name="suppress", status_code=201)
async def suppress(form: NewSuppression, parts: InParts, at: At, by: By) -> SuppressedView:
    """Write to somebody no more. Planned messages are cancelled, the withdrawal goes into the ledger."""
    async with transaction(parts.pool) as conn:
        done = await suppressions.suppress(conn, number_of(form.phone), form.purpose, seal=parts.seal, at=at, by=by, why=form.why)
    remember_stops(parts.journal, [done.request], at=at)
    return SuppressedView(contact_id=done.contact_id, purpose=form.purpose)


@router.post("/warmer/suppressions/lift", name="lift_suppressions")
async def lift(form: Lift, conn: Conn, parts: InParts, at: At, by: By) -> LiftedView:
    """Let a number back. Nothing is allowed by it: what was withdrawn stays so, and only a newer consent counts."""
    return LiftedView.model_validate(await suppressions.lift(conn, number_of(form.phone), seal=parts.seal, at=at, by=by, why=form.why))


def _view(row: store.Suppression) -> SuppressionView:
    return SuppressionView(
        id=row.id,
        who=suppressions.name_of(row),
        purpose=Purpose(row.purpose),
        source=row.source,
        at=row.at,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        lifted_why=row.lifted_why,
    )
