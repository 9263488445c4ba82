"""Where a measurement was made: processor, system, package versions, git commit; and how fast that machine was."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib", "torch", "torchvision", "pillow")
RECYCLED = 2**28  # bytes; a larger array returns its memory to the system when it is freed
LONG_ENOUGH = 0.3  # seconds for the calibration loop, after which no other turn begins


def describe() -> dict:
    """The machine and its software as a dictionary of JSON values. No path and no host name is in it."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "calibration_seconds": calibrated(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git_commit": _git_commit(),
    }


@cache
def calibrated() -> float:
    """The result of calibrate(), which is called once per process and kept."""
    return calibrate()


def calibrate(clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that a fixed convolution takes on one core: the median of several times, after one that is not counted.
    A slow machine does it less often: it is to be over within half a second.

    Seconds measured on two machines, or on one machine at two times, are compared as multiples of it. One core, for how
    many there are is known; numpy, for chapters 1 to 3 do without torch.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    images = np.linspace(-1, 1, 32 * 16 * 32 * 32, dtype=np.float32).reshape(32, 16, 32, 32)
    kernels = np.linspace(-1, 1, 32 * 16 * 5 * 5, dtype=np.float32).reshape(32, 16, 5, 5)
    took: list[float] = []
    with threadpool_limits(1):
        while len(took) < 6 and sum(took) < LONG_ENOUGH:
            start = clock()
            fixed_convolution(images, kernels)
            took.append(clock() - start)
    return median(took[1:] or took)


def fixed_convolution(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """images (n, channels, h, w) by kernels (filters, channels, a, b): (n, h − a + 1, w − b + 1, filters)."""
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(images, kernels.shape[2:], axis=(2, 3))
    return np.tensordot(windows, kernels, ((1, 4, 5), (1, 2, 3)))


def processor() -> str:
    """The processor's own name where the system tells it."""
    with contextlib.suppress(OSError):
        if names := re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text()):
            return names[0].strip()
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float | None:
    """The largest memory that this process has held; None where the system does not tell (Windows)."""
    with contextlib.suppress(OSError):  # Linux: getrusage would count the program that started this one, too
        if peak := re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text()):
            return int(peak[1]) / 2**10
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB here


def recycle_memory() -> bool:
    """Let the C library keep freed blocks of up to RECYCLED bytes for the next tensors. Returns whether it does.

    By default glibc returns them to the system, and each step of a training pays again for new pages, about an eighth
    of the time of a small convolutional network. Other C libraries (macOS, Windows, musl) are left as they are.
    """
    try:
        change, keep_free, threshold = ctypes.CDLL(None).mallopt, -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    except (AttributeError, OSError, TypeError):
        return False
    return bool(change(threshold, RECYCLED) and change(keep_free, 2 * RECYCLED))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    return _output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12") or None


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
