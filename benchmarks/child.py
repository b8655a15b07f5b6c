"""Processes of their own for what is measured, what loads it and what answers it: an order is a line of JSON, and so is its result.

A child runs `module:function`, an async context manager that yields what carries out orders. It must not know what is measured.
"""

import asyncio
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import uvloop

from julia_warmer.cli.opening import run
from julia_warmer.core.errors import WarmerError

Orders: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]
LINE_MAX = 256 * 1024 * 1024
END_PATIENCE_S = 20.0


class ChildFailed(WarmerError):  # noqa: N818 - a fact
    """A process of the benchmark ended before its time; what it said stands above."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an order gave, and what the process had used by then."""

    result: dict[str, Any]
    cpu_s: float  # of this order
    peak_mb: float  # since the process began


@dataclass(slots=True)
class Child:
    """A running process. `peak_mb` is its largest memory so far."""

    where: str
    process: asyncio.subprocess.Process
    peak_mb: float = 0.0

    async def do(self, **order: Any) -> Done:
        """Carry out one order. Raises ChildFailed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise ChildFailed(f"{self.where} ended with code {await self.process.wait()}")
        done = Done(**json.loads(line))
        self.peak_mb = done.peak_mb
        return done


@asynccontextmanager
async def started(where: str, *, light: bool = False, **given: Any) -> AsyncGenerator[Child]:
    """A process that carries out the orders of `module:function` until the block ends.

    `light`: on uvloop, for what only loads and answers. What is measured runs on the loop that the product runs on.
    """
    argv = [sys.executable, "-m", "benchmarks.child", where, "light" if light else "plain", json.dumps(given)]
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_MAX)
    try:
        yield Child(where, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_PATIENCE_S)
        except TimeoutError:
            process.kill()
            await process.wait()


# ------------------------------------------------------------------ inside the child


async def _obey(where: str, given: dict[str, Any], answers: int) -> None:
    module, _, function = where.partition(":")
    loop = asyncio.get_running_loop()
    async with getattr(importlib.import_module(module), function)(**given) as orders:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            began_s = time.process_time()
            result = await orders(**json.loads(line))
            done = {"result": result, "cpu_s": time.process_time() - began_s, "peak_mb": peak_mb()}
            os.write(answers, json.dumps(done).encode() + b"\n")


def peak_mb() -> float:
    """The largest memory that this process has had, in MB. Linux says it of the program itself; elsewhere of the process."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1024**2 if sys.platform == "darwin" else peak / 1024


def main(arguments: list[str]) -> None:
    where, kind, given = arguments
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the screen, not between the answers
    work = _obey(where, json.loads(given), answers)
    if kind == "light":
        uvloop.run(work)
    else:
        run(work)


if __name__ == "__main__":
    main(sys.argv[1:])
