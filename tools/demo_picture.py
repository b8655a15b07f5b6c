"""Draws the end of a demo run as the terminal shows it: `python tools/demo_picture.py demo.json` writes docs/images/demo.svg."""

import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from julia_warmer.cli.demo.results import ChipLife, Result
from julia_warmer.cli.demo.show import print_result

TARGET = Path(__file__).parent.parent / "docs" / "images" / "demo.svg"
WIDTH = 160
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # the picture fetches nothing: the reader's own monospace will do


def main(source: str) -> None:
    """Read the JSON that `warmer demo --json` wrote, and print it onto a picture."""
    said = json.loads(Path(source).read_text("utf-8"))
    said["chips"] = tuple(ChipLife(**chip) for chip in said["chips"])
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print("$ make demo", style="bold")
    print_result(Result(**said), console)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    picture = console.export_svg(title="julia-warmer", theme=MONOKAI)
    TARGET.write_text(FONTS.sub("", picture), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
