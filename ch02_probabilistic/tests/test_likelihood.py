"""Densities and likelihoods against scipy.stats, and the lecture's three points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import optimize, stats

from ch02_probabilistic.likelihood import (
    POINTS,
    VARIANCE,
    fit_gaussian,
    gaussian_log_density,
    gaussian_log_likelihood,
)

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
variances = st.floats(1e-6, 1e6)


@settings(max_examples=200, deadline=None)
@given(y=arrays(float, st.integers(1, 20), elements=numbers), mean=numbers, variance=variances)
def test_density_and_likelihood_are_those_of_scipy(y, mean, variance):
    expected = stats.norm.logpdf(y, mean, np.sqrt(variance))
    assert_allclose(gaussian_log_density(y, mean, variance), expected, rtol=1e-10, atol=1e-12)
    assert_allclose(gaussian_log_likelihood(y, mean, variance), expected.sum(), rtol=1e-10, atol=1e-10)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), n=st.integers(1, 20))
def test_mean_and_variance_may_differ_from_point_to_point(data, n):
    y, mean = (data.draw(arrays(float, n, elements=numbers)) for _ in range(2))
    variance = data.draw(arrays(float, n, elements=variances))
    expected = stats.norm.logpdf(y, mean, np.sqrt(variance))
    assert_allclose(gaussian_log_density(y, mean, variance), expected, rtol=1e-10, atol=1e-12)
    assert_allclose(gaussian_log_density(y, 0.0, variance), stats.norm.logpdf(y, 0, np.sqrt(variance)), rtol=1e-10)
    assert_allclose(gaussian_log_likelihood(y, mean, 2.0), stats.norm.logpdf(y, mean, np.sqrt(2)).sum(), rtol=1e-10)


@pytest.mark.parametrize("variance", [0.0, -1.0, np.nan, np.array([1.0, 0.0]), np.array([1.0, -2.0])])
def test_refuses_a_variance_that_is_not_above_0(variance):
    with pytest.raises(ValueError, match="variance must be above 0"):
        gaussian_log_likelihood(np.array([1.0, 2.0]), 0.0, variance)


def test_the_likeliest_mean_of_the_lectures_three_points_is_one():
    assert_allclose(POINTS, [1, 0.5, 1.5])
    assert VARIANCE == 1
    grid = np.linspace(-4, 6, 2001)
    logs = [gaussian_log_likelihood(POINTS, mean, VARIANCE) for mean in grid]
    assert_allclose(grid[np.argmax(logs)], 1, atol=1e-9)
    found = optimize.minimize_scalar(lambda mean: -gaussian_log_likelihood(POINTS, mean, VARIANCE))
    assert_allclose(found.x, 1, atol=1e-6)
    assert_allclose(-found.fun, -3 * np.log(2 * np.pi) / 2 - 0.25, rtol=1e-12)


def test_the_log_likelihood_of_the_mean_is_a_parabola():
    grid = np.linspace(-3, 3, 13)
    logs = [gaussian_log_likelihood(POINTS, mean, VARIANCE) for mean in grid]
    assert_allclose(np.polyfit(grid, logs, 2), [-1.5, 3, -1.5 * np.log(2 * np.pi) - 1.75], rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(y=arrays(float, st.integers(2, 30), elements=st.floats(-100, 100)))
def test_fit_gaussian_is_scipys_fit(y):
    mean, variance = fit_gaussian(y)
    loc, scale = stats.norm.fit(y)
    assert_allclose([mean, np.sqrt(variance)], [loc, scale], rtol=1e-9, atol=1e-12)


def test_no_other_gaussian_is_likelier():
    y = np.random.default_rng(0).gamma(2, size=40)
    found = optimize.minimize(lambda p: -gaussian_log_likelihood(y, p[0], np.exp(p[1])), (0.0, 0.0), tol=1e-12)
    mean, variance = fit_gaussian(y)
    assert_allclose([mean, variance], [found.x[0], np.exp(found.x[1])], rtol=1e-4)
    assert gaussian_log_likelihood(y, mean, variance) >= -found.fun - 1e-9
