"""The layer is PyTorch's, in value and in all three gradients; so is a whole training; and its matrix is its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional as F

from ch05_cnn.convolution import (
    as_matrix,
    conv2d_backward_loops,
    conv2d_loops,
    equivariance_error,
    gradient_error,
    layer_costs,
    loops_over_products,
    pixels_with_half,
    receptive_fields,
    sensitivity,
)
from ch05_cnn.drawings.convolution import PIXELS, draw_arithmetic
from ch05_cnn.layers import conv2d as by_products
from ch05_cnn.layers.conv2d import chunks, conv2d, conv2d_backward, fold, output_size, unfold
from ch05_cnn.layers.numpy_network import SmallNetwork, train, twins
from common import data
from common.data import Scale


@st.composite
def layers(draw):
    """A random layer: shapes of images and kernels, stride and padding, each of which may differ by direction."""
    side, pair = st.integers(1, 9), st.tuples(st.integers(1, 4), st.integers(1, 4))
    padding = draw(st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3))))
    stride = draw(st.one_of(st.integers(1, 4), pair))
    height, width = draw(side), draw(side)
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    kernel = draw(st.integers(1, height + 2 * ph)), draw(st.integers(1, width + 2 * pw))
    n, channels, filters = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return (n, channels, height, width), (filters, channels, *kernel), {"stride": stride, "padding": padding}


def arrays(image, kernels, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in (image, kernels, kernels[:1])]


def torchs(delta, x, weight, bias, how):
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    y = F.conv2d(*tensors, **how)
    return y.detach().numpy(), [g.numpy() for g in torch.autograd.grad(y, tensors, torch.tensor(delta))]


def assert_is_torch(forward, backward, layer, dtype, seed=0, tolerance=1e-5):
    image, kernels, how = layer
    x, weight, bias = arrays(image, kernels, dtype, seed)
    y = forward(x, weight, bias, **how)
    delta = np.random.default_rng(seed + 1).normal(size=y.shape).astype(dtype)
    expected, gradients = torchs(delta, x, weight, bias, how)
    found = [y, *backward(delta, x, weight, **how)]
    for ours, theirs in zip(found, [expected, *gradients], strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max(initial=1))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@settings(max_examples=60, deadline=None)
@given(layer=layers(), seed=st.integers(0, 2**31))
def test_value_and_gradients_are_pytorchs(layer, dtype, seed, tolerance):
    assert_is_torch(conv2d, conv2d_backward, layer, dtype, seed, tolerance)


@settings(max_examples=15, deadline=None)
@given(layer=layers())
def test_so_are_the_loops(layer):
    image, kernels, how = layer
    small = (min(image[0], 2), *image[1:])
    assert_is_torch(conv2d_loops, conv2d_backward_loops, (small, kernels, how), np.float64, tolerance=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        ((3, 2, 9, 10), (4, 2, 1, 1), {"stride": (2, 3)}),  # 1×1; neither stride divides
        ((3, 2, 5, 6), (4, 2, 5, 6), {}),  # as large as the image
        ((2, 1, 2, 3), (3, 1, 6, 7), {"padding": 2}),  # as large as the padded image
        ((2, 3, 8, 8), (4, 3, 3, 3), {"stride": 3, "padding": (1, 0)}),
        ((0, 2, 5, 5), (4, 2, 3, 3), {}),  # no images
        ((64, 16, 28, 28), (32, 16, 5, 5), {}),  # many chunks
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_edge_cases_are_pytorchs_too(layer, dtype):
    assert_is_torch(conv2d, conv2d_backward, layer, dtype)


@pytest.mark.parametrize("chunk", [1, 700, 1 << 30])
def test_chunks_change_nothing(monkeypatch, chunk):
    monkeypatch.setattr(by_products, "CHUNK", chunk)
    assert_is_torch(conv2d, conv2d_backward, ((7, 2, 6, 8), (3, 2, 3, 2), {"stride": 2}), np.float64, tolerance=1e-12)


@pytest.mark.parametrize(("n", "numbers"), [(10, by_products.CHUNK // 3), (10, 10 * by_products.CHUNK), (5, 1), (0, 7)])
def test_chunks_cover_every_image_once_and_keep_to_the_limit(n, numbers):
    parts = [range(n)[some] for some in chunks(n, numbers)]
    assert [i for part in parts for i in part] == list(range(n))
    assert all(len(part) == 1 or len(part) * numbers <= by_products.CHUNK for part in parts)


def test_without_a_bias_and_from_read_only_or_strided_arrays():
    x, weight, bias = arrays((3, 4, 8, 9), (5, 4, 3, 3))
    x.flags.writeable = False
    y = conv2d(x, weight, bias)
    assert_allclose(conv2d(x, weight), y - bias[:, None, None], atol=1e-12)
    turned = np.asfortranarray(x)[:, :, ::-1]
    assert_allclose(conv2d(turned, weight, bias), conv2d(turned.copy(), weight, bias), atol=1e-12)
    delta = np.asfortranarray(y)
    for a, b in zip(conv2d_backward(delta, turned, weight), conv2d_backward(y, turned.copy(), weight), strict=True):
        assert_allclose(a, b, atol=1e-12)


def test_nothing_that_is_given_is_changed():
    x, weight, bias = arrays((3, 4, 8, 9), (5, 4, 3, 3))
    delta = np.ones((3, 5, 6, 7))
    kept = [array.copy() for array in (x, weight, bias, delta)]
    conv2d(x, weight, bias)
    conv2d_backward(delta, x, weight)
    for array, before in zip((x, weight, bias, delta), kept, strict=True):
        assert_array_equal(array, before)


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 12), kw=st.integers(1, 12), stride=st.integers(1, 4))
def test_fold_is_the_transpose_of_unfold(size, kw, stride):
    """⟨unfold x, u⟩ = ⟨x, fold u⟩."""
    kw, rng = min(kw, size), np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4, size))
    unfolded, back = unfold(x, kw, stride), np.zeros_like(x)
    u = rng.normal(size=unfolded.shape)
    fold(u, back, kw, stride)
    assert_allclose(np.sum(unfolded * u), np.sum(x * back), rtol=1e-10, atol=1e-10)


FUNCTIONS = {
    "conv2d": conv2d,
    "conv2d_loops": lambda x, weight, **how: conv2d_loops(x, weight, np.zeros(len(weight)), **how),
    "conv2d_backward": lambda x, weight, **how: conv2d_backward(np.ones((2, 4, 3, 3)), x, weight, **how),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(
    ("kernels", "how", "message"),
    [
        ((4, 3, 6, 2), {}, "a kernel of 6×2 is larger than the padded image, 5×5"),
        ((4, 3, 3, 8), {"padding": 1}, "a kernel of 3×8 is larger than the padded image, 7×7"),
        ((4, 2, 3, 3), {}, "x has 3 channels, but the kernels have 2"),
        ((4, 3, 3, 3), {"stride": 0}, "stride must be at least 1"),
        ((4, 3, 3, 3), {"padding": (0, -1)}, "padding at least 0"),
    ],
)
def test_what_does_not_fit_is_refused(function, kernels, how, message):
    x, weight, _ = arrays((2, 3, 5, 5), kernels)
    with pytest.raises(ValueError, match=message):
        function(x, weight, **how)


def test_a_delta_of_another_size_is_refused():
    x, weight, _ = arrays((2, 3, 5, 5), (4, 3, 3, 3))
    with pytest.raises(ValueError, match=r"delta is \(2, 4, 4, 3\), but the output is \(2, 4, 3, 3\)"):
        conv2d_backward(np.ones((2, 4, 4, 3)), x, weight)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 2])
def test_the_output_is_as_large_as_pytorchs(stride, padding):
    for size in range(4, 12):
        y = F.conv2d(torch.zeros(1, 1, size, 7), torch.zeros(1, 1, 4, 2), stride=stride, padding=padding)
        assert output_size((size, 7), (4, 2), stride, padding) == tuple(y.shape[2:])


# The layer as a matrix


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_the_matrix_times_the_image_is_the_layer_and_its_transpose_the_delta(stride, padding):
    x, weight, _ = arrays((1, 2, 5, 6), (3, 2, 3, 2))
    matrix, y = as_matrix(weight, (5, 6), stride, padding), conv2d(x, weight, stride=stride, padding=padding)
    assert_allclose(matrix @ x.ravel(), y.ravel(), atol=1e-12)
    dx, _, _ = conv2d_backward(y, x, weight, stride, padding)
    assert_allclose(matrix.T @ y.ravel(), dx.ravel(), atol=1e-11)


def test_the_costs_are_those_of_pytorchs_layers_and_of_the_matrix():
    convolution, connected = torch.nn.Conv2d(2, 3, 5), torch.nn.Linear(2 * 9 * 9, 3 * 5 * 5)
    costs = layer_costs(channels=2, filters=3, kernel=5, image=9)
    matrix = as_matrix(arrays((1, 2, 9, 9), (3, 2, 5, 5))[1], (9, 9))
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in (convolution, connected)]
    assert costs == {
        "convolution": (sizes[0], np.count_nonzero(matrix)),
        "fully connected": (sizes[1], matrix.size),
    }


@pytest.mark.parametrize(
    ("kernels", "strides"), [([3, 3, 3], [1, 1, 1]), ([3, 3, 3], [2, 2, 2]), ([5, 2, 4], [1, 2, 3])]
)
def test_a_receptive_field_is_where_the_gradient_reaches(kernels, strides):
    sizes = [80]
    for kernel, stride in zip(kernels, strides, strict=True):
        sizes.append(output_size((sizes[-1], 1), (kernel, 1), (stride, 1))[0])
    for depth, field in enumerate(receptive_fields(kernels, strides), start=1):
        delta = np.zeros((1, 1, sizes[depth], 1))
        delta[0, 0, sizes[depth] // 2] = 1
        for layer in reversed(range(depth)):
            x, weight = np.zeros((1, 1, sizes[layer], 1)), np.ones((1, 1, kernels[layer], 1))
            delta, _, _ = conv2d_backward(delta, x, weight, stride=(strides[layer], 1))
        assert np.count_nonzero(delta) == field


def test_what_a_unit_heeds_lies_within_its_field_and_in_the_middle():
    found = sensitivity(4, 3, 15, np.random.default_rng(0))
    seen = np.argwhere(found > 0)
    assert_array_equal(seen.min(axis=0), (3, 3))
    assert_array_equal(seen.max(axis=0), (11, 11))
    assert receptive_fields([3] * 4, [1] * 4)[-1] == 9
    assert pixels_with_half(found) < 0.25 * 81


def test_half_counts_the_fewest_pixels():
    assert pixels_with_half(np.array([[4.0, 1.0], [1.0, 1.0]])) == 1
    assert pixels_with_half(np.array([[2.0, 2.0], [2.0, 2.0]])) == 2
    assert pixels_with_half(np.array([[3.0, 2.0], [2.0, 0.0]])) == 2


@pytest.mark.parametrize(("panel", "seen"), [(0, 7), (1, 7), (2, 15)])
def test_the_picture_shows_the_field_that_the_formula_says(panel, seen):
    figure = draw_arithmetic(np.ones((5, 5)), 3)
    axis = figure.axes[panel]
    strides = [2 if panel == 2 else 1] * 3
    assert receptive_fields([3] * 3, strides)[-1] == seen
    lowest = axis.collections[-1]  # drawn from the top down
    assert len(lowest.get_offsets()) == PIXELS
    colours = [tuple(colour) for colour in lowest.get_facecolors()]
    assert sum(colour == colours[np.argmax(lowest.get_offsets()[:, 0] == 8)] for colour in colours) == seen


# What is measured


def test_the_gradients_are_those_of_finite_differences_and_a_wrong_one_would_be_seen(monkeypatch):
    assert gradient_error(np.random.default_rng(0)) < 1e-7

    def wrong(*arguments, **how):
        dx, dweight, dbias = conv2d_backward(*arguments, **how)
        return dx, 1.001 * dweight, dbias

    monkeypatch.setattr("ch05_cnn.convolution.conv2d_backward", wrong)
    assert gradient_error(np.random.default_rng(0)) > 5e-4


def test_the_products_are_many_times_as_fast_as_the_loops():
    assert loops_over_products(np.random.default_rng(0)) > 30


def test_a_stride_breaks_equivariance():
    x, weight, _ = arrays((2, 1, 30, 30), (1, 1, 3, 3))
    assert equivariance_error(x, weight, stride=1) == 0
    assert equivariance_error(x, weight, stride=2) > 0.5
    smooth = x.cumsum(axis=2).cumsum(axis=3)  # the less it changes from a pixel to the next, the less is lost
    assert equivariance_error(smooth, np.abs(weight), stride=2) < 0.3


# The small network


def test_one_step_of_the_network_has_pytorchs_gradients():
    network, twin = twins(0)
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(6, 1, 28, 28)), rng.integers(10, size=6)
    loss, gradients = network.loss_and_gradients(x, labels)
    theirs = F.cross_entropy(twin.module(torch.tensor(x)), torch.tensor(labels))
    theirs.backward()
    assert_allclose(loss, theirs.item(), rtol=1e-12)
    for ours, parameter in zip(gradients, twin.parameters(), strict=True):
        assert_allclose(ours, parameter.grad.numpy(), atol=1e-12)


def test_the_twins_learn_the_same_and_do_learn():
    digits = data.mnist(Scale("smoke"))
    part = digits.train.take(slice(150))
    network, twin = twins(3)
    ours, theirs = (train(model, part.images, part.labels, 4, 3) for model in (network, twin))
    assert len(ours) == 12
    assert_allclose(ours, theirs, atol=1e-10)
    assert np.mean(ours[-3:]) < 0.8 * np.mean(ours[:3])
    assert_array_equal(network.predict(digits.test.images), twin.predict(digits.test.images))


def test_in_single_precision_it_stays_single():
    network = SmallNetwork(np.random.default_rng(0), np.float32)
    x, labels = np.zeros((4, 1, 28, 28), np.float32), np.arange(4)
    loss, gradients = network.loss_and_gradients(x, labels)
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}
    assert_allclose(loss, np.log(10), rtol=1)
    network.step(x, labels)
    assert {w.dtype for w in network.parameters()} == {np.dtype(np.float32)}
