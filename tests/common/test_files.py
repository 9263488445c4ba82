"""Files are written whole or not at all."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import Problem
from common.files import locked, sha256, whole_file, write_whole
from tests.checkout import ROOT


def test_text_and_bytes(tmp_path):
    write_whole(tmp_path / "new" / "folder" / "text", "θ₁")
    write_whole(tmp_path / "bytes", b"\x00\x01")
    assert (tmp_path / "new" / "folder" / "text").read_bytes() == "θ₁".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\x01"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bytes", "new"]


def test_an_old_file_is_replaced(tmp_path):
    write_whole(tmp_path / "a", "old and longer")
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="an open file can't be replaced there")
def test_whoever_reads_the_old_file_reads_all_of_it(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with path.open() as reader:
        write_whole(path, "new")  # by renaming, not by writing over
        assert reader.read() == "old"


def fail_halfway(path, error):
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_text() == "old"  # under its own name, nothing half-written is ever seen
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(error):
        fail_halfway(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(Problem, match="No space left on device") as caught:
        fail_halfway(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device that is always full")
def test_a_disk_that_is_full_only_when_the_file_is_closed(tmp_path, monkeypatch):
    # Small content fits the buffer, so the failure comes with close(), after the block.
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode="r": real(Path("/dev/full"), mode))
    with pytest.raises(Problem, match="No space left"):
        write_whole(tmp_path / "a", "content")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"cannot write .*(Not a directory|File exists)"):
        write_whole(tmp_path / "file" / "below", "content")


def test_a_folder_in_the_place_of_the_file_is_one_line(tmp_path):
    (tmp_path / "a" / "full").mkdir(parents=True)
    with pytest.raises(Problem, match="cannot write"):
        write_whole(tmp_path / "a", "content")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(Problem, match="Permission denied"):
            write_whole(tmp_path / "a", "content")
    finally:
        tmp_path.chmod(0o700)


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


COUNT = """
import sys, time
from pathlib import Path
from common.files import locked
counter = Path(sys.argv[1]) / "count"
for _ in range(20):
    with locked(counter.parent):
        n = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(n + 1))
"""


def test_one_process_at_a_time_holds_a_folder(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "60"
    assert [path.name for path in tmp_path.iterdir()] == ["count"], "no lock is left behind"


def test_a_folder_is_free_again_after_a_failure(tmp_path):
    with pytest.raises(ValueError, match="within"), locked(tmp_path):
        raise ValueError("within")
    with locked(tmp_path):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="another kind of lock")
def test_where_the_file_system_has_no_locks_none_is_held(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()


def test_a_folder_that_can_t_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match=r"cannot write .*below"), locked(tmp_path / "file" / "below"):
        pass
