"""Plays one property, in the process that calls it."""

import asyncio
import sys
import traceback
from pathlib import Path

from tests.faults.plan import Part
from tests.faults.properties import BUILT
from tests.faults.row import Draw, Row, with_draw
from tests.faults.server import Server
from tests.faults.stage import staged


def play_part(server: Server, folder: Path, part: Part, seed: int) -> Row:
    """Its row. What breaks or hangs is a violation: nothing is raised."""
    return asyncio.run(_play(server, folder, part, Draw.of(part.name, seed=seed, short=part.short)))


async def _play(server: Server, folder: Path, part: Part, draw: Draw) -> Row:
    module = BUILT[part.name]
    loop = asyncio.get_running_loop()
    began = loop.time()
    limit_s = draw.size(*module.LIMIT_S)
    try:
        async with staged(server, folder) as stage:
            try:
                async with asyncio.timeout(limit_s):
                    row = await module.run(stage, draw)
            except Exception:
                print(await stage.picture(), file=sys.stderr)
                raise
    except Exception as error:  # the others are played all the same
        traceback.print_exc()
        text = " ".join(str(error).split()) or f"it took longer than its limit of {limit_s:.0f} s"
        row = Row(name=part.name, done="broke off", violations=1, note=f"{type(error).__name__}: {text[:1000]}")
    return with_draw(row, draw, loop.time() - began)
