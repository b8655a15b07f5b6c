"""`warmer up --sandbox`: everything real but Meta and the people, in real time, on a database that begins anew with each start."""

import asyncio
import csv
import io
import secrets
from datetime import datetime, timedelta

import aiohttp
import asyncpg
from pydantic import SecretStr

from julia_warmer.cli.errors import CommandError
from julia_warmer.cli.opening import SANDBOX_DATABASE, opened
from julia_warmer.cli.output import print_json_line, progress, say
from julia_warmer.cli.sandbox_command import small_world
from julia_warmer.cli.serving import Addresses, served
from julia_warmer.clock import Clock, SystemClock
from julia_warmer.config import Settings
from julia_warmer.core.model import Phase, Purpose
from julia_warmer.engine import control, setup, upkeep
from julia_warmer.engine.confirm import hearing_of
from julia_warmer.engine.contacts import import_contacts
from julia_warmer.engine.intake import apply_inbox
from julia_warmer.engine.jobs import run_worker
from julia_warmer.engine.parts import Parts
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import contact_rows
from julia_warmer.sandbox.spec import WorldSpec
from julia_warmer.store.db import Connection, transaction
from julia_warmer.store.local import local_postgres
from julia_warmer.store.setup import AddedChip

CHIPS, PEOPLE, SEED = 3, 600, 7
TEAM_PHONE = "5511951000001"  # nobody in the world has it
HEARD_WITHIN, LOOK_EVERY_S = timedelta(seconds=10), 0.1
AGE = timedelta(days=10)  # of its numbers: they need not wait for the three days of `setup`
BY = "sandbox"
WHY = "the sandbox's number, imported past setup"
KEY_BYTES = 24


async def play(settings: Settings, *, as_json: bool) -> None:
    """Start all of it, set the world up, and go on until told to end."""
    clock = SystemClock()
    box = Sandbox(clock=clock)
    try:
        settings = _settings(settings, await box.start(settings.host))
        await _begin_anew(settings)
        async with opened(settings, clock=clock, journals=True) as parts, served(parts, clock) as addresses:
            spec = small_world(settings, chips=CHIPS, contacts=PEOPLE, seed=SEED, webhook_url=addresses.webhook)
            with progress("setting the world up", None, shown=not as_json):
                await _put(box.url, spec)
                await _furnish(parts, spec, clock=clock)
            _tell(settings, addresses, spec, as_json=as_json)
            await run_worker(parts, clock=clock)
    finally:
        await box.close()


async def _put(sandbox_url: str, spec: WorldSpec) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{sandbox_url}/_sandbox/world", data=spec.to_json()) as answer:
        answer.raise_for_status()


def _settings(settings: Settings, sandbox_url: str) -> Settings:
    """These settings with the sandbox in Meta's place; what is missing is made for this run."""
    secret = (SecretStr(secrets.token_urlsafe(KEY_BYTES)),)
    given = {
        "sandbox_url": sandbox_url,
        "database_url": None,
        "owner_database_url": None,
        "app_secrets": settings.app_secrets or secret,
        "verify_token": settings.verify_token or secret[0],
        "api_key": settings.api_key or SecretStr(secrets.token_urlsafe(KEY_BYTES)),
    }
    return settings.model_copy(update=given)


async def _begin_anew(settings: Settings) -> None:
    """Drop what an earlier run left: its world is gone, and the new one gives the same ids again."""
    async with local_postgres(settings.data_dir) as server:
        connection = await asyncpg.connect(server.admin_dsn)
        try:
            await connection.execute(f"drop database if exists {SANDBOX_DATABASE}")
        except asyncpg.ObjectInUseError:
            mend = "end it first, or use another WARMER_DATA_DIR"
            raise CommandError(f"another `warmer up --sandbox` uses {settings.data_dir}: {mend}") from None
        finally:
            await connection.close()


async def _furnish(parts: Parts, spec: WorldSpec, *, clock: Clock) -> None:
    """What a person would do by hand: portfolio, account, numbers, a page for answers, templates, people, campaigns, a first message."""
    at = clock.now()
    async with transaction(parts.pool) as conn:
        chips = await _add_numbers(conn, parts, spec, at=at)
    await upkeep.poll(parts, at=at)
    await upkeep.sync_templates(parts, at=at)
    async with transaction(parts.pool) as conn:
        await upkeep.ensure_partitions(conn, at=at)
        await import_contacts(conn, _people(spec), seal=parts.seal, at=at, by=BY)
        for chip in chips:
            await setup.add_campaign(conn, _campaign(chip, spec), at=at, by=BY)
    await _write_in(parts, spec, clock=clock)
    async with transaction(parts.pool) as conn:
        for chip in chips:
            await control.start_chip(conn, chip.id, by=BY, why=WHY, at=clock.now(), policy=parts.policy)


