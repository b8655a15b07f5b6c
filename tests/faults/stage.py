"""What a property is played on: real processes on loopback that end with it, and a database of its own.

A stage owns the sandbox as a process with its ledger in a file, API processes and workers. It judges nothing.
"""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import julia_warmer
from julia_warmer import policies
from julia_warmer.clock import Clock, SystemClock
from julia_warmer.config import data_keys
from julia_warmer.core.policy import Policy
from julia_warmer.store.seal import Seal
from tests.faults.platform import SandboxProcess
from tests.faults.process import Process, Stuck, die_with_us
from tests.faults.server import Database, Server

PATIENCE_S = 90.0  # for a process to say that it is ready
STARTED_AT_ONCE = 4  # processes
PORT_ANY = "0"
SOURCE = str(Path(julia_warmer.__file__).parents[1])  # the same tree as ours, whatever is installed
WARMER = str(Path(sys.executable).with_name("warmer"))

# Everybody may be written to at any hour: these runs are in real time, and Sunday night must do as well as Monday noon.
POLICY = """
name = "faults"
extends = "standard"

[hours]
open_h = 0.0
close_h = 24.0
saturday_open_h = 0.0
saturday_close_h = 24.0
sunday = true
holidays = true
"""


@dataclass(slots=True)
class Api:
    """The two applications of one process."""

    process: Process
    webhook: str
    internal: str


