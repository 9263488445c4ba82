"""Where a measurement was made: enough to judge it, nothing that names a person's machine."""

import json
import platform
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from common import machine


def test_describe():
    here = machine.describe()
    assert here["python"] == platform.python_version()
    assert here["cores"] >= 1
    assert here["processor"]
    assert here["system"]
    assert here["packages"]["numpy"] == np.__version__
    assert {"scipy", "scikit-learn", "matplotlib", "torch"} <= set(here["packages"])
    assert json.loads(json.dumps(here)) == here


def test_the_calibration_is_the_median_of_five_and_leaves_the_first_out():
    times, now = [], 0.0
    for took in (0.1, 0.05, 0.01, 0.03, 0.02, 0.04):
        times += [now, now + took]
        now += took + 50  # between two turns the clock goes on
    ticks = iter(times)
    assert machine.calibrate(lambda: next(ticks)) == pytest.approx(0.03)
    assert next(ticks, None) is None, "six turns"


@pytest.mark.parametrize(("turns", "median"), [((0.5,), 0.5), ((0.2, 0.18), 0.18), ((0.1, 0.12, 0.14), 0.13)])
def test_on_a_slow_machine_the_calibration_takes_fewer_turns(turns, median):
    ticks = iter([moment for took in turns for moment in (0.0, took)])
    assert machine.calibrate(lambda: next(ticks)) == pytest.approx(median)
    assert next(ticks, None) is None


def test_the_calibration_loop_is_a_convolution():
    rng = np.random.default_rng(0)
    images, kernels = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((4, 3, 5, 3))
    theirs = torch.nn.functional.conv2d(torch.tensor(images), torch.tensor(kernels))
    assert machine.fixed_convolution(images, kernels) == pytest.approx(theirs.permute(0, 2, 3, 1).numpy())


def test_a_process_calibrates_once(monkeypatch):
    machine.calibrated.cache_clear()
    turns = []
    monkeypatch.setattr(machine, "calibrate", lambda: turns.append(1) or 0.25)
    assert [machine.describe()["calibration_seconds"] for _ in range(3)] == [0.25] * 3
    assert len(turns) == 1
    machine.calibrated.cache_clear()


def test_no_host_name_and_no_path():
    text = json.dumps(machine.describe())
    assert platform.node() not in text
    assert not re.search(r"/(home|root|work|Users)/", text)


def test_a_package_that_is_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package-at-all"))
    assert list(machine.describe()["packages"]) == ["numpy"]


def test_git_commit_of_a_checkout():
    commit = machine.describe()["git_commit"]
    assert commit is None or re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", commit)


@pytest.mark.parametrize(
    "error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 5)]
)
def test_without_git_there_is_no_commit(monkeypatch, error):
    def run(*_, **__):
        raise error

    monkeypatch.setattr(machine.subprocess, "run", run)
    assert machine.describe()["git_commit"] is None


def test_peak_memory_grows_with_use():
    before = machine.peak_memory_mib()
    assert 10 < before < 100_000  # MiB, not bytes and not KiB
    block = np.ones((int(before) + 100) * 2**17)  # that many MiB
    assert machine.peak_memory_mib() >= before + 90
    del block


PAGES = """
import sys, resource, numpy as np
from common.machine import recycle_memory
if sys.argv[1] == "recycled" and not recycle_memory():
    sys.exit("no such setting")
used = []
for _ in range(12):
    np.ones(2**26, np.uint8)  # 64 MiB: above every threshold that glibc would choose
    used.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(used[-1] - used[1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
def test_recycled_memory_needs_no_new_pages():
    def new_pages(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", PAGES, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert new_pages("recycled") < 100 < 200 < new_pages("as usual")  # 320 in huge pages, ten times 64 MiB


def test_memory_is_left_alone_where_the_c_library_has_no_setting(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: object())
    assert not machine.recycle_memory()
