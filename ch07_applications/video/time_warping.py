"""Dynamic time warping: the distance of two series after the best stretching of time, and the nearest neighbour by it.

Method     Sakoe & Chiba 1978. A path through the table of all pairs of steps, from the first pair to the last one,
           advances by a step in either series or in both; its cost is the sum of squared distances along it:

               D(i, j) = ‖a_i − b_j‖² + min( D(i−1, j), D(i, j−1), D(i−1, j−1) )         |i − j| ≤ band

           The distance is √D in the last cell. A band of 0 compares step with step: the Euclidean distance.
           A cell is computed for many pairs of series at once, as one matrix product.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin

from ch07_applications.video.random_kernels import series

BLOCK = 16_384  # pairs at a time, so that a row of the table stays in the cache
Windows = Float[np.ndarray, "items time channels"]


def warped_distances(
    a: Float[np.ndarray, "n time channels"], b: Float[np.ndarray, "m time channels"], band: int
) -> Float[np.ndarray, "n m"]:
    """√D of each pair. band: in steps; one wider than the series has no effect. Raises ValueError below 0."""
    if band < 0:
        raise ValueError(f"a band of {band} steps")
    # ‖a − b‖² = ‖a‖² − 2 a·b + ‖b‖² is a single product of longer vectors
    ones = np.ones((*a.shape[:2], 1), a.dtype)
    left = np.concatenate([-2 * a, (a**2).sum(axis=2, keepdims=True), ones], axis=2).swapaxes(0, 1)
    ones = np.ones((*b.shape[:2], 1), b.dtype)
    right = np.concatenate([b, ones, (b**2).sum(axis=2, keepdims=True)], axis=2).transpose(1, 2, 0)
    right = np.ascontiguousarray(right)
    block = max(1, BLOCK // len(b))
    blocks = [last_cell(left[:, start : start + block], right, band) for start in range(0, len(a), block)]
    return np.sqrt(np.maximum(np.concatenate(blocks), 0))


def last_cell(
    left: Float[np.ndarray, "time n longer"], right: Float[np.ndarray, "time longer m"], band: int
) -> Float[np.ndarray, "n m"]:
    """D of the last steps, row by row of the table; only the row before is kept."""
    steps, before = len(left), {}
    for i in range(steps):
        row = {}
        for j in range(max(0, i - band), min(steps, i + band + 1)):
            cell = np.maximum(left[i] @ right[j], 0)  # rounding must not make a distance negative
            earlier = [rows[at] for rows, at in ((before, j - 1), (before, j), (row, j - 1)) if at in rows]
            if earlier:
                least = earlier[0]
                for other in earlier[1:]:
                    least = np.minimum(least, other)
                cell += least
            row[j] = cell
        before = row
    return before[steps - 1]


class WarpedNeighbour(ClassifierMixin, BaseEstimator):
    """The class of the nearest training window. band: seconds. step: samples averaged to one step."""

    def __init__(self, band: float = 0.3, step: int = 4, rate: float = 50.0) -> None:
        self.band = band
        self.step = step
        self.rate = rate

    def fit(self, X: Windows, y: Int[np.ndarray, "items"]) -> WarpedNeighbour:
        """Store the windows, with channels of deviation 1."""
        X = series(X)
        self.classes_, self.labels_ = np.unique(y, return_inverse=True)
        self.scale_ = X.std(axis=(0, 1)) + 1e-8
        self.kept_ = self._steps(X)
        return self

    def distances(self, X: Windows) -> Float[np.ndarray, "items kept"]:
        """The distances of windows to all stored ones."""
        return warped_distances(self._steps(series(X)), self.kept_, round(self.band * self.rate / self.step))

    def predict(self, X: Windows) -> Int[np.ndarray, "items"]:
        """The class of the nearest stored window."""
        return self.classes_[self.labels_[self.distances(X).argmin(axis=1)]]

    def predict_proba(self, X: Windows) -> Float[np.ndarray, "items classes"]:
        """1 for the class of the nearest, 0 for the others: votes, which can be summed over windows."""
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, self.predict(X))]

    def _steps(self, X: Windows) -> Float[np.ndarray, "items steps channels"]:
        whole = X.shape[1] // self.step * self.step
        return (X[:, :whole] / self.scale_).reshape(len(X), -1, self.step, X.shape[2]).mean(axis=2)
