"""Jacobians through time against PyTorch, their bound, clipping, and the unit in balance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.exploding import (
    BALANCED,
    DESCENT,
    RATE,
    WALL_STEPS,
    OneUnit,
    balancing_bias,
    clip,
    jacobian_norms,
    spectral,
)
from ch04_backprop.layers import Parameter
from ch04_backprop.recurrent import TanhRecurrent, orthogonal


def layer_with(W: np.ndarray) -> TanhRecurrent:
    layer = TanhRecurrent(2, len(W), np.random.default_rng(0), dtype=np.float64)
    layer.W.data = W
    return layer


def test_the_spectral_radius_is_what_was_asked_for():
    assert_allclose(np.abs(np.linalg.eigvals(spectral(9, 1.3, np.random.default_rng(0)))).max(), 1.3)


def test_jacobians_are_those_of_autograd():
    layer = layer_with(spectral(5, 1.1, np.random.default_rng(1)))
    x = np.random.default_rng(2).normal(size=(7, 2))
    norms = jacobian_norms(layer, x)
    U, W = torch.tensor(layer.U.data), torch.tensor(layer.W.data)
    states = torch.tensor(layer.h[0, 1:])

    def onward(t: int):
        def run(h):
            for step in torch.tensor(x[t + 1 :]):
                h = torch.tanh(step @ U + h @ W)
            return h

        return run

    expected = [torch.autograd.functional.jacobian(onward(t), states[t]).numpy() for t in range(len(x))]
    assert_allclose(norms, [np.linalg.norm(each, ord=2) for each in expected], rtol=1e-9)
    assert_allclose(norms[-1], 1)


@settings(max_examples=50, deadline=None)
@given(size=st.floats(0.2, 1.5), spread=st.floats(0, 3), seed=st.integers(0, 1000))
def test_no_jacobian_exceeds_the_bound(size, spread, seed):
    rng = np.random.default_rng(seed)
    W = size * rng.normal(size=(6, 6))
    norms = jacobian_norms(layer_with(W), spread * rng.normal(size=(12, 2)))
    bound = np.linalg.norm(W, ord=2) ** np.arange(11, -1, -1.0)
    assert (norms <= bound * (1 + 1e-9)).all()


def test_at_rest_an_orthogonal_matrix_reaches_the_bound():
    W = 0.9 * orthogonal(6, np.random.default_rng(0))
    assert_allclose(jacobian_norms(layer_with(W), np.zeros((12, 2))), 0.9 ** np.arange(11, -1, -1.0), rtol=1e-9)


@pytest.mark.parametrize("most", [0.01, 1.0, 4.9, 5.1, 100.0, np.inf])
def test_clipping_is_torchs(most):
    arrays = [np.array([[3.0, 0.0]]), np.array([-4.0])]
    ours, theirs = [Parameter(np.zeros_like(a)) for a in arrays], [torch.zeros(a.shape).double() for a in arrays]
    for mine, other, array in zip(ours, theirs, arrays, strict=True):
        mine.grad, other.grad = array.copy(), torch.tensor(array)
    assert_allclose(clip(ours, most), 5.0)
    torch.nn.utils.clip_grad_norm_(theirs, most)
    clipped = [parameter.grad for parameter in ours]
    if most > 5:
        for mine, array in zip(clipped, arrays, strict=True):
            assert_array_equal(mine, array)  # untouched
    else:
        assert_allclose(np.sqrt(sum((g**2).sum() for g in clipped)), most)
    for mine, other in zip(clipped, theirs, strict=True):
        assert_allclose(mine, other.grad, rtol=1e-5)


def test_clipping_keeps_the_type_and_does_not_overflow():
    parameter = Parameter(np.zeros(3, np.float32))
    parameter.grad = np.full(3, 1e30, np.float32)
    clip([parameter], 1.0)
    assert parameter.grad.dtype == np.float32
    assert_allclose(parameter.grad, 3**-0.5, rtol=1e-6)


@pytest.mark.parametrize("w", [1.5, 2.0, 2.4])
def test_in_balance_the_unit_keeps_its_state_and_the_gradient_is_a_geometric_sum(w):
    unit = OneUnit()
    unit.cost(w, balancing_bias(w))
    assert_allclose(unit.layer.h[0, :, 0], BALANCED, rtol=1e-4)
    slope, e = w * (1 - BALANCED**2), unit.layer.h[0, -1, 0] - 0.2
    geometric = (slope**WALL_STEPS - 1) / (slope - 1)
    assert_allclose(unit.layer.b.grad[0], e * (1 - BALANCED**2) * geometric, rtol=1e-3)


def test_clipped_steps_are_short_and_unclipped_ones_leave():
    unit, start = OneUnit(), (2.0, balancing_bias(2.0))
    far, near = (unit.descend(*start, most) for most in (np.inf, 1.0))
    assert_allclose(near[0], far[0])
    assert np.linalg.norm(np.diff(near[:, :2], axis=0), axis=1).max() <= 0.1 * (1 + 1e-9)
    assert np.linalg.norm(far[1, :2] - far[0, :2]) > 10


def test_the_last_point_is_after_all_steps_of_the_descent():
    unit, w, b = OneUnit(), 2.0, balancing_bias(2.0)
    path = unit.descend(w, b, 1.0)
    for _ in range(DESCENT):
        unit.cost(w, b)
        clip([unit.layer.W, unit.layer.b], 1.0)
        w, b = w - RATE * unit.layer.W.grad[0, 0], b - RATE * unit.layer.b.grad[0]
    assert path.shape == (DESCENT + 1, 4)
    assert_allclose(path[-1, :3], (w, b, unit.cost(w, b)), rtol=1e-9)
