"""Reweighted least squares against an exact linear programme and a direct climb of the t likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from ch02_probabilistic.robust import LaplaceRegressor, StudentTRegressor, losses, weighted_least_squares
from common.data import auto_mpg, diabetes


def problem(seed: int = 0, n: int = 80, m: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = 2 + rng.normal(size=(n, m))
    return X, X @ np.arange(1.0, m + 1) - 4 + 0.5 * rng.standard_t(2, size=n)


@parametrize_with_checks([LaplaceRegressor(), StudentTRegressor()])
def test_is_a_scikit_learn_regressor(estimator, check):
    check(estimator)


def test_weighted_least_squares_is_scikit_learns():
    X, y = problem()
    weights = np.random.default_rng(1).uniform(0.1, 2, len(y))
    theta = weighted_least_squares(np.column_stack([np.ones(len(y)), X]), y, weights)
    peer = LinearRegression().fit(X, y, sample_weight=weights)
    assert_allclose(theta, [peer.intercept_, *peer.coef_], rtol=1e-9)


# --- Laplace ----------------------------------------------------------------------------------------------------------


def absolute(model, X, y) -> float:
    return float(np.abs(y - model.predict(X)).sum())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(10, 120), m=st.integers(1, 4))
def test_laplace_reaches_the_linear_programme(seed, n, m):
    X, y = problem(seed, n, m)
    exact = absolute(QuantileRegressor(alpha=0.0).fit(X, y), X, y)
    assert exact * (1 - 1e-9) <= absolute(LaplaceRegressor().fit(X, y), X, y) <= exact * (1 + 2e-3)


@pytest.mark.parametrize("table", [auto_mpg, diabetes])
def test_laplace_reaches_the_linear_programme_on_real_data(table):
    train = table(seed=0).train
    X, y = train.features, train.targets
    exact = absolute(QuantileRegressor(alpha=0.0).fit(X, y), X, y)
    assert absolute(LaplaceRegressor().fit(X, y), X, y) <= exact * (1 + 1e-4)


def test_laplace_through_no_input_is_the_median():
    y = np.array([1.0, 2.0, 3.0, 10.0, 1000.0])
    model = LaplaceRegressor().fit(np.zeros((5, 1)), y)
    assert_allclose(model.predict([[0.0]]), 3, atol=1e-3)


# --- Student's t ------------------------------------------------------------------------------------------------------


def climb(X, y, nu) -> float:
    """The highest t log-likelihood that a general optimiser finds, from several starts."""
    D = np.column_stack([np.ones(len(y)), X])

    def minus(p):
        return -stats.t.logpdf(y - D @ p[:-1], nu, scale=np.exp(p[-1])).sum()

    start = np.linalg.lstsq(D, y)[0]
    best = [optimize.minimize(minus, [*start, np.log(scale)], method="BFGS").fun for scale in (0.1, 1.0, 10.0)]
    return -min(best)


def scale_of(misses, nu) -> float:
    found = optimize.minimize_scalar(lambda s: -stats.t.logpdf(misses, nu, scale=np.exp(s)).sum(), bounds=(-10, 10))
    return float(np.exp(found.x))


@pytest.mark.parametrize("nu", [2.0, 3.0, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_student_climbs_as_high_as_a_general_optimiser(nu, seed):
    X, y = problem(seed)
    misses = y - StudentTRegressor(nu).fit(X, y).predict(X)
    ours = stats.t.logpdf(misses, nu, scale=scale_of(misses, nu)).sum()
    assert ours >= climb(X, y, nu) - 1e-4 * abs(ours)


def test_students_location_and_scale_are_scipys():
    y = np.random.default_rng(5).standard_t(3, size=200)
    model = StudentTRegressor(3.0).fit(np.zeros((200, 1)), y)
    _, loc, _ = stats.t.fit(y, fix_df=3)
    assert_allclose(model.intercept_, loc, atol=1e-3)


def test_with_many_degrees_of_freedom_student_is_gauss():
    X, y = problem(6)
    peer = LinearRegression().fit(X, y)
    model = StudentTRegressor(1e9).fit(X, y)
    assert_allclose(model.coef_, peer.coef_, rtol=1e-5)
    assert_allclose(model.weights_, 1, rtol=1e-5)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
def test_one_gross_outlier_moves_student_little_and_least_squares_much(size):
    X, y = problem(7)
    spoilt = y.copy()
    spoilt[0] += size
    moved = {
        model: np.abs(model().fit(X, spoilt).predict(X) - model().fit(X, y).predict(X)).max()
        for model in (StudentTRegressor, LaplaceRegressor, LinearRegression)
    }
    assert moved[StudentTRegressor] < 0.2
    assert moved[LaplaceRegressor] < 0.5
    assert moved[LinearRegression] > size / 100
    assert StudentTRegressor().fit(X, spoilt).weights_[0] < 1e-2


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("model", [LaplaceRegressor, StudentTRegressor])
def test_units_do_not_matter(model, unit):
    X, y = problem(8)
    plain, scaled = model().fit(X, y).predict(X), model().fit(unit * X, y * unit).predict(unit * X)
    assert_allclose(scaled / unit, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1 / 3, 1e9 + 0.1])
@pytest.mark.parametrize("model", [LaplaceRegressor, StudentTRegressor])
def test_a_constant_column_gets_weight_zero(model, constant):
    X, y = problem(9)
    spoilt = model().fit(np.column_stack([X, np.full(len(y), constant)]), y)
    plain = model().fit(X, y)
    assert_allclose(spoilt.coef_, [*plain.coef_, 0], rtol=1e-3, atol=1e-6)
    assert_allclose(spoilt.intercept_, plain.intercept_, rtol=1e-3)


@pytest.mark.parametrize("model", [LaplaceRegressor, StudentTRegressor])
def test_points_on_a_plane_give_the_plane_and_a_constant_target_a_constant(model):
    X, _ = problem(10)
    y = X @ [1.0, 2.0, 3.0] + 5
    fitted = model().fit(X, y)
    assert_allclose([fitted.intercept_, *fitted.coef_], [5, 1, 2, 3], rtol=1e-6)
    assert_allclose(model().fit(X, np.full(len(y), 7.0)).predict(X), 7, rtol=1e-9)


@pytest.mark.parametrize("model", [LaplaceRegressor, StudentTRegressor])
def test_max_iter_is_kept_and_reported(model):
    X, y = problem(11)
    assert model(max_iter=1).fit(X, y).n_iter_ == 1
    assert_allclose(model(max_iter=1).fit(X, y).coef_, LinearRegression().fit(X, y).coef_, rtol=1e-8)
    assert 1 < model(max_iter=200).fit(X, y).n_iter_ <= 200


def test_losses_are_minus_log_densities_shifted_to_0():
    r = np.linspace(-5, 5, 11)
    got = losses(r, 3.0)
    for values, family in zip(got.values(), (stats.norm, stats.laplace, stats.t(3)), strict=True):
        assert_allclose(values, family.logpdf(0) - family.logpdf(r), atol=1e-12)


def test_the_callers_arrays_stay_as_they_were():
    X, y = problem()
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    for model in (LaplaceRegressor(), StudentTRegressor()):
        model.fit(X, y)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])
