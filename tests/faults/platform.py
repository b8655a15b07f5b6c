"""The platform of a run: the sandbox as a process, its switches, and its ledger, the only judge of what was sent."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from julia_warmer.clock import SystemClock
from julia_warmer.sandbox.spec import WorldSpec
from tests.faults.process import POLL_S, Process

LOOKS = 25  # at the sandbox's clock

# How the sandbox delivers in these runs: soon, some twice, some overtaken by others.
MAIL = {
    "delay_low_s": 0.05,
    "delay_high_s": 0.8,
    "duplicate": 0.1,
    "duplicate_later_s": 5.0,
    "reorder": 0.1,
    "reorder_s": 5.0,
    "batch_span_s": 0.5,
}


class SandboxProcess:
    """The sandbox in a process of its own, following the machine's clock. Its ledger is a file that outlives it."""

    def __init__(self, process: Process, url: str, ledger: Path, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = url
        self.lag = timedelta(0)  # how far its clock is behind ours: it begins with its world
        self._ledger = ledger
        self._http = http
        self._rows: list[dict[str, Any]] = []
        self._read = 0

    def rows(self) -> list[dict[str, Any]]:
        """The whole ledger, as it stands on disk."""
        with self._ledger.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self._rows += [json.loads(line) for line in whole.splitlines()]
        return self._rows

    def sent(self) -> list[dict[str, Any]]:
        """What it took: the only meaning of "sent"."""
        return [row for row in self.rows() if row["kind"] == "accepted"]

    async def state(self) -> dict[str, Any]:
        return await self._call("GET", "state")

    async def fault(self, *rows: Mapping[str, Any]) -> None:
        """Add switches."""
        await self._call("POST", "faults", {"faults": list(rows)})

    async def faults(self) -> list[dict[str, Any]]:
        """The switches, with how often each was hit."""
        return (await self._call("GET", "faults"))["faults"]

    async def heal(self) -> None:
        """Take every switch away and answer what is held."""
        await self._call("DELETE", "faults")

    async def release(self) -> int:
        """Answers what it holds; says how many."""
        return (await self._call("POST", "release"))["released"]

    async def say(self, **what: Any) -> dict[str, Any]:
        """A person writes."""
        return await self._call("POST", "say", what)

    async def platform(self, **what: Any) -> dict[str, Any]:
        """Meta acts."""
        return await self._call("POST", "platform", what)

    async def put(self, spec: WorldSpec) -> None:
        """Begin this world."""
        await self._call("POST", "world", data=spec.to_json())
        self.lag = min([await self._look_at_clock() for _ in range(LOOKS)])

    async def _look_at_clock(self) -> timedelta:
        """A look takes its time on the way back: of several the least lag is true."""
        said = datetime.fromisoformat((await self.state())["now"])
        seen = SystemClock().now()
        await asyncio.sleep(POLL_S)
        return seen - said

    async def _call(self, method: str, path: str, body: Any = None, *, data: bytes | None = None) -> Any:
        async with self._http.request(method, f"{self.url}/_sandbox/{path}", json=body, data=data) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise RuntimeError(f"the sandbox answers {answer.status} to {method} {path}: {text[:300]}")
            return json.loads(text)
