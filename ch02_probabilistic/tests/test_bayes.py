"""Posteriors against closed forms, ridge and scikit-learn's BayesianRidge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.linear_model import BayesianRidge, LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ch02_probabilistic.bayes import EvidenceRidge, posterior
from common.data import auto_mpg, diabetes


def problem(seed: int = 0, n: int = 50, m: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, m))
    return X, X @ rng.normal(size=m) + 3 + 0.5 * rng.normal(size=n)


@parametrize_with_checks([EvidenceRidge()])
def test_is_a_scikit_learn_regressor(estimator, check):
    check(estimator)


# --- the posterior ----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    m=st.integers(1, 6),
    noise=st.floats(0.01, 100),
    prior=st.floats(0.01, 100),
)
def test_the_mean_is_ridge_with_noise_over_prior(seed, n, m, noise, prior):
    X, y = problem(seed, n, m)
    mean, covariance = posterior(X, y, noise, prior)
    peer = Ridge(noise / prior, fit_intercept=False, solver="svd").fit(X, y)
    assert_allclose(mean, peer.coef_, rtol=1e-8, atol=1e-8)
    kernel = prior * X @ X.T + noise * np.eye(
        n
    )  # the same posterior by conditioning (θ, y), which are jointly Gaussian
    gain = prior * X.T @ np.linalg.inv(kernel)
    assert_allclose(mean, gain @ y, rtol=1e-6, atol=1e-8)
    assert_allclose(covariance, prior * (np.eye(m) - gain @ X), rtol=1e-5, atol=1e-7 * prior)


def test_the_posterior_of_a_mean():
    """Gelman et al. 2013, Eq. (2.12): precisions add, and the mean is their weighted one."""
    y = np.array([3.0, 5.0, 4.0])
    mean, covariance = posterior(np.ones((3, 1)), y, noise_variance=2.0, prior_variance=4.0)
    assert_allclose(covariance, [[1 / (1 / 4 + 3 / 2)]])
    assert_allclose(mean, [(3 * 4 / 2) / (1 / 4 + 3 / 2)])


def test_no_point_leaves_the_prior_and_many_leave_least_squares():
    mean, covariance = posterior(np.empty((0, 2)), np.empty(0), 1.0, 9.0)
    assert_array_equal(mean, [0, 0])
    assert_allclose(covariance, 9 * np.eye(2))
    X, y = problem(1, 5000)
    y = y - y.mean()
    assert_allclose(posterior(X, y, 0.25, 1e6)[0], np.linalg.lstsq(X, y)[0], rtol=1e-6)


def test_points_may_come_one_at_a_time():
    """The posterior of the first points is the prior of the next: the density is the product of both, on a grid."""
    X, y = problem(2, 6, 2)
    theta = np.random.default_rng(3).normal(size=(7, 2))
    mean, covariance = posterior(X, y, 0.5, 2.0)
    log_posterior = stats.multivariate_normal(mean, covariance).logpdf(theta)
    log_joint = stats.multivariate_normal([0, 0], 2 * np.eye(2)).logpdf(theta)
    for row, target in zip(X, y, strict=True):
        log_joint += stats.norm.logpdf(target, theta @ row, np.sqrt(0.5))
    assert_allclose(np.diff(log_posterior), np.diff(log_joint), rtol=1e-8)


# --- the evidence -----------------------------------------------------------------------------------------------------


def peer() -> BayesianRidge:
    return BayesianRidge(max_iter=3000, tol=1e-10, alpha_1=1e-14, alpha_2=1e-14, lambda_1=1e-14, lambda_2=1e-14)


def real(loader, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    train = loader(seed=0).train
    train = train.take(slice(n))
    return StandardScaler().fit_transform(train.features), train.targets


@pytest.mark.parametrize(
    "data",
    [
        lambda: problem(4),
        lambda: problem(5, 200, 10),
        lambda: real(diabetes),
        lambda: real(diabetes, 40),
        lambda: real(auto_mpg),
    ],
    ids=["made", "wide", "patients", "forty patients", "cars"],
)
def test_the_evidence_is_highest_where_bayesianridge_says(data):
    X, y = data()
    ours, other = EvidenceRidge(tol=1e-10, max_iter=3000).fit(X, y), peer().fit(X, y)
    size = np.abs(other.coef_).max()
    assert_allclose(ours.coef_, other.coef_, rtol=1e-3, atol=1e-3 * size)
    assert_allclose(ours.intercept_, other.intercept_, rtol=1e-6)
    assert_allclose(ours.noise_variance_, 1 / other.alpha_, rtol=1e-3)
    assert_allclose(ours.prior_variance_, 1 / other.lambda_, rtol=1e-3)
    assert_allclose(ours.covariance_, other.sigma_, rtol=1e-3, atol=1e-3 * np.abs(other.sigma_).max())
    mean, std = ours.predict(X, return_std=True)
    peer_mean, peer_std = other.predict(X, return_std=True)
    assert_allclose(mean, peer_mean, rtol=1e-3)
    assert_allclose(std**2, peer_std**2 + 1 / other.alpha_ / len(X), rtol=1e-3)  # it takes the intercept as known


def test_a_new_target_is_as_uncertain_as_with_a_flat_prior_on_a_column_of_ones():
    X, y = problem(12, 12, 3)
    model = EvidenceRidge().fit(X, y)
    new = 3 * np.random.default_rng(13).normal(size=(6, 3))
    design, at = (np.column_stack([np.ones(len(part)), part]) for part in (X, new))
    noise, prior = model.noise_variance_, model.prior_variance_
    covariance = np.linalg.inv(np.diag([0, *np.full(3, 1 / prior)]) + design.T @ design / noise)
    mean, std = model.predict(new, return_std=True)
    assert_allclose(mean, at @ covariance @ design.T @ y / noise, rtol=1e-8)
    assert_allclose(std**2, noise + np.einsum("ij,jk,ik->i", at, covariance, at), rtol=1e-8)


def log_evidence(X, y, noise, prior) -> float:
    return float(stats.multivariate_normal(np.zeros(len(y)), prior * X @ X.T + noise * np.eye(len(y))).logpdf(y))


def test_no_other_pair_of_variances_explains_the_targets_better():
    X, y = problem(6, 40, 3)
    X, y = X - X.mean(axis=0), y - y.mean()
    model = EvidenceRidge(tol=1e-12, max_iter=3000).fit(X, y)
    top = log_evidence(X, y, model.noise_variance_, model.prior_variance_)
    for a in (0.8, 1.0, 1.25):
        for b in (0.8, 1.0, 1.25):
            assert log_evidence(X, y, a * model.noise_variance_, b * model.prior_variance_) <= top + 1e-6


def test_its_weights_are_ridge_with_its_own_lambda():
    X, y = problem(7)
    model = EvidenceRidge().fit(X, y)
    ridge = Ridge(model.noise_variance_ / model.prior_variance_, solver="svd").fit(X, y)
    assert_allclose(model.coef_, ridge.coef_, rtol=1e-8)
    assert_allclose(model.intercept_, ridge.intercept_, rtol=1e-8)


def test_many_points_need_no_prior():
    X, y = problem(8, 20_000)
    assert_allclose(EvidenceRidge().fit(X, y).coef_, LinearRegression().fit(X, y).coef_, rtol=1e-3)


def test_more_weights_than_points_stay_finite():
    X, y = problem(9, 10, 30)
    model = EvidenceRidge().fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite([*mean, *std]).all()
    assert np.linalg.norm(model.coef_) <= np.linalg.norm(LinearRegression().fit(X, y).coef_) * (1 + 1e-6)


def test_a_constant_target_is_predicted():
    X, _ = problem(10)
    assert_allclose(EvidenceRidge().fit(X, np.full(50, 4.0)).predict(X), 4)


def test_max_iter_is_kept():
    X, y = problem(11)
    assert EvidenceRidge(max_iter=1).fit(X, y).n_iter_ == 1
    assert 1 < EvidenceRidge().fit(X, y).n_iter_ < 300


def test_the_callers_arrays_stay_as_they_were():
    X, y = problem()
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    EvidenceRidge().fit(X, y)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])
