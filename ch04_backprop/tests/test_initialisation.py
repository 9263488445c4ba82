"""Starts against PyTorch's, sizes of activations against their theory, and units that cannot tell each other apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.hidden_units import Tanh
from ch04_backprop.initialisation import (
    ALIKE,
    STARTS,
    activation_sizes,
    all_equal,
    count_different_units,
    draw_units,
    expected_factor,
    train_network,
)
from ch04_backprop.layers import Linear, ReLU
from ch04_backprop.vanishing import deep_network


def images(n: int = 128) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 784)).astype(np.float32), rng.integers(10, size=n)


@pytest.mark.parametrize(("inputs", "outputs"), [(784, 64), (64, 64), (64, 10)])
def test_xavier_and_he_are_pytorchs(inputs, outputs):
    torch.manual_seed(0)
    for name, fill in (("Xavier", torch.nn.init.xavier_normal_), ("He", he_of_pytorch)):
        draws = 1 + 100_000 // (inputs * outputs)
        theirs = np.mean([fill(torch.empty(outputs, inputs)).square().mean() for _ in range(draws)])
        assert_allclose(STARTS[name](inputs, outputs) ** 2, theirs, rtol=0.02)
    assert STARTS["twice He"](inputs, outputs) == 2 * STARTS["He"](inputs, outputs)
    assert STARTS["0.01"](inputs, outputs) == 0.01
    assert STARTS["zeros"](inputs, outputs) == 0


def he_of_pytorch(weights: torch.Tensor) -> torch.Tensor:
    return torch.nn.init.kaiming_normal_(weights, nonlinearity="relu")


@pytest.mark.parametrize(("unit", "theirs"), [(ReLU, torch.relu), (Tanh, torch.tanh)])
def test_activation_sizes_are_those_of_pytorch(unit, theirs):
    network, (x, _) = deep_network(unit, STARTS["He"], 5, 20, np.random.default_rng(1)), images()
    z, sizes = torch.tensor(x).double(), []
    for layer in network.layers:
        if isinstance(layer, Linear):
            z = z @ torch.tensor(layer.W.data).double() + torch.tensor(layer.b.data).double()
        else:
            z = theirs(z)
            sizes.append(z.square().mean().sqrt())
    assert_allclose(activation_sizes(network, x), sizes, rtol=1e-5)


@pytest.mark.parametrize("name", ["0.01", "Xavier", "He", "twice He"])
def test_a_layer_of_relus_multiplies_the_size_by_the_factor(name):
    width, (x, _) = 500, images()
    size = activation_sizes(deep_network(ReLU, STARTS[name], 8, width, np.random.default_rng(2)), x)
    factor = expected_factor(STARTS[name](width, width), width)
    assert_allclose((size[-1] / size[0]) ** (1 / 7), factor, rtol=0.05)
    assert_allclose(size[0], expected_factor(STARTS[name](784, width), 784), rtol=0.1)  # pixels of size 1 come in


def test_he_keeps_the_size_and_xavier_loses_the_root_of_two():
    assert_allclose(expected_factor(STARTS["He"](64, 64), 64), 1)
    assert_allclose(expected_factor(STARTS["Xavier"](64, 64), 64), np.sqrt(0.5))


# --- Weights that begin alike -----------------------------------------------------------------------------------------


def test_units_that_begin_alike_stay_alike():
    network, part = all_equal(0.01, np.random.default_rng(0)), images(500)
    before = network.layers[0].W.data.copy()
    assert len(train_network(network, 0.03, 3, part, np.random.default_rng(1))) == 24
    first, last = network.layers[0], network.layers[-1]
    assert np.abs(first.W.data - before).max() > 1e-5  # they learn, all the same
    assert_allclose(first.W.data, first.W.data[:, :1] + np.zeros(ALIKE), atol=1e-12)
    assert_allclose(last.W.data, last.W.data[:1] + np.zeros((ALIKE, 1)), atol=1e-12)
    assert count_different_units(network) == 1


def test_random_units_become_different():
    network = deep_network(ReLU, STARTS["He"], 1, ALIKE, np.random.default_rng(0))
    train_network(network, 0.03, 1, images(200), np.random.default_rng(1))
    assert count_different_units(network) == ALIKE


def test_different_units_are_counted():
    network = all_equal(0.5, np.random.default_rng(0))
    network.layers[0].W.data[3, 4] += 1
    network.layers[0].W.data[:, 7] *= 2
    network.layers[0].W.data[0, 9] += 1e-9
    assert count_different_units(network) == 3


def test_from_zeros_only_the_last_biases_learn():
    network = deep_network(ReLU, STARTS["zeros"], 3, 8, np.random.default_rng(0))
    network.gradient(*images())
    *others, last = network.parameters()
    for parameter in others:
        assert_array_equal(parameter.grad, 0)
    assert (last.grad != 0).all()


@pytest.mark.filterwarnings("error")
def test_trained_returns_no_loss_where_it_runs_away():
    for rate in (10.0, 1e6, 1e30):
        network = deep_network(ReLU, STARTS["twice He"], 12, 64, np.random.default_rng(0))
        assert train_network(network, rate, 1, images(256), np.random.default_rng(1)) == []
        assert all(np.isfinite(parameter.data).all() for parameter in network.parameters())


def test_the_picture_shows_the_units_weights():
    network = all_equal(0.0, np.random.default_rng(0))
    network.layers[0].W.data[:] = np.arange(784 * ALIKE).reshape(784, ALIKE)
    axes = draw_units({"a": network, "b": all_equal(0.01, np.random.default_rng(0))}).axes
    assert len(axes) == 8
    for unit, axis in enumerate(axes[:4]):
        assert_array_equal(axis.get_images()[0].get_array(), network.layers[0].W.data[:, unit].reshape(28, 28))
