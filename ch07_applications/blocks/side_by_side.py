"""Independent pieces of a lesson's work, two at a time, each in a process of its own.

A small network's step is a chain of short products. Two threads within each of them wait for each other more than they
compute, so two whole trainings side by side, of one thread each, use two cores better.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch

from common.console import Console
from common.data import Scale
from common.pools import processes
from common.processes import announced
from common.record import LessonRecord
from common.run import Run

Work = Callable[[Run], Any]
Made = tuple[Any, float | None]  # what a piece of work gives, and its seconds


def side_by_side(run: Run, works: Mapping[str, Work]) -> dict[str, Made]:
    """What each piece of work gives and the seconds that it took, by name. They start in this order: the longest first.

    works: called with a run of the same lesson, seed and data, which shows nothing and keeps nothing but checkpoints.
    They, and what they give, must be able to travel to another process. At smoke, on a GPU, under torchrun, and where
    no process can be started, they are done here, one after the other, with the run itself.
    """
    if run.device.type == "cpu" and run.scale.preset != "smoke" and announced() == (0, 1):
        known = (run.lesson, run.seed, run.scale, (run.folder, run.checkpoints))
        try:
            with processes() as pool:
                started = {name: pool.submit(do_elsewhere, work, *known) for name, work in works.items()}
                run.say_step(f"{len(works)} pieces of work, two at a time")
                for done, _ in enumerate(as_completed(started.values()), 1):
                    run.say_step(f"{done} of {len(works)} pieces of work done, two at a time")
                packed = {name: each.result() for name, each in started.items()}
            return {name: (pickle.loads(answer), seconds) for name, (answer, seconds) in packed.items()}
        except (BrokenProcessPool, OSError):
            pass
    return {name: timed(work, run) for name, work in works.items()}


def timed(work: Work, run: Run) -> Made:
    """What the work gives, and the seconds that it took."""
    start = time.perf_counter()
    return work(run), time.perf_counter() - start


def do_elsewhere(
    work: Work, lesson: str, seed: int, scale: Scale, folders: tuple[Path, Path | None]
) -> tuple[bytes, float]:
    """timed, in another process and with one thread. The answer is packed: tensors else travel as shared memory, which
    is gone with the process that made it. folders: the run's, and that of its checkpoints."""
    torch.set_num_threads(1)
    run = Run(lesson, seed, scale, LessonRecord("", ""), folders[0], Console(quiet=True), True, "cpu", folders[1])
    answer, seconds = timed(work, run)
    return pickle.dumps(answer), seconds
