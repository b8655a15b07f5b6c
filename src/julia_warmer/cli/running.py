"""Runs what lasts until it is told to end: SIGTERM and Ctrl-C both end it cleanly, with exit code 0. It must not know what it runs."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import typer

from julia_warmer.cli.opening import run

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def last(work: Coroutine[Any, Any, Any], *, told: int = 0) -> None:
    """Run a server until it is told to end, then exit with `told`. A second signal ends it without waiting for anything."""
    if run(_until_told(work)):
        raise typer.Exit(told)


async def _until_told(work: Coroutine[Any, Any, Any]) -> bool:
    """Whether it was told to end before it ended by itself."""
    loop, told = asyncio.get_running_loop(), False
    task = asyncio.ensure_future(work)

    def end() -> None:
        nonlocal told
        told = True
        task.cancel()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
    return told
