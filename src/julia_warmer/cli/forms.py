"""What the commands have in common: groups, and the options that mean the same everywhere. Knows no command."""

from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the history.", show_default=False)]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on. Default: WARMER_HOST.")]
PublicPort = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the webhook. Default: WARMER_PUBLIC_PORT.")]
InternalPort = Annotated[
    int | None, typer.Option("--internal-port", min=0, max=65535, help="Port of the rest. Default: WARMER_INTERNAL_PORT.")
]
Portfolio = Annotated[str | None, typer.Option("--portfolio", help="Portfolio: id, business id or name. Not needed when there is one.")]
Account = Annotated[str | None, typer.Option("--account", help="Account: id, WABA id or name. Not needed when there is one.")]
Chip = Annotated[str, typer.Argument(metavar="CHIP", help="A chip's name or id.", show_default=False)]
TokenFile = Annotated[
    Path, typer.Option("--token-file", help="File that holds the token; `-` reads it from the standard input.", show_default=False)
]


Phone = Annotated[str, typer.Argument(metavar="PHONE", help="A number in any notation, such as +55 11 98765-4321.", show_default=False)]


def phone_of(text: str) -> str:
    """A number that a person typed, in E.164. Raises Misused."""
    from julia_warmer.cli.errors import Misused
    from julia_warmer.engine.contacts_csv import read_phone
    from julia_warmer.engine.errors import Wrong

    try:
        return read_phone(text)
    except Wrong as error:
        raise Misused(f"{text!r} {error}") from None


def group(help: str) -> typer.Typer:  # noqa: A002 - Typer's own word
    """A group of commands; its callback keeps it one even with a single command."""
    app = plain_typer(help=help, no_args_is_help=True)
    app.callback()(lambda: None)
    return app


def plain_typer(**given: Any) -> typer.Typer:
    """Help in plain text: quicker than rich's (90 ms against 280), and the same in a pipe. A bug shows an ordinary traceback."""
    plain: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}
    return typer.Typer(**{**plain, **given})
