"""PSNR and SSIM of slices of a volume: on magnitudes, with the largest value of the whole volume as the data range.

A slice at the crown is small and dark. With its own largest value as the range, its PSNR is another number, although no
pixel has changed; averaged over slices, the same reconstruction gains or loses decibels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np
from jaxtyping import Complex, Float64
from torch import Tensor

from ch07_applications.reconstruction.head_slices import Scans
from ch07_applications.reconstruction.k_space import transform
from common.run import Method

Slices = Complex[Tensor, "slices height width"]


def psnr_by_slice(truths: Slices, estimates: Slices, peak: float | None) -> Float64[np.ndarray, "slices"]:
    """10 log₁₀(peak² / MSE) of magnitudes, in dB. peak: the volume's; None: each slice's own."""
    truth, estimate = (each.abs().double().numpy() for each in (truths, estimates))
    errors = ((truth - estimate) ** 2).mean((1, 2))
    return 10 * np.log10((truth.max((1, 2)) if peak is None else peak) ** 2 / errors)


def ssim_by_slice(truths: Slices, estimates: Slices, peak: float) -> Float64[np.ndarray, "slices"]:
    """The mean structural similarity of magnitudes, at most 1; scikit-image's, windows of 7 × 7 pixels."""
    from skimage.metrics import structural_similarity

    pairs = zip(truths.abs().double().numpy(), estimates.abs().double().numpy(), strict=True)
    return np.array([structural_similarity(a, b, data_range=peak) for a, b in pairs])


def score_parts(method: Method, parts: Sequence[Scans], reconstruct: Callable[..., Slices]) -> list[Tensor]:
    """Reconstruct every part by reconstruct(measured, mask), timed; score PSNR and SSIM. Returns the images."""
    start = perf_counter()
    found = [reconstruct(part.inputs, part.mask) for part in parts]
    method.predict_seconds = perf_counter() - start
    for part, estimates in zip(parts, found, strict=True):
        values = {
            "PSNR": psnr_by_slice(part.answers, estimates, part.peak),
            "SSIM": ssim_by_slice(part.answers, estimates, part.peak),
        }
        for name, own in values.items():
            unit = "dB" if name == "PSNR" else ""
            method.score_items(part.metric(name), own, part, unit=unit, higher_is_better=True)
    return found


def distances(height: int, width: int) -> Float64[np.ndarray, "{height} {width}"]:
    """The distance of every place of k-space to frequency 0."""
    return np.hypot(np.arange(height)[:, None] - height // 2, np.arange(width) - width // 2)


def errors_by_distance(
    truths: Slices, shown: Mapping[str, Slices], width: int = 4
) -> dict[str, Float64[np.ndarray, "rings"]]:
    """k-space's relative root mean square error in rings of this width, as far as the nearest border."""
    ring = (distances(*truths.shape[1:]) / width).astype(int)
    last = min(truths.shape[1:]) // 2 // width

    def power(k_space: Slices) -> Float64[np.ndarray, "rings"]:
        squares = k_space.abs().square().mean(0).double().numpy()
        return np.bincount(ring.ravel(), squares.ravel())[:last]

    whole = power(transform(truths))
    return {name: np.sqrt(power(transform(each - truths)) / whole) for name, each in shown.items()}
