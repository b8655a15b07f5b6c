"""Which commands there are and where each one is. Imports none before it is called, so that `warmer --help` stays quick."""

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from julia_warmer import __version__
from julia_warmer.cli.forms import plain_typer

INTERRUPTED = 130  # what a shell says of a command that Ctrl-C ended
RUN, SET_UP, WATCH = "Run", "Set up", "Watch and act"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or a group of commands. `where`: module of this package and attribute; a Typer app is a group, a function a command."""

    name: str
    where: str
    part: str
    help: str  # the first sentence of the command's own help: compared in a test


ENTRIES = (
    Entry("demo", "demo_command:demo", RUN, "Warm chips through virtual days, all parts real but Meta."),
    Entry("up", "servers:up", RUN, "Start everything for real on one machine."),
    Entry("api", "servers:api", RUN, "Start the two applications: webhook, and the rest."),
    Entry("worker", "servers:worker", RUN, "Start a worker: it plans, sends and reviews."),
    Entry("sandbox", "sandbox_command:sandbox", RUN, "Start a Cloud API that stands for Meta and for people."),
    Entry("migrate", "migrate_command:migrate", SET_UP, "Bring the database's schema up to date."),
    Entry("doctor", "doctor:doctor", SET_UP, "Check what going live needs, and say the mend for each."),
    Entry("portfolios", "portfolios:app", SET_UP, "Meta business portfolios, with their limits."),
    Entry("accounts", "accounts:app", SET_UP, "WhatsApp Business Accounts, with their tokens."),
    Entry("chips", "chips:app", SET_UP, "Chips: the business phone numbers that we warm."),
    Entry("routes", "routes:app", SET_UP, "Where inbound messages go."),
    Entry("contacts", "contacts:app", SET_UP, "People, and the proof of their consent."),
    Entry("suppressions", "suppressions:app", SET_UP, "Whom not to write to: every claim and every import asks this list."),
    Entry("consents", "consents:app", SET_UP, "The ledger of consents: is it whole, and what proves one."),
    Entry("keys", "keys:app", SET_UP, "The key that seals what must not lie open."),
    Entry("signups", "signups:app", SET_UP, "Links by which people agree on a page that WhatsApp hosts."),
    Entry("templates", "templates:app", SET_UP, "Approved message forms, as Meta has them."),
    Entry("campaigns", "campaigns:app", SET_UP, "Templates for audiences: what warm-up draws from."),
    Entry("prices", "prices:app", SET_UP, "What a message costs, for spend limits."),
    Entry("policy", "policy:app", SET_UP, "The rules that an owner may change."),
    Entry("simulate", "simulate_command:simulate", RUN, "Try policies on simulated people and a simulated Meta."),
    Entry("plan", "plan:plan", WATCH, "Preview a day's sends, and who feeds whom."),
    Entry("explain", "explain:app", WATCH, "Say what a webhook means, and why a chip or a person waits."),
    Entry("forecast", "forecast:forecast", WATCH, "Say when chips will be ready, and how often such forecasts were right."),
    Entry("alerts", "alerts:alerts", WATCH, "Alerts that wait for a person, newest first."),
    Entry("desk", "desk:app", WATCH, "Messages that may ask to stop, and your answer."),
    Entry("unknown", "unknown:app", WATCH, "Sends of which nobody knows whether Meta took them."),
    Entry(
        "reconcile",
        "reconcile:reconcile",
        WATCH,
        "After a restore: put back what this machine sent and the database forgot.",
    ),
    Entry("stop", "stops:stop", WATCH, "Stop everything, or a part of it, at once."),
    Entry("release", "stops:release", WATCH, "Let go on what was stopped."),
)


class Root(TyperGroup):
    """The commands of `warmer`: a name and a sentence each, until one is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args:
            self.load(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. What we expected to go wrong becomes one line; a bug keeps its traceback."""
        from julia_warmer.core.errors import WarmerError

        try:
            return super().invoke(ctx)
        except WarmerError as error:
            from julia_warmer.cli.errors import Misused
            from julia_warmer.cli.output import fail, line_of

            fail(line_of(error), code=2 if isinstance(error, Misused) else 1)
        except KeyboardInterrupt:  # before a server has begun to listen to it
            raise SystemExit(INTERRUPTED) from None

    def load(self, name: str) -> Any:
        """The command itself, in the place of its sentence; None when there is none of that name."""
        entry = next((entry for entry in ENTRIES if entry.name == name), None)
        if entry is not None:
            self.commands[name] = _command(entry)
        return self.commands.get(name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        for part in (RUN, SET_UP, WATCH):
            with formatter.section(part):
                formatter.write_dl([(entry.name, entry.help) for entry in ENTRIES if entry.part == part])


def _command(entry: Entry) -> Any:
    module, attribute = entry.where.split(":")
    found = getattr(importlib.import_module(f"julia_warmer.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        single = plain_typer()
        single.command(entry.name)(found)
        found = single
    command: Any = typer.main.get_command(found)
    command.name = entry.name
    return command


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"warmer {__version__}")
        raise typer.Exit


def _callback(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Take a WhatsApp Business number from new to full volume in about 21 days, on the official Cloud API."""


def _root() -> Any:
    app = plain_typer(cls=Root, no_args_is_help=True, add_completion=True)
    app.callback()(_callback)
    group: Any = typer.main.get_command(app)
    for entry in ENTRIES:
        group.add_command(TyperCommand(entry.name, help=entry.help))
    return group


root = _root()
