"""Download clients, played by little shell scripts."""

import os
import subprocess
import sys
import time

import pytest

from common.data import clients

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a shell script on the PATH under a client's name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)

    def put(name, script):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    return put


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_a_client_runs_in_the_folder_and_keeps_its_scratch_there(install, work, capfd):
    install("npm", 'printf "%s" "$1" > got; echo noise; echo more >&2; touch "$TMPDIR/scratch"')
    clients.run(["npm", "pack"], work, "a set: npm", 12.0)
    assert (work / "got").read_text() == "pack"
    assert (work / "scratch").exists()
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err == "a set: npm (12 MB)\n", (
        "a plain line when the output is no terminal; the client's noise is kept"
    )


def test_a_missing_client_is_named(work):
    with pytest.raises(clients.ClientFailed, match="no-such-client isn't installed"):
        clients.run(["no-such-client"], work, "a set", 1.0)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("npm error code ECONNREFUSED\nnpm error request failed, reason: connect ECONNREFUSED", "connect ECONNREFUSED"),
        ("npm error code ENOSPC\nnpm error A complete log of this run", "ENOSPC"),
        ("Reading lists\nE: Unable to locate package set\nrest", "Unable to locate package set"),
        ("WARNING: x\nERROR: No matching distribution\n", "No matching distribution"),
        ("Traceback\nRuntimeError: Tried\n<urlopen error unknown host>\n\n", "<urlopen error unknown host>"),
        ("", "ended with status 3"),
    ],
)
def test_the_telling_line_of_a_failure_is_passed_on(install, work, output, said):
    install("npm", f"cat <<'END'\n{output}\nEND\nexit 3")
    with pytest.raises(clients.ClientFailed) as caught:
        clients.run(["npm"], work, "a set", 1.0)
    assert str(caught.value) == said


def test_a_killed_client_is_a_failure(install, work):
    install("npm", "kill -9 $$")
    with pytest.raises(clients.ClientFailed, match="ended with status -9"):
        clients.run(["npm"], work, "a set", 1.0)


def test_a_client_that_stalls_is_ended(install, work, monkeypatch):
    monkeypatch.setattr(clients, "STALL", 0.3)
    monkeypatch.setattr(clients, "TICK", 0.05)
    install("npm", "echo $$ > pid; exec sleep 60")
    start = time.monotonic()
    with pytest.raises(clients.ClientFailed, match="nothing arrived"):
        clients.run(["npm"], work, "a set", 1.0)
    assert time.monotonic() - start < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int((work / "pid").read_text()), 0)


def test_a_client_that_keeps_bringing_bytes_is_not_ended(install, work, monkeypatch):
    monkeypatch.setattr(clients, "STALL", 1.0)
    monkeypatch.setattr(clients, "TICK", 0.02)
    install("npm", "for i in 1 2 3 4 5 6 7 8; do echo x >> got; sleep 0.2; done")
    clients.run(["npm"], work, "a set", 1.0)
    assert (work / "got").read_text() == "x\n" * 8


def test_ctrl_c_ends_the_client_too(install, work, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0])
    monkeypatch.setattr(clients, "watch", interrupted)
    install("npm", "exec sleep 60")
    with pytest.raises(KeyboardInterrupt):
        clients.run(["npm"], work, "a set", 1.0)
    assert started[0].returncode is not None


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with clients.progress("a set: npm", 2.0) as show:
        show(1_000_000)
    drawn = capsys.readouterr().err
    assert "a set: npm" in drawn
    assert "/2.0 MB" in drawn
    monkeypatch.setenv("NO_COLOR", "1")
    with clients.progress("a set: npm", 2.0) as show:
        show(1_000_000)
    assert capsys.readouterr().err == "a set: npm (2 MB)\n"


def test_folder_size_counts_all_below(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/one").write_bytes(bytes(10))
    (tmp_path / "a/b/two").write_bytes(bytes(5))
    assert clients.folder_size(tmp_path) == 15
