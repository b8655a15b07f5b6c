"""`warmer chips add`: numbers of an account become chips, in bulk, as Meta describes them."""

from typing import TYPE_CHECKING, Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import Account, AsJson
from julia_warmer.cli.meta import granted
from julia_warmer.cli.naming import find_account, find_route
from julia_warmer.cli.opening import with_parts
from julia_warmer.cli.output import plural, print_json, progress, say, warn
from julia_warmer.clock import Clock
from julia_warmer.cloud.nodes import PhoneNumber
from julia_warmer.core.model import Phase
from julia_warmer.engine import setup
from julia_warmer.engine.numbers import list_numbers, number_of
from julia_warmer.engine.setup import AddedChips
from julia_warmer.store import db

if TYPE_CHECKING:
    from julia_warmer.engine.parts import Parts


def add(
    account: Account = None,
    everything: Annotated[bool, typer.Option("--all", help="Every number of the account.")] = False,
    number: Annotated[list[str] | None, typer.Option("--number", help="A number's phone_number_id; may be given again.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the chip, with one --number. Default: business and last digits.")
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Its time zone. Default: by its area code.")] = None,
    route: Annotated[str | None, typer.Option("--route", help="Where its inbound messages go: a route's name or id.")] = None,
    phase: Annotated[Phase, typer.Option("--phase", help="Where an already warm number begins; needs --why.")] = Phase.SETUP,
    active: Annotated[bool, typer.Option("--active", help="With --phase operation: it is in your agent's hands already.")] = False,
    why: Annotated[str, typer.Option("--why", help="How it was warmed, for the history.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add an account's numbers as chips, all or none. Numbers that are chips already are left as they are."""
    if everything == bool(number):
        raise Misused("say which numbers: --all, or --number ID; `warmer accounts numbers ACCOUNT` shows them")
    if name and len(number or ()) != 1:
        raise Misused("--name is for a single --number: leave it out, and chips are named after business and number")

    from julia_warmer.engine import upkeep

    async def work(parts: "Parts", clock: Clock) -> tuple[AddedChips, list[PhoneNumber]]:
        async with db.transaction(parts.pool) as conn:
            found = await find_account(conn, account)
        listed = granted(await list_numbers(parts, found.id), f"the numbers of account {found.name}")
        asked = [row for row in listed if everything or row.id in (number or ())]
        if lacking := set(number or ()) - {row.id for row in asked}:
            raise Misused(f"account {found.name} has no number {min(lacking)}: `warmer accounts numbers {found.id}` shows them")
        at = clock.now()
        async with db.transaction(parts.pool) as conn:
            route_id = (await find_route(conn, route)).id if route else None
            numbers = [number_of(row, at=at, name=name, zone=zone) for row in asked]
            added = await setup.add_chips(
                conn, found.id, numbers, at=at, by=parts.settings.operator, phase=phase, active=active, route_id=route_id, why=why
            )
        await upkeep.poll(parts, at=clock.now(), max_age_s=0)  # so that quality, status and limit are known from the start
        return added, asked

    with progress("asking Meta", None, shown=not as_json):
        added, asked = with_parts(work)
    _show(added, asked, as_json=as_json)


def _show(added: AddedChips, asked: list[PhoneNumber], *, as_json: bool) -> None:
    if as_json:
        print_json(added)
        return
    say(f"{plural(len(added.added), 'chip')} added{': ' + ', '.join(chip.name for chip in added.added) if added.added else ''}")
    if added.known:
        say(f"{plural(len(added.known), 'number')} known already")
    for row in asked:
        if row.status != "CONNECTED":
            warn(f"+{row.display_phone} is {row.status} at Meta: it sends nothing before it is CONNECTED")
