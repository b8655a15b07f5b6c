"""Finds what a person named on the command line: by id, by Meta's id or by name. It changes nothing."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.store import views
from julia_warmer.store.db import Connection

LIST_MAX = 1000  # rows of one list: more than a portfolio can have
T = TypeVar("T")


async def find_portfolio(conn: Connection, name: str | None, *, at: Any) -> views.Portfolio:
    """By id, business id or name; without a name, the only one there is. Raises NotFound, Conflict."""
    rows = await views.list_portfolios(conn, at=at, limit=LIST_MAX)
    return _pick("portfolio", rows, name, lambda row: (str(row.id), row.business_id, row.name))


async def find_account(conn: Connection, name: str | None) -> views.AccountView:
    """By id, WABA id or name; without a name, the only one there is. Raises NotFound, Conflict."""
    rows = await views.list_accounts(conn, limit=LIST_MAX)
    return _pick("account", rows, name, lambda row: (str(row.id), row.waba_id, row.name))


async def find_route(conn: Connection, name: str) -> views.Route:
    """By id or name. Raises NotFound."""
    return _pick("route", await views.list_routes(conn, limit=LIST_MAX), name, lambda row: (str(row.id), row.name))


async def find_campaign(conn: Connection, name: str) -> views.Campaign:
    """By id or name. Raises NotFound."""
    return _pick("campaign", await views.list_campaigns(conn, limit=LIST_MAX), name, lambda row: (str(row.id), row.name))


async def find_template(conn: Connection, name: str) -> views.Template:
    """By id, Meta's id, `name` or `name/language`. Raises NotFound, Conflict when a name has several languages or accounts."""
    rows = await views.list_templates(conn, limit=LIST_MAX)
    return _pick("template", rows, name, lambda row: (str(row.id), row.template_id, row.name, f"{row.name}/{row.language}"))


async def find_chip(conn: Connection, name: str) -> int:
    """A chip's id, by its name or id. Raises NotFound."""
    chip_id = await views.find_chip(conn, key_of(name))
    if chip_id is None:
        raise NotFound(f"there is no chip {name!r}", mend="`warmer chips list` shows their names")
    return chip_id


def key_of(name: str) -> int | str:
    """An id where there are only digits (no chip is named so), else a name."""
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else name


def _pick(what: str, rows: Sequence[T], name: str | None, names_of: Callable[[T], tuple[str, ...]]) -> T:
    """The one row that is meant. An id wins over a name that looks like one."""
    if name is None:
        if len(rows) == 1:
            return rows[0]
        mend = f"add one with `warmer {what}s add`" if not rows else f"name it with --{what}: {', '.join(names_of(row)[0] for row in rows)}"
        raise Conflict(f"there is {'no' if not rows else 'more than one'} {what}", mend=mend)
    for position in range(len(names_of(rows[0])) if rows else 0):
        found = [row for row in rows if names_of(row)[position] == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise Conflict(f"{len(found)} {what}s are named {name!r}", mend=f"give the id: {', '.join(names_of(row)[0] for row in found)}")
    raise NotFound(f"there is no {what} {name!r}", mend=f"`warmer {what}s list` shows them")