class Stage:
    """One property's own. Made by `staged`; what it starts ends with it."""

    def __init__(self, folder: Path, server: Server, db: Database, http: aiohttp.ClientSession) -> None:
        self.folder = folder
        self.db = db
        self.clock: Clock = SystemClock()
        self.http = http
        self.secret = "faults-" + secrets.token_hex(16)
        self.api_key = secrets.token_urlsafe(24)
        self.processes: list[Process] = []
        self._server = server
        self._started = 0
        self._starting = asyncio.Semaphore(STARTED_AT_ONCE)
        self._config = folder / "config"
        self._config.mkdir()
        self._policy = folder / "faults.toml"
        self._policy.write_text(POLICY, "utf-8")
        self.seal = Seal(*data_keys(self._config))
        self.sandbox_url = ""

    @property
    def policy(self) -> Policy:
        return policies.load(str(self._policy))

    def another(self, name: str) -> AbstractAsyncContextManager["Stage"]:
        """One more stage beside this one."""
        return staged(self._server, self.folder / name)

    async def back_up(self) -> str:
        """A copy of its database, to be restored later. Nothing may be at work meanwhile."""
        return await self._server.back_up(self.db)

    async def restore(self, copy: str) -> None:
        """The copy in the place of its database."""
        await self._server.restore(self.db, copy)

    def database_away(self) -> AbstractAsyncContextManager[None]:
        """Nobody reaches its database until the block ends: this harness neither."""
        return self._server.away(self.db)

    @property
    def spool(self) -> Path:
        """Where its API processes keep what comes meanwhile, unless told otherwise."""
        return self.folder / "data" / "spool"

    async def command(self, *words: str) -> str:
        """Run one command of the command line to its end; what it said. Raises RuntimeError when it fails."""
        code, said, complained = await self.ended(*words)
        if code:
            raise RuntimeError(f"warmer {' '.join(words)} ended with {code}: {complained[-500:]}")
        return said

    async def ended(self, *words: str) -> tuple[int, str, str]:
        """The same, however it ends: its code, what it said, what it complained of."""
        child = await asyncio.create_subprocess_exec(
            WARMER,
            *words,
            env=self.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await child.communicate()
        return child.returncode or 0, said.decode(), complained.decode()

    def another_database(self) -> AbstractAsyncContextManager[Database]:
        """One more fresh one, for as long as it is needed."""
        return self._server.database()

    async def sandbox(self) -> SandboxProcess:
        """Start it, with no world of ours on it yet: `put` one."""
        ledger = self.folder / "ledger.jsonl"
        process = await self._start(
            "sandbox", [WARMER, "sandbox", "--port", PORT_ANY, "--contacts", "0", "--ledger", str(ledger), "--json"]
        )
        self.sandbox_url = process.said["sandbox"]
        return SandboxProcess(process, self.sandbox_url, ledger, self.http)

    async def api(self, *, at: "Api | None" = None, **settings: Any) -> Api:
        """Start both applications in one process, on any ports or on those of an earlier one."""
        ports = [str(urlsplit(url).port) for url in (at.webhook, at.internal)] if at else [PORT_ANY, PORT_ANY]
        command = [WARMER, "api", "--port", ports[0], "--internal-port", ports[1], "--json"]
        process = await self._start("api", command, **settings)
        return Api(process, process.said["webhook"], process.said["api"])

    async def call(self, api: Api, method: str, path: str, form: Any = None) -> str:
        """A call of the internal API with its key; the answer's text. Raises RuntimeError for anything but 2xx."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with self.http.request(method, f"{api.internal}{path}", json=form, headers=headers) as answer:
            text = await answer.text()
            if answer.status // 100 != 2:
                raise RuntimeError(f"{method} {path} answers {answer.status}: {text[:300]}")
            return text

    async def worker(self, **settings: Any) -> Process:
        """Start one worker."""
        return await self._start("worker", [WARMER, "worker", "--json"], **settings)

    async def workers(self, number: int, **settings: Any) -> list[Process]:
        return list(await asyncio.gather(*(self.worker(**settings) for _ in range(number))))

    def complaints(self) -> list[str]:
        """Every traceback of every process, by process."""
        return [f"{process.name}: {line}" for process in self.processes for line in process.complaints()]

    async def picture(self) -> str:
        """How things stand, for whoever has to find out why something did not happen."""
        views = {
            "sends": "select state, reason, count(*)::int from sends group by 1, 2 order by 3 desc limit 12",
            "throttles": "select scope, target_id, until_at, tries, code from throttles",
            "stops": "select scope, target_id, reason from stops where released_at is null limit 5",
            "alerts": "select level, text from alerts where closed_at is null order by at desc limit 8",
            "jobs": "select entrypoint, status::text, count(*)::int from pgqueuer group by 1, 2 order by 1",
            "waits": """select pid, state, wait_event, pg_catalog.pg_blocking_pids(pid), left(regexp_replace(query, '\\s+', ' ', 'g'), 90)
                        from pg_catalog.pg_stat_activity
                        where datname = current_database() and backend_type = 'client backend' and state <> 'idle' limit 25""",
        }
        lines = [f"{self.clock.now():%H:%M:%S}"]
        for name, sql in views.items():
            rows = await self.db.owner.fetch(sql)
            lines += [f"  {name}: {tuple(map(str, row))}" for row in rows]
        for process in self.processes:
            tail = process.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
            lines.append(
                f"  {process.name} {'alive' if process.is_alive else f'ended {process.child.returncode}'}: {' | '.join(tail)[:400]}"
            )
        return "\n".join(lines)

    def environment(self, **settings: Any) -> dict[str, str]:
        """What a process is told. Nothing of the environment that this run was started in."""
        ours = {
            "database_url": self.db.dsn,
            "config_dir": self._config,
            "data_dir": self.folder / "data",
            "app_secrets": self.secret,
            "verify_token": "faults",
            "api_key": self.api_key,
            "policy": self._policy,
            "sandbox_url": self.sandbox_url or "http://127.0.0.1:9",
            "log_level": "WARNING",
            **settings,
        }
        named = {f"WARMER_{name.upper()}": str(value) for name, value in ours.items()}
        own = {"PATH": os.defpath, "HOME": str(self.folder), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONPATH": SOURCE}
        return {**own, **named}

    async def end(self) -> None:
        """End every process, side by side."""
        await asyncio.gather(*(process.end() for process in self.processes))

    async def _start(self, name: str, command: list[str], **settings: Any) -> Process:
        """Start one and wait until it says that it is ready. Raises Stuck."""
        async with self._starting:
            return await self._start_now(name, command, **settings)

    async def _start_now(self, name: str, command: list[str], **settings: Any) -> Process:
        self._started += 1
        log = self.folder / f"{name}-{self._started}.log"
        with log.open("wb") as errors:
            child = await asyncio.create_subprocess_exec(
                *command,
                env=self.environment(**settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                preexec_fn=die_with_us,
            )
        process = Process(log.stem, child, log)
        self.processes.append(process)
        assert child.stdout is not None
        try:
            line = await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)
            process.said = json.loads(line)
        except (TimeoutError, ValueError):
            raise Stuck(f"{log.stem} did not say that it is ready: {log.read_text('utf-8', 'replace')[-2000:]}") from None
        return process


@asynccontextmanager
async def staged(server: Server, folder: Path) -> AsyncGenerator[Stage]:
    """A stage for one property, in a new folder of its own; all that it started has ended when this returns."""
    folder.mkdir()  # noqa: ASYNC240 - once, before anything runs
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(server.database())
        http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=60)))
        stage = Stage(folder, server, db, http)
        stack.push_async_callback(stage.end)
        yield stage
