"""Errors as problem details (RFC 9457): `type, title, detail, mend`, and never what was inside. Expected conflicts are 4xx."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from julia_warmer.cloud.answers import Failure, Refused, Unclear
from julia_warmer.core.errors import WarmerError
from julia_warmer.engine.errors import Conflict, EngineError, NotFound, Wrong
from julia_warmer.store.db import UNDONE
from julia_warmer.store.seal import SealBroken

MEDIA_TYPE = "application/problem+json"
FIELDS_MAX = 20
RETRY_AFTER_S = 5
SHOWN = "GET /docs shows what this route takes, with an example"
MENDS = {400: SHOWN, 404: "GET /docs lists the routes", 405: "GET /docs lists the routes", 413: "send less at once"}
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # RFC 9110's; Python's own changed with 3.13

log = structlog.get_logger(__name__)


class Field_(BaseModel):  # noqa: N801 - `Field` is pydantic's
    """One field that is not usable."""

    model_config = ConfigDict(title="WrongField")

    where: str = Field(examples=["body.why"])
    reason: str = Field(examples=["Field required"])


class ProblemDetails(BaseModel):
    """What went wrong, and the mend."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:warmer:problem:conflict",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "north-1: nobody would answer people who write back",
                    "mend": "set where inbound messages go, then start it",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    mend: str = ""
    fields: list[Field_] | None = None


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A problem that an edge found by itself."""

    def __init__(self, status: HTTPStatus, detail: str, *, mend: str = "", kind: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.mend = mend
        self.kind = kind


def respond(
    status: HTTPStatus,
    detail: str,
    *,
    mend: str = "",
    kind: str | None = None,
    fields: Sequence[Field_] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem as a response. `kind` is the last word of its type, by default the status's name."""
    title = TITLES.get(status.value, status.phrase)
    body: dict[str, Any] = {
        "type": f"urn:warmer:problem:{kind or title.lower().replace(' ', '-')}",
        "title": title,
        "status": status.value,
        "detail": detail,
        "mend": mend,
    }
    if fields:
        body["fields"] = [field.model_dump() for field in fields]
    return JSONResponse(body, status_code=status.value, media_type=MEDIA_TYPE, headers=headers)


def asked(failure: Failure, what: str) -> Problem:
    """Why Meta did not answer a question of ours."""
    match failure:
        case Refused():
            code = f" (code {failure.code})" if failure.code >= 0 else ""
            mend = failure.meaning.meaning if failure.code > 0 else "check the account's token and the address"
            return Problem(HTTPStatus.CONFLICT, f"Meta refused {what}: {failure.message}{code}", mend=mend, kind="meta-refused")
        case Unclear():
            return Problem(
                HTTPStatus.BAD_GATEWAY, f"Meta could not be asked for {what}: {failure.reason}", mend="try again", kind="meta-unclear"
            )


def install(app: FastAPI) -> None:
    """Turn everything that a route may raise into a problem."""
    for kind, handler in (
        (Problem, _problem),
        (WarmerError, _warmer_error),
        (SealBroken, _seal_broken),
        (RequestValidationError, _wrong_request),
        (HTTPException, _http_error),
        (asyncpg.PostgresError, _database_trouble),
        (asyncpg.InterfaceError, _database_trouble),
        (OSError, _database_trouble),
        (TimeoutError, _database_trouble),
        (Exception, _bug),
    ):
        app.add_exception_handler(kind, handler)


async def _problem(_request: Request, error: Any) -> Response:
    return respond(error.status, error.detail, mend=error.mend, kind=error.kind)


async def _warmer_error(_request: Request, error: Any) -> Response:
    match error:
        case NotFound():
            status = HTTPStatus.NOT_FOUND
        case Wrong() | ValueError():  # a value's own error, such as NotAPhone or WrongNode
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        case Conflict():
            status = HTTPStatus.CONFLICT
        case EngineError():
            status = HTTPStatus.CONFLICT
        case _:  # the store's and the configuration's: this process cannot work as it is
            log.error("request_failed", reason=str(error))
            return respond(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": str(RETRY_AFTER_S)})
    return respond(status, str(error), mend=getattr(error, "mend", ""))


async def _seal_broken(_request: Request, error: Any) -> Response:
    mend = "restore data.key of the configuration folder, or set the account's token anew"
    return respond(HTTPStatus.CONFLICT, str(error), mend=mend, kind="seal-broken")


async def _wrong_request(_request: Request, error: Any) -> Response:
    """Which fields, and why. What was given is not repeated: it may be a secret, or not even text."""
    fields = [
        Field_(where=_where(part["loc"]), reason=_text(part["msg"]).removeprefix("Value error, ")) for part in error.errors()[:FIELDS_MAX]
    ]
    detail = "; ".join(f"{field.where}: {field.reason}" for field in fields)
    return respond(HTTPStatus.UNPROCESSABLE_ENTITY, detail, mend=SHOWN, fields=fields)


async def _http_error(_request: Request, error: Any) -> Response:
    return respond(HTTPStatus(error.status_code), str(error.detail), mend=MENDS.get(error.status_code, ""), headers=error.headers)


async def _database_trouble(_request: Request, error: Any) -> Response:
    """A lock that another had, a connection that broke: the same request may well succeed in a moment."""
    if isinstance(error, asyncpg.PostgresError) and not isinstance(error, _PASSING):
        return await _bug(_request, error)
    log.warning("database_trouble", reason=type(error).__name__)
    return respond(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the database cannot be used at this moment",
        mend="try again; `warmer doctor` says more",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


_PASSING = (
    asyncpg.PostgresConnectionError,
    *UNDONE,
    asyncpg.QueryCanceledError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


async def _bug(request: Request, error: Any) -> Response:
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return respond(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; the log says what", mend="report it, with the log's lines")


def _where(loc: Iterable[Any]) -> str:
    return _text(".".join(str(step) for step in loc))


def _text(text: str) -> str:
    """As UTF-8 can write it: a lone surrogate may be in the name of a field."""
    return text.encode("utf-8", "backslashreplace").decode()[:200]
