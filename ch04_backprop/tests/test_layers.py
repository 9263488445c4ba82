"""Every layer against finite differences and against PyTorch: alone, and in the middle of a stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn.metrics import log_loss
from torch.nn import functional as F

from ch04_backprop import layers
from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.layers import Linear, LogLikelihood, Network, Parameter, ReLU, Sigmoid, Softmax
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from tests.recorded_lesson import recorded

SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 2**32 - 1)
PEERS = {  # each layer in PyTorch: from its input and its parameters
    Linear: lambda z, W, b: F.linear(z, W.T, b),
    Sigmoid: torch.sigmoid,
    ReLU: torch.relu,
    Softmax: lambda z: torch.softmax(z, dim=1),
}
EACH_LAYER = pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.__name__)


def made(kind, inputs, outputs, rng):
    """A layer in double precision, biases and all random; and how many outputs it has."""
    if kind is not Linear:
        return kind(), inputs
    layer = Linear(inputs, outputs, rng, dtype=np.float64)
    layer.b.data[:] = rng.normal(size=outputs)
    return layer, outputs


def leaf(array):
    return torch.tensor(array, requires_grad=True)


def torch_stack(layers, z):
    """The layers' work done by PyTorch: its result, and the leaves for their parameters."""
    leaves = []
    for layer in layers:
        own = [leaf(parameter.data) for parameter in layer.parameters()]
        z = PEERS[type(layer)](z, *own)
        leaves += own
    return z, leaves


@EACH_LAYER
@settings(max_examples=30, deadline=None)
@given(n=SIZES, inputs=SIZES, outputs=SIZES, seed=SEEDS)
def test_a_layer_alone(kind, n, inputs, outputs, seed):
    rng = np.random.default_rng(seed)
    layer, outputs = made(kind, inputs, outputs, rng)
    z, delta = rng.normal(size=(n, inputs)), rng.normal(size=(n, outputs))
    kept = z.copy(), delta.copy()
    out = layer.forward(z)
    layer.parameter_gradients(delta)
    gradients = [layer.backward(delta), *(parameter.grad for parameter in layer.parameters())]
    assert_array_equal(z, kept[0])
    assert_array_equal(delta, kept[1])

    peer = leaf(z)
    peer_out, leaves = torch_stack([layer], peer)
    peer_out.backward(torch.tensor(delta))
    assert_allclose(out, peer_out.detach(), rtol=1e-12, atol=1e-14)
    for gradient, theirs in zip(gradients, [peer, *leaves], strict=True):
        assert_allclose(gradient, theirs.grad, rtol=1e-10, atol=1e-12)

    arrays = [z, *(parameter.data for parameter in layer.parameters())]
    for gradient, array in zip(gradients, arrays, strict=True):
        slopes = finite_differences(lambda: np.vdot(delta, layer.forward(z)), array)
        assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(
    n=SIZES,
    inputs=SIZES,
    row=st.lists(st.tuples(st.sampled_from(list(PEERS)), SIZES), min_size=1, max_size=6),
    seed=SEEDS,
)
def test_layers_in_any_row(n, inputs, row, seed):
    rng = np.random.default_rng(seed)
    layers, width = [], inputs
    for kind, outputs in row:
        layer, width = made(kind, width, outputs, rng)
        layers.append(layer)
    network = Network(layers, LogLikelihood())
    z, delta = rng.normal(size=(n, inputs)), rng.normal(size=(n, width))
    out = network.forward(z)
    to_input = network.backward(delta, to_input=True)

    peer = leaf(z)
    peer_out, leaves = torch_stack(layers, peer)
    peer_out.backward(torch.tensor(delta))
    assert_allclose(out, peer_out.detach(), rtol=1e-11, atol=1e-13)
    assert_allclose(to_input, peer.grad, rtol=1e-9, atol=1e-12)
    assert len(network.parameters()) == len(leaves)
    for parameter, theirs in zip(network.parameters(), leaves, strict=True):
        assert_allclose(parameter.grad, theirs.grad, rtol=1e-9, atol=1e-12)


# --- The cost ---------------------------------------------------------------------------------------------------------


