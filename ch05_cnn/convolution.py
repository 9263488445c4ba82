"""The convolutional layer: the same few weights at every place of the image, forward and backward.

Question   What does a convolutional layer compute in its feature maps, which gradients follow from a delta, and what
           does it save?
Method     The lecture's convolutional layer, y_{i'j'f'} = b_{f'} + Σ_ijf x_{i'+i−1, j'+j−1, f} θ_{ijff'}, as loops, and
           its three gradients as loops. The same numbers by matrix products: layers/conv2d.py. Then its properties:
           equivariance; its matrix, which for one channel is a Toeplitz matrix of Toeplitz blocks; the receptive field
           (Araujo, Norris and Sim 2019), whose middle has most influence (Luo et al. 2016).
Rival      The loops; the same layer as a fully connected one; PyTorch, over a whole training of a small network.
Differs    The lecture counts from 1, and has neither stride nor padding. Like everybody, it calls convolution what is
           strictly a cross-correlation (filters.py). It gives a 100×100 image 1,000,000 values; it has 10,000. The
           number of weights explodes: 100,000,000 for a fully connected layer of 10,000 units.
Costs      3 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from jaxtyping import Float

from ch05_cnn.drawings.convolution import draw_arithmetic, draw_losses, draw_matrix
from ch05_cnn.layers.conv2d import Image, Kernels, Maps, Pair, conv2d, conv2d_backward, floats, pad_and_check, pair
from ch05_cnn.layers.numpy_network import train, twins
from common import data
from common.answers import as_floats
from common.run import Run

STEP = 1e-5  # of finite differences, in double precision


def conv2d_loops(
    x: Image, weight: Kernels, bias: Float[np.ndarray, "filters"], stride: Pair = 1, padding: Pair = 0
) -> Maps:
    """The lecture's equation, literally; the images are one more loop. For reading, and as a reference."""
    x, weight = floats(x, weight)
    x, (rows, columns) = pad_and_check(x, weight, stride, padding)
    (filters, channels, kh, kw), (sh, sw) = weight.shape, pair(stride)
    y = np.zeros((len(x), filters, rows, columns), np.result_type(x, weight))
    for n, f_, i_, j_ in np.ndindex(y.shape):
        y[n, f_, i_, j_] = bias[f_]
        for f, i, j in np.ndindex(channels, kh, kw):
            y[n, f_, i_, j_] += x[n, f, sh * i_ + i, sw * j_ + j] * weight[f_, f, i, j]
    return y


def conv2d_backward_loops(
    delta: Maps, x: Image, weight: Kernels, stride: Pair = 1, padding: Pair = 0
) -> tuple[Image, Kernels, Float[np.ndarray, "filters"]]:
    """∂C/∂x, ∂C/∂θ and ∂C/∂b: every product of the loops above passes the delta of its sum to both of its factors."""
    x, weight = floats(x, weight)
    x, _ = pad_and_check(x, weight, stride, padding)
    (_, channels, kh, kw), (sh, sw), (ph, pw) = weight.shape, pair(stride), pair(padding)
    dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros(len(weight), weight.dtype)
    delta = as_floats(delta)
    for n, f_, i_, j_ in np.ndindex(delta.shape):
        dbias[f_] += delta[n, f_, i_, j_]
        for f, i, j in np.ndindex(channels, kh, kw):
            dx[n, f, sh * i_ + i, sw * j_ + j] += delta[n, f_, i_, j_] * weight[f_, f, i, j]
            dweight[f_, f, i, j] += delta[n, f_, i_, j_] * x[n, f, sh * i_ + i, sw * j_ + j]
    return dx[:, :, ph : dx.shape[2] - ph, pw : dx.shape[3] - pw], dweight, dbias


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
    """Seconds of a forward and a backward pass, per multiply-add: three for each product of the equation."""
    bias, taken = np.zeros(len(weight), x.dtype), []
    for _ in range(3):
        start = time.perf_counter()
        y = forward(x, weight, bias)
        backward(y, x, weight)
        taken.append(time.perf_counter() - start)
    return min(taken) / (3 * y.size * weight[0].size)


def loops_over_products(rng: np.random.Generator) -> float:
    """Seconds per multiply-add of the loops, measured on a small layer, relative to the matrix products."""
    x, weight = (rng.normal(size=shape).astype(np.float32) for shape in ((16, 8, 20, 20), (16, 8, 5, 5)))
    slow = seconds_per_product(conv2d_loops, conv2d_backward_loops, x[:1, :4, :9, :9], weight[:2, :4])
    return slow / seconds_per_product(conv2d, conv2d_backward, x, weight)


def equivariance_error(x: Image, weight: Kernels, stride: int) -> float:
    """The relative difference of a shifted image's output from the old output, shifted by 0 or 1.

    With a stride the layer is equivariant only to shifts by whole strides.
    """
    moved, y = (conv2d(image, weight, stride=stride) for image in (x[..., 1:], x[..., :-1]))
    nearest = [(moved[..., : y.shape[3] - by], y[..., by:]) for by in (0, 1)]
    return float(min(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in nearest))


def pixels_with_half(influence: Float[np.ndarray, "height width"]) -> int:
    """The smallest number of pixels with half of the total influence."""
    return 1 + int(np.searchsorted(np.sort(influence.ravel())[::-1].cumsum(), 0.5 * influence.sum()))


