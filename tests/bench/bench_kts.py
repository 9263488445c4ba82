"""Kernel temporal segmentation beside the same recursion in plain loops."""

from __future__ import annotations

from functools import partial

import numpy as np
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.video.summarization import segment

FRAMES, MOST, SHOTS, PENALTY, SEED = 200, 40, 12, 0.3, 7


def film(frames: int) -> np.ndarray:
    """The kernel of so many frames of SHOTS shots with noise."""
    rng = np.random.default_rng(SEED)
    rows = rng.random((SHOTS, 64))[np.arange(frames) * SHOTS // frames] + 0.1 * rng.random((frames, 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def loops(gram: np.ndarray, penalty: float, most: int) -> list[int]:
    """The cuts of Potapov et al. 2014: scatters and costs one by one."""
    n, kernel = len(gram), gram.tolist()
    scatter = [[float("inf")] * (n + 1) for _ in range(n + 1)]
    for a in range(n):
        trace, total = 0.0, 0.0
        for b in range(a, n):
            trace += kernel[b][b]
            total += kernel[b][b] + 2 * sum(kernel[b][a:b])
            scatter[a][b + 1] = trace - total / (b + 1 - a)
    costs, before = [[*scatter[0]]], []
    for _ in range(most):
        cost, last = [], []
        for b in range(n + 1):
            best = min(range(n + 1), key=lambda a, b=b: costs[-1][a] + scatter[a][b])
            cost.append(costs[-1][best] + scatter[best][b])
            last.append(best)
        costs.append(cost)
        before.append(last)
    prices = [penalty * m / (2 * n) * (np.log(n / max(m, 1)) + 1) for m in range(most + 1)]
    count, end, cuts = int(np.argmin([cost[n] / n + price for cost, price in zip(costs, prices, strict=True)])), n, []
    for last in before[:count][::-1]:
        end = last[end]
        cuts.append(end)
    return cuts[::-1]


def measure() -> list[dict]:
    """One row for run.py."""
    gram = film(FRAMES)
    with threadpool_limits(1):
        ours, theirs = (partial(way, gram, PENALTY, MOST) for way in (segment, loops))
        assert ours().tolist() == theirs()
        return [row(f"temporal segmentation, {FRAMES} frames", ours, "plain loops", theirs, at_least=50, runs=1)]
