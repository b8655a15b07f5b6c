"""`warmer stop` and `warmer release`."""

from typing import Annotated

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.naming import LIST_MAX, find_account, find_campaign, find_chip, find_portfolio, find_template
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import plural, print_rows, tell, warn
from julia_warmer.core.commands import StopScope
from julia_warmer.engine import control
from julia_warmer.engine.control import Released, Stopped
from julia_warmer.engine.restore import People, ReleasedRestore, reasons_of, release_restore
from julia_warmer.engine.spool import release_spool, sentence
from julia_warmer.store import holds, spools, views

Scope = Annotated[StopScope | None, typer.Argument(help="What to stop.", show_default=False)]
Name = Annotated[str | None, typer.Argument(help="Which one; nothing for `everything`.", show_default=False)]
MaybeWhy = Annotated[str | None, typer.Option("--why", help="Why, for the history. Needed.", show_default=False)]


def stop(
    scope: Scope = None,
    name: Name = None,
    why: MaybeWhy = None,
    show: Annotated[bool, typer.Option("--list", help="Only show the stops that hold.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop everything, or a part of it, at once. When this returns, no new request of it begins, until it is released."""
    if show:
        _show(as_json)
        return
    asked = _asked(scope, name, why, "stop")

    async def work(act: Act) -> Stopped:
        target = await _find(act, asked[0], name)
        return await control.stop(act.conn, asked[0], target, by=act.by, why=asked[1], at=act.at)

    stopped = do(work)
    what = _what(asked[0], name)
    on_way = f"; {plural(stopped.calls, 'request')} on the way may still have reached Meta" if stopped.calls else ""
    tell(stopped, f"{what} {'is stopped' if stopped.new else 'was stopped already'}{on_way}", as_json=as_json)


def release(
    scope: Annotated[StopScope | None, typer.Argument(help="What to release.", show_default=False)] = None,
    name: Name = None,
    why: MaybeWhy = None,
    restore: Annotated[bool, typer.Option("--restore", help="What is held because the database was restored from a backup.")] = False,
    people: Annotated[
        People | None,
        typer.Option("--people", help="After a restore: whom to count as written to, where that is not known.", show_default=False),
    ] = None,
    spool: Annotated[
        str | None, typer.Option("--spool", metavar="ID", help="The spool of a lost API, which holds everything.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let go on what was stopped. The chips under it go on at half of what they last sent.

    With --restore: what is held after a restore. `warmer reconcile` first says what is known. With --spool: what is held because an API
    ended without saying whether webhooks wait in its spool. Only when its folder is lost for good: requests to stop in it are lost too.
    """
    if restore:
        _release_restore(scope, why, people, as_json=as_json)
        return
    if spool is not None:
        _release_spool(scope, spool, why, as_json=as_json)
        return
    asked = _asked(scope, name, why, "release")

    async def work(act: Act) -> Released:
        target = await _find(act, asked[0], name)
        return await control.release(act.conn, asked[0], target, by=act.by, why=asked[1], at=act.at, policy=await act.policy())

    released = do(work)
    chips = f"; {plural(len(released.chips), 'chip')} go on at half of what they last sent" if released.chips else ""
    tell(released, f"{_what(asked[0], name)} is released{chips}", as_json=as_json)


def _release_restore(scope: StopScope | None, why: str | None, people: People | None, *, as_json: bool) -> None:
    if scope is not None:
        raise Misused("--restore releases everything that is held: leave the scope out")
    if not (why or "").strip():
        raise Misused("say why, for the history: warmer release --restore --why …")

    async def work(act: Act) -> ReleasedRestore:
        return await release_restore(act.conn, people, by=act.by, why=why or "", at=act.at)

    done = do(work)
    presumed = f"; {plural(done.presumed, 'person')} counted as written to by a campaign" if people is People.EVERYBODY else ""
    cancelled = f"{plural(done.cancelled, 'send')} of before cancelled, to be planned anew"
    tell(done, f"sending goes on: {cancelled}{presumed}", as_json=as_json)


def _release_spool(scope: StopScope | None, spool: str, why: str | None, *, as_json: bool) -> None:
    if scope is not None:
        raise Misused("--spool releases what one spool holds: leave the scope out")
    if not (why or "").strip():
        raise Misused(f"say why, for the history: warmer release --spool {spool} --why …")

    async def work(act: Act) -> dict[str, str]:
        await release_spool(act.conn, spool, by=act.by, why=why or "", at=act.at)
        return {"spool": spool}

    tell(do(work), f"spool {spool} holds nothing any more", as_json=as_json)


def _asked(scope: StopScope | None, name: str | None, why: str | None, verb: str) -> tuple[StopScope, str]:
    """Scope and reason as given. Raises Misused for a call that does not say what it means."""
    if scope is None:
        raise Misused(f"say what to {verb}: {', '.join(StopScope)}; `warmer stop --list` shows what is stopped")
    if (scope is StopScope.EVERYTHING) != (name is None):
        mend = "leave the name out" if name else f"name it: warmer {verb} {scope.value} NAME --why …"
        raise Misused(f"{scope.value} {'has no name' if name else 'needs a name'}: {mend}")
    if not (why or "").strip():
        raise Misused(f"say why, for the history: warmer {verb} {scope.value}{f' {name}' if name else ''} --why …")
    return scope, why or ""


async def _find(act: Act, scope: StopScope, name: str | None) -> int | None:
    """The id of what was named; None for everything."""
    match scope, name:
        case StopScope.PORTFOLIO, str():
            return (await find_portfolio(act.conn, name, at=act.at)).id
        case StopScope.ACCOUNT, str():
            return (await find_account(act.conn, name)).id
        case StopScope.CHIP, str():
            return await find_chip(act.conn, name)
        case StopScope.CAMPAIGN, str():
            return (await find_campaign(act.conn, name)).id
        case StopScope.TEMPLATE, str():
            return (await find_template(act.conn, name)).id
        case _:
            return None


def _what(scope: StopScope, name: str | None) -> str:
    return scope.value if name is None else f"{scope.value} {name}"


def _show(as_json: bool) -> None:
    async def work(act: Act) -> list[views.Stop]:
        return await views.list_stops(act.conn, open_only=True, limit=LIST_MAX)

    async def held(act: Act) -> list[str]:
        overdue = await spools.list_overdue(act.conn, before=act.at)
        return [*reasons_of(await holds.list_holds(act.conn)), *map(sentence, overdue)]

    columns = {
        "id": lambda row: row.id,
        "scope": lambda row: row.scope,
        "which (id)": lambda row: row.target_id,
        "why": lambda row: row.reason,
        "by": lambda row: row.by,
        "since (UTC)": lambda row: row.at,
    }
    print_rows(do(work), columns, title="Stops that hold", as_json=as_json, empty="nothing is stopped")
    if not as_json:
        for line in do(held):
            warn(line)
