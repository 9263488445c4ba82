"""The convolutional layer by matrix products: the numbers of the loops in convolution.py, thousands of times faster.

Method     Every pixel is copied kw times, once for each column of the kernel; a row of the kernel then is a slice of
           that copy, and one matrix product. Backward is each step's transpose, in reverse. (Chellapilla et al. 2006
           copy for each row as well, kh·kw times, which is known as im2col.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Real
from numpy.lib.stride_tricks import sliding_window_view

from common.answers import as_floats

CHUNK = 1 << 19  # numbers unfolded at a time: the work stays in the cache, and memory is bounded

Image = Real[np.ndarray, "n channels height width"]  # whole numbers become floats, because they would wrap around
Kernels = Real[np.ndarray, "filters depth kh kw"]  # depth must be channels: checked below, with a message
Maps = Real[np.ndarray, "n filters rows columns"]
Padded = Float[np.ndarray, "n channels padded_height padded_width"]
Pair = int | tuple[int, int]  # one number for height and width, or one for each


def pair(value: Pair) -> tuple[int, int]:
    """The number twice, or both numbers."""
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def output_size(image: tuple[int, int], kernel: tuple[int, int], stride: Pair = 1, padding: Pair = 0) -> tuple:
    """o = ⌊(i + 2p − k) / s⌋ + 1, for rows and columns: Dumoulin and Visin 2016, relationship 6.

    Raises ValueError for a stride below 1, a negative padding, and a kernel larger than the padded image.
    """
    stride, padding = pair(stride), pair(padding)
    if min(stride) < 1 or min(padding) < 0:
        raise ValueError(f"stride must be at least 1 and padding at least 0, got {stride} and {padding}")
    if min(kernel) < 1:
        raise ValueError(f"a kernel has at least 1×1 weights, got {kernel[0]}×{kernel[1]}")
    padded = tuple(i + 2 * p for i, p in zip(image, padding, strict=True))
    if any(k > i for k, i in zip(kernel, padded, strict=True)):
        raise ValueError(
            f"a kernel of {kernel[0]}×{kernel[1]} is larger than the padded image, {padded[0]}×{padded[1]}"
        )
    return tuple((i - k) // s + 1 for i, k, s in zip(padded, kernel, stride, strict=True))


def floats(x: Image, weight: Kernels) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats: whole numbers in the other's precision if that holds them, else in double precision."""
    if x.dtype.kind == weight.dtype.kind == "f":
        return x, weight
    kind = np.result_type(x, weight)
    kind = kind if kind.kind == "f" else np.dtype(np.float64)
    return tuple(a if a.dtype.kind == "f" else a.astype(kind) for a in (x, weight))


def pad_and_check(x: Image, weight: Kernels, stride: Pair, padding: Pair) -> tuple[Padded, tuple[int, int]]:
    """The padded images, and the size of the output. Raises ValueError for shapes that don't fit."""
    if x.shape[1] != weight.shape[1]:
        raise ValueError(f"x has {x.shape[1]} channels, but the kernels have {weight.shape[1]}")
    size = output_size(x.shape[2:], weight.shape[2:], stride, padding)
    ph, pw = pair(padding)
    return (np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else x), size


def span(offset: int, count: int, stride: int) -> slice:
    """The input places of a kernel's weight at this offset, for `count` steps of the kernel."""
    return slice(offset, offset + stride * count, stride)


def unfold(x: Image, kw: int, stride: int) -> Float[np.ndarray, "channels_kw height n_columns"]:
    """U[(f, j), i, (n, j')] = x[n, f, i, s j' + j]: each pixel once for each column of the kernel that covers it."""
    view = sliding_window_view(x, kw, axis=3)[:, :, :, ::stride]  # n f i j' j, without a copy
    return view.transpose(1, 4, 2, 0, 3).reshape(x.shape[1] * kw, x.shape[2], -1)


def fold(u: Float[np.ndarray, "channels_kw height n_columns"], dx: Image, kw: int, stride: int) -> None:
    """The transpose of unfold: every copy is added to its pixel."""
    n, channels, height, _ = dx.shape
    copies = u.reshape(channels, kw, height, n, -1).transpose(1, 3, 0, 2, 4)
    for j in range(kw):
        dx[:, :, :, span(j, copies.shape[4], stride)] += copies[j]


def chunks(n: int, numbers: int) -> Iterator[slice]:
    """Slices of 0 … n − 1 that may be unfolded at a time. numbers: unfolded values per image."""
    step = max(1, CHUNK // max(1, numbers))
    return (slice(start, start + step) for start in range(0, n, step))


def conv2d(
    x: Image, weight: Kernels, bias: Float[np.ndarray, "filters"] | None = None, stride: Pair = 1, padding: Pair = 0
) -> Maps:
    """y = b + Σ x θ, by kh matrix products. stride, padding: one number or (rows, columns).

    Raises ValueError if channels differ, or the kernel is larger than the padded image.
    """
    x, weight = floats(x, weight)
    x, (rows, columns) = pad_and_check(x, weight, stride, padding)
    (filters, channels, kh, kw), (sh, sw) = weight.shape, pair(stride)
    theta = weight.transpose(2, 0, 1, 3).reshape(kh, filters, channels * kw)
    y = np.empty((len(x), filters, rows, columns), np.result_type(x, weight))
    for some in chunks(len(x), channels * kw * x.shape[2] * columns):
        u = unfold(x[some], kw, sw)
        total = theta[0] @ u[:, span(0, rows, sh)].reshape(channels * kw, -1)
        for i in range(1, kh):
            total += theta[i] @ u[:, span(i, rows, sh)].reshape(channels * kw, -1)
        y[some] = total.reshape(filters, rows, -1, columns).transpose(2, 0, 1, 3)
    return y if bias is None else np.add(y, bias[:, None, None], out=y)


def conv2d_backward(
    delta: Maps, x: Image, weight: Kernels, stride: Pair = 1, padding: Pair = 0
) -> tuple[Image, Kernels, Float[np.ndarray, "filters"]]:
    """(∂C/∂x, ∂C/∂θ, ∂C/∂b) from δ = ∂C/∂y: for each product above, the same product with one factor transposed."""
    x, weight = floats(x, weight)
    x, (rows, columns) = pad_and_check(x, weight, stride, padding)
    (filters, channels, kh, kw), (sh, sw), (ph, pw) = weight.shape, pair(stride), pair(padding)
    delta = as_floats(delta)
    if delta.shape != (len(x), filters, rows, columns):
        raise ValueError(f"delta is {delta.shape}, but the output is {(len(x), filters, rows, columns)}")
    theta = weight.transpose(2, 1, 3, 0).reshape(kh, channels * kw, filters)
    dx, dtheta = np.zeros_like(x), np.zeros((kh, filters, channels * kw), weight.dtype)
    for some in chunks(len(x), channels * kw * x.shape[2] * columns):
        u = unfold(x[some], kw, sw)
        du, d = np.zeros_like(u), delta[some].transpose(1, 2, 0, 3).reshape(filters, -1)
        for i in range(kh):
            seen = span(i, rows, sh)
            dtheta[i] += d @ u[:, seen].reshape(channels * kw, -1).T
            du[:, seen] += (theta[i] @ d).reshape(channels * kw, rows, -1)
        fold(du, dx[some], kw, sw)
    dweight = dtheta.reshape(kh, filters, channels, kw).transpose(1, 2, 0, 3)
    return dx[:, :, ph : x.shape[2] - ph, pw : x.shape[3] - pw], dweight, delta.sum(axis=(0, 2, 3))
