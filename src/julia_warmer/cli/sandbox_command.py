"""`warmer sandbox`: a Cloud API on this machine, in real time, with a small world of invented people."""

import asyncio
import csv
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from julia_warmer.cli.errors import CommandError
from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.output import print_json_line, say
from julia_warmer.cli.running import last
from julia_warmer.clock import SystemClock
from julia_warmer.config import Settings, load_settings
from julia_warmer.sandbox.app import Sandbox
from julia_warmer.sandbox.scenario import contact_rows, demo_world
from julia_warmer.sandbox.spec import SpecError, WorldSpec, read_spec

SECRET = "sandbox-secret"  # noqa: S105 - it signs webhooks of a world that does not exist
WEBHOOK_PATH = "/webhooks/meta"
Chips = Annotated[int, typer.Option("--chips", min=1, max=200, help="Numbers of the sandbox's world.")]
Contacts = Annotated[int, typer.Option("--contacts", min=0, max=100_000, help="People of the sandbox's world.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same people.")]


def sandbox(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; it asks no key for its own paths.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8090,
    chips: Chips = 3,
    contacts: Contacts = 300,
    seed: Seed = 7,
    world: Annotated[Path | None, typer.Option("--world", help="JSON of another world, as docs/sandbox.md describes it.")] = None,
    webhook_url: Annotated[str | None, typer.Option("--webhook-url", help="Where webhooks go. Default: the public port here.")] = None,
    people_file: Annotated[Path | None, typer.Option("--people-file", help="Write its people as a CSV to import.")] = None,
    ledger: Annotated[Path | None, typer.Option("--ledger", help="Keep the ledger in this file too.")] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=10_000, help="How fast its time goes.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Start a Cloud API that stands for Meta and for people.

    It runs in real time until it is told to end. Point `warmer` at it with WARMER_SANDBOX_URL; only `sandbox-` tokens are then taken.
    """
    settings = load_settings()
    url = webhook_url or f"http://{settings.host}:{settings.public_port}{WEBHOOK_PATH}"
    spec = _read_world(world) if world else small_world(settings, chips=chips, contacts=contacts, seed=seed, webhook_url=url)
    if people_file:
        write_people(people_file, spec)
    last(_play(Sandbox(spec, clock=SystemClock(), speed=speed, ledger_path=ledger), spec, host, port, as_json=as_json))


async def _play(box: Sandbox, spec: WorldSpec, host: str, port: int, *, as_json: bool) -> None:
    try:
        await begin(box, host, port, mend="choose another with --port")
        _show(box.url, spec, as_json=as_json)
        await asyncio.Event().wait()
    finally:
        await box.close()


async def begin(box: Sandbox, host: str, port: int, *, mend: str) -> None:
    """Listen. Raises CommandError for a port that cannot be had."""
    try:
        await box.start(host, port)
    except OSError as error:
        raise CommandError(f"port {port} of {host} cannot be used ({error.strerror or error}): stop what uses it, or {mend}") from None


def small_world(settings: Settings, *, chips: int, contacts: int, seed: int, webhook_url: str) -> WorldSpec:
    """A few numbers and invented people who opted in. Webhooks come within seconds, not in the large batches of the demo."""
    secret = settings.app_secrets[0].get_secret_value() if settings.app_secrets else SECRET
    token = settings.verify_token.get_secret_value() if settings.verify_token else ""
    at = SystemClock().now()
    spec = demo_world(chips, contacts, seed, at=at, webhook_url=webhook_url, app_secret=secret, verify_token=token)
    return replace(spec, webhooks={"reorder_s": 5.0, "duplicate_later_s": 20.0})


def write_people(path: Path, spec: WorldSpec) -> None:
    """The world's people as a CSV that `warmer contacts import` takes."""
    rows = list(contact_rows(spec))
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]) if rows else ["phone"])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from None


def _read_world(path: Path) -> WorldSpec:
    try:
        return read_spec(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from None
    except SpecError as error:
        raise CommandError(f"{path} is no world: {error}; docs/sandbox.md describes one") from None


def _show(url: str, spec: WorldSpec, *, as_json: bool) -> None:
    if as_json:
        print_json_line(
            {"sandbox": url, "webhook_url": spec.webhook_url, "accounts": spec.accounts, "chips": [chip.id for chip in spec.chips]}
        )
        return
    say(f"The sandbox listens on {url}, with {len(spec.chips)} numbers and {len(spec.people):,} people. Ctrl-C ends it.")
    say(f"Webhooks go to {spec.webhook_url}")
    say(f"\nIn another terminal:\n  export WARMER_SANDBOX_URL={url}")
    if spec.app_secret == SECRET:
        say(f"  export WARMER_APP_SECRETS={SECRET}")
    for portfolio in spec.portfolios:
        say(f"  warmer portfolios add --business-id {portfolio.id} --name sandbox")
    for account in spec.accounts:
        say(f"  echo {account.token} | warmer accounts add --waba {account.id} --token-file -")
    say("  warmer chips add --all\n\ndocs/sandbox.md says how to make people write, Meta act, and things go wrong.")
