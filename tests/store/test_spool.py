"""The spool's folder on a real disk: whole files or none, in order, bounded, and one process to a folder."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from julia_warmer.store.spool import PART, SUFFIX, SpoolFolder, SpoolFull, SpoolUnusable

AT = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
ROOM = {"bytes_max": 1000, "count_max": 10}


def test_what_was_written_is_read_in_order_by_the_next_process(tmp_path: Path):
    first = SpoolFolder.open(tmp_path, **ROOM)
    first.write([(AT, b"one"), (AT - timedelta(hours=1), b"two")])
    first.write([(AT, b"three")])
    first.close()
    second = SpoolFolder.open(tmp_path, **ROOM)
    assert second.id == first.id
    assert [(one.received_at, second.read(one)) for one in second.waiting()] == [
        (AT, b"one"),
        (AT - timedelta(hours=1), b"two"),
        (AT, b"three"),
    ]
    second.remove(second.waiting()[:2])
    second.write([(AT, b"four")])
    assert [second.read(one) for one in second.waiting()] == [b"three", b"four"]
    second.close()


def test_two_processes_have_two_folders_and_two_ids(tmp_path: Path):
    one, other = SpoolFolder.open(tmp_path, **ROOM), SpoolFolder.open(tmp_path, **ROOM)
    assert one.folder != other.folder
    assert one.id != other.id
    one.close()
    other.close()


@pytest.mark.parametrize(("bytes_max", "count_max"), [(10, 100), (1000, 2)])
def test_more_than_may_wait_is_refused_and_leaves_nothing(tmp_path: Path, bytes_max: int, count_max: int):
    folder = SpoolFolder.open(tmp_path, bytes_max=bytes_max, count_max=count_max)
    folder.write([(AT, b"12345"), (AT, b"12345")])
    with pytest.raises(SpoolFull):
        folder.write([(AT, b"1")])
    assert len(list(folder.folder.glob("*" + SUFFIX))) == folder.count == 2
    folder.remove(folder.waiting()[:1])
    folder.write([(AT, b"1")])
    folder.close()


def test_half_a_file_is_never_read_and_is_tidied_away(tmp_path: Path):
    folder = SpoolFolder.open(tmp_path, **ROOM)
    folder.write([(AT, b"whole")])
    folder.close()
    half = folder.folder / f"000000000009-1{SUFFIX}{PART}"
    half.write_bytes(b"ha")
    again = SpoolFolder.open(tmp_path, **ROOM)
    assert [again.read(one) for one in again.waiting()] == [b"whole"]
    assert not half.exists()
    again.close()


def test_a_folder_that_cannot_be_made_is_refused_with_the_mend(tmp_path: Path):
    (tmp_path / "spool").write_text("a file in its place")
    with pytest.raises(SpoolUnusable, match="WARMER_SPOOL_DIR"):
        SpoolFolder.open(tmp_path / "spool", **ROOM)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from julia_warmer.store.spool import SpoolFolder
folder = SpoolFolder.open(Path(sys.argv[1]), bytes_max=10**9, count_max=10**6)
print("ready", flush=True)
nth = 0
while True:
    folder.write([(datetime.now(UTC), bytes([nth % 256]) * 200_000) for _ in range(3)])
    nth += 1
"""


def test_a_kill_during_a_write_leaves_whole_files_only(tmp_path: Path):
    for nth in range(4):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.01 + 0.013 * nth)
        child.kill()
        child.wait()
        child.stdout.close()
        folder = SpoolFolder.open(tmp_path, bytes_max=10**9, count_max=10**6)
        for one in folder.waiting():
            body = folder.read(one)
            assert len(body) == 200_000
            assert len(set(body)) == 1
        folder.remove(folder.waiting())
        assert sorted(path.name for path in folder.folder.iterdir()) == ["id", "lock"]
        folder.close()


def test_a_disk_that_takes_no_more_leaves_no_half(tmp_path: Path):
    script = WRITER.replace("print(", "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\nprint(", 1)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=False, timeout=20)
    assert b"OSError" in done.stderr
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == ["id", "lock"]
