"""Hidden units against PyTorch, forward and backward; and a network that fits itself to what its units hand on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

from ch04_backprop import hidden_units
from ch04_backprop.hidden_units import (
    DEPTH,
    ELU,
    ENSEMBLE,
    LONGER,
    UNITS,
    WIDTH,
    ConcatenatedReLU,
    Identity,
    LeakyReLU,
    Maxout,
    Tanh,
    digit_network,
    draw_units,
)
from ch04_backprop.layers import Linear, ReLU, Sigmoid
from ch04_backprop.networks.training import Pixels, accuracy, averaged_accuracy, by_momentum
from common.data import Scale, mnist
from tests.recorded_lesson import recorded

PEERS = [
    (ReLU(), torch.relu),
    (LeakyReLU(), F.leaky_relu),
    (LeakyReLU(0.3), lambda z: F.leaky_relu(z, 0.3)),
    (ELU(), F.elu),
    (ELU(2.5), lambda z: F.elu(z, 2.5)),
    (ConcatenatedReLU(), lambda z: torch.relu(torch.cat([z, -z], dim=1))),
    (Sigmoid(), torch.sigmoid),
    (Tanh(), torch.tanh),
    (Maxout(), lambda z: z.reshape(len(z), -1, 2).amax(2)),
    (Maxout(3), lambda z: z.reshape(len(z), -1, 3).amax(2)),
    (Identity(), lambda z: z),
]
EACH = pytest.mark.parametrize(("unit", "theirs"), PEERS, ids=lambda x: type(x).__name__)


@EACH
@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 5), groups=st.integers(1, 3), seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.1, 3, 50])
)
def test_forward_and_backward_are_pytorchs(unit, theirs, n, groups, seed, size):
    rng = np.random.default_rng(seed)
    z = size * rng.normal(size=(n, 6 * groups))
    peer = torch.tensor(z, requires_grad=True)
    out = unit.forward(z)
    assert_allclose(out, theirs(peer).detach(), rtol=1e-12, atol=1e-15)
    delta = rng.normal(size=out.shape)
    theirs(peer).backward(torch.tensor(delta))
    assert_allclose(unit.backward(delta), peer.grad, rtol=1e-10, atol=1e-13)


@EACH
def test_what_is_float32_stays_float32_and_the_callers(unit, theirs):
    z = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    z.flags.writeable = False
    out = unit.forward(z)
    delta = np.ones_like(out)
    delta.flags.writeable = False
    assert out.dtype == unit.backward(delta).dtype == np.float32


@EACH
def test_nothing_overflows(unit, theirs):
    z = np.array([[-1e4, 1e4, -800, 800, 0, 1.0]])
    with np.errstate(all="raise", under="ignore"):
        out = unit.forward(z)
        slope = unit.backward(np.ones_like(out))
    assert np.isfinite(out).all()
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("unit", [ReLU(), LeakyReLU(), ELU(), Tanh(), Sigmoid(), Identity()])
@settings(max_examples=50, deadline=None)
@given(z=arrays(float, (1, 5), elements=st.floats(-30, 30).filter(lambda z: abs(z) > 1e-3)))
def test_derivatives_are_slopes(unit, z):
    """All but concatenated ReLU and maxout are one function of one number."""
    h = 1e-6
    slope = (unit.forward(z + h) - unit.forward(z - h)) / (2 * h)
    unit.forward(z)
    assert_allclose(unit.backward(np.ones_like(z)), slope, rtol=1e-4, atol=1e-8)


def test_of_equal_pieces_one_wins():
    unit = Maxout(3)
    assert_array_equal(unit.forward(np.zeros((2, 6))), np.zeros((2, 2)))
    shares = unit.backward(np.ones((2, 2)))
    assert_array_equal(np.sort(shares.reshape(2, 2, 3), axis=2), [[[0, 0, 1]] * 2] * 2)


# --- The network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNITS)
def test_layers_take_as_many_as_they_are_handed(name):
    handed = {"concatenated ReLU": 2 * WIDTH, "maxout": WIDTH // 2}.get(name, WIDTH)
    network = digit_network(UNITS[name], np.random.default_rng(0))
    sizes = [784, *[handed] * DEPTH]
    weights = sum((inputs + 1) * WIDTH for inputs in sizes[:-1]) + (sizes[-1] + 1) * 10
    assert sum(parameter.data.size for parameter in network.parameters()) == weights
    x = np.random.default_rng(1).normal(size=(5, 784)).astype(np.float32)
    assert network.gradient(x, np.arange(5)) > 0
    assert network.forward(x).shape == (5, 10)


def test_without_hidden_units_a_network_is_linear():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7, 784))
    bend = {}
    for name, unit in UNITS.items():
        f = digit_network(unit, np.random.default_rng(0)).forward
        bend[name] = np.abs(f(a) + f(b) - f(a + b) - f(0 * a)).max()
    assert bend.pop("none") < 1e-4
    assert min(bend.values()) > 0.01


def test_the_picture_shows_functions_and_derivatives():
    """Every dashed line of the picture is the slope of the line before it, but where it jumps."""
    panels = draw_units().axes
    assert [axis.get_title() for axis in panels] == list(UNITS)
    for axis in panels:
        lines = axis.get_lines()
        assert len(lines) == (4 if axis.get_title() == "concatenated ReLU" else 2)
        for function, derivative in zip(lines[::2], lines[1::2], strict=True):
            z, values = (np.ravel(array) for array in function.get_data())
            slope = np.gradient(values, z)
            away = np.abs(z) > 0.05
            assert_allclose(np.ravel(derivative.get_ydata())[away], slope[away], atol=2e-3)


def test_every_linear_layer_has_hes_weights():
    linears = [layer for layer in digit_network(ReLU, np.random.default_rng(0)).layers if isinstance(layer, Linear)]
    for layer in linears:
        assert_allclose(layer.W.data.std(), np.sqrt(2 / len(layer.W.data)), rtol=0.1)


# --- What separates it from the SVM -----------------------------------------------------------------------------------


def test_networks_from_other_starts_are_averaged_and_trained_longer(monkeypatch):
    found, digits = recorded(hidden_units, monkeypatch), mnist(Scale("smoke"))
    pixels, rate = Pixels.of(digits.train.images), found.facts["best learning rate, ReLU"]
    train, test = ((pixels(part.images), part.labels) for part in (digits.train, digits.test))
    first = accuracy(found.run.methods["ReLU"].model, *train)
    assert found.facts["training accuracy, ReLU, 1 epochs"] == first
    assert found.facts["training accuracy, RBF-SVM"] == 100 * found.run.methods["RBF-SVM"].model.score(*train)
    for epochs in (1, LONGER):
        ensemble = []
        for seed in np.random.SeedSequence(0).generate_state(ENSEMBLE):
            rng = np.random.default_rng(int(seed))
            ensemble.append(digit_network(ReLU, rng))
            with threadpool_limits(1):
                by_momentum(rate, epochs)(ensemble[-1], *train, rng)
        name = f"test accuracy, {ENSEMBLE} networks of ReLU averaged, {epochs} epochs"
        assert found.facts[name] == averaged_accuracy(ensemble, *test) != averaged_accuracy(ensemble[:1], *test)
    assert found.facts[f"training accuracy, ReLU, {LONGER} epochs"] == accuracy(ensemble[0], *train) > first
    assert found.facts[f"test accuracy, ReLU, {LONGER} epochs"] == accuracy(ensemble[0], *test)
