"""Tests of a convolutional layer: are its gradients right, how fast is it, and is it equivariant?

Method     Central differences of C = ½ Σ y², whose δ is y; seconds a multiply-add, beside the loops; and equivariance:
           the layer of a moved image is the moved output, but with a stride, only for moves by whole strides.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ch05_cnn.convolution import Image, Kernels, conv2d, conv2d_backward, conv2d_backward_loops, conv2d_loops

STEP = 1e-5  # of finite differences, in double precision


def gradient_error(rng: np.random.Generator) -> float:
    """The largest relative error of the three gradients of C = ½ Σ y², whose δ is y, against central differences."""
    arrays = [rng.normal(size=shape) for shape in ((2, 3, 7, 6), (4, 3, 3, 2), (4,))]
    how, errors = {"stride": (2, 1), "padding": (1, 0)}, []
    y = conv2d(*arrays, **how)
    for values, gradient in zip(arrays, conv2d_backward(y, *arrays[:2], **how), strict=True):
        differences = np.empty_like(values)
        for place in np.ndindex(values.shape):
            kept, costs = values[place], []
            for values[place] in (kept + STEP, kept - STEP):
                costs.append(0.5 * np.sum(conv2d(*arrays, **how) ** 2))
            values[place] = kept
            differences[place] = (costs[0] - costs[1]) / (2 * STEP)
        errors.append(np.linalg.norm(gradient - differences) / np.linalg.norm(differences))
    return float(max(errors))


def seconds_per_product(forward: Callable, backward: Callable, x: Image, weight: Kernels) -> float:
    """Seconds of a forward and a backward pass, over its multiply-adds: three of each product of the equation."""
    bias, taken = np.zeros(len(weight), x.dtype), []
    for _ in range(3):
        start = time.perf_counter()
        y = forward(x, weight, bias)
        backward(y, x, weight)
        taken.append(time.perf_counter() - start)
    return min(taken) / (3 * y.size * weight[0].size)


def loops_over_products(rng: np.random.Generator) -> float:
    """Seconds per multiply-add of the loops, measured on a small layer, over those of the matrix products."""
    x, weight = (rng.normal(size=shape).astype(np.float32) for shape in ((16, 8, 20, 20), (16, 8, 5, 5)))
    slow = seconds_per_product(conv2d_loops, conv2d_backward_loops, x[:1, :4, :9, :9], weight[:2, :4])
    return slow / seconds_per_product(conv2d, conv2d_backward, x, weight)


def equivariance_error(x: Image, weight: Kernels, stride: int) -> float:
    """Of an image moved by a pixel: how far the output is from the old one moved, at best, over its size."""
    moved, y = (conv2d(image, weight, stride=stride) for image in (x[..., 1:], x[..., :-1]))
    nearest = [(moved[..., : y.shape[3] - by], y[..., by:]) for by in (0, 1)]
    return float(min(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in nearest))


def half(influence: Float[np.ndarray, "height width"]) -> int:
    """How few pixels have half of all influence."""
    return 1 + int(np.searchsorted(np.sort(influence.ravel())[::-1].cumsum(), 0.5 * influence.sum()))
