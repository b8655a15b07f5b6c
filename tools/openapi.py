"""Writes docs/openapi.json: the internal application as its routes describe it. Part of `make docs`; needs neither database nor key."""

import json
from pathlib import Path

from julia_warmer.api.internal import bare_app

TARGET = Path(__file__).parents[1] / "docs" / "openapi.json"


def dump() -> str:
    """The whole document, indented, so that a change of it can be read."""
    return json.dumps(bare_app().openapi(), ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(dump(), "utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
