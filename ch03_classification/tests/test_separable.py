"""Separability against another programme and a hard machine, growth against the theorem of Soudry et al. 2018."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, special
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch03_classification.logistic import LogisticRegression
from ch03_classification.separable import HARD, angles, descend, largest_margin, log_score, mirrored_points

TINY_MARGIN = 1e-6  # a linear programme's tolerance


def cloud(seed: int, n: int, m: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, m)), np.arange(n) % 2
    X[:, 0] += gap * (2 * y - 1)
    return X, y


# --- is there a plane between them? -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(4, 30), m=st.integers(1, 5), gap=st.floats(0, 4))
def test_a_plane_parts_them_exactly_where_margins_of_1_can_be_had(seed, n, m, gap):
    X, y = cloud(seed, n, m, gap)
    t = largest_margin(X, y)
    rows = (2 * y - 1)[:, None] * np.column_stack([np.ones(n), X])
    feasible = optimize.linprog(np.zeros(m + 1), A_ub=-rows, b_ub=-np.ones(n), bounds=[(None, None)] * (m + 1))
    assert t >= 0
    assert (t > TINY_MARGIN) == (feasible.status == 0)
    if t > 0.05:
        assert SVC(kernel="linear", C=HARD).fit(X, y).score(X, y) == 1


def test_in_one_dimension_it_is_half_the_gap():
    x = np.array([[-1.0], [-0.2], [0.4], [3.0]])
    # w = 1 puts the two nearest at −0.2 + b and 0.4 + b: b = −0.1 makes both 0.3 away.
    assert_allclose(largest_margin(x, np.array([0, 0, 1, 1])), 0.3, atol=1e-9)
    assert largest_margin(x, np.array([0, 1, 0, 1])) == 0
    assert largest_margin(np.array([[0.0], [1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])) == 0  # they touch


def test_the_tumours_are_separable_by_all_thirty_inputs_as_their_donors_say():
    """The data's own description: "sets are linearly separable using all 30 input features"."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    assert largest_margin(X, y) > TINY_MARGIN
    assert largest_margin(X[:, :20], y) <= TINY_MARGIN


# --- what gradient descent does there ---------------------------------------------------------------------------------


def test_descend_is_gradient_descent():
    X, y = cloud(0, 12, 3, 1.0)
    w = np.zeros(3)
    growth = descend(X, y, steps=40, learning_rate=0.7)
    for step in range(1, 41):
        w -= 0.7 * X.T @ (special.expit(X @ w) - y) / len(X)
        if step in growth.steps:
            at = int(np.flatnonzero(growth.steps == step)[0])
            assert_allclose(growth.weights[at], w, rtol=1e-10)
            assert_allclose(growth.norms[at], np.linalg.norm(w), rtol=1e-10)
            loss = -special.log_expit((2 * y - 1) * (X @ w)).mean()
            assert_allclose(growth.losses[at], loss, rtol=1e-10)
    assert growth.steps[0] == 1
    assert growth.steps[-1] == 40
    assert_array_equal(np.unique(growth.steps), growth.steps)


def test_on_separable_points_the_norm_grows_like_the_machines_times_log_t_and_the_direction_becomes_its():
    """Soudry et al. 2018: w(t) = ŵ log t + a rest that stays bounded, ŵ the hard machine's weights."""
    X, y = mirrored_points(np.random.default_rng(1))
    machine = SVC(kernel="linear", C=HARD).fit(X, y)
    assert_allclose(machine.intercept_, 0, atol=1e-6)
    growth = descend(X, y, steps=50_000)
    late = growth.steps > 5_000
    change = np.diff(growth.weights[late], axis=0).sum(axis=0)
    grown = change / np.log(growth.steps[late][-1] / growth.steps[late][0])
    assert_allclose(grown, machine.coef_[0], rtol=0.15)
    angle = angles(growth.weights, machine.coef_[0])
    assert angle[0] > 15
    assert angle[-1] < 4
    assert np.all(np.diff(angle) < 0)
    assert np.all(np.diff(growth.norms) > 0)
    assert np.all(np.diff(growth.losses) < 0)


def test_on_points_that_overlap_it_settles():
    X, y = cloud(2, 60, 2, 0.5)
    growth = descend(X, y, steps=5_000)
    assert_allclose(growth.weights[-1], growth.weights[-5], rtol=1e-6)


def test_mirrored_points_are_mirrored_and_separable():
    X, y = mirrored_points(np.random.default_rng(3))
    assert X.shape == (40, 2)
    assert_allclose(X[y == 1], -X[y == 0])
    assert largest_margin(X, y) > 0.1
    other, _ = mirrored_points(np.random.default_rng(4))
    assert not np.array_equal(X, other)


# --- measures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vector", "degrees"), [([2.0, 0], 0), ([0, 3.0], 90), ([1.0, 1], 45), ([-4.0, 0], 180)])
def test_angles(vector, degrees):
    assert_allclose(angles(np.array([vector]), np.array([5.0, 0.0])), [degrees], atol=1e-6)


def test_the_log_score_is_the_mean_log_probability_and_does_not_clip():
    X, y = cloud(5, 40, 2, 0.3)
    model = LogisticRegression(1.0).fit(X, y)
    assert_allclose(log_score(model, X, y), np.log(model.predict_proba(X)[np.arange(40), y]).mean(), rtol=1e-10)
    model.coef_ *= 1e6
    margin = (2 * y - 1) * model.decision_function(X)
    assert margin.min() < -1000
    assert_allclose(log_score(model, X, y), np.minimum(margin, 0).mean(), rtol=1e-6)
