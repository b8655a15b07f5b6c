"""`warmer explain`."""

from pathlib import Path
from typing import Annotated

import typer

from julia_warmer.cli.explain_webhook import is_not_json, lines_for
from julia_warmer.cli.forms import group
from julia_warmer.cli.output import print_json_line, warn
from julia_warmer.clock import SystemClock

app = group("Say what a webhook means, and why a chip or a person waits.")


@app.command()
def webhook(
    files: Annotated[list[Path], typer.Argument(help="Files that hold a webhook's body each, as it came.", show_default=False)],
) -> None:
    """Print each fact of webhook bodies as a line of JSON. Needs no database.

    Exits with 2 when a file was not JSON, with 1 when one could not be read.
    """
    code = 0
    for file in files:
        try:
            body = file.read_bytes()
        except OSError as error:
            warn(f"{file} cannot be read: {error.strerror or error}")
            code = max(code, 1)
            continue
        for line in lines_for(str(file), body, SystemClock().now()):
            print_json_line(line)
            code = 2 if is_not_json(line) else code
    raise typer.Exit(code)
