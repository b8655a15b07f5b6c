"""What can go wrong at the command line itself. The messages are whole lines with their mend."""

from julia_warmer.core.errors import WarmerError


class CommandError(WarmerError):
    """The command cannot be carried out."""


class Misused(CommandError):  # noqa: N818 - a fact, as the reader meets it
    """The command was not given as it must be. Exits with 2, as every wrong usage."""
