"""What a property is played on: a durable PostgreSQL of the run's own, and real processes on loopback that end with the property.

A stage owns one database, the sandbox as a process with its ledger in a file, API processes and workers. It judges nothing.
"""

import asyncio
import ctypes
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from julia_warmer import policies
from julia_warmer.clock import Clock, SystemClock
from julia_warmer.config import data_key
from julia_warmer.core.policy import Policy
from julia_warmer.sandbox.spec import WorldSpec
from julia_warmer.store import db as store_db
from julia_warmer.store.keeper import ADMIN
from julia_warmer.store.local import LocalPostgres
from julia_warmer.store.migrate import migrate
from julia_warmer.store.seal import Seal

TEMPLATE = "faults_template"
CONNECTIONS_MAX = 400
PATIENCE_S = 90.0  # for a process to say that it is ready
STARTED_AT_ONCE = 4  # processes
END_S = 15.0  # for a process that was told to end
POLL_S = 0.02
LOOKS = 25  # at the sandbox's clock
LINUX_PR_SET_PDEATHSIG = 1
PORT_ANY = "0"
WARMER = str(Path(sys.executable).with_name("warmer"))

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
class Database:
    """A fresh, migrated database. `pool` is the program's role, `owner` the schema's owner: what a test does from outside."""

    dsn: str
    pool: asyncpg.Pool
    owner: asyncpg.Pool


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

    async def release(self) -> None:
        await self._call("POST", "release")

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
        """Its clock moves on five times a second: of several looks the least lag is true."""
        said = datetime.fromisoformat((await self.state())["at"])
        seen = SystemClock().now()
        await asyncio.sleep(POLL_S)
        return seen - said

    async def _call(self, method: str, path: str, body: Any = None, *, data: bytes | None = None) -> Any:
        async with self._http.request(method, f"{self.url}/_sandbox/{path}", json=body, data=data) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise RuntimeError(f"the sandbox answers {answer.status} to {method} {path}: {text[:300]}")
            return json.loads(text)


@dataclass(slots=True)
class Api:
    """The two applications of one process."""

    process: Process
    webhook: str
    internal: str


class Stage:
    """One property's own. Made by `staged`; what it starts ends with it."""

    def __init__(self, folder: Path, run: "Run", db: Database, http: aiohttp.ClientSession) -> None:
        self.folder = folder
        self.db = db
        self.clock: Clock = SystemClock()
        self.http = http
        self.secret = "faults-" + secrets.token_hex(16)
        self.api_key = secrets.token_urlsafe(24)
        self.processes: list[Process] = []
        self._run = run
        self._started = 0
        self._starting = asyncio.Semaphore(STARTED_AT_ONCE)
        self._config = folder / "config"
        self._config.mkdir()
        self._policy = folder / "faults.toml"
        self._policy.write_text(POLICY, "utf-8")
        self.seal = Seal(data_key(self._config))
        self.sandbox_url = ""

    @property
    def policy(self) -> Policy:
        return policies.load(str(self._policy))

    @asynccontextmanager
    async def another_database(self) -> AsyncGenerator[Database]:
        """One more fresh one, for as long as it is needed."""
        async with AsyncExitStack() as stack:
            yield await self._run.database(stack)

    async def sandbox(self) -> SandboxProcess:
        """Start it, with no world of ours on it yet: `put` one."""
        ledger = self.folder / "ledger.jsonl"
        process = await self._start(
            "sandbox", [WARMER, "sandbox", "--port", PORT_ANY, "--contacts", "0", "--ledger", str(ledger), "--json"]
        )
        self.sandbox_url = process.said["sandbox"]
        return SandboxProcess(process, self.sandbox_url, ledger, self.http)

    async def api(self, **settings: Any) -> Api:
        """Start both applications in one process."""
        command = [WARMER, "api", "--port", PORT_ANY, "--internal-port", PORT_ANY, "--json"]
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
        return {"PATH": os.defpath, "HOME": str(self.folder), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **named}

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
                preexec_fn=_die_with_us,
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


class Run:
    """One run of the harness: its folder and its server. Stages are made on it, one after the other."""

    def __init__(self, folder: Path, server: LocalPostgres) -> None:
        self.folder = folder
        self.server = server
        self._made = 0

    @asynccontextmanager
    async def staged(self, name: str) -> AsyncGenerator[Stage]:
        """A stage for one property; all that it started has ended when this returns."""
        folder = self.folder / name.lower()
        folder.mkdir()
        async with AsyncExitStack() as stack:
            db = await self.database(stack)
            http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=60)))
            stage = Stage(folder, self, db, http)
            stack.push_async_callback(stage.end)
            yield stage

    async def database(self, stack: AsyncExitStack) -> Database:
        """A fresh one, which goes with the stack."""
        self._made += 1
        name = f"faults_{self._made}"
        await self._admin(f"create database {name} template {TEMPLATE} owner {ADMIN}")
        stack.push_async_callback(self._admin, f"drop database {name} with (force)")
        dsn, owner_dsn = self.server.dsn(name), self.server.dsn(name, ADMIN)
        pool = await store_db.open_pool(dsn, application_name="faults", min_size=0, max_size=80)
        stack.callback(pool.terminate)
        owner = await store_db.open_pool(owner_dsn, application_name="faults-owner", min_size=0, max_size=10)
        stack.callback(owner.terminate)
        return Database(dsn, pool, owner)

    async def make_template(self) -> None:
        """A migrated database that the others are copied from."""
        await self.server.ensure_database(TEMPLATE)
        connection = await store_db.connect(self.server.dsn(TEMPLATE, ADMIN), application_name="faults")
        try:
            await migrate(connection, at=SystemClock().now())
        finally:
            await connection.close()

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Run]:
    """A durable server of this run's own, ready to make stages on."""
    settings = {"max_connections": str(CONNECTIONS_MAX)}
    server = await asyncio.to_thread(LocalPostgres.start, folder / "postgres", settings=settings)
    try:
        run = Run(folder, server)
        await run.make_template()
        yield run
    finally:
        await asyncio.to_thread(server.close)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_us() -> None:
    """In the child, before it runs: the kernel kills it when this harness is gone, however that happens."""
    if _libc is not None:
        _libc.prctl(LINUX_PR_SET_PDEATHSIG, signal.SIGKILL)
