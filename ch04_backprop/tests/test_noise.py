"""Noise layers: their gradients while the noise is held, what they do on average, and ridge."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.layers import Linear
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from ch04_backprop.networks.training import mlp
from ch04_backprop.noise import GaussianNoise, NoisyLabels, NoisyLinear, noisy_least_squares, noisy_weights


def held(layer, z, weights):
    """The sum of weights · output; the same noise every time."""

    def cost():
        layer.rng = np.random.default_rng(7)
        return float(np.sum(weights * layer.forward(z)))

    return cost


def noisy_linear(inputs: int = 4, outputs: int = 3, strength: float = 0.5) -> NoisyLinear:
    linear = Linear(inputs, outputs, np.random.default_rng(0), dtype=np.float64)
    linear.b.data[...] = np.arange(outputs)
    return NoisyLinear(linear, strength, np.random.default_rng(7))


def test_gaussian_noise_hands_delta_on():
    rng = np.random.default_rng(1)
    z, weights, layer = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), GaussianNoise(0.7, rng)
    slope = finite_differences(held(layer, z, weights), z)
    assert_allclose(layer.backward(weights), slope, atol=1e-8)


def test_gaussian_noise_has_that_deviation_and_mean_0_and_is_new_every_time():
    layer, z = GaussianNoise(0.7, np.random.default_rng(2)), np.full((400, 100), 3.0, np.float32)
    noise = layer.forward(z) - z
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 5 * 0.7 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.7, rel=0.02)
    again = layer.forward(z) - z
    assert abs(np.corrcoef(noise.ravel(), again.ravel())[0, 1]) < 0.03


def test_gaussian_noise_is_off_in_use():
    layer, z = GaussianNoise(0.7, np.random.default_rng(2)), np.ones((2, 3))
    layer.training = False
    assert_array_equal(layer.forward(z), z)


def test_noisy_linear_has_the_gradients_of_what_it_did():
    rng, layer = np.random.default_rng(3), noisy_linear()
    z, weights = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    cost = held(layer, z, weights)
    slopes = [finite_differences(cost, values) for values in (z, layer.W.data, layer.b.data)]
    cost()
    layer.parameter_gradients(weights)
    for ours, slope in zip((layer.backward(weights), layer.W.grad, layer.b.grad), slopes, strict=True):
        assert_allclose(ours, slope, atol=1e-8)


def test_noisy_linear_is_linear_in_use():
    layer, z = noisy_linear(), np.random.default_rng(4).normal(size=(5, 4))
    layer.training = False
    assert_allclose(layer.forward(z), z @ layer.W.data + layer.b.data)


def test_noisy_linears_outputs_scatter_as_the_noise_says():
    """Var(z E) = σ² ‖z‖² with σ in units of √(2 / inputs); the mean is the linear layer's output."""
    layer, z = noisy_linear(strength=0.5), np.array([[1.0, -2.0, 0.5, 3.0]])
    outputs = np.concatenate([layer.forward(z) for _ in range(20_000)])
    expected = 0.5 * np.sqrt(2 / 4) * np.linalg.norm(z)
    assert_allclose(outputs.std(axis=0), expected, rtol=0.03)
    assert_allclose(outputs.mean(axis=0), (z @ layer.W.data + layer.b.data)[0], atol=5 * expected / np.sqrt(20_000))


def test_noisy_linear_takes_over_the_parameters():
    network = mlp((4, 5, 3), np.random.default_rng(0))
    before = network.parameters()
    network.layers = noisy_weights(0.3, np.random.default_rng(1))["rebuild"](network.layers)
    assert [id(p) for p in network.parameters()] == [id(p) for p in before]
    assert [type(layer) for layer in network.layers[::2]] == [NoisyLinear, NoisyLinear]
    z = np.ones((2, 4), np.float32)
    assert network.forward(z).dtype == np.float32


def test_noisy_answers_are_label_smoothing_on_average():
    rng, draws = np.random.default_rng(5), 20_000
    z, answers = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    noisy, smooth = NoisyLabels(0.3, rng), SoftmaxCrossEntropy(0.3)
    costs, deltas = zip(*((noisy.forward(z, answers), noisy.backward()) for _ in range(draws)), strict=True)
    expected = smooth.forward(z, answers)
    assert np.mean(costs) == pytest.approx(expected, abs=5 * np.std(costs) / np.sqrt(draws))
    assert_allclose(np.mean(deltas, axis=0), smooth.backward(), atol=5 * np.std(deltas, axis=0).max() / np.sqrt(draws))


def test_a_share_of_0_leaves_the_answers_alone():
    rng = np.random.default_rng(6)
    z, answers = rng.normal(size=(50, 4)), rng.integers(4, size=50)
    assert NoisyLabels(0.0, rng).forward(z, answers) == SoftmaxCrossEntropy().forward(z, answers)


def patients(n: int = 50, m: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(n, m)) @ rng.normal(size=(m, m))
    return x, x @ np.arange(1.0, m + 1) + rng.normal(size=n)


@pytest.mark.parametrize("std", [0.1, 0.5, 2.0])
def test_input_noise_on_a_linear_model_is_ridge(std):
    x, y = patients()
    noisy = np.array([noisy_least_squares(x, y, std, np.random.default_rng(seed)) for seed in range(40)])
    ridge = Ridge(len(x) * std**2, fit_intercept=False).fit(x, y).coef_
    error = noisy.std(axis=0, ddof=1) / np.sqrt(len(noisy))
    assert np.abs((noisy.mean(axis=0) - ridge) / error).max() < 4
    assert np.abs((noisy.mean(axis=0) - np.linalg.lstsq(x, y)[0]) / error).max() > 10


def test_no_noise_is_least_squares():
    x, y = patients()
    assert_allclose(noisy_least_squares(x, y, 0.0, np.random.default_rng(0)), np.linalg.lstsq(x, y)[0], rtol=1e-9)
