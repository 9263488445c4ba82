"""The Gaussian linear model against scikit-learn, scipy's optimiser and the textbooks' prediction interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ch02_probabilistic.likelihood import gaussian_log_likelihood
from ch02_probabilistic.linear_likelihood import GaussianLinearModel, variance_ratio


def problem(seed: int = 0, n: int = 40, m: int = 3, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = 2 + rng.normal(size=(n, m))
    return X, X @ np.arange(1.0, m + 1) - 4 + noise * rng.normal(size=n)


@parametrize_with_checks([GaussianLinearModel()])
def test_is_a_scikit_learn_regressor(estimator, check):
    check(estimator)


# --- the maximum of the likelihood ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 8), more=st.integers(3, 60))
def test_the_plane_is_least_squares_and_the_variance_the_mean_square(seed, m, more):
    X, y = problem(seed, 2 * m + more, m)
    model, peer = GaussianLinearModel().fit(X, y), LinearRegression().fit(X, y)
    assert_allclose(model.coef_, peer.coef_, rtol=1e-8, atol=1e-8)
    assert_allclose(model.intercept_, peer.intercept_, rtol=1e-8, atol=1e-8)
    rss = np.sum((y - peer.predict(X)) ** 2)
    assert_allclose(model.sigma2_, rss / len(y), rtol=1e-8)
    assert_allclose(model.unbiased_sigma2_, rss / (len(y) - m - 1), rtol=1e-8)
    assert model.degrees_of_freedom_ == len(y) - m - 1


def test_the_variance_of_a_line_is_linregress_standard_error():
    X, y = problem(1, m=1)
    model, peer = GaussianLinearModel().fit(X, y), stats.linregress(X[:, 0], y)
    slope_error = np.sqrt(model.unbiased_sigma2_ / np.sum((X - X.mean()) ** 2))
    assert_allclose(slope_error, peer.stderr, rtol=1e-10)


def test_climbing_the_likelihood_by_machine_ends_at_the_same_theta_and_variance():
    X, y = problem(2)

    def minus_log_likelihood(p):
        return -gaussian_log_likelihood(y, p[0] + X @ p[1:4], float(np.exp(p[4])))

    found = optimize.minimize(minus_log_likelihood, np.zeros(5), method="BFGS", options={"gtol": 1e-7})
    model = GaussianLinearModel().fit(X, y)
    assert_allclose([model.intercept_, *model.coef_], found.x[:4], rtol=1e-3)
    assert_allclose(model.sigma2_, np.exp(found.x[4]), rtol=1e-3)
    top = gaussian_log_likelihood(y, model.predict(X), model.sigma2_)
    assert top >= -found.fun - 1e-9
    assert top > gaussian_log_likelihood(y, model.predict(X), model.unbiased_sigma2_)


# --- the standard deviation of a new y --------------------------------------------------------------------------------


def test_a_worked_prediction_interval():
    """By hand: x = 1 … 5, y = 2, 4, 5, 4, 5. ŷ = 2.2 + 0.6 x, RSS 2.4, s² = 2.4 / 3, Σ(x − x̄)² = 10."""
    x, y = np.arange(1.0, 6)[:, None], np.array([2.0, 4, 5, 4, 5])
    model = GaussianLinearModel().fit(x, y)
    assert_allclose([model.intercept_, model.coef_[0]], [2.2, 0.6], rtol=1e-12)
    assert_allclose([model.sigma2_, model.unbiased_sigma2_], [2.4 / 5, 0.8], rtol=1e-12)
    mean, std = model.predict(np.array([[3.0], [6.0]]), return_std=True)
    assert_allclose(mean, [4.0, 5.8], rtol=1e-12)
    assert_allclose(std, np.sqrt([0.8 * (1 + 1 / 5), 0.8 * (1 + 1 / 5 + 9 / 10)]), rtol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(20, 1), (40, 3), (12, 10)])
def test_the_standard_deviation_comes_from_the_hat_matrix(n, m):
    X, y = problem(3, n, m)
    D = np.column_stack([np.ones(n), X])
    hat = D @ np.linalg.inv(D.T @ D) @ D.T
    s2 = np.sum((y - hat @ y) ** 2) / (n - m - 1)
    model = GaussianLinearModel().fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert_allclose(mean, hat @ y, rtol=1e-8)
    assert_allclose(std, np.sqrt(s2 * (1 + np.diag(hat))), rtol=1e-8)
    leverage = std**2 / model.unbiased_sigma2_ - 1
    assert_allclose(leverage.sum(), m + 1, rtol=1e-7)  # the trace of the hat matrix


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_intervals_cover_a_new_y_as_often_as_they_say(level):
    rng, draws, n = np.random.default_rng(4), 3000, 8
    x = rng.normal(size=(n, 2))
    at = np.array([[1.5, -1.0]])
    inside = 0
    for _ in range(draws):
        model = GaussianLinearModel().fit(x, x @ [1.0, 2.0] + rng.normal(size=n))
        mean, std = model.predict(at, return_std=True)
        new = at[0] @ [1.0, 2.0] + rng.normal()
        inside += abs(new - mean[0]) <= stats.t.ppf((1 + level) / 2, model.degrees_of_freedom_) * std[0]
    assert abs(inside / draws - level) < 4 * np.sqrt(level * (1 - level) / draws)


def test_without_return_std_only_the_mean():
    X, y = problem()
    model = GaussianLinearModel().fit(X, y)
    assert_array_equal(model.predict(X), model.predict(X, return_std=True)[0])


def test_works_in_a_pipeline_where_scaling_changes_nothing():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    plain, scaled = GaussianLinearModel().fit(X, y), make_pipeline(StandardScaler(), clone(GaussianLinearModel()))
    scaled.fit(X, y)
    for ours, other in zip(plain.predict(X, return_std=True), scaled.predict(X, return_std=True), strict=True):
        assert_allclose(ours, other, rtol=1e-8)


# --- columns that lie in wait -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [[1e6, 1.0, 1e-6], [1e9, 1.0, 1e-9], [1e-12, 1.0, 1.0]])
def test_units_change_neither_the_answer_nor_the_degrees_of_freedom(units):
    X, y = problem(5)
    model, peer = GaussianLinearModel().fit(X * units, y), GaussianLinearModel().fit(X, y)
    assert model.degrees_of_freedom_ == peer.degrees_of_freedom_ == 36
    assert_allclose(model.coef_ * units, peer.coef_, rtol=1e-7)
    assert_allclose(model.predict(X * units, return_std=True), peer.predict(X, return_std=True), rtol=1e-7)


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_an_offset_changes_nothing(far):
    X, y = problem(6)
    model, peer = GaussianLinearModel().fit(X + far, y), GaussianLinearModel().fit(X, y)
    assert_allclose(model.predict(X + far, return_std=True), peer.predict(X, return_std=True), rtol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1 / 3, 1e9 + 0.1])
def test_a_constant_column_costs_no_degree_of_freedom(constant):
    X, y = problem(7)
    new = np.column_stack([X, np.full(40, constant)])
    model, peer = GaussianLinearModel().fit(new, y), GaussianLinearModel().fit(X, y)
    assert model.degrees_of_freedom_ == peer.degrees_of_freedom_
    assert_allclose(model.coef_, [*peer.coef_, 0], rtol=1e-6, atol=1e-9)
    assert_allclose(model.predict(new, return_std=True), peer.predict(X, return_std=True), rtol=1e-6)


@pytest.mark.parametrize("constant", [0.1, 1 / 3])
def test_nothing_but_a_constant_column_is_the_mean(constant):
    y = np.random.default_rng(8).normal(size=30)
    model = GaussianLinearModel().fit(np.full((30, 1), constant), y)
    assert model.degrees_of_freedom_ == 29
    assert_allclose(model.intercept_, y.mean(), rtol=1e-9)
    assert_allclose(model.unbiased_sigma2_, y.var(ddof=1), rtol=1e-9)


def test_a_repeated_column_shares_its_weight():
    X, y = problem(9)
    twice = np.column_stack([X, X[:, 0]])
    model, peer = GaussianLinearModel().fit(twice, y), GaussianLinearModel().fit(X, y)
    assert model.degrees_of_freedom_ == 36
    assert_allclose(model.coef_, [peer.coef_[0] / 2, *peer.coef_[1:], peer.coef_[0] / 2], rtol=1e-8)
    assert_allclose(model.predict(twice, return_std=True), peer.predict(X, return_std=True), rtol=1e-8)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (3, 5), (4, 3)])
def test_without_a_degree_of_freedom_the_variance_is_unknown(n, m):
    X, y = problem(10, n, m)
    model = GaussianLinearModel().fit(X, y)
    assert_allclose(model.predict(X), y, rtol=1e-8)
    assert_allclose(model.sigma2_, 0, atol=1e-12)
    assert model.degrees_of_freedom_ == 0
    assert np.isnan(model.unbiased_sigma2_)
    assert np.isnan(model.predict(X, return_std=True)[1]).all()


def test_the_callers_arrays_stay_as_they_were():
    X, y = problem()
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    GaussianLinearModel().fit(X, y)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])


# --- the bias of the variance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 5, 20])
def test_the_likeliest_variance_is_too_small_by_two_nths(n):
    draws = 20_000
    biased, unbiased = variance_ratio(n, np.random.default_rng(n), draws)
    error = np.sqrt(2 / (n - 2) / draws)  # of the mean of χ²(n − 2) / (n − 2)
    assert abs(unbiased - 1) < 4 * error
    assert_allclose(biased, unbiased * (n - 2) / n, rtol=1e-12)
