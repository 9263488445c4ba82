"""The generalised distance transform of 128 × 128 places beside a direct search over all pairs of places."""

from __future__ import annotations

from functools import partial

import numpy as np
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.video.distance_transform import distance_transform

MAPS, SIDE, SEED = 12, 128, 7
Map = np.ndarray


def search(costs: Map, widths: Map, shifts: Map) -> tuple[Map, Map]:
    """D of every map by its definition, and where the minimum is: SIDE⁴ sums, a row of places p at a time."""
    places = np.arange(costs.shape[1])
    away = places - places[:, None]  # from p (row) to q (column)
    found, best = np.empty_like(costs), np.empty(costs.shape, np.intp)
    for k, (cost, width, shift) in enumerate(zip(costs, widths, shifts, strict=True)):
        x, y = (each * (away - move) ** 2 for each, move in zip(width, shift, strict=True))
        for i, of_row in enumerate(y):
            sums = (cost + of_row[:, None] + x[:, None]).reshape(SIDE, -1)
            best[k, i] = sums.argmin(axis=1)
            found[k, i] = sums[places, best[k, i]]
    return found, np.stack([best % SIDE, best // SIDE], axis=-1)


def measure() -> list[dict]:
    """Rows for run.py."""
    rng = np.random.default_rng(SEED)
    costs = 3 * rng.normal(size=(MAPS, SIDE, SIDE))
    widths, shifts = rng.uniform(0.02, 0.3, (MAPS, 2)), rng.uniform(-5, 5, (MAPS, 2))
    with threadpool_limits(1):
        each = zip(distance_transform(costs, widths, shifts), search(costs, widths, shifts), strict=True)
        assert all(np.allclose(one, other, atol=1e-9) for one, other in each)
        ours, theirs = (partial(way, costs, widths, shifts) for way in (distance_transform, search))
        return [row(f"distance transform, {MAPS} maps 128×128", ours, "direct search", theirs, at_least=50, runs=1)]
