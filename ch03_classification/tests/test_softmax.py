"""Softmax regression against scikit-learn's, its cost against torch, its coordinates against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from ch03_classification.digits.tables import pixels, principal_plane
from ch03_classification.logistic import LogisticRegression
from ch03_classification.optimisation import preconditioning
from ch03_classification.optimisation.preconditioning import (
    compare_coordinates,
    descend,
    descend_in_rounds,
    preconditioner,
)
from ch03_classification.softmax import (
    Cost,
    SoftmaxRegression,
    gini_impurity,
    gradient_descent,
    log_softmax,
    score_classes,
)
from common.console import Console
from common.data import Images, Scale, Table, breast_cancer, digits
from common.record import LessonRecord
from common.run import Method, Run


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As the chapter runs: on matrices so small, several threads wait for each other."""
    with threadpool_limits(1):
        yield


def problem(seed: int = 0, n: int = 120, m: int = 4, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = 1 + rng.normal(size=(n, m))
    y = (X @ rng.normal(size=(m, classes)) + rng.gumbel(size=(n, classes))).argmax(axis=1)
    y[:classes] = np.arange(classes)
    return X, y


def exact(penalty: float) -> Peer:
    """scikit-learn's Newton, run until nothing moves."""
    return Peer(C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=500)


def total_cost(model, X, y, penalty) -> float:
    logs = special.log_softmax(X @ model.coef_.T + model.intercept_, axis=1)
    return float(penalty / 2 * (model.coef_**2).sum() - logs[np.arange(len(y)), y].sum())


def centred(weights):
    return weights - weights.mean(axis=0)


@parametrize_with_checks([SoftmaxRegression()])
def test_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


# --- The cost ---------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-3, 1e4), classes=st.integers(1, 6))
def test_log_softmax_is_scipys(seed, size, classes):
    z = size * np.random.default_rng(seed).normal(size=(5, classes))
    assert_allclose(log_softmax(z), special.log_softmax(z, axis=1), atol=1e-11 * size)


def test_log_softmax_does_not_overflow():
    assert_allclose(
        log_softmax(np.array([[1e300, 0.0], [-1e300, 0.0], [-1e9, -1e9]])), [[0, -1e300], [-1e300, 0], [-np.log(2)] * 2]
    )


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_cost_and_gradient_are_torchs(penalty):
    X, y = problem(1)
    cost = Cost.of(X, y, penalty)
    theta = np.random.default_rng(2).normal(size=cost.start.shape)
    free = torch.tensor(theta, requires_grad=True)
    z = torch.tensor(np.column_stack([np.ones(len(X)), X - X.mean(axis=0)])) @ free
    value = torch.nn.functional.cross_entropy(z, torch.tensor(y), reduction="sum") + penalty / 2 * (free[1:] ** 2).sum()
    value.backward()
    ours, gradient = cost.at(theta)
    assert_allclose(ours, value.item(), rtol=1e-12)
    assert_allclose(gradient, free.grad.numpy(), rtol=1e-9, atol=1e-9)


# --- The coordinates --------------------------------------------------------------------------------------------------


def hessian(cost: Cost, theta) -> np.ndarray:
    """Σ (diag(P) − PPᵀ) ⊗ xxᵀ + λ, written out; θ laid out class by class."""
    P = special.softmax(cost.X @ theta, axis=1)
    inner = np.einsum("nk,kl->nkl", P, np.eye(P.shape[1])) - np.einsum("nk,nl->nkl", P, P)
    m, classes = theta.shape
    blocks = np.einsum("nkl,ni,nj->kilj", inner, cost.X, cost.X).reshape(m * classes, m * classes)
    return blocks + np.diag(np.tile(cost.penalty, classes))


def test_preconditioning_makes_its_matrix_the_identity():
    X, y = problem(3)
    cost = Cost.of(X, y, 0.5)
    weights = np.random.default_rng(0).uniform(0.1, 1, len(y))
    R = preconditioner(cost, weights)
    assert_allclose(R.T @ (cost.X.T @ (cost.X * weights[:, None]) + np.diag(cost.penalty)) @ R, np.eye(5), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.0, 5.0), classes=st.integers(2, 5))
def test_in_boehnings_coordinates_no_curvature_is_above_1(seed, size, classes):
    X, y = problem(seed, 40, 3, classes)
    cost = Cost.of(X, y, 0.3)
    theta = size * np.random.default_rng(seed).normal(size=cost.start.shape)
    R = np.kron(np.eye(classes), preconditioner(cost, np.full(len(y), 0.5)))
    assert np.linalg.eigvalsh(R.T @ hessian(cost, theta) @ R)[-1] <= 1 + 1e-6


