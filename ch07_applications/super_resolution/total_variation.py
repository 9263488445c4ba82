"""Enlarging with the least total variation: the classical way to restore detail that a known downsampler removed.

Method     Rudin, Osher and Fatemi 1992, for super-resolution: among the pictures that agree with the coarse one, those
           with few and sharp edges,

               min_x  ½ ‖D x − x₀‖² + λ Σ_p ‖∇x(p)‖,

           where ∇x(p) has the differences to the pixels below and to the right in all three colours, so that their
           edges coincide. Chambolle and Pock 2011, Algorithm 1, alternates steps in x and in dual fields q:

               q ← project(q + σ ∇x̄)  onto ‖q(p)‖ ≤ λ
               x' ← (1 + τ DᵀD)⁻¹ (x − τ ∇ᵀq + τ Dᵀx₀),   x̄ ← 2 x' − x,   x ← x'

           It converges for σ τ ‖∇‖² ≤ 1, and ‖∇‖² ≤ 8. The inverse is exact: D x = M x Mᵀ, so that DᵀD is diagonal in
           the eigenvectors of MᵀM.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ch07_applications.super_resolution.lanczos import Downsampler

ROUNDS = 100
STEP = 10.0  # τ; σ is 1 / (8 τ). with 3, 1 and 0.3 the objective is higher after the same number of rounds
Colours = Float[Tensor, "1 3 height width"]
Fields = Float[Tensor, "2 3 height width"]


def gradient(x: Colours) -> Fields:
    """∇x: differences to the next row and to the next column, 0 at the last one."""
    fields = x.new_zeros(2, *x.shape[1:])
    fields[0, :, :-1], fields[1, :, :, :-1] = x[0].diff(dim=1), x[0].diff(dim=2)
    return fields


def gradient_adjoint(fields: Fields) -> Colours:
    """∇ᵀq, minus the divergence: ⟨∇x, q⟩ = ⟨x, ∇ᵀq⟩."""
    down, across = fields[0, :, :-1], fields[1, :, :, :-1]
    x = fields.new_zeros(1, *fields.shape[1:])
    x[0, :, :-1] -= down
    x[0, :, 1:] += down
    x[0, :, :, :-1] -= across
    x[0, :, :, 1:] += across
    return x


def objective(x: Colours, downsampler: Downsampler, coarse: Float[Tensor, "1 3 _ _"], weight: float) -> float:
    """½ ‖D x − x₀‖² + λ TV(x). weight: λ."""
    variation = gradient(x).square().sum(dim=(0, 1)).sqrt().sum()
    return float(0.5 * (downsampler(x) - coarse).square().sum() + weight * variation)


def enlarge(downsampler: Downsampler, coarse: Float[Tensor, "1 3 _ _"], start: Colours, weight: float) -> Colours:
    """The picture with the least objective. start: of the search, such as a bicubic enlargement. weight: λ."""
    (rows, of_rows), (columns, of_columns) = (
        torch.linalg.eigh(matrix.T @ matrix) for matrix in (downsampler.rows, downsampler.columns)
    )
    stiffness = 1 + STEP * rows[:, None] * columns
    pull = STEP * downsampler.adjoint(coarse)
    x = ahead = start
    q = gradient(torch.zeros_like(start))
    for _ in range(ROUNDS):
        q = q + gradient(ahead) / (8 * STEP)
        q = q / (q.square().sum(dim=(0, 1)).sqrt() / weight).clamp(min=1)
        free = x - STEP * gradient_adjoint(q) + pull
        new = of_rows @ ((of_rows.T @ free @ of_columns) / stiffness) @ of_columns.T
        ahead, x = 2 * new - x, new
    return x
