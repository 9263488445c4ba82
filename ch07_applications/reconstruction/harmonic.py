"""The harmonic fill: the smoothest continuation of what surrounds a hole.

Laplace's equation Δu = 0 within the hole, u known on its rim (Dirichlet), no slope across the border of the picture
(Neumann). On the grid every hidden pixel is the mean of its neighbours within the picture:

    n_i u_i − Σ_(hidden neighbours j) u_j = Σ_(known neighbours j) u_j

with n_i neighbours, 4 or at a border fewer. The matrix is symmetric and positive definite, depends on the hole alone,
and so is factorised once for all pictures with this hole. No maximum lies within the hole: edges that run into it fade.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from ch07_applications.reconstruction.holes import Hole, check_hole


class Harmonic:
    """Fills one hole in any picture of its size. Raises ValueError for a hole that hides every pixel or none."""

    def __init__(self, hole: Bool[np.ndarray, "_ _"]) -> None:
        check_hole(np.zeros((*hole.shape, 3)), hole)
        self.hole = hole
        flat, places = hole.ravel(), np.arange(hole.size).reshape(hole.shape)
        pairs = np.concatenate(
            [np.stack([a.ravel(), b.ravel()]) for a, b in ((places[1:], places[:-1]), (places[:, 1:], places[:, :-1]))],
            axis=1,
        )
        self.hidden = np.flatnonzero(flat)
        pairs = np.concatenate([pairs, pairs[::-1]], axis=1)
        pairs = pairs[:, flat[pairs[0]]]  # from a hidden pixel to a neighbour
        number = np.full(hole.size, -1)
        number[self.hidden] = np.arange(len(self.hidden))
        rows, inside = number[pairs[0]], flat[pairs[1]]
        count, diagonal = len(self.hidden), np.bincount(rows, minlength=len(self.hidden))
        within = coo_array((-np.ones(inside.sum()), (rows[inside], number[pairs[1][inside]])), shape=(count, count))
        matrix = csc_array(within + coo_array((diagonal, (np.arange(count),) * 2), shape=(count, count)))
        rim = (np.ones((~inside).sum()), (rows[~inside], pairs[1][~inside]))
        self.rim = coo_array(rim, shape=(count, hole.size)).tocsr()
        self.solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def fill(self, pictures: Shaped[np.ndarray, "pictures _ _ channels"]) -> Float[np.ndarray, "pictures _ _ channels"]:
        """The pictures, hidden pixels replaced; what these held before makes no difference."""
        filled = np.array(pictures, float)
        columns = np.moveaxis(filled, 0, 2).reshape(self.hole.size, -1)  # a column per picture and channel
        found = self.solver.solve(self.rim @ np.where(self.hole.reshape(-1, 1), 0, columns))
        filled[:, self.hole] = np.moveaxis(found.reshape(len(found), len(filled), -1), 1, 0)
        return filled


def fill_harmonic(picture: Shaped[np.ndarray, "height width 3"], hole: Hole) -> Float[np.ndarray, "height width 3"]:
    """One picture. Raises ValueError as check_hole does."""
    check_hole(picture, hole)
    return Harmonic(hole).fill(picture[None])[0]
