"""Watches the memory of processes while something goes on. It must not know what they do."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.process import Process
from tests.faults.row import Findings

EVERY_S = 0.5
MB = 1024 * 1024


@dataclass(slots=True)
class Memory:
    """Of each process, in bytes, as time goes on."""

    seen: dict[str, list[int]] = field(default_factory=dict)

    def judge(self, found: Findings, *, most_mb: dict[str, int], growth_mb: int) -> str:
        """Flat: none above its most (by the kind of process), and the last third's highest not far above the first third's. Says it."""
        told: list[str] = []
        for name, bytes_ in self.seen.items():
            third = max(1, len(bytes_) // 3)
            first, last, top = max(bytes_[:third]) // MB, max(bytes_[-third:]) // MB, max(bytes_) // MB
            most = most_mb[name.partition("-")[0]]
            found.expect(top <= most, f"{name} took {top} MB, more than {most}")
            found.expect(last - first <= growth_mb, f"{name} grew from {first} to {last} MB")
            told.append(f"{name} {first} → {last} MB")
        return "memory: " + ", ".join(told)


@asynccontextmanager
async def watched(processes: Sequence[Process]) -> AsyncGenerator[Memory]:
    """Look twice a second until the block ends."""
    memory = Memory({process.name: [process.rss_bytes()] for process in processes})

    async def look() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            for process in processes:
                if process.is_alive:
                    memory.seen[process.name].append(process.rss_bytes())

    task = asyncio.create_task(look())
    try:
        yield memory
    finally:
        task.cancel()
