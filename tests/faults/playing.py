"""Plays one property, in a process of its own: nobody's clock is late because another was at work.

`play_apart` starts that process and waits for its row; what it starts in turn dies with it.
"""

import asyncio
import json
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.faults.plan import Part
from tests.faults.process import die_with_us
from tests.faults.properties import BUILT
from tests.faults.row import Draw, Row, with_draw
from tests.faults.server import Server
from tests.faults.stage import staged


async def play_apart(server: Server, folder: Path, part: Part, seed: int) -> Row:
    """Its row, whatever becomes of it. Cancelled, it ends all that it has started."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    words = json.dumps([asdict(server), str(folder), part.name, seed, part.short])
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.playing", words, stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_us
    )
    try:
        said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    try:
        return Row(**json.loads(said.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        row = Row(name=part.name, done="broke off", violations=1, note=f"its process ended with {child.returncode}")
        return with_draw(row, Draw.of(part.name, seed=seed, short=part.short), loop.time() - began)


async def play(server: Server, folder: Path, draw: Draw, name: str) -> Row:
    """Its row. What breaks or hangs is a violation: nothing is raised."""
    module = BUILT[name]
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
        row = Row(name=name, done="broke off", violations=1, note=f"{type(error).__name__}: {text[:1000]}")
    return with_draw(row, draw, loop.time() - began)


def main(words: str) -> None:
    """The row as a line of JSON."""
    server, folder, name, seed, short = json.loads(words)
    row = asyncio.run(play(Server(**server), Path(folder), Draw.of(name, seed=seed, short=short), name))
    print(json.dumps(asdict(row)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
