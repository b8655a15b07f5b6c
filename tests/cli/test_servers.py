"""What lasts, as real processes: it starts, answers, ends cleanly when told, and leaves nothing running."""

import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import KEY, finished, started

SECRETS = {"WARMER_API_KEY": KEY, "WARMER_APP_SECRETS": "secret", "WARMER_VERIFY_TOKEN": "phrase"}
PORTS = ["--port", "0", "--internal-port", "0", "--json"]


def get(url: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def still_running(folder: Path) -> list[str]:
    """Processes that name a folder in their command line."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


def assert_all_gone(folder: Path) -> None:
    """The last one out waits for the embedded database; only its keeper's own end may come a moment later."""
    end = time.monotonic() + 5
    while still_running(folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert still_running(folder) == []


def first_line(process: Any) -> dict[str, Any]:
    return orjson.loads(process.read_until(r"^\{.*\}$")[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_api_answers_and_ends_cleanly(folders: Path, number: signal.Signals):
    with started("api", *PORTS, **SECRETS) as process:
        told = first_line(process)
        assert get(f"{told['api']}/healthz")[0] == 200
        assert get(f"{told['api']}/warmer/chips")[0] == 401
        assert get(f"{told['api']}/warmer/chips", Authorization=f"Bearer {KEY}")[0] == 200
        asked = f"{told['webhook']}?hub.mode=subscribe&hub.challenge=4711&hub.verify_token="
        assert get(f"{asked}phrase") == (200, b"4711")
        assert get(f"{asked}wrong")[0] == 403
        assert get(told["webhook"].replace("/webhooks/meta", "/warmer/chips"))[0] == 404
        assert process.end(number) == 0
    assert_all_gone(folders)


def test_a_worker_ends_cleanly(folders: Path):
    with started("worker", "--json") as process:
        assert first_line(process)["worker"]
        assert process.end() == 0
    assert_all_gone(folders)


def test_everything_starts_with_the_sandbox_in_metas_place(folders: Path):
    """Twice: each time the world begins anew, and what is real is left alone."""
    assert finished("portfolios", "add", "--business-id", "1", "--name", "real").code == 0
    for _ in range(2):
        with started("up", "--sandbox", *PORTS) as process:
            told = first_line(process)
            assert get(f"{told['api']}/healthz")[0] == 200
            code, body = get(f"{told['api']}/warmer/chips", Authorization=f"Bearer {told['api_key']}")
            assert code == 200
            assert body.count(b'"warming"') == 3
            assert body.count(b'"first_contacts"') == 3
            assert orjson.loads(get(f"{told['sandbox']}/_sandbox/state")[1])["webhooks"]["delivered"] >= 1
            assert process.end() == 0
    assert [row["name"] for row in finished("portfolios", "list", "--json").json] == ["real"]
    assert_all_gone(folders)


def test_the_sandbox_alone_ends_cleanly(folders: Path):
    with started("sandbox", "--port", "0", "--json") as process:
        told = first_line(process)
        assert get(f"{told['sandbox']}/_sandbox/state")[0] == 200
        assert process.end() == 0


def test_ctrl_c_is_quiet(folders: Path):
    with started("demo", "--days", "1", "--chips", "1", "--contacts", "10") as process:
        time.sleep(1.5)
        assert process.end(signal.SIGINT) == 130
        assert process.popen.stderr
        assert "Traceback" not in process.popen.stderr.read()
    assert_all_gone(folders)
