"""Two ways to do the same, timed in turn, so that a slow spell of the machine hits both."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter


def row(name: str, ours: Callable, peer_name: str, peer: Callable, at_least: float, runs: int = 5) -> dict:
    """A row for tests/bench/run.py. ratio: the peer's median seconds over ours, after one call of each to warm up."""
    ours()
    peer()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for work, taken in zip((ours, peer), seconds, strict=True):
            start = perf_counter()
            work()
            taken.append(perf_counter() - start)
    ours_seconds, peer_seconds = map(median, seconds)
    return {
        "name": name,
        "peer": peer_name,
        "ours_seconds": ours_seconds,
        "peer_seconds": peer_seconds,
        "ratio": peer_seconds / ours_seconds,
        "at_least": at_least,
        "runs": runs,
    }
