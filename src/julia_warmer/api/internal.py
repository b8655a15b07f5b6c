"""The internal application: everything but the webhook, behind a key. It only wires: routes, roles, errors and the reference are beside it.

Why there are two applications: docs/decisions/0009-two-applications.md.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from julia_warmer import __version__
from julia_warmer.api import (
    accounts,
    campaigns,
    chips,
    consents,
    desk,
    explain,
    imports,
    merges,
    overview,
    people,
    problems,
    questions,
    reference,
    rights,
    routes,
    signups,
    story,
    suppressions,
    tier,
)
from julia_warmer.api.access import Key, KeyCheck, check_table, settings_keys
from julia_warmer.api.bodies import BodyLimit
from julia_warmer.api.telemetry import NO_TELEMETRY
from julia_warmer.clock import Clock
from julia_warmer.engine.parts import Parts

BODY_MAX = 1024 * 1024  # of a request; an import may be longer
ROUTERS = (
    overview.open_router,
    overview.router,
    chips.router,
    explain.router,
    accounts.router,
    tier.router,
    campaigns.router,
    routes.router,
    imports.router,
    people.router,
    story.router,
    merges.router,
    rights.router,
    suppressions.router,
    consents.router,
    signups.router,
    desk.router,
    questions.router,
    reference.router,
)


def internal_app(parts: Parts, clock: Clock, *, keys: Sequence[Key] = ()) -> FastAPI:
    """The application. `keys` by default is the one of the settings: without it SettingsError says the mend, and nothing starts."""
    known = tuple(keys) or settings_keys(parts.settings)
    app = bare_app()
    app.state.parts = parts
    app.state.clock = clock
    long = {imports.AT_ONCE: imports.AT_ONCE_BYTES_MAX, imports.UPLOAD: imports.UPLOAD_BYTES_MAX}
    app.add_middleware(BodyLimit, most=BODY_MAX, others=long)
    app.add_middleware(KeyCheck, keys=known, open_paths=check_table(app))  # added last, asked first
    return app


def bare_app() -> FastAPI:
    """The routes without what they work with: enough for the reference and for the table of roles."""
    app = FastAPI(
        title="Julia Warmer",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name,
        telemetry=NO_TELEMETRY,
    )
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    document: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        if not document:
            document.append(reference.describe(app))
        return document[0]

    app.openapi = openapi
    return app


def _name(route: APIRoute) -> str:
    """A route's name is its operation's id: one word in the table of roles, in the reference and in clients made from it."""
    return route.name
