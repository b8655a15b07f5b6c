"""Who may do what: one table of roles, asked for every route, and a bearer key, asked for before anything of a request is read.

A route that the table does not name cannot be served: `check_table` refuses to start. Keys with roles of their own come with `api_keys`;
until then the one key of the settings may do everything.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from julia_warmer.api.problems import Problem, respond
from julia_warmer.config import Settings, need

CALLER = "warmer.caller"
MAKE_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one'


class Role(IntEnum):
    """What a key may do; each role may do what those before it may. `nobody`: no key is needed."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


# The role of each route, by its name. Viewers look, at numbers and never at people. Operators run what is there: chips, people,
# campaigns, stops. Admins add numbers, tokens and addresses that messages go to, say what may be spent, erase people and let numbers back.
ROLES: dict[str, Role] = {
    "live": Role.NOBODY,
    "ready": Role.NOBODY,
    "docs": Role.NOBODY,
    "openapi": Role.NOBODY,
    "stats": Role.VIEWER,
    "audit": Role.VIEWER,
    "list_chips": Role.VIEWER,
    "add_chip": Role.ADMIN,
    "read_chip": Role.VIEWER,
    "start_chip": Role.OPERATOR,
    "pause_chip": Role.OPERATOR,
    "resume_chip": Role.OPERATOR,
    "activate_chip": Role.OPERATOR,
    "retire_chip": Role.ADMIN,
    "read_health": Role.VIEWER,
    "list_decisions": Role.VIEWER,
    "explain_chip": Role.VIEWER,
    "list_portfolios": Role.VIEWER,
    "propose_tier": Role.VIEWER,
    "add_portfolio": Role.ADMIN,
    "set_spend_limit": Role.ADMIN,
    "list_accounts": Role.VIEWER,
    "add_account": Role.ADMIN,
    "set_token": Role.ADMIN,
    "list_numbers": Role.VIEWER,
    "add_numbers": Role.ADMIN,
    "list_templates": Role.VIEWER,
    "sync_templates": Role.OPERATOR,
    "list_campaigns": Role.VIEWER,
    "add_campaign": Role.OPERATOR,
    "pause_campaign": Role.OPERATOR,
    "resume_campaign": Role.OPERATOR,
    "end_campaign": Role.OPERATOR,
    "list_routes": Role.VIEWER,
    "add_route": Role.ADMIN,
    "set_route": Role.ADMIN,
    "set_route_of_chips": Role.ADMIN,
    "list_prices": Role.VIEWER,
    "set_price": Role.ADMIN,
    "list_stops": Role.VIEWER,
    "stop": Role.OPERATOR,
    "release": Role.OPERATOR,
    "list_alerts": Role.VIEWER,
    "close_alert": Role.OPERATOR,
    "list_questions": Role.OPERATOR,
    "answer_question": Role.OPERATOR,
    "list_unknown_sends": Role.OPERATOR,
    "resolve_unknown_send": Role.OPERATOR,
    "list_conversations": Role.OPERATOR,
    "read_conversation": Role.OPERATOR,
    "reply": Role.OPERATOR,
    "read_contact": Role.OPERATOR,
    "explain_contact": Role.OPERATOR,
    "tell_story": Role.OPERATOR,
    "merge_contacts": Role.OPERATOR,
    "list_signups": Role.OPERATOR,
    "create_signup": Role.OPERATOR,
    "update_signup": Role.OPERATOR,
    "disable_signup": Role.OPERATOR,
    "consent_quality": Role.VIEWER,
    "hold_source": Role.OPERATOR,
    "release_source": Role.OPERATOR,
    "import_contacts": Role.OPERATOR,
    "prove_consents": Role.OPERATOR,
    "export_contact": Role.OPERATOR,
    "erase_contact": Role.ADMIN,
    "read_engagement": Role.OPERATOR,
    "set_engagement": Role.OPERATOR,
    "list_requests": Role.OPERATOR,
    "open_request": Role.OPERATOR,
    "close_request": Role.OPERATOR,
    "list_suppressions": Role.OPERATOR,
    "suppress": Role.OPERATOR,
    "lift_suppressions": Role.ADMIN,
    "add_import": Role.OPERATOR,
    "list_imports": Role.OPERATOR,
    "read_import": Role.OPERATOR,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the name for the audit log, and what the key may do."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Key:
    """A bearer key, kept as its SHA-256."""

    digest: bytes
    caller: Caller


def key_of(secret: str, caller: Caller) -> Key:
    return Key(hashlib.sha256(secret.encode()).digest(), caller)


def settings_keys(settings: Settings) -> tuple[Key, ...]:
    """The key of the settings. Raises SettingsError without one: no key, no start."""
    secret = need(settings.api_key, "WARMER_API_KEY", f"the internal application does not start without it; {MAKE_KEY}")
    return (key_of(secret, Caller("api", Role.ADMIN)),)


class KeyCheck:
    """ASGI middleware: without a known key nothing of a request is routed or read, but for the routes that need none."""

    def __init__(self, app: ASGIApp, *, keys: Sequence[Key], open_paths: frozenset[str]) -> None:
        self._app = app
        self._keys = keys
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = self._caller(Headers(scope=scope))
        if caller is None and scope["path"] not in self._open:
            refusal = respond(
                HTTPStatus.UNAUTHORIZED,
                "a key is needed",
                mend="send `Authorization: Bearer KEY` with WARMER_API_KEY's value",
                headers={"WWW-Authenticate": 'Bearer realm="warmer"', "Connection": "close"},
            )
            await refusal(scope, receive, send)
            return
        scope[CALLER] = caller or Caller("nobody", Role.NOBODY)
        await self._app(scope, receive, send)

    def _caller(self, headers: Headers) -> Caller | None:
        """Whose key it is. Every key is compared, each in constant time."""
        given = headers.getlist("authorization")
        scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        digest = hashlib.sha256(secret.strip().encode("utf-8", "surrogateescape")).digest()
        found = [key.caller for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None


def caller_of(request: Request) -> Caller:
    """Who calls; also checks that the route is for them. Raises Problem 403."""
    caller: Caller = request.scope[CALLER]
    needed = ROLES[request.scope["route"].name]
    if caller.role < needed:
        detail = f"this needs the role {needed.name.lower()}, the key has {caller.role.name.lower()}"
        raise Problem(HTTPStatus.FORBIDDEN, detail, mend="use another key")
    return caller


def by_of(caller: Annotated[Caller, Depends(caller_of)]) -> str:
    """The name for the audit log."""
    return caller.name


By = Annotated[str, Depends(by_of)]


def check_table(app: FastAPI) -> frozenset[str]:
    """Compare the live routes with the table; gives the paths that need no key. Raises RuntimeError, which a test and a start meet."""
    routes = list(_routes(app))
    names = [name for name, _ in routes]
    problems = [
        *(f"{name} has no role" for name in names if name not in ROLES),
        *(f"{name} is the name of two routes" for name in set(names) if names.count(name) > 1),
        *(f"there is no route {name}" for name in ROLES if name not in names),
        *(f"{name} needs no key, so its path must be fixed" for name, path in routes if ROLES.get(name) is Role.NOBODY and "{" in path),
    ]
    if problems:
        raise RuntimeError(f"api/access.py: {'; '.join(sorted(problems))}")
    return frozenset(path for name, path in routes if ROLES[name] is Role.NOBODY)


def _routes(app: FastAPI) -> Iterable[tuple[str, str]]:
    """Name and path of every route that the application serves, whatever router it came from."""
    for context in iter_route_contexts(app.routes):
        yield context.name or "", context.path or ""
