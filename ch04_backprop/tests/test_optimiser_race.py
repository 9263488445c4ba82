"""The parts of the race on digits: its rates, its L-BFGS, its batches, and digits that come in order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from ch04_backprop import optimiser_race
from ch04_backprop.layers import Network
from ch04_backprop.networks.training import Pixels, accuracy, mlp
from ch04_backprop.optimiser_race import (
    BATCHES,
    LARGEST_RATE,
    SGD_RATE,
    SIZES,
    best_rate,
    by_batch,
    train_by_lbfgs,
    train_by_rule,
    train_in_order_of_class,
)
from ch04_backprop.optimisers import SGD
from common.data import Scale, mnist
from common.errors import LossNotFinite


@pytest.fixture(scope="module")
def digits():
    """600 digits: inputs and answers."""
    part = mnist(Scale("smoke")).train
    return Pixels.of(part.images)(part.images)[:600], part.labels[:600]


def twin(network: Network):
    """The network in PyTorch, in double precision."""
    peer = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).double()
    for parameter, own in zip(peer.parameters(), network.parameters(), strict=True):
        parameter.data[:] = torch.tensor(own.data.T)
    return peer


def loss_of(peer, x, y):
    return nn.functional.cross_entropy(peer(torch.tensor(x, dtype=torch.float64)), torch.tensor(y))


def test_l_bfgs_is_given_the_cost_of_all_digits_and_its_gradient(digits, monkeypatch):
    x, y = digits
    asked, minimize = {}, optimiser_race.minimize

    def spy(cost, start, **settings):
        asked.update(cost=cost, start=start, found=minimize(cost, start, **settings))
        return asked["found"]

    monkeypatch.setattr(optimiser_race, "minimize", spy)
    network = train_by_lbfgs(x, y, 12, seed=3)
    ends = loss_of(twin(network), x, y).item()
    start, found = asked["start"], asked["found"]
    first = mlp(SIZES, np.random.default_rng(3))
    assert_array_equal(start, np.concatenate([p.data.ravel() for p in first.parameters()]))

    peer = twin(first)
    loss = loss_of(peer, x, y)
    loss.backward()
    value, gradient = asked["cost"](start)
    theirs = np.concatenate([p.grad.numpy().T.ravel() for p in peer.parameters()])
    assert_allclose(value, loss.item(), rtol=1e-5)
    assert np.linalg.norm(gradient - theirs) < 1e-4 * np.linalg.norm(theirs)
    assert gradient.dtype == np.float64

    assert_allclose(ends, found.fun, rtol=1e-4)  # the network is left where the search ended
    assert ends < 0.3 * loss.item()
    assert 6 <= found.nfev <= 14


def test_digits_in_order_of_class_teach_less_than_shuffled_ones(digits):
    network, _ = train_by_rule("SGD", SGD_RATE * 64, 1, digits, seed=0)
    shuffled, sorted_ones = (accuracy(n, *digits) for n in (network, train_in_order_of_class(*digits, seed=0)))
    assert shuffled > 65
    assert sorted_ones < shuffled - 25


def test_in_order_shows_every_digit_once_and_all_zeros_first(digits, monkeypatch):
    seen, gradient = [], Network.gradient
    monkeypatch.setattr(Network, "gradient", lambda self, x, y: seen.append(y) or gradient(self, x, y))
    train_in_order_of_class(*digits, seed=0)
    assert_array_equal(np.concatenate(seen), np.sort(digits[1]))
    assert max(len(batch) for batch in seen) <= 64


def test_the_best_rate_is_the_best_on_points_that_it_has_not_learned(digits):
    x, y = digits
    assert len(x) // 5 == 120 < optimiser_race.HELD_OUT  # of few points, a fifth
    rates = (1e-4, 0.1, 1e6)
    best, found = best_rate("SGD", rates, 1, digits, seed=0)
    assert best == 0.1
    assert np.isnan(found[2])  # it diverged
    for rate, accuracy_found in zip(rates[:2], found[:2], strict=True):
        network, _ = train_by_rule("SGD", rate, 1, (x[:-120], y[:-120]), seed=0)
        assert accuracy_found == accuracy(network, x[-120:], y[-120:])
    wrong = np.concatenate([y[:-120], (y[-120:] + 1) % 10])
    assert max(best_rate("SGD", rates[:2], 1, (x, wrong), seed=0)[1]) < 20  # it never used the held-out answers


def test_a_rate_that_runs_away_is_said_to(digits):
    with pytest.raises(LossNotFinite):
        train_by_rule("momentum", 1e6, 1, digits, seed=0)


def test_the_seed_decides_all(digits):
    runs = [train_by_rule("Adam", 1e-3, 1, digits, seed)[1] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 10


@pytest.mark.parametrize("size", [64, 600])
def test_by_batch_measures_the_cost_after_every_epoch(digits, size):
    seconds, costs = by_batch(digits, size, 3, seed=1)
    assert (len(seconds), len(costs)) == (3, 3)
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    first = loss_of(twin(mlp(SIZES, np.random.default_rng(1))), *digits).item()
    assert costs[-1] < 0.7 * first
    if size == 600:  # the whole: plain gradient descent, which needs no order
        peer = twin(mlp(SIZES, np.random.default_rng(1)))
        optimiser = torch.optim.SGD(peer.parameters(), LARGEST_RATE)
        for cost in costs:
            optimiser.zero_grad()
            loss_of(peer, *digits).backward()
            optimiser.step()
            assert_allclose(cost, loss_of(peer, *digits).item(), rtol=1e-4)


def test_a_batch_takes_the_step_of_its_examples_as_far_as_that_goes(digits, monkeypatch):
    rates = []
    monkeypatch.setattr(optimiser_race, "SGD", lambda parameters, rate: rates.append(rate) or SGD(parameters, rate))
    for size in BATCHES:
        by_batch(tuple(array[:20] for array in digits), size, 1, seed=0)
    assert_allclose(rates, [0.003, 0.024, 0.192, 0.2])
