"""Segments of a picture, and what is measured on them: size, extent, colour, texture, and who lies beside whom.

Felzenszwalb and Huttenlocher's graph segmentation (2004; scikit-image's) cuts the picture up. What is measured is such
that the numbers of two segments give those of their union, without a look at a pixel: Uijlings et al. 2013, §3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from common.errors import Problem

BINS = {"c": 25, "t": 10}  # of colours, a channel; of texture, a channel and direction
DIRECTIONS = 8
LEAST = 4  # pixels, the shorter side of a picture that can be cut up


@dataclass(frozen=True, eq=False)
class Segments:
    """n regions of a picture of so many pixels.

    extents: (−x1, −y1, x2, y2), so that the extent of a union is the maximum. histograms: of colour, of texture, of
    both side by side, or none; each has the sum 1. pairs: regions that touch, each pair once.
    """

    sizes: Float[np.ndarray, "n"]
    extents: Float[np.ndarray, "n 4"]
    histograms: Float[np.ndarray, "n bins"]
    pairs: Int[np.ndarray, "pairs 2"]
    pixels: int


def in_space(image: UInt8[np.ndarray, "height width 3"], space: str) -> Float32[np.ndarray, "height width channels"]:
    """The picture in a colour space of §3.2, channels from 0 to 1. I: intensity; rgI: shares of red and green, and I.

    Raises ValueError for a space that isn't here.
    """
    from skimage import color

    rgb = image.astype(np.float32) / 255
    grey = rgb.mean(axis=2, keepdims=True)
    lowest, range_ = np.array([[0, -128, -128], [100, 255, 255]], np.float32)  # of L, a and b
    spaces: dict[str, Callable] = {
        "RGB": lambda: rgb,
        "I": lambda: grey,
        "HSV": lambda: color.rgb2hsv(rgb),
        "Lab": lambda: (color.rgb2lab(rgb) - lowest) / range_,
        "rgI": lambda: np.concatenate([rgb[..., :2] / np.maximum(3 * grey, 1 / 255), grey], axis=2),
    }
    if space not in spaces:
        raise ValueError(f"space must be one of {', '.join(spaces)}, got {space!r}")
    return spaces[space]()


def cut_up(
    picture: Float[np.ndarray, "height width channels"], k: float, sigma: float, min_size: int
) -> Int[np.ndarray, "height width"]:
    """The number, from 0, of each pixel's segment. k: how much neighbours may differ; a larger one leaves fewer.

    sigma: of the blur before. min_size: pixels of a segment, at least. Raises Problem for a picture that is too small.
    """
    from skimage.segmentation import felzenszwalb

    height, width, _ = picture.shape
    if min(height, width) < LEAST:
        raise Problem(f"selective search needs {LEAST}×{LEAST} pixels to cut up, and is given {height}×{width}")
    return felzenszwalb(picture, scale=k, sigma=sigma, min_size=min_size, channel_axis=2)


def colour_bins(picture: Float[np.ndarray, "height width channels"]) -> Int[np.ndarray, "height width channels"]:
    """Each pixel's bin of 25, for every channel."""
    return np.clip(picture * BINS["c"], 0, BINS["c"] - 1).astype(np.intp)


def texture_bins(picture: Float[np.ndarray, "height width channels"]) -> Int[np.ndarray, "height width responses"]:
    """Each pixel's bin of 10, for every channel and direction: the derivative of a Gaussian, σ = 1, in 8 directions.

    In direction θ that is cos θ Gx + sin θ Gy (Freeman and Adelson 1991), so two convolutions do for all. Bins reach
    from 0, where all that is negative goes too, to the steepest slope of the channel.
    """
    from scipy.ndimage import gaussian_filter1d

    down, across = (
        gaussian_filter1d(gaussian_filter1d(picture, 1, axis=1 - axis), 1, axis=axis, order=1) for axis in (0, 1)
    )
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False, dtype=np.float32)
    slopes = across[..., None] * np.cos(angles) + down[..., None] * np.sin(angles)
    steepest = np.maximum(slopes.max(axis=(0, 1, 3)), 1e-6)[:, None]
    bins = np.clip(slopes * (BINS["t"] / steepest), 0, BINS["t"] - 1).astype(np.intp)
    return bins.reshape(*picture.shape[:2], -1)


def histograms(
    labels: Int[np.ndarray, "height width"], bins: Int[np.ndarray, "height width channels"], count: int
) -> Float[np.ndarray, "n channels_count"]:
    """How a segment's pixels fall into the bins (0 … count − 1) of each channel, side by side; the sum is 1."""
    n, channels = int(labels.max()) + 1, bins.shape[2]
    at = (labels[..., None] * channels + np.arange(channels)) * count + bins
    counts = np.bincount(at.ravel(), minlength=n * channels * count).reshape(n, channels * count)
    return counts / counts.sum(axis=1, keepdims=True)


def extents(labels: Int[np.ndarray, "height width"]) -> Float[np.ndarray, "n 4"]:
    """(−x1, −y1, x2, y2) of every segment; x2 and y2 are the first column and row beyond it."""
    from scipy.ndimage import find_objects

    return np.array([(-x.start, -y.start, x.stop, y.stop) for y, x in find_objects(labels + 1)], float)


def touching(labels: Int[np.ndarray, "height width"]) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of segments with pixels side by side, or one above the other; the smaller number first."""
    n = int(labels.max()) + 1
    a = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()])
    b = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()])
    pairs = np.unique((np.minimum(a, b) * n + np.maximum(a, b))[a != b])
    return np.stack(np.divmod(pairs, n), axis=1)


def measured(labels: Int[np.ndarray, "height width"], bins: dict[str, Int[np.ndarray, "height width _"]]) -> Segments:
    """All that is measured on the segments. bins: each pixel's, of colour under "c", of texture under "t"."""
    sizes = np.bincount(labels.ravel()).astype(float)
    kinds = [histograms(labels, each, BINS[kind]) for kind, each in bins.items()]
    side_by_side = np.concatenate([np.zeros((len(sizes), 0)), *kinds], axis=1)
    return Segments(sizes, extents(labels), side_by_side, touching(labels), labels.size)
