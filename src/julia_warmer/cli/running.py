"""Runs what lasts until it is told to end: SIGTERM and Ctrl-C both end it cleanly, with exit code 0. It must not know what it runs."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from julia_warmer.cli.opening import run

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def last(work: Coroutine[Any, Any, None]) -> None:
    """Run a server until it is told to end. A second signal ends it without waiting for anything."""
    run(_until_told(work))


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
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
