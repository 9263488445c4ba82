"""One-example gradients: their mean is the full gradient, PyTorch's too; batches spread as theory says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ch04_backprop import stochastic_gradient
from ch04_backprop.finite_differences import sigmoid_network
from ch04_backprop.stochastic_gradient import (
    descend_full_batch,
    descend_on_line,
    expected_spread,
    flat_gradient,
    single_gradients,
    spread,
)
from tests.recorded_lesson import recorded


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return sigmoid_network(5, 3, rng), rng.normal(size=(30, 5)), rng.integers(10, size=30)


def cost_by_pytorch(network, x, y):
    """The mean log loss, and its gradient with respect to all parameters."""
    W1, b1, W2, b2 = leaves = [torch.tensor(p.data, requires_grad=True) for p in network.parameters()]
    z = torch.sigmoid(torch.tensor(x) @ W1 + b1) @ W2 + b2
    torch.nn.functional.cross_entropy(z, torch.tensor(y)).backward()
    return np.concatenate([leaf.grad.numpy().ravel() for leaf in leaves])


def test_single_gradients_are_pytorch_s_and_their_mean_is_the_gradient_of_all(problem):
    network, x, y = problem
    found = single_gradients(network, x, y)
    for i in (0, 7, 29):
        assert_allclose(found[i], cost_by_pytorch(network, x[i : i + 1], y[i : i + 1]), atol=1e-12)
    assert_allclose(found.mean(axis=0), cost_by_pytorch(network, x, y), atol=1e-12)
    network.gradient(x, y)
    assert_allclose(flat_gradient(network), found.mean(axis=0), atol=1e-14)


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("size", [1, 5, 20])
def test_batches_spread_as_theory_says(size, replace):
    gradients = np.random.default_rng(1).normal(size=(40, 6)) * np.logspace(0, 1, 6)
    measured = spread(gradients, size, 4000, np.random.default_rng(2), replace)
    assert_allclose(measured, expected_spread(gradients, size, replace), rtol=0.04)


def test_a_batch_of_all_different_examples_does_not_spread():
    gradients = np.random.default_rng(1).normal(size=(12, 3))
    assert spread(gradients, 12, 20, np.random.default_rng(0), replace=False) < 1e-14
    assert expected_spread(gradients, 12, replace=False) == 0
    assert spread(gradients, 12, 20, np.random.default_rng(0), replace=True) > 0.1


def test_on_line_steps_are_pytorch_s(problem):
    network, x, y = problem
    peer = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Sigmoid(), torch.nn.Linear(3, 10)).double()
    with torch.no_grad():
        for theirs, ours in zip(peer.parameters(), network.parameters(), strict=True):
            theirs.copy_(torch.tensor(ours.data.T))
    optimiser = torch.optim.SGD(peer.parameters(), stochastic_gradient.ON_LINE_RATE)
    costs = descend_on_line(network, x, y, 2, np.random.default_rng(3))
    order = np.random.default_rng(3)
    for _ in range(2):
        for i in order.permutation(len(x)):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(peer(torch.tensor(x[i : i + 1])), torch.tensor(y[i : i + 1])).backward()
            optimiser.step()
    final = torch.nn.functional.cross_entropy(peer(torch.tensor(x)), torch.tensor(y)).item()
    assert_allclose(costs[-1], final, rtol=1e-10)
    assert len(costs) == 3


def test_all_at_once_takes_one_step_per_epoch(problem):
    network, x, y = problem
    start = [p.data.copy() for p in network.parameters()]
    gradient = cost_by_pytorch(network, x, y)
    costs = descend_full_batch(network, x, y, 1)
    moved = np.concatenate([(p.data - s).ravel() for p, s in zip(network.parameters(), start, strict=True)])
    assert_allclose(moved, -stochastic_gradient.FULL_RATE * gradient, atol=1e-12)
    assert costs[1] < costs[0]


def test_the_lesson(monkeypatch):
    facts = recorded(stochastic_gradient, monkeypatch).facts
    assert facts["mean of all one-example gradients, relative difference from ∇C"] < 1e-12
    assert -0.6 < facts["power of B with which the spread of a batch's gradient grows"] < -0.4
