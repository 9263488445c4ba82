"""Running a download client (npm, pip, apt-get, torchvision) while showing how many bytes have arrived."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STALL = 60.0  # seconds without a new byte after which a client is given up
TICK = 0.2  # seconds between two looks at the folder
# What tells most about a failure in the output of npm, apt-get and pip, in this order; else the last line does.
TELLING = (r"reason: (.+)", r"^E: (.+)", r"^npm error (?:code )?(E\w+.*|404 .+)", r"^ERROR: (.+)")


class ClientFailed(OSError):
    """A client is not installed, ended with an error, or stalled. The message is one short line."""


def run(command: Sequence[str], folder: Path, title: str, megabytes: float) -> None:
    """Run command in folder until it ends well. All that it stores has to land in folder: that is what is counted.

    megabytes: about how much will arrive. Raises ClientFailed; a client still running then is ended.
    """
    program = shutil.which(command[0])
    if program is None:
        raise ClientFailed(f"{command[0]} isn't installed")
    log = folder / "client.log"
    with log.open("wb") as output, progress(title, megabytes) as show:
        process = subprocess.Popen(
            [program, *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(folder), "TEMP": str(folder)},
        )
        try:
            watch(process, folder, show)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise ClientFailed(reason(log.read_text(encoding="utf-8", errors="replace"), process.returncode))


def watch(process: subprocess.Popen, folder: Path, show) -> None:
    """Wait for the process, telling show(bytes) how far it is. Raises ClientFailed where nothing arrives for STALL."""
    arrived, last_news = 0, time.monotonic()
    while process.poll() is None:
        size = folder_size(folder)
        if size != arrived:
            arrived, last_news = size, time.monotonic()
            show(arrived)
        if time.monotonic() - last_news > STALL:
            raise ClientFailed(f"nothing arrived for {STALL:.0f} s")
        time.sleep(TICK)


def folder_size(folder: Path) -> int:
    """Bytes in the files of a folder and the folders in it. Files that vanish meanwhile are not counted."""
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(path) / name).stat().st_size
            except OSError:
                continue
    return size


def reason(output: str, status: int) -> str:
    """The line of a client's output that tells best why it failed."""
    for pattern in TELLING:
        if match := re.search(pattern, output, re.MULTILINE):
            return match[1].strip()[:200]
    lines = output.split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), f"ended with status {status}")


@contextmanager
def progress(title: str, megabytes: float) -> Iterator:
    """A function to tell the number of bytes so far, drawn as a bar on a terminal; elsewhere one line is printed."""
    total = int(megabytes * 1e6)
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("CI"):
        print(f"{title} ({megabytes:.0f} MB)", file=sys.stderr, flush=True)
        yield lambda arrived: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda arrived: bar.update(task, completed=min(arrived, total))
