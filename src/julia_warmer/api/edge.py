"""What every route of the internal application shares: its parts, its transaction, fields, pages, and the form of a router.

One transaction a request: opened here, committed before the answer is sent, rolled back when anything is raised.
"""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from julia_warmer.api.access import caller_of
from julia_warmer.api.problems import ProblemDetails
from julia_warmer.clock import Clock
from julia_warmer.engine.errors import NotFound, Wrong
from julia_warmer.engine.parts import Parts
from julia_warmer.store import views
from julia_warmer.store.db import Connection

CONNECTION_WAIT_S = 10
ID_MAX = 2**63 - 1
PAGE_MAX = 200
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDetails, "description": about}
    for status, about in {
        401: "No key, or one that is not known",
        403: "The key has not the role that this needs",
        404: "There is no such thing",
        409: "It cannot be done as things stand; `mend` says what would let it",
        422: "Something that was given is not usable; `fields` says which",
        503: "The database cannot be used at this moment",
    }.items()
}


# ------------------------------------------------------------------ what a request works with


def parts_of(request: Request) -> Parts:
    return request.app.state.parts


def now_of(request: Request) -> datetime:
    """The moment of this request."""
    clock: Clock = request.app.state.clock
    return clock.now()


async def open_transaction(parts: Annotated[Parts, Depends(parts_of)]) -> AsyncGenerator[Connection]:
    """A connection inside a transaction. Raises TimeoutError when none is free in time."""
    async with asyncio.timeout(CONNECTION_WAIT_S):
        connection = await parts.pool.acquire()
    try:
        async with connection.transaction():
            yield connection
    finally:
        await parts.pool.release(connection)


InParts = Annotated[Parts, Depends(parts_of)]
At = Annotated[datetime, Depends(now_of)]
Conn = Annotated[Connection, Depends(open_transaction, scope="function")]


def new_router(tag: str) -> APIRouter:
    """A router whose every route asks for its role and can answer with a problem."""
    return APIRouter(tags=[tag], dependencies=[Depends(caller_of)], responses=PROBLEMS)


# ------------------------------------------------------------------ fields


def _printable(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError("holds a character that cannot be printed")
    return text


PRINTABLE = AfterValidator(_printable)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), PRINTABLE]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), PRINTABLE]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), PRINTABLE]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096), PRINTABLE]
NodeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
RowId = Annotated[int, Field(ge=1, le=ID_MAX)]
PathId = Annotated[int, Path(ge=1, le=ID_MAX)]
ChipName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
ChipKey = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="Id or name of the chip.", examples=["north-1"])]


class Form(BaseModel):
    """What is sent to us. A field that is not known is refused: it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """What is shown, made from a row."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def example(**values: Any) -> dict[str, Any]:
    """A model's `json_schema_extra` with its example; `api/reference.py` shows it for every route."""
    return {"examples": [values]}


class Reason(Form):
    """Why, for the audit log."""

    model_config = ConfigDict(json_schema_extra=example(why="the list was bought: stop it"))

    why: Why


class MaybeReason(Form):
    """Why, if there is something to say."""

    model_config = ConfigDict(json_schema_extra=example(why="the number is registered"))

    why: Note = ""


class Added(View):
    """The id of what was added."""

    model_config = ConfigDict(json_schema_extra=example(id=3))

    id: int


async def find_chip(conn: Connection, key: str) -> int:
    """The id of a chip by its id or name. Raises NotFound."""
    found = await views.find_chip(conn, chip_key(key))
    if found is None:
        raise no_chip(key)
    return found


def chip_key(key: str) -> int | str:
    return int(key) if key.isdecimal() and int(key) <= ID_MAX else key


def no_chip(key: str) -> NotFound:
    return NotFound(f"there is no chip {key}", mend="GET /warmer/chips lists them")


# ------------------------------------------------------------------ pages

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="How many rows at most.")]
Cursor = Annotated[
    str | None, Query(max_length=300, pattern=r"^[A-Za-z0-9_-]+$", description="`next` of the page before; leave it out for the first.")
]


class Page(BaseModel, Generic[M]):
    """One page of a list. `next` is the cursor of the page after it; null: this is the last."""

    items: list[M]
    next: str | None = None


def page(model: type[M], rows: Sequence[Any], limit: int, key: Callable[[Any], Sequence[Any]]) -> Page[M]:
    """A page from `limit + 1` rows or fewer; the cursor is made from the key of the last row shown."""
    shown = rows[:limit]
    items = [model.model_validate(row) for row in shown]
    return Page[model](items=items, next=_encode(key(shown[-1])) if len(rows) > limit else None)


def by_id(row: Any) -> Sequence[Any]:
    """The key of a list in the order of its ids."""
    return (row.id,)


def id_from(cursor: str | None, first: int) -> int:
    """The id in a cursor; `first` without one. Raises Wrong."""
    if cursor is None:
        return first
    (row_id,) = decode(cursor, int)
    return row_id


def _encode(key: Iterable[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(key))).rstrip(b"=").decode()


def decode(cursor: str, *kinds: type[Any]) -> list[Any]:
    """The parts of a cursor, which must be of these kinds. Raises Wrong."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = [datetime.fromisoformat(part) if kind is datetime else part for part, kind in zip(parts, kinds, strict=True)]
    except (ValueError, TypeError):
        raise _no_cursor() from None
    if not all(_fits(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise _no_cursor()
    return values


def _fits(value: Any, kind: type[Any]) -> bool:
    if kind is datetime:
        return isinstance(value, datetime) and value.utcoffset() is not None and 1970 <= value.year <= 9000
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ID_MAX


def _no_cursor() -> Wrong:
    return Wrong("this is no cursor of this list", mend="take it from `next` of the page before, or leave it out")
