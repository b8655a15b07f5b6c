"""`warmer routes`."""

from pathlib import Path
from typing import Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.naming import LIST_MAX, find_chip, find_route
from julia_warmer.cli.opening import Act, do, read_text
from julia_warmer.cli.output import plural, print_rows, tell
from julia_warmer.engine import setup
from julia_warmer.engine.setup import AddedRoute, RouteKind
from julia_warmer.store import views

app = group("Where inbound messages go. To a signed webhook of yours, or to the page of waiting conversations.")


@app.command()
def add(
    webhook: Annotated[str | None, typer.Option("--webhook", help="HTTPS address that gets each message, signed.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Let people answer from the page of waiting conversations.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Default: `webhook` or `page`.")] = None,
    secret_file: Annotated[Path | None, typer.Option("--secret-file", help="File with the signing secret. Default: one is made.")] = None,
    set_chips: Annotated[bool, typer.Option("--set/--no-set", help="Give it to every chip that has no route yet.")] = True,
    as_json: AsJson = False,
) -> None:
    """Add a route and give it to the chips that have none. A chip without an answering route cannot start."""
    if page == (webhook is not None):
        raise Misused("say where messages go: give either --webhook https://… or --page")
    kind = RouteKind.PAGE if page else RouteKind.WEBHOOK
    secret = read_text(secret_file, "the secret file").strip() if secret_file else None

    async def work(act: Act) -> tuple[AddedRoute, list[str]]:
        local = act.settings.sandbox_url is not None
        route = await setup.add_route(
            act.conn, act.seal(), name=name or kind.value, kind=kind, url=webhook, secret=secret, local=local, at=act.at, by=act.by
        )
        chips = [chip for chip in await views.list_chips(act.conn, at=act.at, limit=LIST_MAX) if chip.route_id is None] if set_chips else []
        if chips:
            await setup.set_route(act.conn, route.id, [chip.id for chip in chips], at=act.at, by=act.by)
        return route, [chip.name for chip in chips]

    route, chips = do(work)
    told = f"; its secret, told this once: {route.secret}" if route.secret and not secret else ""
    sentence = f"route {name or kind.value} added and set for {plural(len(chips), 'chip')} that had none{told}"
    tell({"id": route.id, "secret": route.secret if not secret else None, "chips": chips}, sentence, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show routes, and how many chips use each. Their secrets stay sealed."""

    async def work(act: Act) -> list[views.Route]:
        return await views.list_routes(act.conn, limit=LIST_MAX)

    columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "kind": lambda row: row.kind,
        "address": lambda row: row.url,
        "chips": lambda row: row.chips,
    }
    print_rows(do(work), columns, title="Routes", as_json=as_json)


@app.command("set")
def set_(
    route: Annotated[str, typer.Argument(help="A route's name or id.", show_default=False)],
    chips: Annotated[list[str], typer.Argument(help="Names or ids of chips.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Send the inbound messages of these chips to a route, from now on."""

    async def work(act: Act) -> None:
        found = await find_route(act.conn, route)
        ids = [await find_chip(act.conn, chip) for chip in chips]
        await setup.set_route(act.conn, found.id, ids, at=act.at, by=act.by)

    do(work)
    tell({"route": route, "chips": chips}, f"route {route} set for {', '.join(chips)}", as_json=as_json)
