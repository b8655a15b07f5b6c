"""`python -m benchmarks [--only NAME,…] [--short] [--seed N] [--json FILE]`: a table, and exit code 1 when a row is not what it must be."""

import argparse
import asyncio
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import apply, bring, dispatch, intake, plan, review, show
from benchmarks.database import placed
from benchmarks.machine import describe
from benchmarks.rows import Report, Row
from benchmarks.whole import whole_message

SUBJECTS: dict[str, Any] = {"intake": intake, "apply": apply, "dispatch": dispatch, "plan": plan, "review": review, "import": bring}
WIDTH = 180  # where no terminal says how wide it is


def main() -> int:
    """Measure, show, write, judge."""
    options = _options()
    screen = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    report = asyncio.run(_measure(options, screen))
    screen.print(show.table(report))
    if options.json:
        options.json.write_text(report.to_json(), "utf-8")
    return 0 if report.ok else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Performance as ratios against a floor.")
    parser.add_argument("--only", type=_names, default=tuple(SUBJECTS), metavar="NAMES", help=f"some of {','.join(SUBJECTS)}")
    parser.add_argument("--short", action="store_true", help="smaller sizes, for a quick look: not what the promises are about")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which things come")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [name for name in names if name not in SUBJECTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(SUBJECTS)}")
    return names


async def _measure(options: argparse.Namespace, screen: Console) -> Report:
    rows: list[Row] = []
    sizes: dict[str, Any] = {}
    async with placed() as place:
        machine = await describe(place)
        screen.print(show.facts(machine))
        for name in options.only:
            size = SUBJECTS[name].SHORT if options.short else SUBJECTS[name].FULL
            sizes[name] = asdict(size)
            screen.print(show.sizes(name, sizes[name]))
            began = time.perf_counter()
            found = await SUBJECTS[name].measure(place, size, seed=options.seed)
            rows += found
            screen.print(f"{name}: took {time.perf_counter() - began:.0f} s; {show.in_short(found)}")
        rows += whole_message(rows)
    return Report(machine=machine, sizes=sizes, seed=options.seed, rows=tuple(rows))


if __name__ == "__main__":
    sys.exit(main())
