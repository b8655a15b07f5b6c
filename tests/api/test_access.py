"""Who may do what, asked of every route of the live application."""

import re
from collections.abc import Iterator

import aiohttp
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from julia_warmer.api.access import ROLES, Caller, Role, check_table, key_of
from julia_warmer.api.internal import bare_app, internal_app
from julia_warmer.clock import VirtualClock
from julia_warmer.config import SettingsError
from tests.api.site import AT, KEY, Site, opened, parts_of
from tests.conftest import Database

SECRETS = {Role.VIEWER: "v" * 24, Role.OPERATOR: "o" * 24, Role.ADMIN: "a" * 24}


def live_routes() -> Iterator[tuple[str, str, str]]:
    """Name, method and a path that matches, of every route that is served."""
    for context in iter_route_contexts(bare_app().routes):
        path = re.sub(r"\{\w+\}", "1234567", context.path or "")
        for method in context.methods or ():
            yield context.name or "", method, path


ROUTES = sorted(live_routes())


def test_the_table_names_every_live_route_and_no_other():
    assert {name for name, _, _ in ROUTES} == set(ROLES)
    assert len(ROUTES) > 40


def test_a_route_that_the_table_does_not_name_is_not_served():
    app = bare_app()

    @app.get("/warmer/secret", name="secret")
    async def secret() -> str:
        return "told"

    with pytest.raises(RuntimeError, match="secret has no role"):
        check_table(app)


def test_a_route_that_is_gone_is_taken_out_of_the_table():
    with pytest.raises(RuntimeError, match="there is no route stop"):
        check_table(FastAPI(openapi_url=None))


async def test_without_a_key_every_route_but_the_open_ones_is_refused_before_anything_is_read(site: Site):
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer x"}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}):
        for name, method, path in ROUTES:
            async with site.http.request(method, path, data=b"{not json", headers=headers) as answer:
                said = await answer.json(content_type=None) if answer.status == 401 else None
            is_open = ROLES[name] is Role.NOBODY
            assert (answer.status == 401) != is_open, (name, answer.status)
            assert said is None or said["type"] == "urn:warmer:problem:unauthorized"


async def test_two_keys_in_one_request_open_nothing(site: Site):
    async with aiohttp.ClientSession(site.http._base_url) as http:  # without the session's own key
        headers = [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer other")]
        async with http.get("/warmer/chips", headers=headers) as answer:
            assert answer.status == 401
        async with http.get("/warmer/chips", headers={"Authorization": f"bearer {KEY}"}) as answer:
            assert answer.status == 200
        async with http.get("/no/such/path") as answer:
            assert answer.status == 401


async def test_each_role_may_do_what_the_table_says_and_nothing_above_it(db: Database):
    keys = [key_of(secret, Caller(role.name.lower(), role)) for role, secret in SECRETS.items()]
    async with opened(parts_of(db), keys=keys) as site:
        for role, secret in SECRETS.items():
            for name, method, path in ROUTES:
                async with site.http.request(method, path, data=b"", headers={"Authorization": f"Bearer {secret}"}) as answer:
                    await answer.read()
                assert (answer.status == 403) == (role < ROLES[name]), (role, name, answer.status)
                assert answer.status != 401
                assert answer.status < 500 or name == "ready", (name, answer.status)


async def test_the_key_of_the_settings_opens_only_itself(db: Database):
    async with opened(parts_of(db), key=SECRETS[Role.ADMIN]) as site:
        assert (await site.call("GET", "/warmer/chips"))[0] == 401


def test_without_a_key_in_the_settings_nothing_starts(db: Database):
    with pytest.raises(SettingsError, match=r"WARMER_API_KEY is not set: .* makes one"):
        internal_app(parts_of(db, api_key=None), VirtualClock(AT))


def test_a_key_is_kept_as_its_hash_only():
    assert KEY not in repr(key_of(KEY, Caller("api", Role.ADMIN)))
    assert KEY.encode() not in key_of(KEY, Caller("api", Role.ADMIN)).digest
