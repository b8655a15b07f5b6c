"""Writes docs/settings.md from `config.Settings`: each setting with its default, under the headings that the source has as comments."""

import inspect
import re
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from julia_warmer.config import Settings

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"
HEADER = """# Settings

Made from `config.py` by `make docs`. Each is an environment variable, or a line `NAME=value` in the file `warmer.env` of the configuration
folder (the environment wins). `warmer doctor` says which one is missing or wrong. The keys lie in the configuration folder too, apart from
the data: back both up, apart from each other.
"""
PLACES = {"data_dir": "the platform's user data folder", "config_dir": "the platform's user configuration folder"}
FIELD = re.compile(r"    (\w+): ")
COMMENT = re.compile(r"    # (.+)")


def dump() -> str:
    """The whole document."""
    parts = [HEADER]
    for heading, names in headings():
        rows = "".join(_row(name) for name in names)
        parts.append(f"## {heading}\n\n| setting | what it is | default |\n| --- | --- | --- |\n{rows}")
    return "\n".join(parts)


def headings() -> list[tuple[str, list[str]]]:
    """The settings' names under each heading, in the source's order."""
    found: list[tuple[str, list[str]]] = []
    for line in inspect.getsource(Settings).splitlines():
        if comment := COMMENT.fullmatch(line):
            found.append((comment[1], []))
        elif (field := FIELD.match(line)) and field[1] in Settings.model_fields:
            found[-1][1].append(field[1])
    return found


def _row(name: str) -> str:
    field: Any = Settings.model_fields[name]
    limits = _limits(field)
    about = (field.description or "") + (f" {limits}" if limits else "")
    return f"| `WARMER_{name.upper()}` | {about} | {_default(name, field)} |\n"


def _limits(field: Any) -> str:
    low = next((part.ge for part in field.metadata if hasattr(part, "ge")), None)
    high = next((part.le for part in field.metadata if hasattr(part, "le")), None)
    return f"{low:,} to {high:,}." if low is not None and high is not None else f"At least {low:,}." if low is not None else ""


def _default(name: str, field: Any) -> str:
    if name in PLACES:
        return PLACES[name]
    if field.default in (None, (), PydanticUndefined):
        return "not set"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def main() -> None:
    """Write the file."""
    TARGET.write_text(dump(), "utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