async def _add_numbers(conn: Connection, parts: Parts, spec: WorldSpec, *, at: datetime) -> tuple[AddedChip, ...]:
    portfolio, account = spec.portfolios[0], spec.accounts[0]
    portfolio_id = await setup.add_portfolio(conn, business_id=portfolio.id, name=BY, at=at, by=BY)
    given = {"waba_id": account.id, "name": account.name, "token": account.token}
    account_id = await setup.add_account(conn, parts.seal, portfolio_id=portfolio_id, **given, sandbox=True, at=at, by=BY)
    route = await setup.add_route(conn, parts.seal, name="page", kind=setup.RouteKind.PAGE, at=at, by=BY)
    numbers = [
        setup.Number(phone_number_id=chip.id, display_phone=chip.display_phone, name=chip.name, registered_at=at - AGE)
        for chip in spec.chips
    ]
    added = await setup.add_chips(conn, account_id, numbers, at=at, by=BY, phase=Phase.FIRST_CONTACTS, route_id=route.id, why=WHY)
    return added.added


def _campaign(chip: AddedChip, spec: WorldSpec) -> setup.NewCampaign:
    """Invitations to the people who are on this chip's list; it is the only portfolio, so its id is 1."""
    return setup.NewCampaign(
        name=f"invitations of {chip.name}",
        portfolio_id=1,
        chip_id=chip.id,
        template=spec.templates[0].name,
        purpose=Purpose.MARKETING,
        audience=chip.name,
        parameters=("{name}",),
    )


async def _write_in(parts: Parts, spec: WorldSpec, *, clock: Clock) -> None:
    """One of the team writes to a number from their own phone, so that the webhook is heard before anything is sent."""
    said = {"chip": spec.chips[0].id, "phone": TEAM_PHONE, "text": "Teste da equipe: o webhook está ouvindo?"}
    async with aiohttp.ClientSession() as http, http.post(f"{parts.settings.sandbox_url}/_sandbox/say", json=said) as answer:
        answer.raise_for_status()
    end = clock.now() + HEARD_WITHIN
    while clock.now() < end:
        async with transaction(parts.pool) as conn:
            if (await apply_inbox(conn, at=clock.now(), seal=parts.seal, hearing=hearing_of(parts.settings))).bodies:
                return
        await asyncio.sleep(LOOK_EVERY_S)


def _people(spec: WorldSpec) -> list[str]:
    """The world's people as the lines of a CSV, as an owner would bring them."""
    rows, text = list(contact_rows(spec)), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().splitlines(keepends=True)


def _tell(settings: Settings, addresses: Addresses, spec: WorldSpec, *, as_json: bool) -> None:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    if as_json:
        print_json_line({"webhook": addresses.webhook, "api": addresses.api, "sandbox": settings.sandbox_url, "api_key": key})
        return
    chip, person = spec.chips[0], spec.people[0]
    say(
        f"""webhook  {addresses.webhook}
API      {addresses.api}  (docs: {addresses.api}/docs)
sandbox  {settings.sandbox_url}  in Meta's place: nothing leaves this machine

{len(spec.chips)} numbers in their first days, {len(spec.people)} invented people. Time is real: messages go out in people's hours only
(`warmer policy show`, [hours]).

Try, in another terminal:
  export WARMER_SANDBOX_URL={settings.sandbox_url} WARMER_DATA_DIR='{settings.data_dir}' WARMER_CONFIG_DIR='{settings.config_dir}'
  warmer chips list
  warmer explain chip {chip.name}
  warmer explain contact +{person.phone}
  warmer plan
  warmer stop everything --why "trying it" && warmer release everything --why "tried"
  curl -s -H 'Authorization: Bearer {key}' {addresses.api}/warmer/chips
  curl -s {settings.sandbox_url}/_sandbox/say -d '{{"chip": "{chip.id}", "phone": "{person.phone}", "text": "PARAR", "stop": true}}'

Ctrl-C ends it."""
    )
