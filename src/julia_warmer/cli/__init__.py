"""The command line: it parses, opens what a command needs, calls the engine inside one transaction and prints. It decides nothing."""


def main() -> None:
    """The program `warmer`. Exits 0, 1 for an expected error (one line on stderr), 2 for wrong usage, 130 after Ctrl-C."""
    from julia_warmer.cli.root import root

    root(prog_name="warmer")
