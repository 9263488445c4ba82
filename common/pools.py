"""Work on many images, shared out to several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from multiprocessing import get_context
from typing import Any

import numpy as np

FEW = 40  # images: so few are not worth the seconds that processes take to start
CHUNK = 16  # images that a process is given at once


def processes(workers: int = 2) -> ProcessPoolExecutor:
    """So many processes for map_chunks, where it is called again and again: they take a second or two to start."""
    # spawn, as on macOS and Windows: a forked process may wait for ever for torch's threads
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def map_chunks(
    function: Callable[..., list],
    *columns: Sequence | np.ndarray,
    workers: int = 2,
    pool: ProcessPoolExecutor | None = None,
) -> list[Any]:
    """What function(*parts of the columns) gives for each chunk of items, one list after the other.

    function: of one part of each column; gives a list with a result per item. It, the parts and the results must be
    able to travel to another process. workers: how many processes; this one does the work where the items are few, or
    where no other can be started. pool: processes that are there already.
    """
    starts = range(0, len(columns[0]), CHUNK)
    parts = [[column[start : start + CHUNK] for start in starts] for column in columns]
    found = None
    if workers > 1 and len(columns[0]) > FEW:
        try:
            with nullcontext(pool) if pool else processes(workers) as started:
                found = list(started.map(function, *parts))
        except (BrokenProcessPool, OSError):
            found = None
    chunks = map(function, *parts) if found is None else found
    return [result for chunk in chunks for result in chunk]
