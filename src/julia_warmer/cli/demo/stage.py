"""Sets the demo's stage: a database of its own, the sandbox with its world, both applications, chips, people and campaigns."""

import asyncio
import secrets
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from pydantic import SecretStr

from julia_warmer.api.internal import internal_app
from julia_warmer.api.public import public_app
from julia_warmer.api.serve import serving
from julia_warmer.cli.opening import opened
from julia_warmer.clock import VirtualClock
from julia_warmer.config import Settings
from julia_warmer.core.errors import WarmerError
from julia_warmer.core.model import Purpose
from julia_warmer.engine import control, setup, upkeep
from julia_warmer.engine.closed_days import national_holidays
from julia_warmer.engine.contacts import import_contacts
from julia_warmer.engine.parts import Parts
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import STARTS_AT, contact_rows, demo_world
from julia_warmer.sandbox.spec import WorldSpec
from julia_warmer.store.db import transaction

if TYPE_CHECKING:
    from julia_warmer.cli.demo import DemoOptions

BY = "demo"
GOOD_TEMPLATE = "convite_plantao"
TEAM_PHONE = "5511951000001"  # nobody in the world has it
AGAIN_AFTER_D = 7  # a campaign may write to the same person again after a week: the invitations are new each week


@dataclass(frozen=True, slots=True)
class Stage:
    """All that stands on it."""

    parts: Parts
    clock: VirtualClock
    sandbox: Sandbox
    spec: WorldSpec
    public: str  # address of the webhook's application
    internal: str  # address of the API
    key: str  # the API's bearer key
    begins_at: datetime
    days: int
    policy: str


@asynccontextmanager
async def set_stage(options: "DemoOptions") -> AsyncGenerator[Stage]:
    """Everything started and set up; all of it is gone afterwards, its folder too."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmer-demo-")))
        clock = VirtualClock(STARTS_AT)
        settings = _settings(options, folder)
        sandbox = Sandbox()
        sandbox_url = await sandbox.start()
        stack.push_async_callback(sandbox.close)
        settings = settings.model_copy(update={"sandbox_url": sandbox_url})
        parts = await stack.enter_async_context(opened(settings, clock=clock, durable=False))
        parts = replace(parts, holidays=national_holidays(STARTS_AT))
        public = await stack.enter_async_context(serving(public_app(parts, clock), host=settings.host, port=0))
        internal = await stack.enter_async_context(serving(internal_app(parts, clock), host=settings.host, port=0))
        spec = demo_world(
            options.chips,
            options.contacts,
            options.seed,
            webhook_url=f"{public}/webhooks/meta",
            app_secret=settings.app_secrets[0].get_secret_value(),
            limit=options.limit,
            verified=options.verified,
        )
        await _put_world(sandbox_url, spec)
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        stage = Stage(parts, clock, sandbox, spec, public, internal, key, STARTS_AT, options.days, options.policy)
        await furnish(stage)
        await _write_in(sandbox_url, spec)
        yield stage


async def _put_world(sandbox_url: str, spec: WorldSpec) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{sandbox_url}/_sandbox/world", data=spec.to_json()) as answer:
        if answer.status != HTTPStatus.OK:
            raise WarmerError(f"the sandbox refused the demo's world: {await answer.text()}")


def _settings(options: "DemoOptions", folder: Path) -> Settings:
    """Settings of this run alone: its own folders and keys; the environment has no say."""
    values: dict[str, Any] = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    values |= {
        "data_dir": folder / "data",
        "config_dir": folder / "config",
        "app_secrets": (SecretStr(secrets.token_urlsafe(32)),),
        "api_key": SecretStr(secrets.token_urlsafe(32)),
        "policy": options.policy,
        "send_concurrency": 1,  # one after the other: the same seed gives the same lives
        "operator": BY,
    }
    return Settings.model_construct(_fields_set=None, **values)


async def _write_in(sandbox_url: str, spec: WorldSpec) -> None:
    """One of the team writes to a number of each account from their own phone: so the webhook is heard before anything is sent."""
    first = {chip.account: chip.id for chip in reversed(spec.chips)}
    async with aiohttp.ClientSession(sandbox_url) as http:
        for chip_id in first.values():
            said = {"chip": chip_id, "phone": TEAM_PHONE, "text": "Teste da equipe: o webhook está ouvindo?"}
            async with http.post("/_sandbox/say", json=said) as answer:
                answer.raise_for_status()


async def furnish(stage: Stage) -> None:
    """Portfolios, accounts, numbers, templates, routes, people, campaigns; then every chip is started."""
    parts, at = stage.parts, stage.clock.now()
    async with transaction(parts.pool) as conn:
        portfolios = {
            p.id: await setup.add_portfolio(conn, business_id=p.id, name=f"Portfolio {p.id[-2:]}", at=at, by=BY)
            for p in stage.spec.portfolios
        }
        accounts = {
            a.id: await setup.add_account(
                conn, parts.seal, portfolio_id=portfolios[a.portfolio], waba_id=a.id, name=a.name, token=a.token, sandbox=True, at=at, by=BY
            )
            for a in stage.spec.accounts
        }
        route = await setup.add_route(conn, parts.seal, name="answers", kind=setup.RouteKind.PAGE, at=at, by=BY)
        chips: dict[str, int] = {}
        for waba, account_id in accounts.items():
            numbers = [
                setup.Number(phone_number_id=c.id, display_phone=c.display_phone, name=c.name, registered_at=at)
                for c in stage.spec.chips
                if c.account == waba
            ]
            added = await setup.add_chips(conn, account_id, numbers, at=at, by=BY, route_id=route.id)
            chips |= {chip.name: chip.id for chip in added.added}
    await upkeep.poll(parts, at=at)
    await upkeep.sync_templates(parts, at=at)
    async with transaction(parts.pool) as conn:
        await upkeep.ensure_partitions(conn, at=at)
        await import_contacts(conn, _csv(stage.spec), seal=stage.parts.seal, at=at, by=BY)
        by_account = {a.id: a.portfolio for a in stage.spec.accounts}
        for chip in stage.spec.chips:
            campaign = setup.NewCampaign(
                name=f"invitations of {chip.name}",
                portfolio_id=portfolios[by_account[chip.account]],
                chip_id=chips[chip.name],
                template=GOOD_TEMPLATE,
                language="pt_BR",
                purpose=Purpose.MARKETING,
                audience=chip.name,
                parameters=("{name}",),
                repeat_after_d=AGAIN_AFTER_D,
            )
            await setup.add_campaign(conn, campaign, at=at, by=BY)
        for chip_id in chips.values():
            await control.start_chip(conn, chip_id, by=BY, why="new number", at=at, policy=parts.policy)


def _csv(spec: WorldSpec) -> list[str]:
    """The people as the lines of a CSV, as an owner would bring them."""
    import csv
    import io

    rows = list(contact_rows(spec))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["phone"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().splitlines(keepends=True)


async def wait_for_interrupt() -> None:
    """Until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
