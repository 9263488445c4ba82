"""The same few weights at every place of the image: as loops, as the lecture writes it, then as matrix products.

Question   What does a convolutional layer compute, what does it learn from a delta, and what does it save?
Method     The lecture's convolutional layer, y_{i'j'f'} = b_{f'} + Σ_ijf x_{i'+i−1, j'+j−1, f} θ_{ijff'}, as loops. The
           fast one copies every pixel kw times, once for each column of the kernel; a row of the kernel then is a slice
           of that copy, and one matrix product. Backward is each step's transpose, in reverse. (Chellapilla et al. 2006
           copy for each row as well, kh·kw times, which is known as im2col.)
Rival      The loops; the same layer as a fully connected one; PyTorch, over a whole training of a small network.
Differs    The lecture counts from 1, and has neither stride nor padding. It calls a convolution, as everybody does,
           what is a cross-correlation: filters.py. It gives a 100×100 image 1,000,000 values; it has 10,000, and what
           explodes is the weights: 100,000,000 for a fully connected layer of 10,000 units.
Costs      5 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Real
from numpy.lib.stride_tricks import sliding_window_view

from common import data
from common.answers import as_floats
from common.run import Run

CHUNK = 1 << 19  # numbers unfolded at a time: the work stays near the processor, and memory is bounded

Image = Real[np.ndarray, "n channels height width"]  # whole numbers become floats: they would wrap around
Kernels = Real[np.ndarray, "filters depth kh kw"]  # depth must be channels: checked below, with words
Maps = Real[np.ndarray, "n filters rows columns"]
Padded = Float[np.ndarray, "n channels padded_height padded_width"]
Pair = int | tuple[int, int]  # one number for height and width, or one for each


def pair(value: Pair) -> tuple[int, int]:
    """The number twice, or the two numbers."""
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


def checked(x: Image, weight: Kernels, stride: Pair, padding: Pair) -> tuple[Padded, tuple[int, int]]:
    """The padded images, and the size of the output. Raises ValueError for what doesn't fit."""
    if x.shape[1] != weight.shape[1]:
        raise ValueError(f"x has {x.shape[1]} channels, but the kernels have {weight.shape[1]}")
    size = output_size(x.shape[2:], weight.shape[2:], stride, padding)
    ph, pw = pair(padding)
    return (np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else x), size


def conv2d_loops(
    x: Image, weight: Kernels, bias: Float[np.ndarray, "filters"], stride: Pair = 1, padding: Pair = 0
) -> Maps:
    """The lecture's equation, as it stands; the images are one more loop. For reading, and as a judge."""
    x, weight = floats(x, weight)
    x, (rows, columns) = checked(x, weight, stride, padding)
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
    """∂C/∂x, ∂C/∂θ and ∂C/∂b: every product of the loops above hands the delta of its sum to both of its factors."""
    x, weight = floats(x, weight)
    x, _ = checked(x, weight, stride, padding)
    (_, channels, kh, kw), (sh, sw), (ph, pw) = weight.shape, pair(stride), pair(padding)
    dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros(len(weight), weight.dtype)
    delta = as_floats(delta)
    for n, f_, i_, j_ in np.ndindex(delta.shape):
        dbias[f_] += delta[n, f_, i_, j_]
        for f, i, j in np.ndindex(channels, kh, kw):
            dx[n, f, sh * i_ + i, sw * j_ + j] += delta[n, f_, i_, j_] * weight[f_, f, i, j]
            dweight[f_, f, i, j] += delta[n, f_, i_, j_] * x[n, f, sh * i_ + i, sw * j_ + j]
    return dx[:, :, ph : dx.shape[2] - ph, pw : dx.shape[3] - pw], dweight, dbias


def span(offset: int, count: int, stride: int) -> slice:
    """Where a kernel's weight at this offset looks, as the kernel takes count steps."""
    return slice(offset, offset + stride * count, stride)


def unfold(x: Image, kw: int, stride: int) -> Float[np.ndarray, "channels_kw height n_columns"]:
    """U[(f, j), i, (n, j')] = x[n, f, i, s j' + j]: each pixel once for each column of the kernel that looks at it."""
    view = sliding_window_view(x, kw, axis=3)[:, :, :, ::stride]  # n f i j' j, and nothing copied yet
    return view.transpose(1, 4, 2, 0, 3).reshape(x.shape[1] * kw, x.shape[2], -1)


def fold(u: Float[np.ndarray, "channels_kw height n_columns"], dx: Image, kw: int, stride: int) -> None:
    """The transpose of unfold: every copy is added to the pixel that it is a copy of."""
    n, channels, height, _ = dx.shape
    copies = u.reshape(channels, kw, height, n, -1).transpose(1, 3, 0, 2, 4)
    for j in range(kw):
        dx[:, :, :, span(j, copies.shape[4], stride)] += copies[j]


