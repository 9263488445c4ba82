"""Pooling keeps one number of every window, its maximum or its mean; forward and backward.

Method     Max pooling stores the place of each window's maximum, its switch (Zeiler and Fergus 2014, §2.1): backward,
           only the maximum receives the gradient, because small changes of the others do not change the output.
           Average pooling (LeCun et al. 1989 subsample; here without their weight and bias) distributes it evenly.
Differs    No padding. Of equal values the first wins, as in PyTorch; rows and columns left over at the end are unused.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Real
from numpy.lib.stride_tricks import sliding_window_view

from ch05_cnn.layers.conv2d import output_size, pair, span
from common.answers import as_floats


def windows(
    x: Real[np.ndarray, "n c height width"], size: int | tuple[int, int], stride: int | tuple[int, int] | None
) -> Real[np.ndarray, "n c rows columns kh kw"]:
    """The windows, as a view. stride: by default the window's size. Raises ValueError for windows beyond the image."""
    kernel, (sh, sw) = pair(size), pair(size if stride is None else stride)
    output_size(x.shape[2:], kernel, (sh, sw), (0, 0))
    return sliding_window_view(x, kernel, axis=(2, 3))[:, :, ::sh, ::sw]


def max_pool2d(
    x: Real[np.ndarray, "n c height width"],
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
) -> tuple[Real[np.ndarray, "n c rows columns"], Int[np.ndarray, "n c rows columns"]]:
    """y: the largest of each window; switches: its place, as row · width + column of its image."""
    view = windows(x, size, stride)
    *outer, _, kw = view.shape
    flat = view.reshape(*outer, -1)
    winner = flat.argmax(axis=-1)
    (sh, sw), width = pair(size if stride is None else stride), x.shape[3]
    top, left = sh * np.arange(outer[2])[:, None], sw * np.arange(outer[3])
    switches = (top + winner // kw) * width + left + winner % kw
    return np.take_along_axis(flat, winner[..., None], axis=-1)[..., 0], switches


def max_pool2d_backward(
    delta: Real[np.ndarray, "n c rows columns"],
    switches: Int[np.ndarray, "n c rows columns"],
    image_size: tuple[int, int],
) -> Float[np.ndarray, "n c height width"]:
    """∂C/∂x: each delta goes where its switch points; if windows overlap, a pixel may receive several."""
    delta = as_floats(delta)  # because whole numbers would wrap around
    n, c, height, width = *delta.shape[:2], *image_size
    dx = np.zeros((n, c, height, width), delta.dtype)
    plane = height * width * np.arange(n * c).reshape(n, c, 1, 1)
    np.add.at(dx.reshape(-1), (plane + switches).reshape(-1), delta.reshape(-1))
    return dx


def avg_pool2d(
    x: Real[np.ndarray, "n c height width"],
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
) -> Float[np.ndarray, "n c rows columns"]:
    """y = the mean of each window."""
    return windows(x, size, stride).mean(axis=(4, 5))


def avg_pool2d_backward(
    delta: Real[np.ndarray, "n c rows columns"],
    image_size: tuple[int, int],
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
) -> Float[np.ndarray, "n c height width"]:
    """∂C/∂x: of a window's delta, every pixel in it gets the same share."""
    (kh, kw), (sh, sw) = pair(size), pair(size if stride is None else stride)
    delta = as_floats(delta)
    rows, columns = delta.shape[2:]
    dx, share = np.zeros((*delta.shape[:2], *image_size), delta.dtype), delta / (kh * kw)
    for i in range(kh):
        for j in range(kw):
            dx[:, :, span(i, rows, sh), span(j, columns, sw)] += share
    return dx
