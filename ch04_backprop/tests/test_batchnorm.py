"""Batch normalisation is PyTorch's: outputs, gradients, running statistics, while learning and in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.batchnorm import PLACES, BatchNorm, batchnorm_then_relu, relu_only, relu_then_batchnorm, train_with
from ch04_backprop.digits.few_digits import few_digits
from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.layers import Linear, Network, ReLU
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


def make_run() -> Run:
    return Run("batchnorm", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())


def both(units: int, rng: np.random.Generator) -> tuple[BatchNorm, torch.nn.BatchNorm1d]:
    ours, theirs = BatchNorm(units, dtype=np.float64), torch.nn.BatchNorm1d(units, dtype=torch.float64)
    for parameter, peer in ((ours.gamma, theirs.weight), (ours.beta, theirs.bias)):
        parameter.data[...] = rng.normal(size=units)
        peer.data = torch.tensor(parameter.data)
    return ours, theirs


def assert_agree(ours, theirs, z, delta):
    peer_z = torch.tensor(z, requires_grad=True)
    theirs.zero_grad()
    out = theirs(peer_z)
    out.backward(torch.tensor(delta))
    assert_allclose(ours.forward(z), out.detach().numpy(), atol=1e-10)
    ours.parameter_gradients(delta)
    for mine, peer in ((ours.backward(delta), peer_z), (ours.gamma.grad, theirs.weight), (ours.beta.grad, theirs.bias)):
        assert_allclose(mine, peer.grad.numpy(), atol=1e-9)
    for mine, peer in zip(ours.measured, (theirs.running_mean, theirs.running_var), strict=True):
        assert_allclose(mine, peer.numpy(), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), units=st.integers(1, 6))
def test_batchnorm_is_pytorchs(seed, n, units):
    rng = np.random.default_rng(seed)
    ours, theirs = both(units, rng)
    for _ in range(3):
        assert_agree(ours, theirs, 3 + 2 * rng.normal(size=(n, units)), rng.normal(size=(n, units)))
    ours.training = False
    theirs.eval()
    assert_agree(ours, theirs, rng.normal(size=(n, units)), rng.normal(size=(n, units)))


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_goes_through_mean_and_variance(training):
    rng = np.random.default_rng(0)
    layer, z, weights = BatchNorm(3, dtype=np.float64), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    layer.forward(z)
    layer.training = training
    kept = [array.copy() for array in layer.measured]

    def cost():
        for array, values in zip(layer.measured, kept, strict=True):
            array[...] = values
        return float(np.sum(weights * layer.forward(z)))

    slope = finite_differences(cost, z)
    cost()
    assert_allclose(layer.backward(weights), slope, atol=1e-7)


def test_units_come_out_with_mean_beta_and_deviation_gamma():
    rng = np.random.default_rng(1)
    layer = BatchNorm(4)
    layer.gamma.data[...], layer.beta.data[...] = (0.5, 1, 2, 3), (-1, 0, 1, 2)
    out = layer.forward((5 + 10 * rng.normal(size=(200, 4))).astype(np.float32))
    assert out.dtype == np.float32
    assert_allclose(out.mean(axis=0), (-1, 0, 1, 2), atol=1e-4)
    assert_allclose(out.std(axis=0), (0.5, 1, 2, 3), rtol=1e-4)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_the_size_of_the_weights_before_it_and_their_bias_do_not_matter(factor):
    rng = np.random.default_rng(2)
    z = rng.normal(size=(30, 4))
    assert_allclose(BatchNorm(4).forward(factor * z + 3), BatchNorm(4).forward(z), atol=1e-2)


def test_the_bias_before_it_has_no_gradient():
    rng = np.random.default_rng(3)
    layers = [
        Linear(6, 5, rng, dtype=np.float64),
        BatchNorm(5, dtype=np.float64),
        ReLU(),
        Linear(5, 3, rng, dtype=np.float64),
    ]
    network = Network(layers, SoftmaxCrossEntropy())
    x, answers = rng.normal(size=(20, 6)), rng.integers(3, size=20)
    network.gradient(x, answers)
    assert_allclose(layers[0].b.grad, 0, atol=1e-12)
    assert np.abs(layers[0].W.grad).max() > 1e-3
    slope = finite_differences(lambda: network.cost.forward(network.forward(x), answers), layers[0].W.data)
    network.gradient(x, answers)
    assert_allclose(layers[0].W.grad, slope, atol=1e-7)


def test_one_image_is_refused_while_learning_and_welcome_in_use():
    one, theirs = np.ones((1, 3), np.float32), torch.nn.BatchNorm1d(3)
    layer = BatchNorm(3)
    with pytest.raises(ValueError, match="one image"):
        layer.forward(one)
    with pytest.raises(ValueError, match="more than 1 value"):
        theirs(torch.tensor(one))
    assert_array_equal(layer.measured, [np.zeros(3), np.ones(3)])
    layer.training = False
    assert layer.forward(one).shape == (1, 3)


def test_of_two_images_only_the_order_is_left():
    z = np.random.default_rng(4).normal(size=(2, 50))
    assert_allclose(np.abs(BatchNorm(50, epsilon=1e-12).forward(z)), 1, atol=1e-6)


def test_running_statistics_settle_at_those_of_the_data():
    rng = np.random.default_rng(5)
    layer = BatchNorm(2, momentum=0.02)
    for _ in range(2000):
        layer.forward((rng.normal(size=(20, 2)) * (1, 3) + (2, -1)).astype(np.float32))
    mean, variance = layer.measured
    assert_allclose(mean, (2, -1), atol=0.3)
    assert_allclose(variance, (1, 9), rtol=0.15)


def test_the_arms_differ_in_where_it_stands():
    kinds = {name: [type(layer) for layer in hidden(7)] for name, hidden in PLACES.items()}
    assert kinds["no BatchNorm"] == [ReLU]
    assert kinds["BatchNorm before ReLU"] == [BatchNorm, ReLU]
    assert kinds["BatchNorm after ReLU"] == [ReLU, BatchNorm]
    assert batchnorm_then_relu(7)[0].gamma.shape == relu_then_batchnorm(7)[1].gamma.shape == (7,)


def test_what_runs_away_is_put_back_and_says_nothing():
    run = make_run()
    few = few_digits(run, 0)
    network, losses = train_with(run, few, 0, relu_only, rate=1e30, scale=1e3)
    assert losses == []
    assert all(np.isfinite(parameter.data).all() for parameter in network.parameters())
    network, losses = train_with(run, few, 0, batchnorm_then_relu)
    assert len(losses) == 4  # one epoch of 200 digits, 50 at a time


def test_scale_is_that_of_all_first_weights():
    run = make_run()
    few = few_digits(run, 0)
    small, usual = (train_with(run, few, 0, relu_only, scale=s, rate=0.0)[0] for s in (0.1, 1.0))
    for a, b in zip(small.parameters(), usual.parameters(), strict=True):
        assert_allclose(a.data, 0.1 * b.data, rtol=1e-6)
