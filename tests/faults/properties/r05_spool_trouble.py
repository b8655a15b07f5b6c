"""R5 full or unwritable spool: no start on one that cannot be written; at run time 503, and what had its 200 is kept; killed in a write.

All while the database is away, each trouble with an application and a folder of its own: full by count, full by bytes, a disk that takes no
more in the middle of a file, a folder that is gone, and SIGKILL at the moment when a half-written file is there.
"""

import asyncio
import os
import resource
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import drained
from tests.faults.post import Sender, body, change, text
from tests.faults.process import Stuck, until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.spooled import files, names, parts
from tests.faults.stage import Api, Stage

NAME = "R5"
LIMIT_S = (600.0, 180.0)
COUNT_MAX, BYTES_MAX = 20, 400_000
SOME_KB, MANY_KB = 30, 1500
FILE_MAX = 64 * 1024  # the disk that is full in the middle of a file
HANDS = 6  # that write large files while the application is killed


@dataclass(slots=True)
class _Place:
    """One application with a spool of its own, and what it answered 200."""

    name: str
    stage: Stage
    fleet: Fleet
    folder: Path
    settings: dict[str, Any]
    api: Api
    sender: Sender
    told: set[str] = field(default_factory=set)
    posted: int = 0
    halves: int = 0  # files that were being written when it was killed

    async def post(self, kb: int = 0, *, again: bool = False) -> int:
        """One delivery of about that size; its answer."""
        self.posted += 1
        name = f"wamid.{self.name}.{self.posted}"
        item = text(name, "Oi!", self.stage.clock.now(), sender=phone_of(0)) | {"unknown_to_us": os.urandom(kb * 512).hex()}
        data = body(change(self.fleet.chips[0], messages=[item]), waba=self.fleet.chips[0].waba)
        status = (200 if await self.sender.deliver(data) else 0) if again else await self.sender.post(data)
        if status == 200:
            self.told.add(name)
        return status


async def run(stage: Stage, draw: Draw) -> Row:
    kills = draw.size(4, 1)
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=1, sends=False)
    refused = await _judge_starts(stage, found)
    async with AsyncExitStack() as stack:

        async def place(name: str, **settings: int) -> _Place:
            return await stack.enter_async_context(_placed(stage, fleet, name, **settings))

        full, bytes_, cut, *killed = await asyncio.gather(
            place("count", spool_count_max=COUNT_MAX),
            place("bytes", spool_bytes_max=BYTES_MAX),
            place("cut"),
            *(place(f"killed{nth}") for nth in range(kills)),
        )
        places = [full, bytes_, cut, *killed]
        async with stage.database_away():
            await asyncio.gather(*(one.post(again=True) for one in places))  # until its spool is open
            await asyncio.gather(_fill(full, found), _fill_bytes(bytes_, found), _cut_short(cut, found), *(_kill(one) for one in killed))
            for one in places:
                await _judge_files(one, found)
        for one in killed:
            one.api = await stage.api(at=one.api, **one.settings)
        loop = asyncio.get_running_loop()
        back = loop.time()
        await until("every spool is empty", lambda: _are_empty(places), within_s=60)
        recovered_s = loop.time() - back
        for one in places:
            found.expect(await one.post(again=True) == 200, f"{one.name}: it takes nothing any more")
            found.expect(not parts(one.folder), f"{one.name}: a half-written file stayed")
        seconds = [second for one in places for second in one.sender.seconds]
    await stage.worker()
    await drained(stage.db.pool)
    await _judge(stage, places, found)
    done = (
        f"{refused} unusable folders refused at the start; full at {COUNT_MAX} files and at {BYTES_MAX // 1000} kB; a disk full "
        f"within a file; a folder gone; {kills} x SIGKILL within a write"
    )
    note = [
        f"{sum(len(one.told) for one in places)} answered 200, {sum(one.sender.codes[503] for one in places)} x 503",
        f"{sum(one.halves for one in killed)} half-written files at the kills, none of them read",
    ]
    return found.row(NAME, done, kills=kills, recovered_s=recovered_s, note=note, **p50_p99_ms(seconds))


@asynccontextmanager
async def _placed(stage: Stage, fleet: Fleet, name: str, **settings: int) -> AsyncGenerator[_Place]:
    folder = stage.folder / f"spool-{name}"
    given: dict[str, Any] = {"spool_dir": folder, **settings}
    api = await stage.api(**given)
    async with Sender(api.webhook, stage.secret) as sender:
        yield _Place(name, stage, fleet, folder, given, api, sender)


