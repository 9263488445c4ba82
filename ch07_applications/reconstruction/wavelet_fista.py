"""Compressed sensing by FISTA: the image with the sparsest wavelet coefficients that agrees with the measurements.

Method     Lustig, Donoho and Pauly 2007. Of all images near the measurements, choose the one whose wavelet coefficients
           have the least sum of moduli:

               min_x  ½ ‖M F x − y‖² + λ ‖Ψ x‖₁

           Random undersampling makes aliasing look like noise, which is not sparse; soft thresholding removes it. FISTA
           (Beck and Teboulle 2009, §4) steps from a point z ahead of the iterates:

               x_{k+1} = Ψ^H soft(Ψ (z_k − F^H M (F z_k − y)), λ)                                          (4.1)
               t_{k+1} = (1 + √(1 + 4 t_k²)) / 2                                                           (4.2)
               z_{k+1} = x_{k+1} + (t_k − 1) / t_{k+1} (x_{k+1} − x_k)                                     (4.3)

           A step of 1 is right, because F is unitary and M a projection. Ψ is Haar's orthonormal transform. Its squares
           appear as blocks; cycle spinning (Coifman and Donoho 1995) shifts the grid of squares from step to step, so
           that they average out. A fixed grid minimises the objective exactly.
"""

from __future__ import annotations

from itertools import cycle, islice

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from ch07_applications.reconstruction.k_space import Maps, Mask, check_measured, inverse, residual, transform

LEVELS = 4
SHIFTS = ((0, 0), (5, 11), (11, 5), (3, 14), (14, 3), (8, 8), (6, 1), (1, 6), (12, 13), (13, 9))  # of the grid
Images = Complex[Tensor, "*images _ _"] | Float[Tensor, "*images _ _"]


def haar(image: Images, levels: int = LEVELS) -> Images:
    """The orthonormal Haar transform: sums and differences of neighbours by √½, then of the sums again, level by level.

    Coarse coefficients are in the top left corner, as usual. Raises ValueError for sides that
    2^levels does not divide.
    """
    if any(side % 2**levels for side in image.shape[-2:]):
        raise ValueError(f"sides {tuple(image.shape[-2:])} are not multiples of {2**levels}, for {levels} levels")
    found = image.clone()
    for level in range(levels):
        height, width = (side >> level for side in image.shape[-2:])
        x = found[..., :height, :width]
        a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
        top = torch.cat([a + b + c + d, a - b + c - d], dim=-1)
        bottom = torch.cat([a + b - c - d, a - b - c + d], dim=-1)
        found[..., :height, :width] = torch.cat([top, bottom], dim=-2) / 2
    return found


def inverse_haar(coefficients: Images, levels: int = LEVELS) -> Images:
    """The image of a Haar transform: its adjoint, which is its inverse."""
    found = coefficients.clone()
    for level in reversed(range(levels)):
        height, width = (side >> level for side in coefficients.shape[-2:])
        x = found[..., :height, :width].clone()
        h, w = height // 2, width // 2
        a, b, c, d = x[..., :h, :w], x[..., :h, w:], x[..., h:, :w], x[..., h:, w:]
        found[..., :height:2, :width:2], found[..., :height:2, 1:width:2] = (a + b + c + d) / 2, (a - b + c - d) / 2
        found[..., 1:height:2, :width:2], found[..., 1:height:2, 1:width:2] = (a + b - c - d) / 2, (a - b - c + d) / 2
    return found


def soft(coefficients: Images, threshold: float) -> Images:
    """Moduli minus the threshold, at least 0, with unchanged phases: argmin_z ½ |z − c|² + threshold |z|."""
    return coefficients * (1 - threshold / coefficients.abs().clamp(min=1e-30)).clamp(min=0)


def objective(image: Maps, measured: Maps, mask: Mask, weight: float, levels: int = LEVELS) -> float:
    """½ ‖M F x − y‖² + λ ‖Ψ x‖₁ of all images together. weight: λ."""
    misfit = (transform(image) * mask.unsqueeze(-2) - measured).abs().square().sum()
    return float(0.5 * misfit + weight * haar(padded(image, levels), levels).abs().sum())


def padded(image: Maps, levels: int) -> Complex[Tensor, "*batch _ _"]:
    """The image padded with zeros below and to the right, up to the next multiple of 2^levels."""
    height, width = (-side % 2**levels for side in image.shape[-2:])
    return torch.nn.functional.pad(image, (0, width, 0, height)) if height or width else image


def shrink(image: Maps, threshold: float, shift: tuple[int, int] = (0, 0), levels: int = LEVELS) -> Maps:
    """Ψ^H soft(Ψ x, threshold) on a shifted grid of squares. Sides that do not fit are padded with zeros."""
    height, width = image.shape[-2:]
    rolled = torch.roll(padded(image, levels), shift, (-2, -1))
    kept = inverse_haar(soft(haar(rolled, levels), threshold), levels)
    return torch.roll(kept, (-shift[0], -shift[1]), (-2, -1))[..., :height, :width]


def reconstruct(
    measured: Maps, mask: Mask, weight: float, iterations: int, *, spin: bool = True, levels: int = LEVELS
) -> Maps:
    """FISTA from the zero-filled image, for any number of images at once. weight: λ, in units of the image.

    spin: shift the grid from step to step. Raises what check_measured raises, and ValueError for a negative weight.
    """
    check_measured(measured, mask)
    if weight < 0:
        raise ValueError(f"a weight of {weight} would reward large coefficients")
    image = ahead = inverse(measured)
    momentum = 1.0
    for shift in islice(cycle(SHIFTS if spin else SHIFTS[:1]), iterations):
        new = shrink(ahead - residual(ahead, measured, mask), weight, shift, levels)  # (4.1)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2  # (4.2)
        ahead = new + (momentum - 1) / following * (new - image)  # (4.3)
        image, momentum = new, following
    return image
