"""Routes of routes: where inbound messages go, a signed webhook of yours or the page of waiting conversations."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from julia_warmer.api.access import By
from julia_warmer.api.edge import (
    PRINTABLE,
    At,
    Conn,
    Cursor,
    Form,
    InParts,
    Limit,
    Name,
    Page,
    PathId,
    RowId,
    View,
    by_id,
    example,
    id_from,
    new_router,
    page,
)
from julia_warmer.engine import setup
from julia_warmer.engine.route import is_local
from julia_warmer.engine.setup import RouteKind
from julia_warmer.store import views

router = new_router("routes")


class NewRoute(Form):
    """Where inbound messages go: `page`, the list of waiting conversations, or `webhook`, a signed one of yours."""

    model_config = ConfigDict(json_schema_extra=example(name="julia", kind="webhook", url="https://julia.example/whatsapp"))

    name: Name
    kind: RouteKind
    url: Annotated[str, StringConstraints(min_length=1, max_length=2000), PRINTABLE] | None = None
    secret: Annotated[SecretStr, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="What messages are signed with (standardwebhooks.com), `whsec_…`. Left out: one is made, and told this once.",
    )


class AddedRouteView(View):
    """A route, and the secret of a webhook: keep it, it is not told again."""

    model_config = ConfigDict(json_schema_extra=example(id=1, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))  # noqa: S106

    id: int
    secret: str | None


class RouteView(View):
    """A route, and how many chips use it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=1, name="julia", kind="webhook", url="https://julia.example/whatsapp", created_at="2026-05-20T12:00:00Z", chips=12
        )
    )

    id: int
    name: str
    kind: RouteKind
    url: str | None
    created_at: datetime
    chips: int


class RouteChips(Form):
    """Chips by id."""

    model_config = ConfigDict(json_schema_extra=example(chip_ids=[7, 8]))

    chip_ids: Annotated[list[RowId], Field(min_length=1, max_length=500)]


class RouteSet(View):
    """The route that these chips have now."""

    model_config = ConfigDict(json_schema_extra=example(route_id=1, chip_ids=[7, 8]))

    route_id: int
    chip_ids: list[int]


@router.get("/warmer/routes", name="list_routes")
async def list_routes(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[RouteView]:
    """Where inbound messages can go; secrets stay sealed."""
    rows = await views.list_routes(conn, after=id_from(cursor, 0), limit=limit + 1)
    return page(RouteView, rows, limit, by_id)


@router.post("/warmer/routes", name="add_route", status_code=201)
async def add_route(form: NewRoute, conn: Conn, parts: InParts, at: At, by: By) -> AddedRouteView:
    """Add a route. A webhook's address must be https and lead to the internet."""
    added = await setup.add_route(
        conn,
        parts.seal,
        name=form.name,
        kind=form.kind,
        url=form.url,
        secret=form.secret.get_secret_value() if form.secret else None,
        local=is_local(parts.settings.sandbox_url),
        at=at,
        by=by,
    )
    return AddedRouteView(id=added.id, secret=added.secret)


@router.put("/warmer/routes/{route_id}/chips", name="set_route_of_chips")
async def set_route_of_chips(route_id: PathId, form: RouteChips, conn: Conn, at: At, by: By) -> RouteSet:
    """Send the inbound messages of these chips there, from now on."""
    chip_ids = sorted(set(form.chip_ids))
    await setup.set_route(conn, route_id, chip_ids, at=at, by=by)
    return RouteSet(route_id=route_id, chip_ids=chip_ids)