async def _judge_starts(stage: Stage, found: Findings) -> int:
    """A file in the folder's place, a folder that cannot be made, one that may not be written (root may everything)."""
    file = stage.folder / "a-file"
    file.write_text("in its place", "ascii")
    shut = stage.folder / "shut"
    shut.mkdir(mode=0o500)
    unusable = [file, file / "below", *([] if os.geteuid() == 0 else [shut])]
    said = await asyncio.gather(*(_says(stage, folder) for folder in unusable))
    for folder, lines in zip(unusable, said, strict=True):
        right = len(lines) == 1 and "WARMER_SPOOL_DIR" in lines[0]
        found.expect(right, f"started on {folder.name}, it says {lines[-1][:200] if lines else 'nothing, and begins'}")
    return len(unusable)


async def _says(stage: Stage, folder: Path) -> list[str]:
    """The lines of a start that is refused; none when it is not."""
    try:
        await stage.api(spool_dir=folder)
    except Stuck as stuck:
        return str(stuck).partition("that it is ready: ")[2].strip().splitlines()
    return []


# ------------------------------------------------------------------ at run time


async def _fill(place: _Place, found: Findings) -> None:
    """Beyond its count nothing is kept."""
    answers = [await place.post() for _ in range(COUNT_MAX + 10)]
    found.expect(len(place.told) == COUNT_MAX, f"{place.name}: {len(place.told)} kept, not {COUNT_MAX}")
    found.expect(answers[-10:] == [503] * 10, f"{place.name}: a full spool answers {answers[-10:]}")


async def _fill_bytes(place: _Place, found: Findings) -> None:
    """Beyond its bytes nothing is kept, many at once neither; and nothing at all in a folder that is gone."""
    answers = await asyncio.gather(*(place.post(SOME_KB) for _ in range(3 * BYTES_MAX // SOME_KB // 1000)))
    size = sum(path.stat().st_size for path in files(place.folder))
    found.expect(size <= BYTES_MAX, f"{place.name}: {size} bytes lie there")
    found.expect(503 in answers and set(answers) <= {200, 503}, f"{place.name}: a full spool answers {sorted(set(answers))}")
    aside = place.folder.rename(place.folder.with_name("aside"))
    answer = await place.post()
    aside.rename(place.folder)
    found.expect(answer == 503, f"{place.name}: without its folder it answers {answer}")


async def _cut_short(place: _Place, found: Findings) -> None:
    """The disk takes no more in the middle of a file: 503, no half stays, and what is small is taken on."""
    pid = place.api.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (FILE_MAX, resource.RLIM_INFINITY))
    for _ in range(5):
        answer, after = await place.post(kb=3 * FILE_MAX // 1024), await place.post()
        found.expect(
            (answer, after) == (503, 200), f"{place.name}: a full disk and a small file after it are answered {answer} and {after}"
        )
        found.expect(not parts(place.folder), f"{place.name}: a half-written file stayed")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    found.expect(await place.post(kb=3 * FILE_MAX // 1024) == 200, f"{place.name}: with room again it takes nothing")


async def _kill(place: _Place) -> None:
    """At the moment when a half-written file is there."""

    async def write() -> None:
        while place.api.process.is_alive:
            await place.post(MANY_KB)

    writing = [asyncio.create_task(write()) for _ in range(HANDS)]
    await asyncio.sleep(0.5)
    while not place.halves and place.api.process.is_alive:
        await asyncio.sleep(0.002)
        if parts(place.folder):
            await place.api.process.kill()
            place.halves = len(parts(place.folder))
            break
    await asyncio.gather(*writing)


# ------------------------------------------------------------------ judged


async def _judge_files(place: _Place, found: Findings) -> None:
    """Every file that would be read is whole, and everything that was answered 200 is among them."""
    try:
        there = await asyncio.to_thread(names, place.stage, place.folder)
    except Exception as error:  # whatever a half makes of the reading
        found.violate(f"{place.name}: a file is not whole: {type(error).__name__}")
        return
    found.lose(f"{place.name}: answered 200 and not on disk", len(place.told - there))


async def _are_empty(places: Sequence[_Place]) -> bool:
    return not any(files(one.folder) for one in places)


async def _judge(stage: Stage, places: Sequence[_Place], found: Findings) -> None:
    rows = await stage.db.pool.fetch("select message_id, count(*)::int as n from received group by message_id")
    there = {row["message_id"] for row in rows}
    for one in places:
        found.lose(f"{one.name}: answered 200 and not applied", len(one.told - there))
        strange = {code: n for code, n in one.sender.codes.items() if code not in (200, 503) and not (code == 0 and one.halves)}
        found.expect(not strange, f"{one.name}: POSTs were answered {strange}")
    found.duplicate("messages kept twice", sum(row["n"] - 1 for row in rows))
    found.violate("halves that were read", await stage.db.pool.fetchval("select count(*)::int from quarantine"))
    found.violate("tracebacks: " + "; ".join(stage.complaints()[:2]), len(stage.complaints()))
