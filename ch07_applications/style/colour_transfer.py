"""Colour transfer: the linear map between two pictures' colours that moves them least (Monge–Kantorovich).

Method     Pitié and Kokaram 2007, §3. Colours x of a picture with mean μ and covariance Σ become

               T x = A (x − μ_content) + μ_style,  A = S⁻¹ (S Σ_style S)^½ S⁻¹,  S = Σ_content^½            (1)

           The result has the style's mean and covariance. Of all linear maps with that property, T has the least mean
           squared change: it is the optimal transport between two Gaussians (Olkin and Pukelsheim 1982). A Cholesky
           factor in place of S gives the same covariance, too, but rotates colours.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ch07_applications.style.pixels import Picture

RIDGE = 1e-3  # its square is added to the content's variances, on colours of 0 … 1: one colour alone has none


def root(matrix: Float[np.ndarray, "n n"], power: float = 0.5) -> Float[np.ndarray, "n n"]:
    """A power of a symmetric positive semi-definite matrix, by its eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values.clip(min=0) ** power) @ vectors.T


def transport(content: Float[np.ndarray, "n n"], style: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """A of Eq. (1), which is symmetric and maps the covariance `content` to `style`."""
    half, back = root(content), root(content, -0.5)
    return back @ root(half @ style @ half) @ back


def transfer_colours(content: Picture, style: Picture) -> Picture:
    """The content with the mean and the covariance of the style's colours, clipped to 0 … 255."""
    x, y = (picture.reshape(-1, 3) / 255 for picture in (content, style))
    ridge = RIDGE**2 * np.eye(3)
    turn = transport(np.cov(x, rowvar=False) + ridge, np.cov(y, rowvar=False))
    moved = (x - x.mean(axis=0)) @ turn + y.mean(axis=0)
    return (255 * moved).round().clip(0, 255).astype(np.uint8).reshape(content.shape)


def colour_distance(picture: Picture, style: Picture) -> float:
    """The distance by which T moves colours, as a root mean square in grey levels: the Fréchet distance of two
    Gaussians.

    √(‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)); Dowson and Landau 1982.
    """
    a, b = (each.reshape(-1, 3).astype(float) for each in (picture, style))
    first, second = (np.cov(each, rowvar=False) for each in (a, b))
    half = root(first)
    spread = np.trace(first + second - 2 * root(half @ second @ half))
    return float(np.sqrt(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + max(spread, 0)))
