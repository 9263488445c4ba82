"""The sigmoid and its relatives against scipy.special, finite differences, and scikit-learn's fits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, special, stats
from scipy.special import log_ndtr, ndtr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import KBinsDiscretizer

from ch03_classification.bernoulli import malignant_as_1
from ch03_classification.sigmoid import (
    INPUT,
    Curve,
    clipped_line,
    fit_curve,
    gaussian_theta,
    half_way,
    log_sigmoid,
    logit,
    sigmoid,
    sigmoid_slope,
    staircase,
    two_gaussians,
)
from common.data import breast_cancer

anywhere = arrays(float, st.integers(0, 20), elements=st.floats(-1000, 1000))
ULP = np.finfo(float).eps


def tumours() -> tuple[np.ndarray, np.ndarray]:
    train = malignant_as_1(breast_cancer(seed=0).train).select(INPUT)
    return train.features[:, 0], train.labels


# --- the functions ----------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(x=anywhere)
def test_sigmoid_is_scipys_to_the_last_digits_and_without_a_complaint(x):
    # Below −708 results are subnormal numbers, of few digits, and scipy's are 0. Anything but underflow would raise.
    with np.errstate(all="raise", under="ignore"):
        assert_allclose(sigmoid(x), special.expit(x), rtol=4 * ULP, atol=1e-307)
        assert_allclose(log_sigmoid(x), special.log_expit(x), rtol=4 * ULP, atol=1e-307)


def test_both_tails():
    with np.errstate(all="raise", under="ignore"):
        assert_array_equal(sigmoid(np.array([-1000.0, 1000.0])), [0, 1])
        assert_array_equal(log_sigmoid(np.array([-1000.0, 1000.0])), [-1000, 0])
        assert_array_equal(sigmoid_slope(np.array([-1000.0, 1000.0])), [0, 0])
    assert_allclose(sigmoid(np.array([-700.0])), np.exp(-700), rtol=1e-14)
    assert_allclose(sigmoid_slope(np.array([700.0])), np.exp(-700), rtol=1e-14)


def test_numbers_integers_and_any_shape_will_do():
    assert sigmoid(0) == sigmoid(0.0) == 0.5
    assert_array_equal(sigmoid(np.array([[0, 1], [-1, 2]])), special.expit([[0, 1], [-1, 2]]))


@settings(max_examples=100, deadline=None)
@given(x=arrays(float, 5, elements=st.floats(-30, 30)))
def test_the_slope_is_that_of_finite_differences(x):
    assert_allclose(sigmoid_slope(x), (sigmoid(x + 1e-5) - sigmoid(x - 1e-5)) / 2e-5, atol=1e-9)
    assert_allclose(sigmoid_slope(x), sigmoid(x) * (1 - sigmoid(x)), atol=ULP)


@settings(max_examples=100, deadline=None)
@given(p=arrays(float, 5, elements=st.floats(0, 1)))
def test_logit_is_scipys_and_undoes_the_sigmoid(p):
    with np.errstate(all="raise", under="ignore"):
        ours = logit(p)
    assert_allclose(ours, special.logit(p), rtol=1e-12, atol=4 * ULP)
    assert_allclose(sigmoid(ours), p, rtol=1e-12)


def test_logit_at_the_ends_and_beyond():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(logit(np.array([0.0, 0.5, 1.0])), [-np.inf, 0, np.inf])
    for p in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"a probability lies in \[0, 1\]"):
            logit(p)


# --- theta ------------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(theta_0=st.floats(-20, 20), theta_1=st.floats(0.1, 10) | st.floats(-10, -0.1))
def test_half_way_is_where_a_root_finder_finds_one_half(theta_0, theta_1):
    curve = Curve(sigmoid, np.array([theta_0, theta_1]))
    at = half_way(curve.theta)
    ends = at + np.array([-1.0, 1.3]) / abs(theta_1)
    root = optimize.brentq(lambda x: float(curve(np.array([x]))[0]) - 0.5, *ends)
    assert_allclose(at, root, atol=1e-9)
    h = 1e-4 / abs(theta_1)
    rise = (curve(np.array([at + h])) - curve(np.array([at - h]))) / (2 * h)
    assert_allclose(rise, theta_1 / 4, rtol=1e-6)


# --- the fits ---------------------------------------------------------------------------------------------------------


def test_the_fitted_sigmoid_is_scikit_learns():
    x, y = tumours()
    peer = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(x[:, None], y)
    assert_allclose(fit_curve(log_sigmoid, x, y), [peer.intercept_[0], peer.coef_[0, 0]], rtol=1e-4)


@pytest.mark.parametrize(("log_curve", "curve"), [(log_sigmoid, special.expit), (log_ndtr, ndtr)])
def test_no_curve_near_by_is_likelier(log_curve, curve):
    x, y = tumours()
    best = fit_curve(log_curve, x, y)

    def log_likelihood(theta):
        return stats.bernoulli.logpmf(y, curve(theta[0] + theta[1] * x)).sum()

    for direction in np.random.default_rng(0).normal(size=(40, 2)) * [0.1, 0.01]:
        assert log_likelihood(best) >= log_likelihood(best + direction) - 1e-7


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.01, 0.99), means=st.tuples(*[st.floats(-5, 5)] * 2), variance=st.floats(0.1, 10))
def test_two_gaussians_of_one_variance_have_a_sigmoid_by_bayes_rule(share, means, variance):
    x, means = np.linspace(-8, 8, 33), np.array(means)
    log_joint = stats.norm.logpdf(x[:, None], means, np.sqrt(variance)) + np.log([1 - share, share])
    posterior = special.softmax(log_joint, axis=1)[:, 1]
    theta = gaussian_theta(share, means, variance)
    assert_allclose(Curve(sigmoid, theta)(x), posterior, atol=1e-12)


def test_the_two_gaussians_are_scikit_learns_linear_discriminant():
    x, y = tumours()
    peer = LinearDiscriminantAnalysis(solver="lsqr").fit(x[:, None], y)
    assert_allclose(gaussian_theta(*two_gaussians(x, y)), [peer.intercept_[0], peer.coef_[0, 0]], rtol=1e-9)


def test_the_line_is_least_squares_cut_off_at_laplaces_rule():
    x, y = tumours()
    grid = np.linspace(0, 40, 81)
    line = LinearRegression().fit(x[:, None], y).predict(grid[:, None])
    p = clipped_line(x, y)(grid)
    assert_allclose(p, np.clip(line, 1 / (len(x) + 2), (len(x) + 1) / (len(x) + 2)), rtol=1e-9)
    assert p.min() < line[line > 0].min()
    assert 0 < p.min() < p.max() < 1


def test_the_staircase_is_the_smoothed_share_in_scikit_learns_bins():
    x, y = tumours()
    bins = KBinsDiscretizer(10, encode="ordinal", quantile_method="linear").fit(x[:, None])
    where = bins.transform(x[:, None])[:, 0].astype(int)
    grid = np.linspace(x.min(), x.max(), 313)
    shares = np.array([(y[where == i].sum() + 1) / ((where == i).sum() + 2) for i in range(10)])
    assert_allclose(staircase(x, y)(grid), shares[bins.transform(grid[:, None])[:, 0].astype(int)], rtol=1e-12)
