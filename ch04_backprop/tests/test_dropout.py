"""Dropout: its gradient under a held mask, its expectation, and the theorem for a single pass with all units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.digits.few_digits import log_probabilities, new_network
from ch04_backprop.dropout import Dropout, Ensemble, log_mean, predict_masked, with_dropout
from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.layers import Linear, ReLU, Softmax
from common.model_size import model_size


class Held:
    """A generator that draws what it was given."""

    def __init__(self, uniform):
        self.uniform = uniform

    def random(self, shape, dtype):
        return np.broadcast_to(np.asarray(self.uniform, dtype), shape)


def test_the_gradient_is_that_of_the_mask_that_was_drawn():
    rng = np.random.default_rng(0)
    z, weights, drawn = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.random((5, 4))
    layer = Dropout(0.4, Held(drawn))
    slope = finite_differences(lambda: float(np.sum(weights * layer.forward(z))), z)
    assert_allclose(layer.backward(weights), slope, atol=1e-8)
    assert_array_equal(slope == 0, drawn < 0.4)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_a_share_p_is_dropped_and_the_mean_stays(p):
    layer, z = Dropout(p, np.random.default_rng(1)), np.full((500, 200), 2.0, np.float32)
    out = layer.forward(z)
    assert out.dtype == np.float32
    dropped = out == 0
    error = np.sqrt(p * (1 - p) / z.size)
    assert dropped.mean() == pytest.approx(p, abs=5 * error)
    assert_allclose(out[~dropped], 2 / (1 - p), rtol=1e-6)
    assert out.mean() == pytest.approx(2, abs=5 * 2 * error / (1 - p) + 1e-6)


def test_every_unit_of_every_image_is_drawn_for_itself_and_anew():
    layer, z = Dropout(0.5, np.random.default_rng(2)), np.ones((300, 300))
    first, again = (layer.forward(z) > 0 for _ in range(2))
    error = np.sqrt(0.25 / 300)
    for shares in (first.mean(axis=0), first.mean(axis=1)):
        assert shares.std() == pytest.approx(error, rel=0.2)
    assert (first == again).mean() == pytest.approx(0.5, abs=0.01)


def test_nothing_is_dropped_in_use():
    layer, z = Dropout(0.9, np.random.default_rng(3)), np.ones((2, 3))
    layer.training = False
    assert_array_equal(layer.forward(z), z)


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, float("nan")])
def test_a_share_that_is_none_is_refused(p):
    with pytest.raises(ValueError, match="p must be in"):
        Dropout(p, np.random.default_rng(0))


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_one_pass_is_the_geometric_mean_of_all_masked_softmax_classifiers(p):
    """Goodfellow et al. 2016, §7.12: for a single softmax layer the rule is exact, over all 2⁵ masks."""
    rng = np.random.default_rng(4)
    x, linear, softmax = rng.normal(size=(3, 5)), Linear(5, 4, rng, dtype=np.float64), Softmax()
    logs = 0
    for kept in itertools.product((0.0, 1.0), repeat=5):
        layer = Dropout(p, Held(np.where(kept, 0.999, 0.0)))
        chance = np.prod(np.where(kept, 1 - p, p))
        logs += chance * np.log(softmax.forward(linear.forward(layer.forward(x))))
    geometric = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    layer.training = False
    assert_allclose(softmax.forward(linear.forward(layer.forward(x))), geometric, rtol=1e-10)


def test_masked_passes_differ_and_change_nothing_but_dropout():
    rng = np.random.default_rng(5)
    network = new_network(rng, hidden=lambda units: [BatchNorm(units), ReLU(), Dropout(0.5, rng)])
    measured = [array.copy() for array in network.layers[1].measured]
    x = rng.normal(size=(6, 784)).astype(np.float32)
    votes = predict_masked(network, x, 3)
    assert_allclose(votes.sum(axis=2), 1, rtol=1e-5)
    assert np.abs(votes[0] - votes[1]).max() > 1e-3
    assert not any(layer.training for layer in network.layers)
    for now, before in zip(network.layers[1].measured, measured, strict=True):
        assert_array_equal(now, before)


def test_without_dropout_every_vote_is_the_same():
    rng = np.random.default_rng(6)
    network = new_network(rng, **with_dropout(0.0, rng))
    x = rng.normal(size=(6, 784)).astype(np.float32)
    votes = predict_masked(network, x, 2)
    assert_allclose(log_mean(votes), log_probabilities(network, x), rtol=1e-4, atol=1e-6)


def test_the_mean_of_votes_is_the_arithmetic_one_and_finite():
    votes = np.array([[[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]]], np.float32)
    log_p = log_mean(np.pad(votes, ((0, 0), (0, 0), (0, 7))))
    assert_allclose(np.exp(log_p[0, :3]), [0.75, 0.25, 0], atol=1e-30)
    assert np.isfinite(log_p).all()


def test_an_ensemble_averages_and_counts_all_its_weights():
    rng = np.random.default_rng(7)
    networks = [new_network(rng) for _ in range(2)]
    x = rng.normal(size=(4, 784)).astype(np.float32)
    ensemble = Ensemble(networks)
    expected = np.mean([np.exp(log_probabilities(network, x)) for network in networks], axis=0)
    assert_allclose(np.exp(ensemble.log_probabilities(x)), expected, rtol=1e-5)
    assert model_size(ensemble) == 2 * model_size(networks[0])