def probabilities(n, classes, seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(classes), size=n) + 0.05, rng.integers(classes, size=n)


@settings(max_examples=30, deadline=None)
@given(n=SIZES, classes=SIZES, seed=SEEDS)
def test_log_likelihood(n, classes, seed):
    p, answers = probabilities(n, classes, seed)
    cost, peer = LogLikelihood(), leaf(p)
    theirs = F.nll_loss(torch.log(peer), torch.tensor(answers))
    theirs.backward()
    assert_allclose(cost.forward(p, answers), theirs.item(), rtol=1e-12)
    delta = cost.backward()
    assert_allclose(delta, peer.grad, rtol=1e-12)
    assert_allclose(delta, finite_differences(lambda: cost.forward(p, answers), p), rtol=1e-5, atol=1e-6)


def test_the_cost_is_scikit_learns_log_loss():
    p, answers = probabilities(50, 4, seed=1)
    p /= p.sum(axis=1, keepdims=True)
    assert_allclose(LogLikelihood().forward(p, answers), log_loss(answers, p, labels=range(4)), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(n=SIZES, classes=SIZES, seed=SEEDS, size=st.sampled_from([0.1, 1.0, 10.0]))
def test_two_layers_and_the_two_of_them_joined_agree(n, classes, seed, size):
    rng = np.random.default_rng(seed)
    z, answers = size * rng.normal(size=(n, classes)), rng.integers(classes, size=n)
    softmax, cost, joined = Softmax(), LogLikelihood(), SoftmaxCrossEntropy()
    assert_allclose(cost.forward(softmax.forward(z), answers), joined.forward(z, answers), rtol=1e-9, atol=1e-12)
    assert_allclose(softmax.backward(cost.backward()), joined.backward(), rtol=1e-9, atol=1e-12)


def test_a_whole_network_has_the_gradient_of_finite_differences():
    rng = np.random.default_rng(2)
    layers = [made(Linear, 3, 4, rng)[0], Sigmoid(), made(Linear, 4, 5, rng)[0], Softmax()]
    network, x, answers = Network(layers, LogLikelihood()), rng.normal(size=(7, 3)), rng.integers(5, size=7)
    cost = network.gradient(x, answers)
    found = [parameter.grad for parameter in network.parameters()]
    assert cost == network.cost.forward(network.forward(x), answers)
    for gradient, parameter in zip(found, network.parameters(), strict=True):
        slopes = finite_differences(lambda: network.cost.forward(network.forward(x), answers), parameter.data)
        assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-10)


def test_a_batch_has_the_mean_gradient_of_its_points():
    rng = np.random.default_rng(3)
    network = Network([made(Linear, 3, 4, rng)[0], Softmax()], LogLikelihood())
    x, answers = rng.normal(size=(6, 3)), rng.integers(4, size=6)
    network.gradient(x, answers)
    whole, single = network.parameters()[0].grad, []
    for point in range(6):
        network.gradient(x[point : point + 1], answers[point : point + 1])
        single.append(network.parameters()[0].grad)
    assert_allclose(whole, np.mean(single, axis=0), rtol=1e-12)


def test_a_gradient_replaces_the_one_before():
    rng = np.random.default_rng(4)
    network = Network([Linear(3, 2, rng), Softmax()], LogLikelihood())
    x, answers = rng.normal(size=(5, 3)).astype(np.float32), rng.integers(2, size=5)
    network.gradient(x, answers)
    first = [parameter.grad.copy() for parameter in network.parameters()]
    network.gradient(x, answers)
    for parameter, before in zip(network.parameters(), first, strict=True):
        assert_array_equal(parameter.grad, before)


# --- Numbers ----------------------------------------------------------------------------------------------------------


