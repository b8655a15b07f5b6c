"""`python -m tests.faults`: plays the chosen properties one after the other, prints a table, exits 1 when a row is not ok."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.faults.properties import BUILT, NOT_YET
from tests.faults.row import Draw, Row, show, with_draw, write_json
from tests.faults.server import Server, running
from tests.faults.stage import staged

SEED_MAX = 2**31


def main(arguments: Sequence[str]) -> int:
    """Exit codes: 0 all held, 1 one did not, 2 wrong arguments."""
    given = _parse(arguments)
    names = [name.strip().upper() for name in given.only.split(",") if name.strip()] or list(BUILT)
    if wrong := [name for name in names if name not in BUILT]:
        for name in wrong:
            print(f"{name}: {'not built yet' if name in NOT_YET else 'no such property'}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(f"seed {given.seed}{', short' if given.short else ''}: {' '.join(names)}", highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="warmer-faults-"))
    try:
        rows = asyncio.run(play(names, seed=given.seed, short=given.short, folder=folder))
    finally:
        if given.keep:
            console.print(f"kept: {folder}", highlight=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    show(rows, console)
    if given.json:
        write_json(given.json, rows, seed=given.seed)
    return 0 if all(row.ok for row in rows) else 1


async def play(names: Sequence[str], *, seed: int, short: bool, folder: Path) -> list[Row]:
    """Play these properties on one server, each on a stage of its own."""
    rows: list[Row] = []
    async with running(folder) as server:
        for name in names:
            print(f"  {name} …", file=sys.stderr, flush=True)
            row = await _play_one(server, folder / name.lower(), name, seed=seed, short=short)
            print(f"  {name} {'ok' if row.ok else 'NOT OK'} after {row.took_s:.0f} s", file=sys.stderr, flush=True)
            rows.append(row)
    return rows


async def _play_one(server: Server, folder: Path, name: str, *, seed: int, short: bool) -> Row:
    """One property. What breaks or hangs is a violation, and the next one is played."""
    module, draw = BUILT[name], Draw.of(name, seed=seed, short=short)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with staged(server, folder) as stage:
            try:
                async with asyncio.timeout(draw.size(*module.LIMIT_S)):
                    row = await module.run(stage, draw)
            except Exception:
                print(await stage.picture(), file=sys.stderr)
                raise
    except Exception as error:  # the harness goes on with the next property
        traceback.print_exc()
        text = " ".join(str(error).split()) or "it took longer than its limit"
        row = Row(name=name, done="broke off", violations=1, note=f"{type(error).__name__}: {text[:1000]}")
    return with_draw(row, draw, loop.time() - began)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="properties, comma-separated: " + ",".join(BUILT))
    parser.add_argument("--short", action="store_true", help="a smaller draw of each")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEED_MAX), help="the same seed plays the same draws")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs, the ledgers and the database")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
