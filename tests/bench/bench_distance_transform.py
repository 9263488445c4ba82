"""The generalised distance transform of 64 × 64 places beside a direct search over all pairs of places."""

from __future__ import annotations

from functools import partial

import numpy as np
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.video.distance_transform import distance_transform

MAPS, SIDE, SEED = 2, 64, 7
Map = np.ndarray


def search(costs: Map, widths: Map, shifts: Map) -> Map:
    """D of every map by its definition: SIDE⁴ sums, a map at a time."""
    places = np.arange(costs.shape[1])
    away = places - places[:, None]  # from p (row) to q (column)
    found = np.empty_like(costs)
    for k, (cost, width, shift) in enumerate(zip(costs, widths, shifts, strict=True)):
        x, y = (each * (away - move) ** 2 for each, move in zip(width, shift, strict=True))
        for i, of_row in enumerate(y):
            found[k, i] = (cost + of_row[:, None] + x[:, None]).min(axis=(1, 2))
    return found


def measure() -> list[dict]:
    """Rows for run.py."""
    rng = np.random.default_rng(SEED)
    costs = 3 * rng.normal(size=(MAPS, SIDE, SIDE))
    widths, shifts = rng.uniform(0.02, 0.3, (MAPS, 2)), rng.uniform(-5, 5, (MAPS, 2))
    with threadpool_limits(1):
        np.testing.assert_allclose(
            distance_transform(costs, widths, shifts)[0], search(costs, widths, shifts), atol=1e-9
        )
        ours, theirs = (partial(way, costs, widths, shifts) for way in (distance_transform, search))
        return [row(f"distance transform, {MAPS} maps 64×64", ours, "direct search", theirs, at_least=50, runs=3)]
