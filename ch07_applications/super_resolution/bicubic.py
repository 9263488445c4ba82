"""Bicubic reduction and enlargement like MATLAB's imresize, on which super-resolution's protocol is based.

Method     Keys 1981: a pixel of the new grid is a weighted mean of its neighbours, by the cubic kernel

               k(x) = (a + 2) |x|³ − (a + 3) |x|² + 1                 |x| ≤ 1
                      a |x|³ − 5a |x|² + 8a |x| − 4a              1 < |x| < 2            with a = −1/2

           whose interpolation is exact for parabolas. To reduce a picture by s, the kernel becomes s times as wide, k(x
           / s) / s: it then averages, and frequencies that the new grid cannot represent do not fold back as a pattern
           (aliasing). Both axes are separate, so that an enlargement is two matrix products: R picture Cᵀ.
Differs    Pillow's BICUBIC has the same kernel and ignores what lies beyond the border, where MATLAB mirrors the
           picture. PyTorch's bicubic has a = −3/4 and does not widen the kernel, unless antialias=True, which takes
           a = −1/2. OpenCV's has a = −3/4 and never widens it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float64, Real, UInt8
from scipy.sparse import csr_array
from torch import Tensor

A = -0.5
FACTORS = (2, 4)


def kernel(x: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """k(x); zero from a distance of 2 on."""
    x = np.abs(x)
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def weights(old: int, new: int) -> csr_array:
    """The matrix (new, old) that maps a row of `old` pixels to `new`; its rows sum to 1. It must not be modified.

    Beyond its ends the row is mirrored, with the border pixel twice: … 2 1 0 0 1 2 … Raises ValueError for no pixels.
    """
    if min(old, new) < 1:
        raise ValueError(f"a row of {old} pixels cannot become one of {new}")
    share = new / old
    width = min(share, 1.0)  # below 1 if the picture is reduced: the kernel is 1 / width as wide
    centres = (np.arange(new) + 0.5) / share - 0.5
    reach = int(np.ceil(2 / width)) + 1
    places = np.floor(centres).astype(int)[:, None] + np.arange(-reach, reach + 1)
    found = kernel((centres[:, None] - places) * width)
    found /= found.sum(axis=1, keepdims=True)
    columns = places % (2 * old)
    columns = np.minimum(columns, 2 * old - 1 - columns)
    rows = np.broadcast_to(np.arange(new)[:, None], columns.shape)
    matrix = csr_array((found.ravel(), (rows.ravel(), columns.ravel())), (new, old))  # entries at one place are added
    matrix.eliminate_zeros()
    return matrix


def resize(
    pixels: Real[np.ndarray, "height width *channels"], size: tuple[int, int]
) -> Float64[np.ndarray, "rows columns *channels"]:
    """A grey or colour picture with this height and width, neither rounded nor clipped."""
    (height, width), channels = pixels.shape[:2], pixels.shape[2:]
    found = (weights(height, size[0]) @ np.asarray(pixels, float).reshape(height, -1)).reshape(size[0], width, -1)
    across = np.moveaxis(found, 1, 0).reshape(width, -1)
    found = (weights(width, size[1]) @ across).reshape(size[1], size[0], -1)
    return np.ascontiguousarray(np.moveaxis(found, 0, 1)).reshape(*size, *channels)


def check_factor(factor: int) -> int:
    """The factor, if it is 2 or 4. Raises ValueError for another."""
    if factor not in FACTORS:
        raise ValueError(f"the factor is 2 or 4, not {factor!r}")
    return factor


def enlarge(pixels: Real[np.ndarray, "height width *channels"], factor: int) -> Float64[np.ndarray, "..."]:
    """Bicubic interpolation, `factor` times as many pixels per side; neither rounded nor clipped."""
    height, width = (check_factor(factor) * length for length in pixels.shape[:2])
    return resize(pixels, (height, width))


def cropped(picture: Real[np.ndarray, "height width *channels"], factor: int) -> Real[np.ndarray, "..."]:
    """The upper left part whose sides are multiples of the factor. Raises ValueError if nothing is left."""
    height, width = (length - length % factor for length in picture.shape[:2])
    if not height or not width:
        raise ValueError(f"{picture.shape[0]} × {picture.shape[1]} pixels cannot be reduced by {factor}")
    return picture[:height, :width]


def reduce(picture: UInt8[np.ndarray, "height width *channels"], factor: int) -> UInt8[np.ndarray, "..."]:
    """The antialiased picture of 1/factor of the pixels per side, rounded after each axis like MATLAB's, rows first.

    Raises ValueError for a factor that is not 2 or 4, and for sides that are not multiples of it.
    """
    height, width = picture.shape[:2]
    if height % check_factor(factor) or width % factor or not min(height, width):
        raise ValueError(f"{height} × {width} pixels are no multiples of {factor}: crop them first")
    flat = rounded(resize(picture, (height // factor, width)))
    return rounded(resize(flat, (height // factor, width // factor)))


def rounded(pixels: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Grey levels: rounded half up, like MATLAB's, and clipped to 0 … 255."""
    return np.clip(np.floor(pixels + 0.5), 0, 255).astype(np.uint8)


def enlarge_maps(
    maps: Float[Tensor, "batch channels height width"], factor: int = 2
) -> Float[Tensor, "batch channels rows columns"]:
    """`enlarge` for a batch within a network; gradients pass through.

    It uses single precision even if the rest of the network multiplies in 16 bits, of which a grey level takes eight.
    """
    rows, columns = (torch.from_numpy(weights(n, factor * n).toarray()).to(maps.device) for n in maps.shape[2:])
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps if maps.dtype == torch.float64 else maps.float()
        return rows.to(maps.dtype) @ maps @ columns.T.to(maps.dtype)