def test_the_impurity_is_the_trace_and_bounds_a_points_curvature():
    P = special.softmax(3 * np.random.default_rng(4).normal(size=(50, 4)), axis=1)
    for p, trace in zip(P, gini_impurity(P), strict=True):
        inner = np.diag(p) - np.outer(p, p)
        assert_allclose(trace, np.trace(inner))
        assert np.linalg.eigvalsh(inner)[-1] <= trace + 1e-12
    assert gini_impurity(np.eye(3)).max() == 0


def test_a_wide_table_gets_its_diagonal_only(monkeypatch):
    X, y = problem(5, 60, 6)
    narrow = SoftmaxRegression(tol=1e-7).fit(X, y)
    monkeypatch.setattr(preconditioning, "WIDE", 3)
    cost = Cost.of(X, y, 1.0)
    R = preconditioner(cost, np.full(len(y), 0.5))
    assert sparse.issparse(R)
    assert_allclose(R.toarray(), np.diag((0.5 * (cost.X**2).sum(axis=0) + cost.penalty) ** -0.5))
    assert_allclose(SoftmaxRegression(tol=1e-7).fit(X, y).coef_, narrow.coef_, atol=1e-6)


def test_all_walks_end_at_the_same_cost_and_none_rises():
    part = breast_cancer(seed=0).train
    found = compare_coordinates(Cost.of(part.features, part.labels, 1.0), 2000, 1e-6)
    ends = [costs[-1] for costs in found.values()]
    assert_allclose(ends, min(ends), rtol=1e-4)
    for costs in found.values():
        assert (np.diff(costs) <= 1e-9 * costs[0]).all()
    lengths = {name: len(costs) for name, costs in found.items()}
    assert 20 * lengths["curvature measured"] < lengths["as they are"]  # thirty units


def test_gradient_descent_reaches_the_minimum_and_no_step_raises_the_cost():
    X, y = problem(8, 200, 6, 3)
    cost = Cost.of(X, y, 1.0)
    theta, costs = gradient_descent(cost, 3000)
    assert (np.diff(costs) <= 1e-12 * costs[0]).all()
    assert costs[0] == pytest.approx(len(y) * np.log(3))
    peer = exact(1.0).fit(X, y)
    assert_allclose(theta[1:].T, centred(peer.coef_), rtol=1e-4, atol=1e-5)


def test_the_step_of_gradient_descent_is_one_over_the_largest_curvature():
    """Of two classes that are equally probable, along the first eigenvector of XᵀX: the bound is reached there."""
    cost = Cost.of(*problem(9, 100, 3, 2), 0.0)
    u = np.linalg.eigh(cost.X.T @ cost.X)[1][:, -1]
    along = np.outer(u, [1, -1]) / np.sqrt(2)
    ahead, behind = (cost.at(sign * 1e-5 * along)[1] for sign in (1, -1))
    curvature = np.vdot(along, ahead - behind) / 2e-5
    assert_allclose(gradient_descent(cost, 1)[0], -cost.at(cost.start)[1] / curvature, rtol=1e-6)


def test_a_walk_out_of_steps_says_so():
    cost = Cost.of(*problem(6), 0.1)
    theta, costs, done = descend(cost, cost.start, np.eye(5), 2, 1e-9)
    assert (len(costs), done) == (2, False)
    assert_allclose(cost.at(theta)[0], costs[-1])
    assert len(descend_in_rounds(cost, 13, 1e-12)[1]) == 13


# --- The estimator ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("classes", [3, 5])
def test_weights_are_scikit_learns(penalty, classes):
    X, y = problem(7, 200, 6, classes)
    ours, peer = SoftmaxRegression(penalty, tol=1e-8).fit(X, y), exact(penalty).fit(X, y)
    assert_allclose(ours.coef_, centred(peer.coef_), rtol=1e-5, atol=1e-6)
    assert_allclose(ours.intercept_, centred(peer.intercept_), rtol=1e-5, atol=1e-6)
    assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-6)


def test_weights_are_scikit_learns_on_digits():
    part = pixels(digits(seed=0).train, white=16)
    ours, peer = (m.fit(part.features, part.labels) for m in (SoftmaxRegression(1.0, tol=1e-6), exact(1.0)))
    assert_allclose(ours.coef_, centred(peer.coef_), atol=1e-5)
    assert_array_equal(ours.predict(part.features), peer.predict(part.features))


@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
def test_by_default_its_cost_is_within_a_hundred_thousandth_of_the_least(penalty):
    part = pixels(digits(seed=1).train, white=16)
    ours, peer = (m.fit(part.features, part.labels) for m in (SoftmaxRegression(penalty), exact(penalty)))
    least, found = (total_cost(m, part.features, part.labels, penalty) for m in (peer, ours))
    assert least * (1 - 1e-9) <= found <= least * (1 + 1e-5)
    assert_allclose(ours.losses_[-1], found, rtol=1e-9)


