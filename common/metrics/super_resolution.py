"""PSNR and SSIM by the protocol of super-resolution: on luma, with a border cropped.

Protocol   Dong et al. 2016 (SRCNN) and after: both metrics on luma Y of BT.601 (16 … 235, MATLAB's rgb2ycbcr), with a
           data range of 255, and `scale` pixels cropped at each side, where an upscaled picture lacks neighbours.
Method     SSIM: Wang et al. 2004, Eq. (13), windows of 11 × 11 pixels, a Gaussian of σ = 1.5, K = (0.01, 0.03),
           averaged over windows that lie wholly in the cropped picture (their code's "valid" filter).
Differs    Y is not rounded to whole numbers, as MATLAB rounds it for uint8 pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Real
from scipy.ndimage import gaussian_filter

RANGE = 255.0
WINDOW, SIGMA = 11, 1.5
CEILING = 100.0  # dB: what an identical picture counts in a mean, as in much published code
Picture = Real[np.ndarray, "..."]  # (H, W) grey, or (H, W, 3) red-green-blue; uint8, or other numbers in 0 … 255


def luma(picture: Picture) -> Float64[np.ndarray, "height width"]:
    """Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 of a colour picture; ITU-R BT.601. Grey stays as it is.

    Raises ValueError for another shape, values that are no finite number or outside 0 … 255, and for floating-point
    values that are all within 0 … 1: these are of a picture in another range.
    """
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise ValueError(f"a picture is (H, W) or (H, W, 3), not {picture.shape}")
    pixels = np.asarray(picture, float)
    if not np.isfinite(pixels).all():
        raise ValueError("the picture has values that are no finite numbers")
    low, high = pixels.min(initial=RANGE), pixels.max(initial=0)
    if low < 0 or high > RANGE:
        raise ValueError(f"the picture's values are {low:g} … {high:g}, but must lie in 0 … 255")
    if picture.dtype.kind in "fb" and 0 < high <= 1:
        raise ValueError(f"the picture's values are {low:g} … {high:g}: multiply them by 255")
    return pixels if pixels.ndim == 2 else 16 + pixels @ np.array([65.481, 128.553, 24.966]) / RANGE


def compared(truth: Picture, estimate: Picture, border: int) -> Float64[np.ndarray, "2 rows columns"]:
    """Luma of both pictures without the border. Raises ValueError where sizes differ, or nothing is left."""
    if truth.shape != estimate.shape:
        raise ValueError(f"the truth is {truth.shape}, but the estimate {estimate.shape}")
    if not 0 <= border < (min(truth.shape[:2]) + 1) // 2:
        raise ValueError(f"a border of {border} pixels cannot be cropped from {truth.shape[:2]} pixels")
    height, width = truth.shape[:2]
    return np.stack([luma(picture)[border : height - border, border : width - border] for picture in (truth, estimate)])


def psnr(truth: Picture, estimate: Picture, scale: int) -> float:
    """10 log₁₀(255² / MSE) on luma, in dB; infinite where the two are equal. scale: of the upscaling, and the border.

    One grey level off everywhere is 48.13 dB on grey pictures. Raises ValueError as luma and compared do.
    """
    a, b = compared(truth, estimate, scale)
    error = np.mean((a - b) ** 2)
    return 10 * math.log10(RANGE**2 / error) if error else math.inf


def ssim(truth: Picture, estimate: Picture, scale: int) -> float:
    """The mean structural similarity of luma, at most 1, which means equal. scale: as in psnr.

    Raises ValueError as luma and compared do, and where less than a window of 11 × 11 pixels is left.
    """
    a, b = compared(truth, estimate, scale)
    if min(a.shape) < WINDOW:
        raise ValueError(f"{a.shape} pixels are left without the border; SSIM needs {WINDOW} × {WINDOW}")
    half = WINDOW // 2
    moments = gaussian_filter(np.stack([a, b, a * a, b * b, a * b]), SIGMA, axes=(1, 2), radius=half)
    mean_a, mean_b, square_a, square_b, product = moments[:, half:-half, half:-half]
    covariance, variances = product - mean_a * mean_b, square_a - mean_a**2 + square_b - mean_b**2
    c1, c2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))))


def psnr_by_image(truths: Sequence[Picture], estimates: Sequence[Picture], scale: int) -> Float64[np.ndarray, "images"]:
    """PSNR of each picture; the metric of a test set is their mean, so that method.score_items gives its interval.

    At most CEILING, 100 dB, which an identical picture has, as a mean with an infinite value would say nothing.
    Raises ValueError for another number of estimates than truths.
    """
    return np.array([min(psnr(a, b, scale), CEILING) for a, b in pairs(truths, estimates)])


def ssim_by_image(truths: Sequence[Picture], estimates: Sequence[Picture], scale: int) -> Float64[np.ndarray, "images"]:
    """SSIM of each picture, as psnr_by_image."""
    return np.array([ssim(a, b, scale) for a, b in pairs(truths, estimates)])


def pairs(truths: Sequence[Picture], estimates: Sequence[Picture]) -> list[tuple[Picture, Picture]]:
    """The pictures side by side. Raises ValueError for another number of estimates than truths."""
    if len(truths) != len(estimates):
        raise ValueError(f"{len(truths)} pictures but {len(estimates)} estimates")
    return list(zip(truths, estimates, strict=True))
