"""On what a run ran. It must not know what was measured."""

import os
import platform
import time
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from benchmarks import seeding
from benchmarks.database import Place

COMMITS = 50
SETTINGS = ("claim_max", "send_concurrency", "messages_per_second", "pool_max")


async def describe(place: Place) -> dict[str, Any]:
    """Processor, system, programs, the server's settings, and how long a commit waits for the disk."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_1m": round(os.getloadavg()[0], 2),
        "commit_ms": round(await _commit_ms(place.admin), 2),
        "postgresql": await place.settings(),
        "settings": {name: getattr(seeding.settings(), name) for name in SETTINGS},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


async def _commit_ms(conn: asyncpg.Connection) -> float:
    """The median time of a transaction of one small row."""
    await conn.execute("create table bench_commits (n integer)")
    times: list[float] = []
    for n in range(COMMITS):
        began = time.perf_counter()
        await conn.execute("insert into bench_commits values ($1)", n)
        times.append(time.perf_counter() - began)
    await conn.execute("drop table bench_commits")
    return 1000 * median(times)
