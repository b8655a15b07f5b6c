"""In-App Signup over real HTTP to the sandbox: a link is made, a person signs up, and the wording of that moment is the proof."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from julia_warmer.cloud.answers import Refused
from julia_warmer.cloud.encode import SignupWording, WrongMessage, new_signup
from julia_warmer.engine.errors import Conflict, NotFound
from julia_warmer.engine.intake import apply_inbox, receive
from julia_warmer.engine.signups import create_signup, disable_signup, link_of, sync_signups, update_signup
from julia_warmer.sandbox.auditor import audit
from julia_warmer.store.contacts import list_consents
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine.outgoing import AT, SEAL, TOKEN
from tests.engine.sending import opened

WORDING = SignupWording(
    message="Quero saber dos plantões pelo WhatsApp.", confirmation="Pronto!", privacy_url="https://example.com/privacidade", name="site"
)
PHONE = "5511987650009"
MINUTE = timedelta(minutes=1)


async def test_a_sign_up_is_a_grant_with_the_wording_of_its_moment(db: Database):
    bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        await bodies.put(await request.read())
        return web.Response()

    hook = web.Application()
    hook.router.add_post("/hook", hear)
    runner = web.AppRunner(hook)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with opened(db) as line:
            line.sandbox.bench.mailer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
            at, parts, account = line.clock.now(), line.parts, line.fleet.account
            made = await create_signup(parts, account, WORDING, by="rita", at=at)
            assert (made.changed, link_of(made.signup_id, "+1 555 078-3881")) == (
                True,
                f"https://wa.me/15550783881/signup/{made.signup_id}",
            )
            await sign_up(line, made.signup_id)
            other = replace(WORDING, message="Outra coisa.")
            assert (await update_signup(parts, made.signup_id, other, by="rita", at=at + 60 * MINUTE)).changed
            assert not (await update_signup(parts, made.signup_id, other, by="rita", at=at + 61 * MINUTE)).changed
            await line.sandbox.advance(AT + 30 * MINUTE)
            body = bodies.get_nowait()
            async with transaction(db.pool) as conn:
                await receive(conn, body, at=at + 90 * MINUTE, seal=SEAL)
                applied = await apply_inbox(conn, at=at + 90 * MINUTE, seal=SEAL)
                person = await conn.fetchrow("select id, may_marketing from contacts where phone_key = 'm:551187650009'")
                (grant,) = await list_consents(conn, person["id"], seal=SEAL, limit=5)
            assert (applied.quarantined, person["may_marketing"]) == (0, True)
            assert (grant.act, grant.source, grant.evidence) == ("granted", "signup", {"signup_id": made.signup_id, "signup_version": 1})
            assert (grant.text_version, grant.text_shown) == (f"signup {made.signup_id}", f"{WORDING.message}\n{WORDING.privacy_url}")
            (shown,) = await sync_signups(parts, account, at=at + 91 * MINUTE)
            assert (shown.version, shown.message, shown.people) == (2, "Outra coisa.", 1)
            told = [row["kind"] for row in line.sandbox.bench.ledger.rows()]
            assert told == ["signed_up"]
            assert audit(line.sandbox.bench.spec, line.sandbox.bench.ledger.rows(), []).violations == []
    finally:
        await runner.cleanup()


async def sign_up(line: Any, signup_id: str) -> None:
    async with aiohttp.ClientSession() as http:
        body = {"chip": "pn-one-0", "phone": PHONE, "signup": signup_id}
        async with http.post(f"{line.sandbox.url}/_sandbox/signup", json=body) as answer:
            assert answer.status == 200, await answer.text()
        async with http.post(f"{line.sandbox.url}/_sandbox/signup", json=body | {"signup": "77"}) as answer:
            assert answer.status == 422


async def test_what_the_platform_refuses_is_said_and_nothing_is_kept(db: Database):
    async with opened(db) as line:
        at, parts = line.clock.now(), line.parts
        with pytest.raises(NotFound):
            await create_signup(parts, 999, WORDING, by="rita", at=at)
        with pytest.raises(NotFound):
            await update_signup(parts, "13", WORDING, by="rita", at=at)
        refused = await parts.graph.create_signup("waba-one", {"signup_message": "x" * 301}, TOKEN)
        assert isinstance(refused, Refused)
        assert refused.code in range(2494164, 2494180)
        line.sandbox.bench.tokens.clear()
        with pytest.raises(Conflict, match="Meta refused"):
            await create_signup(parts, line.fleet.account, WORDING, by="rita", at=at)
        assert await db.pool.fetchval("select count(*) from signups") == 0


async def test_a_link_that_is_disabled_takes_nobody_in_and_keeps_what_it_said(db: Database):
    async with opened(db) as line:
        at, parts = line.clock.now(), line.parts
        made = await create_signup(parts, line.fleet.account, WORDING, by="rita", at=at)
        assert await disable_signup(parts, made.signup_id, by="rita", why="the site is gone", at=at + MINUTE)
        assert not await disable_signup(parts, made.signup_id, by="rita", why="again", at=at + 2 * MINUTE)
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{line.sandbox.url}/_sandbox/signup", json={"chip": "pn-one-0", "phone": PHONE, "signup": made.signup_id}) as answer,
        ):
            assert answer.status == 422
        with pytest.raises(Conflict, match="is disabled"):
            await update_signup(parts, made.signup_id, WORDING, by="rita", at=at)
        with pytest.raises(NotFound):
            await disable_signup(parts, "13", by="rita", why="none", at=at)
        (shown,) = await sync_signups(parts, line.fleet.account, at=at + 3 * MINUTE)
        assert (shown.disabled_at, shown.version, shown.message) == (at + MINUTE, 1, WORDING.message)
        acts = await db.pool.fetch("select what, why from audit_log where what like 'signup%' order by id")
        assert [tuple(act) for act in acts] == [("signup link made", None), ("signup link disabled", "the site is gone")]


@pytest.mark.parametrize("change", [{"message": ""}, {"message": "x" * 301}, {"confirmation": ""}, {"privacy_url": "http://example.com"}])
def test_a_wording_that_the_platform_would_not_take_is_refused_here(change: dict[str, str]):
    with pytest.raises(WrongMessage):
        new_signup(replace(WORDING, **change))