@pytest.mark.parametrize("penalty", [0.2, 4.0])
def test_two_classes_are_logistic_regression_with_half_the_penalty(penalty):
    """By symmetry w₁ = −w₀ = w/2, and λ/2 (‖w₀‖² + ‖w₁‖²) = λ/4 ‖w‖²."""
    X, y = problem(8, classes=2)
    two = SoftmaxRegression(penalty, tol=1e-8).fit(X, y)
    one = LogisticRegression(penalty / 2, tol=1e-10).fit(X, y)
    assert_allclose(two.coef_[1] - two.coef_[0], one.coef_[0], rtol=1e-5)
    assert_allclose(two.intercept_[1] - two.intercept_[0], one.intercept_[0], rtol=1e-5)
    assert_allclose(two.coef_[0], -two.coef_[1], rtol=1e-6)


def test_columns_in_thirty_units_need_no_scaling_first():
    part = breast_cancer(seed=0).train
    raw, peer = (m.fit(part.features, part.labels == 1) for m in (SoftmaxRegression(2.0), exact(1.0)))
    P = np.column_stack([peer.predict_proba(part.features)[:, k] for k in (0, 1)])
    assert_allclose(raw.predict_proba(part.features), P, atol=1e-3)
    assert raw.n_iter_ < 60


def test_no_penalty_and_columns_that_depend_on_each_other():
    X, y = problem(9)
    plain = SoftmaxRegression(0.0, tol=1e-7).fit(X, y)
    twice = SoftmaxRegression(0.0, tol=1e-7).fit(np.column_stack([X, X[:, 0], np.full(len(X), 0.1)]), y)
    assert_allclose(
        twice.predict_proba(np.column_stack([X, X[:, 0], np.full(len(X), 0.1)])), plain.predict_proba(X), atol=1e-4
    )
    assert_allclose(twice.coef_[:, -1], 0)
    peer = Peer(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=500).fit(X, y)
    assert_allclose(plain.predict_proba(X), peer.predict_proba(X), atol=1e-5)


def test_far_from_zero_it_keeps_its_digits():
    X, y = problem(10)
    near, far = SoftmaxRegression(tol=1e-8).fit(X, y), SoftmaxRegression(tol=1e-8).fit(X + 2.0**20, y)
    assert_allclose(far.coef_, near.coef_, rtol=1e-5, atol=1e-7)


def test_out_of_steps_it_warns():
    with pytest.warns(ConvergenceWarning, match="no minimum after 3 steps"):
        model = SoftmaxRegression(0.01, max_iter=3).fit(*problem(11))
    assert model.n_iter_ == len(model.losses_) == 3


def test_labels_may_be_words_and_probabilities_sum_to_1():
    X, y = problem(12)
    model = SoftmaxRegression().fit(X, np.array(["no", "perhaps", "yes"])[y])
    assert model.classes_.tolist() == ["no", "perhaps", "yes"]
    P = model.predict_proba(50 * X)
    assert_allclose(P.sum(axis=1), 1)
    assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()


@pytest.mark.parametrize("penalty", [-1.0, "1"])
def test_a_bad_penalty_is_refused(penalty):
    with pytest.raises((ValueError, TypeError), match="penalty"):
        SoftmaxRegression(penalty).fit(*problem())


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="got 1 class"):
        SoftmaxRegression().fit(np.eye(3), [2, 2, 2])


# --- What the lesson makes of images ----------------------------------------------------------------------------------


def test_pixels_are_rows_between_0_and_1():
    images = Images(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.array([1, 0]), np.array([7, 5]))
    part = pixels(images, white=23)
    assert_allclose(part.features, np.arange(24).reshape(2, 12) / 23)
    assert_array_equal(part.labels, [1, 0])
    assert_array_equal(part.ids, [7, 5])


def test_principal_plane_keeps_the_distances_that_are_largest():
    part = pixels(digits(seed=0).train, white=16)
    plane = principal_plane(part, [2, 3, 7])
    kept = part.take(np.isin(part.labels, [2, 3, 7]))
    assert_array_equal(plane.labels, np.array([0, 1, 2])[np.searchsorted([2, 3, 7], kept.labels)])
    eigenvalues = np.linalg.eigvalsh(np.cov(kept.features.T))[::-1]
    assert_allclose(np.cov(plane.features.T), np.diag(eigenvalues[:2]), atol=1e-9)


class Says:
    """Says the same of every row."""

    def __init__(self, P):
        self.P = P

    def predict_proba(self, X):
        return np.tile(self.P, (len(X), 1))

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def test_score_classes_is_accuracy_and_minus_log_of_the_true_classs_probability():
    run = Run("softmax", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())
    part = Table(np.zeros((4, 1)), np.array([0, 0, 1, 2]), ("x",))
    method = Method(run, "says", "classical", model=Says([0.8, 0.2, 0.0]))
    score_classes(method, part)
    assert_allclose(method.items["accuracy"].values, [100, 100, 0, 0])
    assert_allclose(method.items["log loss"].values, -np.log([0.8, 0.8, 0.2, 1e-6]))
