"""Reducing a picture by Lanczos's filter of two lobes: a known linear map D, with its adjoint.

Method     Turkowski 1990. Before a picture is reduced by a factor s, it has to be low-pass filtered, or fine detail
           would appear as coarse. Lanczos2 is the ideal filter sinc(t), windowed by the main lobe of sinc(t / 2), and
           stretched to the coarse grid:

               k(t) = sinc(t) sinc(t / 2)  for |t| < 2,   t = (i − c) / s

           for fine pixel i and a coarse pixel whose centre is at c = (j + ½) s − ½. Weights are divided by their sum,
           so that a constant picture stays unchanged. Beyond the border the outermost pixels are repeated.

The filter is separable: D x = M x Mᵀ per colour, with a matrix M of (size / s) × size. So D is linear by construction,
and its adjoint, which inverse problems need, is Mᵀ y M. It is the same map as a convolution with stride s.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def lanczos_matrix(size: int, factor: int) -> Float[Tensor, "coarse size"]:
    """M: a row of fine pixels' weights per coarse pixel; rows sum to 1.

    Raises ValueError for a factor below 1, and if it does not divide the size.
    """
    if factor < 1 or size % factor or not size:
        raise ValueError(f"{size} pixels cannot be reduced by a factor of {factor}")
    reach = 2 * factor
    places = np.arange(-reach, size + reach)  # with pixels beyond the border
    centres = (np.arange(size // factor) + 0.5) * factor - 0.5
    t = (places - centres[:, None]) / factor
    weights = np.where(np.abs(t) < 2, np.sinc(t) * np.sinc(t / 2), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    inside = weights[:, reach:-reach].copy()
    inside[:, 0] += weights[:, :reach].sum(axis=1)
    inside[:, -1] += weights[:, -reach:].sum(axis=1)
    return torch.tensor(inside, dtype=torch.float32)


class Downsampler:
    """D for pictures of one size. factor: the fine pixels per coarse one, along each side."""

    def __init__(self, height: int, width: int, factor: int) -> None:
        self.rows, self.columns = lanczos_matrix(height, factor), lanczos_matrix(width, factor)

    def __call__(self, fine: Float[Tensor, "batch colours height width"]) -> Float[Tensor, "batch colours _ _"]:
        """The reduced picture."""
        return self.rows @ fine @ self.columns.T

    def adjoint(self, coarse: Float[Tensor, "batch colours _ _"]) -> Float[Tensor, "batch colours height width"]:
        """Dᵀ: ⟨D x, y⟩ = ⟨x, Dᵀ y⟩ for all x and y. It is not an enlargement: its weights do not sum to 1."""
        return self.rows.T @ coarse @ self.columns
