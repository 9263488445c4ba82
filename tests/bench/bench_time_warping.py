"""Dynamic time warping: distances of all pairs of windows, beside dtaidistance's compiled ones, pair by pair.

Both have the same band and the same windows, and distances agree. One thread each.
"""

from __future__ import annotations

import numpy as np
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.video.time_warping import warped_distances

BAND, STEPS, CHANNELS = 4, 32, 6


def measure() -> list[dict]:
    """One row for run.py."""
    from dtaidistance import dtw_ndim

    rng = np.random.default_rng(0)
    kept, asked = (rng.normal(size=(n, STEPS, CHANNELS)).cumsum(axis=1) for n in (400, 100))
    both, block = np.concatenate([asked, kept]), ((0, len(asked)), (len(asked), len(asked) + len(kept)))

    def ours() -> np.ndarray:
        return warped_distances(asked.astype(np.float32), kept.astype(np.float32), BAND)

    def theirs() -> np.ndarray:
        found = dtw_ndim.distance_matrix_fast(both, window=BAND + 1, block=block, parallel=False)
        return found[: len(asked), len(asked) :]

    with threadpool_limits(1):
        np.testing.assert_allclose(ours(), theirs(), rtol=1e-3)
        return [row("DTW: 100 × 400 windows of 32 steps", ours, "dtaidistance", theirs, at_least=1)]