def as_matrix(
    weight: Float[np.ndarray, "filters channels kh kw"], image: tuple[int, int], stride: int = 1, padding: int = 0
) -> Float[np.ndarray, "outputs inputs"]:
    """A with A · vec(x) = vec(conv2d(x)): its columns are the layer's outputs for each pixel alone."""
    inputs = weight.shape[1] * prod(image)
    units = np.eye(inputs, dtype=weight.dtype).reshape(inputs, weight.shape[1], *image)
    return conv2d(units, weight, stride=stride, padding=padding).reshape(inputs, -1).T


def layer_costs(channels: int, filters: int, kernel: int, image: int) -> dict[str, tuple[int, int]]:
    """(weights and biases, multiply-adds per image) of a convolution, and of a fully connected layer of that output."""
    inputs, outputs = channels * image**2, filters * (image - kernel + 1) ** 2
    weights = filters * channels * kernel**2
    twin = (inputs + 1) * outputs, inputs * outputs
    return {"convolution": (weights + filters, weights * outputs // filters), "fully connected": twin}


def receptive_fields(kernels: Sequence[int], strides: Sequence[int]) -> list[int]:
    """r_l = r_{l−1} + (k_l − 1) Π_{m<l} s_m for l = 1 … L: the receptive field of layer l in pixels per side."""
    fields, step = [1], 1
    for kernel, stride in zip(kernels, strides, strict=True):
        fields.append(fields[-1] + (kernel - 1) * step)
        step *= stride
    return fields[1:]


def sensitivity(layers: int, kernel: int, image: int, rng: np.random.Generator) -> Float[np.ndarray, "image image"]:
    """∂y/∂x of the middle unit after some padded layers of one positive kernel each, by conv2d_backward."""
    delta = np.zeros((1, 1, image, image))
    delta[..., image // 2, image // 2] = 1
    for _ in range(layers):
        weight = rng.random((1, 1, kernel, kernel))
        delta, _, _ = conv2d_backward(delta, np.zeros_like(delta), weight, padding=kernel // 2)
    return delta[0, 0] / delta.max()


def lesson(run: Run) -> None:
    run.fact("relative error of the gradients, against finite differences", gradient_error(run.rng))
    ratio = run.fact("loops over matrix products, seconds per multiply-add", loops_over_products(run.rng))
    photo = data.photo("camera")[None, None, ::4, ::4] / 255 - 0.5
    for stride in (1, 2):
        error = 100 * equivariance_error(photo, run.rng.normal(size=(1, 1, 3, 3)), stride)
        shifted = f"image shifted by a pixel, stride {stride}"
        run.fact(f"{shifted}: relative difference from the nearest shifted output", error, "%")

    costs = layer_costs(channels=1, filters=8, kernel=5, image=28)
    run.fact("weights, fully connected over convolution", costs["fully connected"][0] / costs["convolution"][0])
    run.fact("multiply-adds, fully connected over convolution", costs["fully connected"][1] / costs["convolution"][1])
    run.fact("weights of a fully connected layer from a 100×100 image to 10,000 units", (100 * 100) ** 2)
    kernel = run.rng.normal(size=(1, 1, 3, 3))
    run.figure(
        "matrix",
        draw_matrix,
        as_matrix(kernel, (8, 8)),
        kernel.size,
        8,
        costs,
        caption="From 64 pixels to 36 outputs, either layer is a matrix. The convolution's has nine different numbers, "
        "the same in every row (shared), and is zero elsewhere, because a unit is connected to its neighbourhood only "
        "(sparse). Right: what both layers cost for a digit.",
    )
    middle, field = sensitivity(5, 5, 31, run.rng), receptive_fields([5] * 5, [1] * 5)[-1]
    half = run.fact(
        "share of a receptive field that has half of the influence", 100 * pixels_with_half(middle) / field**2, "%"
    )
    run.figure(
        "arithmetic",
        draw_arithmetic,
        middle,
        field,
        caption="Kernels of width 3, seen from the side: each layer widens the receptive field by 2 pixels, or by 2, "
        "4, 8 where each has stride 2. Last: ∂y/∂x after five layers of random positive 5×5 kernels; red: the "
        "receptive field.",
    )

    digits = data.mnist(run.scale)
    few = digits.train.take(slice(run.pick(smoke=100, lecture=500)))
    how = few.images, few.labels, run.pick(smoke=1, lecture=8), run.seed
    losses = []
    for model, name, kind in zip(
        twins(run.seed), ("our layers", "PyTorch"), ("from scratch", "reference"), strict=True
    ):
        with run.method(name, kind=kind) as method:
            method.model = model
            losses.append(method.time(train, model, *how))
            method.score(digits.test)
    single = [train(model, *how) for model in twins(run.seed, np.float32)]
    apart = {"32 bits": np.abs(np.subtract(*single)), "64 bits": np.abs(np.subtract(*losses))}
    for name, values in apart.items():
        run.fact(f"largest difference of the two losses, {name}", values.max(), "nats")
    run.floor("our layers", "accuracy", at_least=88)
    run.figure(
        "losses",
        draw_losses,
        *losses,
        apart,
        caption="The training loss of one network with our layers and with PyTorch's, and the difference between the "
        "two, in 64 and in 32 bits. They part where rounding pushes a ReLU's input across 0.",
    )
    weights, products = (f"{costs['fully connected'][k] / costs['convolution'][k]:,.0f}" for k in (0, 1))
    run.note(
        f"A fully connected layer has {weights} times the weights of the convolution, but only {products} times the "
        f"multiply-adds, because every shared weight is used at 576 places. Per multiply-add the matrix products are "
        f"{ratio:,.0f} times as fast as the loops."
    )
    run.note(f"A unit sees {field}×{field} pixels; half of their influence on it comes from {half:.0f} % of them.")
