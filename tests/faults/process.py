"""A process that this run started, and how to wait for something by looking. It must not know what the process does."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POLL_S = 0.02
END_S = 15.0  # for a process that was told to end
LINUX_PR_SET_PDEATHSIG = 1


class Stuck(Exception):  # noqa: N818 - it is read as a sentence
    """Something that had to happen did not, in the time that it had."""


async def until(what: str, happens: Callable[[], Awaitable[Any]], *, within_s: float, every_s: float = POLL_S) -> Any:
    """Wait for something, by looking; gives what was found. Raises Stuck."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not (found := await happens()):
        if loop.time() > end:
            raise Stuck(f"not within {within_s:.0f} s: {what}")
        await asyncio.sleep(every_s)
    return found


@dataclass(slots=True)
class Process:
    """A process that this run started. Its log is its standard error."""

    name: str
    child: asyncio.subprocess.Process
    log: Path
    said: dict[str, Any] = field(default_factory=dict)  # its first line of output

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def is_alive(self) -> bool:
        return self.child.returncode is None

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.child.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(signal.SIGKILL)
        await self.child.wait()

    async def end(self) -> None:
        """Tell it to end; kill it when it does not."""
        if not self.is_alive:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.child.wait(), END_S)
        except TimeoutError:
            await self.kill()

    def rss_bytes(self) -> int:
        """Memory in use, as the kernel counts it."""
        return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_s(self) -> float:
        """Processor time used so far."""
        words = Path(f"/proc/{self.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def state(self) -> str:
        """What the kernel says: R runs, S sleeps, T is stopped …"""
        return Path(f"/proc/{self.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0]

    def complaints(self) -> list[str]:
        """The last line of each traceback in its log."""
        found: list[str] = []
        inside = False
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if line.startswith("Traceback"):
                inside = True
            elif inside and line and not line.startswith((" ", "\t")):
                found.append(line[:200])
                inside = False
        return found


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_us() -> None:
    """In the child, before it runs: the kernel kills it when this harness is gone, however that happens."""
    if _libc is not None:
        _libc.prctl(LINUX_PR_SET_PDEATHSIG, signal.SIGKILL)
