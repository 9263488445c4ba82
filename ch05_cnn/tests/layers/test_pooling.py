"""Pooling is PyTorch's: values, switches and gradients, where windows overlap and where they leave pixels over."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional as F

from ch05_cnn.layers.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward


@st.composite
def poolings(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    size = draw(st.integers(1, height)), draw(st.integers(1, width))
    stride = draw(st.one_of(st.none(), st.integers(1, 4), st.tuples(st.integers(1, 4), st.integers(1, 4))))
    return (draw(st.integers(1, 3)), draw(st.integers(1, 3)), height, width), size, stride


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=50, deadline=None)
@given(pooling=poolings(), ties=st.booleans())
def test_max_pooling_is_pytorchs(pooling, ties, dtype):
    shape, size, stride = pooling
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 3, shape) if ties else rng.normal(size=shape)).astype(dtype)
    y, switches = max_pool2d(x, size, stride)
    tensor = torch.tensor(x, requires_grad=True)
    expected, indices = F.max_pool2d(tensor, size, stride, return_indices=True)
    assert_array_equal(y, expected.detach().numpy())
    assert_array_equal(switches, indices.numpy())
    delta = rng.normal(size=y.shape).astype(dtype)
    expected.backward(torch.tensor(delta))
    dx = max_pool2d_backward(delta, switches, shape[2:])
    assert y.dtype == dx.dtype == dtype
    assert_allclose(dx, tensor.grad.numpy(), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=50, deadline=None)
@given(pooling=poolings())
def test_average_pooling_is_pytorchs(pooling, dtype):
    shape, size, stride = pooling
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(dtype)
    y = avg_pool2d(x, size, stride)
    tensor = torch.tensor(x, requires_grad=True)
    expected = F.avg_pool2d(tensor, size, stride)
    assert_allclose(y, expected.detach().numpy(), atol=1e-6)
    delta = rng.normal(size=y.shape).astype(dtype)
    expected.backward(torch.tensor(delta))
    dx = avg_pool2d_backward(delta, shape[2:], size, stride)
    assert y.dtype == dx.dtype == dtype
    assert_allclose(dx, tensor.grad.numpy(), atol=1e-5)


def test_a_delta_goes_to_the_winner_or_to_all():
    x = np.array([[1.0, 4, 2, 0], [3, 2, 0, 5]])[None, None]
    y, switches = max_pool2d(x)
    assert_array_equal(y, [[[[4, 5]]]])
    assert_array_equal(switches, [[[[1, 7]]]])
    delta = np.array([[[[8.0, 4]]]])
    assert_array_equal(max_pool2d_backward(delta, switches, (2, 4))[0, 0], [[0, 8, 0, 0], [0, 0, 0, 4]])
    assert_array_equal(avg_pool2d_backward(delta, (2, 4))[0, 0], [[2, 2, 1, 1], [2, 2, 1, 1]])


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
def test_a_window_beyond_the_image_is_refused(pool):
    with pytest.raises(ValueError, match="a kernel of 3×3 is larger than the padded image, 2×5"):
        pool(np.zeros((1, 1, 2, 5)), 3)
    with pytest.raises(ValueError, match="stride must be at least 1"):
        pool(np.zeros((1, 1, 2, 5)), 2, 0)
