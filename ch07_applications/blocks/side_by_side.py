"""Independent pieces of a lesson's work, two at a time, each in its own process.

A small network's step is a chain of short operations. Two threads within each of them wait for each other more than
they compute, so two whole trainings side by side, of one thread each, use two cores better.
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
Made = tuple[Any, float | None]  # the result of a piece of work, and its seconds


def side_by_side(run: Run, works: Mapping[str, Work]) -> dict[str, Made]:
    """The result and the seconds of each piece of work, by name. They start in this order: the longest should come
    first.

    works: called with a run of the same lesson, seed and data, which shows nothing and keeps nothing but checkpoints.
    They and their results must be picklable. At smoke, on a GPU, under torchrun, and if no process can be started, they
    run here, one after the other, with the run itself.
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
    """The work's result, and its seconds."""
    start = time.perf_counter()
    return work(run), time.perf_counter() - start


def do_elsewhere(
    work: Work, lesson: str, seed: int, scale: Scale, folders: tuple[Path, Path | None]
) -> tuple[bytes, float]:
    """timed, in another process with one thread. The result is serialised, because tensors would otherwise be sent as
    shared memory, which ends with the process that made it. folders: the run's, and that of its checkpoints.
    """
    torch.set_num_threads(1)
    run = Run(lesson, seed, scale, LessonRecord("", ""), folders[0], Console(quiet=True), True, "cpu", folders[1])
    answer, seconds = timed(work, run)
    return pickle.dumps(answer), seconds
