"""Writes docs/commands.md from the commands themselves: usage, what it does, arguments and options."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from julia_warmer.cli.root import ENTRIES, Root, root

TARGET = Path(__file__).parents[1] / "docs" / "commands.md"
HEADER = """# Commands

Made from the program by `make docs`. `warmer COMMAND --help` says the same.

Every command exits with 0 when it did what was asked, with 1 and one line on standard error when something expected went wrong, with 2
for wrong usage, with 130 after Ctrl-C. `--json` prints JSON in place of tables. Servers end cleanly on SIGTERM and Ctrl-C, with 0.
"""


def dump() -> str:
    """The whole document."""
    parts = [HEADER]
    part = ""
    for entry in ENTRIES:
        if entry.part != part:
            part = entry.part
            parts.append(f"## {part}\n")
        command = root.load(entry.name)
        if isinstance(command, Root.__mro__[1]):  # a group
            parts.append(f"### warmer {entry.name}\n\n{_text(command)}\n")
            parts += [_command(f"warmer {entry.name} {name}", inner, "####") for name, inner in command.commands.items()]
        else:
            parts.append(_command(f"warmer {entry.name}", command, "###"))
    return "\n".join(parts)


def _command(path: str, command: Any, heading: str) -> str:
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    rows = "".join(_rows(command, context))
    table = f"\n| | |\n| --- | --- |\n{rows}" if rows else ""
    return f"{heading} {path}\n\n```\n{usage}\n```\n\n{_text(command)}\n{table}"


def _text(command: Any) -> str:
    """The help text, its lines joined into paragraphs."""
    paragraphs = (command.help or "").strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)


def _rows(command: Any, context: Any) -> Iterator[str]:
    for param in command.params:
        record = param.get_help_record(context)
        if record:
            name, text = (cell.replace("|", "\\|") for cell in record)
            yield f"| `{name}` | {text} |\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(dump(), "utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
