"""The harmonic and the biharmonic fill: the smoothest continuations of a hole's surroundings.

The harmonic fill has the least slope Σ |∇u|²: Laplace's equation Δu = 0 within the hole, with u known on its rim. On
the grid every hidden pixel is the mean of its neighbours. No maximum lies within the hole; edges that run into it fade.
The biharmonic fill has the least curvature Σ (Δu)²: Δ²u = 0, with u and its slope known at the rim. It continues
slopes, and overshoots. Nothing flows across the border of the picture. With the grid's Laplacian L, both are the linear
system

    (Lᵖ)_hh u_h = −(Lᵖ)_hk u_k,    p = 1 or 2,

for h hidden and k known pixels. The matrix is symmetric and positive definite and depends on the hole only, so it is
factorised once for all pictures with this hole.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.sparse import csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import splu

from ch07_applications.reconstruction.holes import Hole, check_hole


def laplacian(height: int, width: int) -> csr_array:
    """L of a grid: (L u)_i is the sum of u_i − u_j over the neighbours j of pixel i that lie within the picture."""

    def along(n: int) -> csr_array:
        step = diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
        return csr_array(step.T @ step)

    return csr_array(kron(along(height), eye_array(width)) + kron(eye_array(height), along(width)))


class SmoothFill:
    """Fills one hole in any picture of its size. order: p, 1 for the harmonic fill and 2 for the biharmonic.

    Raises ValueError for a hole that hides every pixel or none.
    """

    def __init__(self, hole: Bool[np.ndarray, "_ _"], order: int) -> None:
        check_hole(np.zeros((*hole.shape, 3)), hole)
        self.hole, operator = hole, laplacian(*hole.shape)
        hidden = np.flatnonzero(hole)
        rows = operator[hidden] @ operator if order == 2 else operator[hidden]
        self.rows = rows
        matrix = rows[:, hidden].tocsc()
        self.solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def fill(self, pictures: Shaped[np.ndarray, "pictures _ _ channels"]) -> Float[np.ndarray, "pictures _ _ channels"]:
        """The pictures with hidden pixels replaced; their values there have no effect."""
        filled = np.array(pictures, float)
        columns = np.moveaxis(filled, 0, 2).reshape(self.hole.size, -1)  # a column per picture and channel
        found = self.solver.solve(-(self.rows @ np.where(self.hole.reshape(-1, 1), 0, columns)))
        filled[:, self.hole] = np.moveaxis(found.reshape(len(found), len(filled), -1), 1, 0)
        return filled


def fill_smoothly(
    picture: Shaped[np.ndarray, "height width 3"], hole: Hole
) -> tuple[Float[np.ndarray, "height width 3"], Float[np.ndarray, "height width 3"]]:
    """The harmonic and the biharmonic fill of one picture. Raises what check_hole raises."""
    check_hole(picture, hole)
    harmonic, biharmonic = (SmoothFill(hole, order).fill(picture[None])[0] for order in (1, 2))
    return harmonic, biharmonic
