"""`warmer up`, `api` and `worker`: what lasts until it is told to end."""

import asyncio
import logging
from typing import Annotated

import typer

from julia_warmer.cli.forms import AsJson, Host, InternalPort, PublicPort
from julia_warmer.cli.opening import opened
from julia_warmer.cli.output import print_json_line, say, warn
from julia_warmer.cli.running import last
from julia_warmer.cli.serving import Addresses, check_ports, served
from julia_warmer.clock import SystemClock
from julia_warmer.config import Settings, SettingsError, load_settings
from julia_warmer.engine.logs import set_up_logs

MAKE_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one'
FIND_IT = "Meta for Developers → your app → App settings → Basic → App secret"


def up(
    sandbox: Annotated[bool, typer.Option("--sandbox", help="With the sandbox in Meta's place, on a database of its own.")] = False,
    host: Host = None,
    port: PublicPort = None,
    internal_port: InternalPort = None,
    as_json: AsJson = False,
) -> None:
    """Start everything for real on one machine.

    The database (the embedded PostgreSQL unless WARMER_DATABASE_URL is set), both applications and a worker, until it is told to end. With
    --sandbox a Cloud API of this machine stands for Meta: a small world is set up, in real time, on a database that begins anew each time.
    """
    settings = _settings(host, port, internal_port)
    check_ports(settings)
    if sandbox:
        from julia_warmer.cli.up_sandbox import play

        last(play(settings, as_json=as_json))
    else:
        need_secrets(settings)
        last(_up(settings, as_json=as_json))


def api(host: Host = None, port: PublicPort = None, internal_port: InternalPort = None, as_json: AsJson = False) -> None:
    """Start the two applications: webhook, and the rest.

    The public one takes Meta's webhooks and nothing else; the internal one has the API: keep its port private.
    """
    settings = _settings(host, port, internal_port)
    need_secrets(settings)
    check_ports(settings)
    last(_api(settings, as_json=as_json))


def worker(as_json: AsJson = False) -> None:
    """Start a worker: it plans, sends and reviews. Any number may run, on any number of machines."""
    last(_worker(_settings(None, None, None), as_json=as_json))


async def _up(settings: Settings, *, as_json: bool) -> None:
    from julia_warmer.engine.jobs import run_worker

    clock = SystemClock()
    async with opened(settings, clock=clock, journals=True) as parts, served(parts, clock) as addresses:
        tell(addresses, as_json=as_json)
        await run_worker(parts, clock=clock)


async def _api(settings: Settings, *, as_json: bool) -> None:
    clock = SystemClock()
    async with opened(settings, clock=clock, journals=True) as parts, served(parts, clock) as addresses:
        tell(addresses, as_json=as_json)
        await asyncio.Event().wait()


async def _worker(settings: Settings, *, as_json: bool) -> None:
    from julia_warmer.api.serve import settle_memory
    from julia_warmer.engine.jobs import run_worker

    clock = SystemClock()
    async with opened(settings, clock=clock, journals=True) as parts:
        if as_json:
            print_json_line({"worker": parts.worker})
        else:
            say(f"worker {parts.worker} runs; Ctrl-C ends it")
        settle_memory()
        await run_worker(parts, clock=clock)


def need_secrets(settings: Settings) -> None:
    """Raise SettingsError for what the applications cannot start without."""
    lacking = [
        f"{name} is not set: {mend}"
        for name, value, mend in (
            ("WARMER_API_KEY", settings.api_key, MAKE_KEY),
            ("WARMER_APP_SECRETS", settings.app_secrets, FIND_IT),
        )
        if not value
    ]
    if lacking:
        raise SettingsError(f"{'; '.join(lacking)}; set it in the environment or in {settings.config_dir / 'warmer.env'}")
    if settings.verify_token is None:
        warn("WARMER_VERIFY_TOKEN is not set: Meta cannot verify the webhook's address")


def tell(addresses: Addresses, *, as_json: bool) -> None:
    """Where everything listens."""
    if as_json:
        print_json_line(addresses)
        return
    say(f"webhook  {addresses.webhook}\nAPI      {addresses.api}  (docs: {addresses.api}/docs)\nCtrl-C ends it.")


def _settings(host: str | None, port: int | None, internal_port: int | None) -> Settings:
    """The settings, with what the command line says in their place; logs as they say."""
    settings = load_settings()
    given = {"host": host, "public_port": port, "internal_port": internal_port}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    set_up_logs(level=settings.log_level, as_json=settings.log_json)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # what it tells of its start and end, we tell
    return settings
