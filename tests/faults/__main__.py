"""`python -m tests.faults`: plays the chosen properties, prints a table, exits 1 when a row is not ok."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from tests.faults import plan
from tests.faults.plan import Part, Plan
from tests.faults.playing import play_apart
from tests.faults.properties import BUILT, COSTS
from tests.faults.row import Row, show, write_json
from tests.faults.server import Server, running

SEED_MAX = 2**31


def main(arguments: Sequence[str]) -> int:
    """Exit codes: 0 all held, 1 one did not, 2 wrong arguments."""
    given = _parse(arguments)
    names = list(dict.fromkeys(name.strip().upper() for name in given.only.split(",") if name.strip())) or list(BUILT)
    if wrong := [name for name in names if name not in BUILT]:
        print(f"no such property: {', '.join(wrong)}; there are {', '.join(BUILT)}", file=sys.stderr)
        return 2
    budget_min = given.budget or (plan.SHORT_MIN if given.short else plan.FULL_MIN)
    chosen = plan.make([(name, COSTS[name]) for name in names], short=given.short, budget_min=budget_min)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(f"seed {given.seed}: {chosen.said(budget_min)}", highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="warmer-faults-"))
    try:
        rows = asyncio.run(play(chosen, seed=given.seed, folder=folder))
    finally:
        if given.keep:
            console.print(f"kept: {folder}", highlight=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    rows.sort(key=lambda row: names.index(row.name))
    show(rows, console)
    if given.json:
        write_json(given.json, rows, seed=given.seed)
    return 0 if all(row.ok for row in rows) else 1


async def play(chosen: Plan, *, seed: int, folder: Path) -> list[Row]:
    """Play a plan on one server, each property on a stage of its own. A failure of one ends no other."""
    loop = asyncio.get_running_loop()
    lanes = asyncio.Semaphore(plan.AT_ONCE)
    async with running(folder) as server:
        game = _Game(server, folder, seed, len(chosen.parts), loop.time())

        async def beside(part: Part) -> None:
            async with lanes:
                await game.play(part)

        await asyncio.gather(*(beside(part) for part in chosen.together))
        for part in chosen.alone:
            await game.play(part)
        for part in chosen.parts:
            await game.play_late_again(part)
    return list(game.rows.values())


@dataclass(slots=True)
class _Game:
    """A run as it goes on; it says what begins and ends."""

    server: Server
    folder: Path
    seed: int
    number: int
    began: float  # on the event loop's clock
    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    async def play(self, part: Part) -> None:
        self._say(f"{part.name} …{' (short)' if part.short else ''} about {part.cost_s:.0f} s")
        folder = self.folder / f"{part.name.lower()}{'-again' if part.name in self.rows else ''}"
        row = await play_apart(self.server, folder, part, self.seed)
        self.rows[part.name] = row
        self._say(f"{part.name} {'ok' if row.ok else 'NOT OK: ' + row.note[:200]} after {row.took_s:.0f} s")

    async def play_late_again(self, part: Part) -> None:
        """A short draw shares the machine with others: one that missed nothing but a bar of time is played once more, alone."""
        first = self.rows[part.name]
        if part.short and first.is_only_late:
            await self.play(part)
            again = self.rows[part.name]
            self.rows[part.name] = replace(again, note=f"{again.note}; played twice, the first time: {first.note[:200]}")

    def _say(self, what: str) -> None:
        passed_s = int(asyncio.get_running_loop().time() - self.began)
        print(f"  {passed_s // 60:2d}:{passed_s % 60:02d} [{len(self.rows)}/{self.number}] {what}", file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="properties, comma-separated: " + ",".join(BUILT))
    parser.add_argument("--short", action="store_true", help="a smaller draw of each")
    parser.add_argument(
        "--budget", type=float, metavar="MINUTES", help="what costs most is played short until the rest fits in (45; short 4)"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEED_MAX), help="the same seed plays the same draws")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs, the ledgers and the database")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