def chunks(n: int, numbers: int) -> Iterator[slice]:
    """Slices of 0 … n − 1, of as many images as may be unfolded at a time; numbers: that one image unfolds to."""
    step = max(1, CHUNK // max(1, numbers))
    return (slice(start, start + step) for start in range(0, n, step))


def conv2d(
    x: Image, weight: Kernels, bias: Float[np.ndarray, "filters"] | None = None, stride: Pair = 1, padding: Pair = 0
) -> Maps:
    """The same numbers by matrix products. stride, padding: one number or (rows, columns).

    Raises ValueError where channels differ, or the kernel is larger than the padded image.
    """
    x, weight = floats(x, weight)
    x, (rows, columns) = checked(x, weight, stride, padding)
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
    """(∂C/∂x, ∂C/∂θ, ∂C/∂b) from δ = ∂C/∂y: of each product above, the same product with one factor transposed."""
    x, weight = floats(x, weight)
    x, (rows, columns) = checked(x, weight, stride, padding)
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


def lesson(run: Run) -> None:
    from ch05_cnn import convolution_checks as checks  # these three are built on what stands above
    from ch05_cnn import layer_as_matrix as matrix
    from ch05_cnn.small_network import draw_losses, trained, twins

    run.fact("relative error of the gradients, against finite differences", checks.gradient_error(run.rng))
    ratio = run.fact("loops over matrix products, seconds a multiply-add", checks.loops_over_products(run.rng))
    photo = data.photo("camera")[None, None, ::4, ::4] / 255 - 0.5
    for stride in (1, 2):
        error = 100 * checks.equivariance_error(photo, run.rng.normal(size=(1, 1, 3, 3)), stride)
        run.fact(f"image moved by a pixel, stride {stride}: change of the output beyond a move", error, "%")

    costs = matrix.layer_costs(channels=1, filters=8, kernel=5, image=28)
    run.fact("weights, fully connected over convolution", costs["fully connected"][0] / costs["convolution"][0])
    run.fact("multiply-adds, fully connected over convolution", costs["fully connected"][1] / costs["convolution"][1])
    run.fact("weights, fully connected, from a 100×100 image to as many units", (100 * 100) ** 2)
    run.figure(
        "matrix",
        matrix.draw_matrix,
        run.rng.normal(size=(1, 1, 3, 3)),
        8,
        costs,
        caption="From 64 pixels to 36 outputs, either layer is a matrix. The convolution's has nine numbers, the same "
        "in every row (shared), and else zeros, for a unit sees only its neighbourhood (sparse).",
    )
    middle, field = matrix.sensitivity(5, 5, 31, run.rng), matrix.receptive_fields([5] * 5, [1] * 5)[-1]
    half = run.fact(
        "share of a receptive field that has half of the influence", 100 * checks.half(middle) / field**2, "%"
    )
    run.figure(
        "arithmetic",
        matrix.draw_arithmetic,
        middle,
        field,
        caption="Kernels of width 3, seen from the side: each layer widens by 2 what a unit sees, or by 2, 4, 8 where "
        "each has stride 2. Last: ∂y/∂x after five layers of random positive 5×5 kernels; red: the receptive field.",
    )

    digits = data.mnist(run.scale)
    train = digits.train.take(slice(run.pick(smoke=100, lecture=500)))
    how = train.images, train.labels, run.pick(smoke=1, lecture=8), run.seed
    losses = []
    for model, name, kind in zip(
        twins(run.seed), ("our layers", "PyTorch"), ("from scratch", "reference"), strict=True
    ):
        with run.method(name, kind=kind) as method:
            method.model = model
            losses.append(method.time(trained, model, *how))
            method.score(digits.test)
    single = [trained(model, *how) for model in twins(run.seed, np.float32)]
    apart = {"32 bits a number": np.abs(np.subtract(*single)), "64 bits": np.abs(np.subtract(*losses))}
    for name, values in apart.items():
        run.fact(f"largest difference of the two losses, {name}", values.max(), "nats")
    run.floor("our layers", "accuracy", at_least=88)
    run.figure(
        "losses",
        draw_losses,
        *losses,
        apart,
        caption="The training loss of the same network with this file's layers and with PyTorch's, and how far the two "
        "are apart, with 64 and with 32 bits a number. Where rounding pushes a ReLU's input across 0, they part.",
    )
    weights, products = (f"{costs['fully connected'][k] / costs['convolution'][k]:,.0f}" for k in (0, 1))
    run.note(
        f"Sharing saves {weights} times the weights, but only {products} times the work, for every weight is used at "
        f"576 places. Per multiply-add the matrix products are {ratio:,.0f} times as fast as the loops."
    )
    run.note(f"A unit sees {field}×{field} pixels; half of their influence on it comes from {half:.0f} % of them.")
