"""Deltas of a deep network against PyTorch's autograd, and the factor per layer against its bound and its theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

from ch04_backprop import vanishing
from ch04_backprop.layers import Linear, ReLU
from ch04_backprop.networks.training import Pixels, accuracy, by_momentum
from ch04_backprop.vanishing import (
    DEEP,
    LEARNED,
    LONGER,
    SHALLOW,
    TRAINED_LONGER,
    UNITS,
    WIDTH,
    by_inputs,
    deep_network,
    delta_sizes,
    factor_per_layer,
    root_mean_square,
)
from common.data import Scale, mnist
from tests.recorded_lesson import recorded

PEERS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu, "leaky ReLU": F.leaky_relu}


def images(n: int = 32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 784)).astype(np.float32), rng.integers(10, size=n)


@pytest.mark.parametrize("name", UNITS)
def test_delta_sizes_are_those_of_pytorchs_gradients(name):
    (unit, g), (x, y) = UNITS[name], images()
    network = deep_network(unit, by_inputs(g), 6, 24, np.random.default_rng(1))
    size, slope = delta_sizes(network, x, y)

    z, inner, slopes = torch.tensor(x).double(), [], []
    for layer in network.layers:
        if isinstance(layer, Linear):
            z = z @ torch.tensor(layer.W.data).double() + torch.tensor(layer.b.data).double()
            z.requires_grad_()
        else:
            inner.append(z)
            z = PEERS[name](z)
            slopes.append(torch.autograd.grad(z.sum(), inner[-1], retain_graph=True)[0])
    deltas = torch.autograd.grad(F.cross_entropy(z, torch.tensor(y)), inner)
    assert_allclose(size, [delta.square().mean().sqrt() for delta in deltas], rtol=1e-4)
    assert_allclose(slope, [each.square().mean().sqrt() for each in slopes], rtol=1e-4)


@settings(max_examples=100, deadline=None)
@given(factor=st.floats(0.05, 20), n=st.integers(2, 40), first=st.floats(1e-3, 1e3))
def test_factor_per_layer_of_a_geometric_row(factor, n, first):
    """Each layer below the last one, which is nearest the loss, multiplies by the factor."""
    assert_allclose(factor_per_layer(first * factor ** np.arange(n)[::-1]), factor, rtol=1e-6)


@pytest.mark.parametrize(("name", "low", "high"), [("sigmoid", 0.2, 0.25), ("tanh", 0.85, 1), ("ReLU", 0.93, 1.07)])
def test_the_factor_is_what_theory_says(name, low, high):
    (unit, g), (x, y) = UNITS[name], images(128)
    size, slope = delta_sizes(deep_network(unit, by_inputs(g), 20, 200, np.random.default_rng(2)), x, y)
    factor = factor_per_layer(size)
    assert low < factor < high
    assert_allclose(factor, np.exp(np.log(np.sqrt(g) * slope).mean()), rtol=0.05)
    if name == "sigmoid":
        assert slope.max() <= 0.25


def test_weights_twice_as_large_double_the_factor_of_relu():
    x, y = images(128)
    he, twice = (
        factor_per_layer(delta_sizes(deep_network(ReLU, by_inputs(g), 15, 200, np.random.default_rng(3)), x, y)[0])
        for g in (2.0, 8.0)
    )
    assert_allclose(twice / he, 2, rtol=0.02)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_deep_network_has_the_layers_and_deviations_asked_for(depth):
    asked = []
    std = lambda inputs, outputs: asked.append((inputs, outputs)) or 0.01 * len(asked)  # noqa: E731
    network = deep_network(ReLU, std, depth, 30, np.random.default_rng(0))
    linears = [layer for layer in network.layers if isinstance(layer, Linear)]
    assert sum(isinstance(layer, ReLU) for layer in network.layers) == depth
    assert isinstance(network.layers[-1], Linear)
    assert [layer.W.shape for layer in linears] == asked
    assert asked == [(784, 10)] if depth == 0 else [(784, 30), *[(30, 30)] * (depth - 1), (30, 10)]
    for number, layer in enumerate(linears, start=1):
        assert_allclose(layer.W.data.std(), 0.01 * number, rtol=0.15)


def test_by_inputs_is_the_deviation_of_variance_g_over_inputs():
    assert_allclose(by_inputs(2.0)(784, 10), np.sqrt(2 / 784))


def test_rms_of_numbers_whose_squares_vanish():
    assert_allclose(root_mean_square(np.array([3e-30, -4e-30], np.float32)), np.sqrt(12.5) * 1e-30, rtol=1e-6)


def test_deep_networks_are_trained_ten_times_as_long_at_the_rate_chosen_for_them(monkeypatch):
    found, digits = recorded(vanishing, monkeypatch), mnist(Scale("smoke"))
    pixels = Pixels.of(digits.train.images)
    train, test = ((pixels(part.images), part.labels) for part in (digits.train, digits.test))
    chosen = [choice.taken for choice in found.choices]
    rates = dict(zip([(depth, name) for depth in (SHALLOW, DEEP) for name in UNITS], chosen, strict=True))
    for name in TRAINED_LONGER:
        deep, (unit, g), rng = f"{name}, {DEEP} hidden layers", UNITS[name], np.random.default_rng(0)
        network = deep_network(unit, by_inputs(g), DEEP, WIDTH, rng)
        with threadpool_limits(1):
            by_momentum(rates[DEEP, name], LONGER, batch_size=128)(network, *train, rng)  # smoke: of 1 epoch
            assert found.facts[f"training accuracy, {deep}, {LONGER} epochs"] == accuracy(network, *train)
            assert found.facts[f"test accuracy, {deep}, {LONGER} epochs"] == accuracy(network, *test)
            learned = f"networks with a training accuracy above {LEARNED} %, {deep}, {LONGER} epochs"
            assert found.facts[learned] == 100 * (accuracy(network, *train) > LEARNED)
            assert found.facts[f"networks whose loss diverged, {deep}, {LONGER} epochs"] == 0
            usual = accuracy(found.run.methods[deep].model, *train)
            assert found.facts[f"training accuracy, {deep}, 1 epochs"] == usual != accuracy(network, *train)
    logistic = found.run.methods["logistic regression"].model
    assert_allclose(found.facts["training accuracy, logistic regression"], 100 * logistic.score(*train))


def test_a_deep_network_whose_loss_diverged_is_counted_and_has_not_learned(monkeypatch):
    monkeypatch.setattr(vanishing, "RATES", [1e9])
    found = recorded(vanishing, monkeypatch)
    for name, diverged in (("tanh", 0), ("ReLU", 100)):  # tanh never exceeds 1, and so its loss stays finite
        trained = f"{name}, {DEEP} hidden layers, {LONGER} epochs"
        assert found.facts[f"networks whose loss diverged, {trained}"] == diverged
        assert found.facts[f"networks with a training accuracy above {LEARNED} %, {trained}"] == 0
