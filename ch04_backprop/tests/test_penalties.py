"""Penalties: their gradients, PyTorch's weight decay, scikit-learn's lasso."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from sklearn.linear_model import Lasso, Ridge
from threadpoolctl import threadpool_limits

from ch04_backprop import penalties
from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.digits.few_digits import few_digits, train_on_few
from ch04_backprop.finite_differences import finite_differences
from ch04_backprop.layers import Linear, Network, Parameter, ReLU
from ch04_backprop.networks.costs import SquaredError
from ch04_backprop.networks.training import averaged_accuracy, mlp
from ch04_backprop.optimisers import SGD, Momentum
from ch04_backprop.penalties import ENSEMBLE, L1, L2, SparseMomentum, sizes, soft_threshold, weights
from tests.recorded_lesson import recorded


def test_weights_are_those_of_linear_layers():
    network = mlp((4, 5, 3), np.random.default_rng(0), lambda units: [BatchNorm(units), ReLU()])
    linear = [layer for layer in network.layers if isinstance(layer, Linear)]
    assert [id(W) for W in weights(network.parameters())] == [id(layer.W) for layer in linear]
    assert_array_equal(sizes(network), np.concatenate([layer.W.data.ravel() for layer in linear]))


@pytest.mark.parametrize("penalty", [L2(0.3), L1(0.3)])
def test_a_penalty_adds_its_gradient_to_weights_only(penalty):
    rng = np.random.default_rng(1)
    parameters = [Parameter(rng.normal(size=shape)) for shape in ((3, 4), (4,), (4, 2), (2,))]
    before = [rng.normal(size=p.shape) for p in parameters]
    for p, grad in zip(parameters, before, strict=True):
        p.grad = grad.copy()
    penalty(parameters)
    for p, grad in zip(parameters, before, strict=True):
        slope = finite_differences(lambda: penalty.cost(parameters), p.data)
        assert_allclose(p.grad - grad, slope, atol=1e-7)
        assert (np.abs(slope).max() > 0) == (p.data.ndim == 2)


def test_l1_does_not_push_what_is_0():
    W = Parameter(np.zeros((2, 2)))
    L1(5.0)([W])
    assert_array_equal(W.grad, 0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_l2_is_pytorchs_weight_decay(momentum):
    rng = np.random.default_rng(2)
    ours = Parameter(rng.normal(size=(3, 4)))
    theirs = torch.tensor(ours.data, requires_grad=True)
    optimiser = Momentum([ours], 0.1, momentum)
    peer = torch.optim.SGD([theirs], lr=0.1, momentum=momentum, weight_decay=0.3)
    for _ in range(20):
        gradient = rng.normal(size=(3, 4))
        ours.grad, theirs.grad = gradient.copy(), torch.tensor(gradient)
        L2(0.3)([ours])
        optimiser.step()
        peer.step()
        assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-12)


def test_without_a_gradient_every_step_takes_the_same_share_of_a_weight():
    W = Parameter(np.array([[1.0, -2.0]]))
    optimiser = SGD([W], 0.5)
    for _ in range(10):
        W.grad = np.zeros((1, 2))
        L2(0.1)([W])
        optimiser.step()
    assert_allclose(W.data, np.array([[1.0, -2.0]]) * (1 - 0.5 * 0.1) ** 10)


@settings(max_examples=60, deadline=None)
@given(w=st.floats(-5, 5), threshold=st.floats(0, 5))
def test_the_soft_threshold_is_the_nearest_cheap_weight(w, threshold):
    found = soft_threshold(np.array([w]), threshold)[0]
    best = minimize_scalar(lambda v: 0.5 * (v - w) ** 2 + threshold * abs(v), bounds=(-6, 6), method="bounded").x
    assert found == pytest.approx(best, abs=1e-4)
    assert (found == 0) == (abs(w) <= threshold)


def test_the_threshold_keeps_single_precision():
    assert soft_threshold(np.ones((2, 2), np.float32), 0.1).dtype == np.float32


def regression(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 8))
    return X, X[:, :3] @ [2.0, -1.0, 0.5] + 4 + 0.3 * rng.normal(size=60)


def descend(make_optimiser, penalise=None, steps: int = 3000) -> Linear:
    X, y = regression()
    layer = Linear(8, 1, np.random.default_rng(3), dtype=np.float64)
    network = Network([layer], SquaredError())
    optimiser = make_optimiser(network.parameters())
    for _ in range(steps):
        network.gradient(X, y[:, None])
        if penalise:
            penalise(network.parameters())
        optimiser.step()
    return layer


def test_sparse_momentum_ends_at_the_lasso():
    X, y = regression()
    layer = descend(lambda parameters: SparseMomentum(parameters, 0.02, 0.2))
    peer = Lasso(alpha=0.2, tol=1e-12, max_iter=100_000).fit(X, y)
    assert_allclose(layer.W.data[:, 0], peer.coef_, atol=1e-8)
    assert_allclose(layer.b.data, peer.intercept_, atol=1e-8)
    assert_array_equal(layer.W.data[:, 0] == 0, peer.coef_ == 0)
    assert np.count_nonzero(peer.coef_) < 8


def test_the_subgradient_comes_near_the_lasso_and_never_to_0():
    X, y = regression()
    layer = descend(lambda parameters: SGD(parameters, 0.01), L1(0.2))
    peer = Lasso(alpha=0.2, tol=1e-12, max_iter=100_000).fit(X, y)
    assert_allclose(layer.W.data[:, 0], peer.coef_, atol=0.01)
    assert np.count_nonzero(layer.W.data) == 8


def test_l2_ends_at_ridge():
    X, y = regression()
    layer = descend(lambda parameters: Momentum(parameters, 0.02), L2(0.2))
    peer = Ridge(alpha=0.2 * len(X)).fit(X, y)
    assert_allclose(layer.W.data[:, 0], peer.coef_, atol=1e-8)
    assert_allclose(layer.b.data, peer.intercept_, atol=1e-8)


# --- What separates L2 from the SVM -----------------------------------------------------------------------------------


def test_networks_with_the_chosen_l2_are_averaged(monkeypatch):
    monkeypatch.setattr(penalties, "L2_STRENGTHS", (3.0, 3e-3, 3e-2, 0.3))  # smoke: the first and the last
    found = recorded(penalties, monkeypatch)
    few, chosen = few_digits(found.run, 0), found.facts["λ, L2"]
    assert chosen == 0.3
    ensemble, strange, free = (
        [
            train_on_few(found.run, few, int(seed), {"penalise": L2(strength)})
            for seed in np.random.SeedSequence(0).generate_state(ENSEMBLE)
        ]
        for strength in (chosen, 3.0, 0.0)
    )
    test = few.pixels(few.test.images), few.test.labels
    with threadpool_limits(1):
        read = averaged_accuracy(ensemble, *test)
    assert found.facts[f"test accuracy, {ENSEMBLE} networks with L2 averaged"] == read
    assert read not in [averaged_accuracy(others, *test) for others in (ensemble[:1], strange, free)]
    assert found.facts["training accuracy, L2"] == few.accuracies(found.run.methods["L2"].model)[0]
    svm = found.run.methods["RBF-SVM"].model
    assert_allclose(found.facts["training accuracy, RBF-SVM"], 100 * svm.score(few.x, few.train.labels))


def test_what_choosing_by_accuracy_would_gain_is_measured_on_validation_digits(monkeypatch):
    """Planted: the second strength has the higher loss and the higher accuracy on validation digits."""
    sweep_strengths = penalties.sweep_strengths

    def planted(*args):
        sweep = sweep_strengths(*args)
        sweep.losses = np.array([[0.0, 1.0], [0.0, 2.0]])
        sweep.accuracies = np.array([[50.0, 60.0], [99.0, 63.0]])
        return sweep

    monkeypatch.setattr(penalties, "sweep_strengths", planted)
    facts = recorded(penalties, monkeypatch).facts
    assert facts["validation accuracy gained if λ is chosen by accuracy, L2"] == 3
    assert facts["training accuracy, L2"] == 50
