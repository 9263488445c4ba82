"""The LSTM against torch.nn.LSTM, and what its gates can do: keep a cell, erase it, hide it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.exploding import jacobian_norms
from ch04_backprop.layers import sigmoid
from ch04_backprop.lstm import LSTM, difference_from_torch, torchs

N, STEPS, INPUTS, UNITS = 4, 11, 3, 5
OPEN, SHUT = 1e4, -1e4  # biases of a gate that is exactly 1 or 0


def numbers(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def lstm(keep: float = 1.0) -> LSTM:
    layer = LSTM(INPUTS, UNITS, np.random.default_rng(0), keep, np.float64)
    layer.b.data = layer.b.data + 0.3 * numbers(*layer.b.shape, seed=5)
    return layer


def with_gates(**biases: float) -> LSTM:
    """An LSTM whose gates of these names have such biases."""
    layer = lstm()
    for name, bias in biases.items():
        place = "ifgo".index(name)
        layer.b.data[place * UNITS : (place + 1) * UNITS] = bias
    return layer


def test_states_cells_and_gradients_are_those_of_torch():
    layer, x, e = lstm(), numbers(N, STEPS, INPUTS), numbers(N, STEPS, UNITS, seed=2)
    first = numbers(2, N, UNITS, seed=3)
    theirs, given = torchs(layer), torch.tensor(x, requires_grad=True)
    h0, c0 = (torch.tensor(each)[None].requires_grad_() for each in first)
    h, (_, c) = theirs(given, (h0, c0))
    assert_allclose(layer.forward(x, first), h.detach(), atol=1e-10)
    assert_allclose(layer.c[:, -1], c[0].detach(), atol=1e-10)
    (h * torch.tensor(e)).sum().backward()
    layer.parameter_gradients(e)
    assert_allclose(layer.U.grad, theirs.weight_ih_l0.grad.T, atol=1e-10)
    assert_allclose(layer.W.grad, theirs.weight_hh_l0.grad.T, atol=1e-10)
    assert_allclose(layer.b.grad, theirs.bias_ih_l0.grad, atol=1e-10)
    assert_allclose(layer.backward(e), given.grad, atol=1e-10)
    to_sums, to_cells = layer.deltas(e)
    _, f, _, _ = np.split(layer.gates[:, 0], 4, axis=1)
    assert_allclose(to_cells[:, 0] * f, c0.grad[0], atol=1e-10)
    assert_allclose(to_sums[:, 0] @ layer.W.data.T, h0.grad[0], atol=1e-10)


def test_the_difference_from_torch_is_rounding_and_a_wrong_gate_is_seen(monkeypatch):
    layer, x = lstm(), numbers(N, STEPS, INPUTS)
    assert difference_from_torch(layer, x) < 1e-10
    right = LSTM.deltas
    monkeypatch.setattr(LSTM, "deltas", lambda self, e: [1.001 * d for d in right(self, e)])
    assert difference_from_torch(layer, x) > 5e-4


def test_with_the_forget_gate_at_1_and_the_input_gate_at_0_a_cell_is_kept_exactly():
    layer, first = with_gates(f=OPEN, i=SHUT), numbers(2, N, UNITS, seed=3)
    layer.forward(50 * numbers(N, STEPS, INPUTS), first)
    for t in range(STEPS + 1):
        assert_array_equal(layer.c[:, t], first[1])
    e = np.zeros((N, STEPS, UNITS))
    e[:, -1] = numbers(N, UNITS)
    layer.W.data = 0 * layer.W.data  # the other way back, through h and the output gate
    layer.forward(numbers(N, STEPS, INPUTS), first)
    _, to_cells = layer.deltas(e)
    for t in range(STEPS):
        assert_array_equal(to_cells[:, t], to_cells[:, -1])  # and so is its gradient


def test_with_the_forget_gate_at_0_nothing_of_a_cell_is_left():
    layer, first = with_gates(f=SHUT), numbers(2, N, UNITS, seed=3)
    layer.W.data = 0 * layer.W.data  # the state has no other way
    x = numbers(N, STEPS, INPUTS)
    assert_array_equal(layer.forward(x, first), layer.forward(x))


def test_with_the_output_gate_at_0_the_cell_runs_on_unseen():
    layer = with_gates(o=SHUT)
    assert (layer.forward(numbers(N, STEPS, INPUTS)) == 0).all()
    assert np.abs(layer.c[:, 1:]).min() > 0


def test_the_first_bias_is_the_forget_gates_alone():
    b = LSTM(INPUTS, UNITS, np.random.default_rng(0), 5.0, np.float64).b.data
    assert_array_equal(b, np.repeat([0.0, 5.0, 0.0, 0.0], UNITS))


@pytest.mark.parametrize("keep", [0.0, 1.0, 3.0])
def test_without_recurrent_weights_a_gradient_shrinks_by_the_forget_gate(keep):
    """∂c_T/∂c_t is then the product of the forget gates, and nothing else."""
    layer = LSTM(INPUTS, UNITS, np.random.default_rng(0), keep, np.float64)
    layer.W.data, layer.U.data = 0 * layer.W.data, 0 * layer.U.data
    norms = jacobian_norms(layer, numbers(STEPS, INPUTS))
    assert_allclose(norms / norms[-1], sigmoid(np.array([keep])) ** np.arange(STEPS - 1, -1, -1.0), rtol=1e-9)


def test_the_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        assert_array_equal(sigmoid(np.array([SHUT, 0, OPEN])), [0, 0.5, 1])
