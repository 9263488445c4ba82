"""The network against torch, its gradient against autograd, the sets against what they are said to be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from ch03_classification import no_line
from ch03_classification.logistic import LogisticRegression
from ch03_classification.no_line import (
    HiddenUnits,
    bumps,
    count_parameters,
    disc_in_ring,
    hidden_units,
    log_odds,
    loss,
    products,
    share_solved,
    xor_clouds,
)

SETS = pytest.mark.parametrize("make", [xor_clouds, disc_in_ring])


def module(theta, inputs: int, units: int) -> torch.nn.Sequential:
    """The same network in torch, from one row of parameters."""
    net = torch.nn.Sequential(torch.nn.Linear(inputs, units), torch.nn.Tanh(), torch.nn.Linear(units, 1)).double()
    weights = torch.tensor(theta[: (inputs + 1) * units]).reshape(inputs + 1, units)
    with torch.no_grad():
        net[0].bias.copy_(weights[0])
        net[0].weight.copy_(weights[1:].T)
        net[2].bias.copy_(torch.tensor(theta[-units - 1 : -units or None][:1]))
        net[2].weight.copy_(torch.tensor(theta[-units:])[None])
    return net


def row_of(net) -> np.ndarray:
    """The gradients of the module, in the order of our parameters."""
    first = torch.cat([net[0].bias.grad[None], net[0].weight.grad.T])
    return torch.cat([first.ravel(), net[2].bias.grad, net[2].weight.grad.ravel()]).numpy()


@parametrize_with_checks([HiddenUnits(hidden=2, starts=2, max_iter=50, random_state=0)])
def test_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


# --- The network ------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), inputs=st.integers(1, 4), units=st.integers(1, 5), batch=st.integers(1, 3))
def test_a_batch_of_networks_says_what_torch_says(seed, inputs, units, batch):
    rng = np.random.default_rng(seed)
    thetas, x = rng.normal(size=(batch, count_parameters(inputs, units))), rng.normal(size=(7, inputs))
    for theta, ours, inner in zip(thetas, log_odds(thetas, x, units), hidden_units(thetas, x, units), strict=True):
        net = module(theta, inputs, units)
        assert_allclose(ours, net(torch.tensor(x))[:, 0].detach().numpy(), rtol=1e-9, atol=1e-12)
        assert_allclose(inner, net[:2](torch.tensor(x)).detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("inputs", "units", "known"), [(2, 1, 5), (2, 3, 13), (2, 4, 17), (784, 100, 78601)])
def test_parameters_are_counted_as_torch_counts_them(inputs, units, known):
    net = torch.nn.Sequential(torch.nn.Linear(inputs, units), torch.nn.Tanh(), torch.nn.Linear(units, 1))
    assert count_parameters(inputs, units) == known == sum(p.numel() for p in net.parameters())


def gradients(monkeypatch, theta, part, units, penalty):
    """What fit() hands to the optimiser at theta: the loss and its slope."""
    seen = []

    def spy(slope, start, **settings):
        seen.append(slope(theta))
        return SimpleNamespace(x=start, fun=0.0, nfev=1, nit=1)

    monkeypatch.setattr(no_line, "minimize", spy)
    HiddenUnits(units, penalty, starts=1, random_state=0).fit(part.features, part.labels)
    return seen[0]


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_finite_differences_are_autograds_gradient(monkeypatch, units, penalty):
    part = xor_clouds(40, np.random.default_rng(0))
    theta = np.random.default_rng(1).normal(size=count_parameters(2, units))
    value, slope = gradients(monkeypatch, theta, part, units, penalty)
    net = module(theta, 2, units)
    z = net(torch.tensor(part.features))[:, 0]
    peer = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(part.labels, dtype=torch.float64))
    peer = peer + penalty / 2 * sum((p**2).sum() for p in net.parameters())
    peer.backward()
    assert_allclose(value, peer.item(), rtol=1e-12)
    assert_allclose(slope, row_of(net), atol=1e-6)


def test_a_gradient_costs_an_evaluation_more_than_there_are_parameters(monkeypatch):
    counted = []
    monkeypatch.setattr(no_line, "loss", lambda thetas, *rest: counted.append(len(thetas)) or loss(thetas, *rest))
    part = xor_clouds(60, np.random.default_rng(0))
    model = HiddenUnits(3, starts=2, random_state=0).fit(part.features, part.labels)
    assert set(counted) == {14}
    assert model.evaluations_ == sum(counted)


def test_the_best_start_is_kept():
    part = disc_in_ring(100, np.random.default_rng(0))
    model = HiddenUnits(2, starts=6, random_state=1).fit(part.features, part.labels)
    signs = 2.0 * part.labels - 1
    assert_allclose(model.losses_, loss(model.ends_, part.features, signs, 2, 1e-4), rtol=1e-9)
    assert_allclose(loss(model.theta_[None], part.features, signs, 2, 1e-4)[0], model.losses_.min(), rtol=1e-9)
    assert np.ptp(model.losses_) > 0.01  # the starts do end in different valleys
    again = clone(model).fit(part.features, part.labels)
    assert_array_equal(again.theta_, model.theta_)


def test_it_reaches_the_loss_of_scikit_learns_network():
    part = disc_in_ring(150, np.random.default_rng(2))
    ours = HiddenUnits(4, penalty=1e-3, starts=8, max_iter=1000, random_state=0).fit(part.features, part.labels)
    settings = {"activation": "tanh", "solver": "lbfgs", "alpha": 1e-3 * len(part), "max_iter": 2000, "tol": 1e-8}
    for seed in range(8):
        peer = MLPClassifier((4,), random_state=seed, **settings).fit(part.features, part.labels)
        (w, top), (b, top_b) = peer.coefs_, peer.intercepts_
        theta = np.r_[np.vstack([b, w]).ravel(), top_b, top.ravel()]
        assert_allclose(log_odds(theta[None], part.features, 4)[0] > 0, peer.predict(part.features) == 1)
        assert ours.losses_.min() <= loss(theta[None], part.features, 2.0 * part.labels - 1, 4, 1e-3)[0] + 1e-6


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 1, 1]])
def test_one_class_and_three_are_refused(labels):
    with pytest.raises(ValueError, match=r"Only binary classification|only one class"):
        HiddenUnits().fit(np.eye(3), labels)


def test_share_solved_counts_starts():
    part = xor_clouds(200, np.random.default_rng(0))
    between = np.r_[4.0, 4.0, 4.0, -4.0, 4.0, -4.0, -4.0, 4.0, 4.0]  # of the lines 1 + x₁ + x₂ = 0 and 1 − x₁ − x₂ = 0
    model = HiddenUnits(2)
    model.ends_ = np.array([between, -between, np.ones(9)])
    accuracy = ((log_odds(model.ends_, part.features, 2) > 0) == (part.labels == 1)).mean(axis=1)
    assert accuracy[0] > 0.9 > accuracy[1:].max()
    assert_allclose(share_solved(model, part), 1 / 3)


# --- What no line can do ----------------------------------------------------------------------------------------------


@SETS
def test_a_line_is_right_by_chance_and_a_line_in_products_nearly_always(make):
    part, test = (make(2000, np.random.default_rng(k)) for k in (0, 1))
    line = LogisticRegression().fit(part.features, part.labels)
    bent = make_pipeline(FunctionTransformer(products), LogisticRegression()).fit(part.features, part.labels)
    round_ = make_pipeline(FunctionTransformer(bumps), LogisticRegression()).fit(part.features, part.labels)
    assert 0.4 < line.score(test.features, test.labels) < 0.6
    assert bent.score(test.features, test.labels) > 0.95
    assert round_.score(test.features, test.labels) > 0.95
    peer = Peer(C=1.0, solver="newton-cholesky", tol=1e-10).fit(products(part.features), part.labels)
    assert_allclose(bent[-1].coef_, peer.coef_, rtol=1e-3, atol=1e-4)


def test_two_units_leave_the_ring_open_and_three_close_it():
    part, test = (disc_in_ring(200, np.random.default_rng(k)) for k in (0, 1))
    scores = [
        HiddenUnits(h, starts=10, random_state=0).fit(part.features, part.labels).score(test.features, test.labels)
        for h in (2, 3)
    ]
    assert scores[0] < 0.9 < 0.93 < scores[1]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_two_units_enclose_nothing(seed):
    """Two monotone functions of two directions add up to no peak: on any circle, some point is above the middle."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(1, 9)) * 2
    angle = np.linspace(0, 2 * np.pi, 2001)
    around = rng.uniform(0.1, 3) * np.column_stack([np.cos(angle), np.sin(angle)])
    assert log_odds(theta, around, 2).max() >= log_odds(theta, np.zeros((1, 2)), 2).max() - 1e-6


# --- The sets and the bases -------------------------------------------------------------------------------------------


def test_xor_clouds_stand_at_the_corners():
    part = xor_clouds(4000, np.random.default_rng(0))
    signs = np.sign(part.features).astype(int)
    assert np.mean((signs[:, 0] != signs[:, 1]) == (part.labels == 1)) > 0.97
    for label in (0, 1):
        assert_allclose(part.features[part.labels == label].mean(axis=0), 0, atol=0.1)


def test_the_disc_lies_in_the_ring():
    part = disc_in_ring(4000, np.random.default_rng(0))
    radius = np.linalg.norm(part.features, axis=1)
    assert radius[part.labels == 1].max() <= 1.2
    assert_allclose(radius[part.labels == 0].mean(), 2, atol=0.05)
    inner = radius[part.labels == 1]
    assert_allclose(np.mean(inner < 0.6), 0.25, atol=0.03)  # evenly over the disc's area


def test_bases_by_hand():
    assert_allclose(products(np.array([[2.0, -3.0]])), [[2, -3, -6, 4, 9]])
    found = bumps(np.array([[0.0, 0.0]]))[0]
    assert_allclose(np.sort(found), np.sort(np.exp([-4.0] * 4 + [-2.0] * 4 + [0.0])))
