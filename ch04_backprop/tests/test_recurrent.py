"""Deltas through time against PyTorch and finite differences; causality, initial states, truncation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.layers import Linear, Network
from ch04_backprop.lstm import LSTM
from ch04_backprop.output_units import SoftmaxCrossEntropy
from ch04_backprop.recurrent import (
    LastState,
    Recurrent,
    TanhRecurrent,
    difference_from_autograd,
    orthogonal,
    three_steps,
    truncation_error,
)

N, STEPS, INPUTS, UNITS = 4, 13, 3, 5
KINDS = pytest.mark.parametrize("kind", [TanhRecurrent, LSTM])


def numbers(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def layer_of(kind: type[Recurrent], **settings) -> Recurrent:
    layer = kind(INPUTS, UNITS, np.random.default_rng(0), dtype=np.float64, **settings)
    layer.b.data = layer.b.data + 0.1 * numbers(*layer.b.shape)
    return layer


def torch_rnn(layer: TanhRecurrent) -> torch.nn.RNN:
    theirs = torch.nn.RNN(layer.inputs, layer.units, batch_first=True, dtype=torch.float64)
    ours = {"weight_ih_l0": layer.U.data.T, "weight_hh_l0": layer.W.data.T, "bias_ih_l0": layer.b.data}
    zero = np.zeros(layer.units)
    theirs.load_state_dict({name: torch.tensor(ours.get(name, zero)) for name in theirs.state_dict()})
    return theirs


def test_states_and_gradients_are_those_of_torchs_rnn():
    layer, x, e = layer_of(TanhRecurrent), numbers(N, STEPS, INPUTS), numbers(N, STEPS, UNITS, seed=2)
    first = numbers(N, UNITS, seed=3)
    theirs, given = torch_rnn(layer), torch.tensor(x, requires_grad=True)
    h, _ = theirs(given, torch.tensor(first)[None])
    assert_allclose(layer.forward(x, first), h.detach(), atol=1e-10)
    (h * torch.tensor(e)).sum().backward()
    layer.parameter_gradients(e)
    assert_allclose(layer.U.grad, theirs.weight_ih_l0.grad.T, atol=1e-10)
    assert_allclose(layer.W.grad, theirs.weight_hh_l0.grad.T, atol=1e-10)
    assert_allclose(layer.b.grad, theirs.bias_ih_l0.grad, atol=1e-10)
    assert_allclose(layer.backward(e), given.grad, atol=1e-10)


@KINDS
def test_gradients_through_time_are_finite_differences(kind):
    layer, x, e = layer_of(kind), numbers(2, 6, INPUTS), numbers(2, 6, UNITS, seed=2)
    layer.forward(x)
    layer.parameter_gradients(e)
    for parameter in layer.parameters():
        numeric = finite_differences(lambda: float((layer.forward(x) * e).sum()), parameter.data)
        assert_allclose(parameter.grad, numeric, atol=1e-6)
    layer.forward(x)
    assert_allclose(layer.backward(e), finite_differences(lambda: float((layer.forward(x) * e).sum()), x), atol=1e-6)


@KINDS
def test_a_state_depends_on_no_later_input(kind):
    layer, x = layer_of(kind), numbers(N, STEPS, INPUTS)
    before = layer.forward(x)
    changed = x.copy()
    changed[:, 7:] += 1
    after = layer.forward(changed)
    assert_array_equal(before[:, :7], after[:, :7])
    assert (np.abs(before - after)[:, 7:].max(axis=(0, 2)) > 1e-3).all()
    e = np.zeros((N, STEPS, UNITS))
    e[:, 6] = 1  # and no gradient of it reaches a later input
    to_inputs = layer.backward(e)
    assert (to_inputs[:, 7:] == 0).all()
    assert (to_inputs[:, :7] != 0).all()


@KINDS
def test_a_sequence_in_two_parts_is_the_whole_if_the_state_is_handed_on(kind):
    layer, x = layer_of(kind), numbers(N, STEPS, INPUTS)
    whole, early = layer.forward(x), layer.forward(x[:, :5])
    last = layer.h[:, -1] if kind is TanhRecurrent else np.stack([layer.h[:, -1], layer.c[:, -1]])
    assert_allclose(early, whole[:, :5], atol=1e-14)
    assert_allclose(layer.forward(x[:, 5:], last.copy()), whole[:, 5:], atol=1e-14)
    assert np.abs(layer.forward(x[:, 5:]) - whole[:, 5:]).max() > 1e-3  # from 0 it is another


@pytest.mark.parametrize("block", [1, 4, 5])
def test_truncated_gradients_are_those_of_torch_with_states_detached_at_the_borders(block):
    layer, x, e = layer_of(TanhRecurrent, truncate=block), numbers(N, STEPS, INPUTS), numbers(N, STEPS, UNITS, seed=2)
    theirs, state, cost = torch_rnn(layer), None, 0
    for start in range(0, STEPS, block):
        h, state = theirs(torch.tensor(x[:, start : start + block]), state)
        state = state.detach()
        cost = cost + (h * torch.tensor(e[:, start : start + block])).sum()
    cost.backward()
    layer.forward(x)
    layer.parameter_gradients(e)
    assert_allclose(layer.W.grad, theirs.weight_hh_l0.grad.T, atol=1e-10)
    assert_allclose(layer.U.grad, theirs.weight_ih_l0.grad.T, atol=1e-10)


def test_a_block_of_all_steps_truncates_nothing_and_shorter_ones_do():
    layer, x = layer_of(TanhRecurrent), numbers(N, STEPS, INPUTS)
    assert truncation_error(layer, x, STEPS) == 0
    assert truncation_error(layer, x, 2) > truncation_error(layer, x, 6) > 0
    assert layer.truncate is None


def test_the_difference_from_autograd_is_rounding_and_a_wrong_delta_is_seen(monkeypatch):
    layer, x = layer_of(TanhRecurrent), numbers(N, STEPS, INPUTS)
    assert difference_from_autograd(layer, x) < 1e-10
    right = TanhRecurrent.deltas
    monkeypatch.setattr(TanhRecurrent, "deltas", lambda self, e: [1.001 * d for d in right(self, e)])
    assert difference_from_autograd(layer, x) > 5e-4


def test_the_last_state_of_rows_trains_a_network():
    """The gradients equal PyTorch's through a linear layer and cross-entropy; the row is a sequence of steps."""
    x, labels = numbers(N, STEPS, INPUTS), np.array([0, 1, 1, 0])
    layer, last = layer_of(TanhRecurrent), Linear(UNITS, 2, np.random.default_rng(4), dtype=np.float64)
    network = Network([LastState(layer), last], SoftmaxCrossEntropy())
    cost = network.gradient(x.reshape(N, -1), labels)
    theirs = torch_rnn(layer)
    scores = theirs(torch.tensor(x))[0][:, -1] @ torch.tensor(last.W.data) + torch.tensor(last.b.data)
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
    loss.backward()
    assert_allclose(cost, loss.item(), atol=1e-12)
    assert_allclose(layer.W.grad, theirs.weight_hh_l0.grad.T, atol=1e-10)
    rows = x.reshape(N, -1).copy()
    to_rows = network.backward(network.cost.backward(), to_input=True)
    numeric = finite_differences(lambda: network.cost.forward(network.forward(rows), labels), rows)
    assert_allclose(to_rows, numeric, atol=1e-6)


def test_the_three_steps_of_the_text():
    states, deltas, gradient = three_steps()
    w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    h1 = torch.tanh(torch.tensor(1.0, dtype=torch.float64))
    h2 = torch.tanh(w * h1)
    h3 = torch.tanh(w * h2)
    (0.5 * (h3 - 1) ** 2).backward()
    assert_allclose(states, [h1.item(), h2.item(), h3.item()])
    assert_allclose(gradient, w.grad.item())
    assert_allclose(gradient, states[0] * deltas[1] + states[1] * deltas[2])


def test_an_orthogonal_matrix_keeps_lengths():
    W = orthogonal(7, np.random.default_rng(0))
    assert_allclose(W @ W.T, np.eye(7), atol=1e-12)
