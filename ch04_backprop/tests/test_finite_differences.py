"""Central differences: exact where they must be, with the theoretical order of error, and equal to PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der
from torch import nn

from ch04_backprop.finite_differences import (
    STEP,
    compare_gradients,
    finite_differences,
    relative_error,
    sigmoid_network,
)
from common.data import digits


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 8), seed=st.integers(0, 2**32 - 1))
def test_the_slope_of_rosenbrock_s_valley_is_scipy_s(n, seed):
    at = np.random.default_rng(seed).normal(size=n)
    assert_allclose(finite_differences(lambda: rosen(at), at), rosen_der(at), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("step", [1.0, 0.1, 1e-3])
def test_a_quadratic_s_slope_is_exact_at_any_step(step):
    rng = np.random.default_rng(0)
    A, theta = rng.normal(size=(4, 4)), rng.normal(size=4)
    assert_allclose(finite_differences(lambda: theta @ A @ theta, theta, step), (A + A.T) @ theta, rtol=1e-10)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 1, 3), (0,), ()])
def test_arrays_of_any_shape_are_put_back_as_they_were(shape):
    values = np.random.default_rng(1).normal(size=shape)
    kept, calls = values.copy(), []
    slope = finite_differences(lambda: calls.append(values.copy()) or np.sum(values**3), values, 1e-4)
    assert slope.shape == shape
    assert_allclose(slope, 3 * values**2, atol=1e-6)
    assert_array_equal(values, kept)
    assert len(calls) == 2 * values.size  # the price
    for call in calls:
        assert np.count_nonzero(call != kept) == 1


def errors(steps):
    """Relative errors of the slope of Σ e^sin θ, whose third derivative is nowhere near 0."""
    theta = np.linspace(0.3, 2.0, 7)
    slope = np.cos(theta) * np.exp(np.sin(theta))
    return [relative_error(finite_differences(lambda: np.exp(np.sin(theta)).sum(), theta, h), slope) for h in steps]


def test_a_tenth_of_the_step_has_a_hundredth_of_the_error_while_the_cost_bends():
    found = errors([1e-1, 1e-2, 1e-3])
    assert_allclose(np.divide(found[:-1], found[1:]), 100, rtol=0.02)


def test_smaller_steps_only_round():
    near_best, small, smaller = errors([STEP, 1e-9, 1e-11])
    assert near_best < 1e-9
    assert small > 10 * near_best
    assert smaller > 10 * small


def test_relative_error():
    assert relative_error(np.array([3.0, 0.0]), np.array([3.0, 4.0])) == 0.8
    assert relative_error(np.eye(2), np.eye(2)) == 0


def ten_digits(n=20):
    part = digits(seed=0).train.take(slice(n))
    return part.images.reshape(n, -1) / 16, part.labels


@pytest.mark.parametrize("hidden", [2, 7])
def test_the_network_of_the_race_is_pytorch_s(hidden):
    x, answers = ten_digits()
    network = sigmoid_network(64, hidden, np.random.default_rng(2))
    peer = nn.Sequential(nn.Linear(64, hidden), nn.Sigmoid(), nn.Linear(hidden, 10)).double()
    for parameter, own in zip(peer.parameters(), network.parameters(), strict=True):
        parameter.data[:] = torch.tensor(own.data.T)
    loss = nn.functional.cross_entropy(peer(torch.tensor(x)), torch.tensor(answers))
    loss.backward()
    assert_allclose(network.gradient(x, answers), loss.item(), rtol=1e-12)
    for parameter, own in zip(peer.parameters(), network.parameters(), strict=True):
        assert_allclose(own.grad, parameter.grad.numpy().T, rtol=1e-9, atol=1e-14)


def test_the_race_measures_the_error_of_that_step_and_leaves_the_weights():
    x, answers = ten_digits()
    network = sigmoid_network(64, 2, np.random.default_rng(3))
    kept = [parameter.data.copy() for parameter in network.parameters()]
    large, small, best = (compare_gradients(network, x, answers, step) for step in (1e-1, 1e-2, STEP))
    assert_allclose(large[0] / small[0], 100, rtol=0.05)
    assert best[0] < 1e-8
    assert best[1] > 10 * best[2] > 0  # 160 weights, 320 costs against one pass forth and back
    for parameter, before in zip(network.parameters(), kept, strict=True):
        assert_array_equal(parameter.data, before)


def test_the_race_sees_a_gradient_that_is_wrong():
    x, answers = ten_digits()
    network = sigmoid_network(64, 2, np.random.default_rng(4))
    last = network.layers[2]
    right = last.parameter_gradients
    last.parameter_gradients = lambda delta: right(1.01 * delta)
    assert 1e-3 < compare_gradients(network, x, answers)[0] < 1e-2
