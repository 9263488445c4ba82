"""Luma, which a network enlarges (Y), and chroma, for which bicubic interpolation is good enough (Cb, Cr).

Eyes resolve luminance several times as finely as colour, and the metrics of super-resolution use Y only. ITU-R
BT.601, as MATLAB's rgb2ycbcr and common/metrics/super_resolution.py: Y from 16 to 235, Cb and Cr from 16 to 240.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, Real, UInt8

from ch07_applications.super_resolution.bicubic import enlarge, rounded
from common.metrics.super_resolution import luma

OFFSET = (16.0, 128.0, 128.0)
TO_YCBCR = (  # of red, green and blue from 0 to 255; the rows give Y, Cb and Cr
    (65.481 / 255, 128.553 / 255, 24.966 / 255),
    (-37.797 / 255, -74.203 / 255, 112.0 / 255),
    (112.0 / 255, -93.786 / 255, -18.214 / 255),
)
Grey = Float[np.ndarray, "_ _"]  # Y, from 0 to 255


def split(picture: Real[np.ndarray, "height width 3"]) -> Float64[np.ndarray, "height width 3"]:
    """Convert a colour picture to Y, Cb and Cr."""
    return np.asarray(picture, float) @ np.array(TO_YCBCR).T + OFFSET


def join(ycbcr: Float[np.ndarray, "height width 3"]) -> Float64[np.ndarray, "height width 3"]:
    """Convert Y, Cb and Cr to red, green and blue, neither rounded nor clipped."""
    return (ycbcr - OFFSET) @ np.linalg.inv(TO_YCBCR).T


def recoloured(
    estimate: Float[np.ndarray, "rows columns"], low: UInt8[np.ndarray, "height width *channels"]
) -> UInt8[np.ndarray, "rows columns *channels"]:
    """The picture with this luma, and the bicubically enlarged chroma of `low`. Grey stays grey."""
    if low.ndim == 2:
        return rounded(estimate)
    chroma = enlarge(split(low)[..., 1:], len(estimate) // len(low))
    return rounded(join(np.concatenate([estimate[..., None], chroma], axis=-1)))


def enlarge_picture(
    low: UInt8[np.ndarray, "height width *channels"], enlarge_luma: Callable[[Grey], Grey]
) -> UInt8[np.ndarray, "rows columns *channels"]:
    """Enlarge a grey (H, W) or colour (H, W, 3) picture, its luma by a method. Raises ValueError for another shape."""
    return recoloured(enlarge_luma(luma(low)), low)