def test_large_inputs_neither_overflow_nor_divide_by_0():
    z = np.array([[-1e4, -700.0, -30.0, 0.0, 30.0, 700.0, 1e4]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for layer, peer in ((Sigmoid(), special.expit), (Softmax(), lambda z: special.softmax(z, axis=1))):
            assert_allclose(layer.forward(z), peer(z), rtol=1e-12, atol=1e-16)
            assert np.isfinite(layer.backward(np.ones_like(z))).all()


@EACH_LAYER
def test_single_precision_stays_single(kind):
    rng = np.random.default_rng(5)
    layer = Linear(3, 4, rng) if kind is Linear else kind()
    out = layer.forward(rng.normal(size=(2, 3)).astype(np.float32))
    layer.parameter_gradients(out)
    assert {out.dtype, layer.backward(out).dtype, *(p.grad.dtype for p in layer.parameters())} == {np.dtype("f4")}
    cost = LogLikelihood()
    cost.forward(np.abs(out) + np.float32(1), np.array([0, 1]))
    assert cost.backward().dtype == np.float32


@pytest.mark.parametrize(("std", "expected"), [(None, np.sqrt(2 / 400)), (0.3, 0.3)])
def test_first_weights_have_the_deviation_they_should(std, expected):
    layer = Linear(400, 500, np.random.default_rng(6), std)
    assert_allclose(layer.W.data.std(), expected, rtol=0.01)  # its own standard error is 0.16 %
    assert abs(layer.W.data.mean()) < 5 * expected / np.sqrt(layer.W.data.size)
    assert_array_equal(layer.b.data, 0)
    assert (layer.W.shape, layer.b.shape) == ((400, 500), (500,))
    assert_array_equal(Linear(400, 500, np.random.default_rng(6), std).W.data, layer.W.data)


def test_a_parameter_begins_without_a_slope():
    parameter = Parameter(np.ones((2, 3), np.float32))
    assert_array_equal(parameter.grad, np.zeros((2, 3)))
    assert (parameter.shape, parameter.grad.dtype) == ((2, 3), np.float32)


# --- The row ----------------------------------------------------------------------------------------------------------


def test_parameters_come_first_layer_first():
    rng = np.random.default_rng(7)
    first, last = Linear(3, 4, rng), Linear(4, 2, rng)
    network = Network([first, Sigmoid(), last, Softmax()], LogLikelihood())
    expected = [first.W, first.b, last.W, last.b]
    assert all(a is b for a, b in zip(network.parameters(), expected, strict=True))


def test_every_layer_is_told_whether_it_is_being_fitted():
    network = Network([Linear(2, 2, np.random.default_rng(8)), Sigmoid(), Softmax()], LogLikelihood())
    assert all(layer.training for layer in network.layers)
    network.train(False)
    assert not any(layer.training for layer in network.layers)
    assert Sigmoid().training  # other networks are not affected
    network.train()
    assert all(layer.training for layer in network.layers)


def test_nobody_asks_the_first_layer_for_the_input_s_delta_unless_told():
    rng = np.random.default_rng(9)
    network = Network([Linear(2, 3, rng), Softmax()], LogLikelihood())
    network.forward(np.ones((4, 2), np.float32))
    delta = rng.normal(size=(4, 3)).astype(np.float32)
    asked = []
    network.layers[0].backward = lambda delta: asked.append(delta) or np.zeros((4, 2), np.float32)
    assert network.backward(delta) is None
    assert asked == []
    assert network.backward(delta, to_input=True).shape == (4, 2)
    assert len(asked) == 1


# --- The lesson -------------------------------------------------------------------------------------------------------


def test_the_lesson_agrees_with_pytorch_and_adds_up_its_paths(monkeypatch):
    found = recorded(layers, monkeypatch)
    assert found.facts["networks whose gradients all have PyTorch's shapes"] == 100
    assert found.facts["largest difference from PyTorch's gradients"] < 1e-12
    by_path = [found.facts[f"part of it along the path through hidden unit {unit}"] for unit in (1, 2)]
    assert_allclose(sum(by_path), found.facts["derivative of the first output by the second input, by backward"])
    assert_allclose(by_path[1], 0.5 * 0.25 * -2)  # weight, slope of the sigmoid at 0, weight


@pytest.mark.parametrize("kind", [Linear, Sigmoid, Softmax, ReLU])
def test_the_lesson_would_see_a_wrong_delta(kind, monkeypatch):
    right = kind.backward
    monkeypatch.setattr(kind, "backward", lambda self, delta: 1.01 * right(self, delta))
    assert recorded(layers, monkeypatch).facts["largest difference from PyTorch's gradients"] > 1e-6
