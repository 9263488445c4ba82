"""Sums of small causes, plotting positions and residuals against scipy and the speed that Berry and Esseen promise."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.linear_model import LinearRegression

from ch02_probabilistic.why_gaussian import (
    CAUSES,
    distance_to_normal,
    normal_quantiles,
    residuals,
    standardised_sums,
    with_log_targets,
)
from common.data import auto_mpg


@pytest.mark.parametrize("causes", CAUSES)
def test_sums_of_exponentials_are_a_gamma_distribution(causes):
    sums = standardised_sums(causes, 20_000, np.random.default_rng(causes))
    assert stats.kstest(causes + np.sqrt(causes) * sums, stats.gamma(causes).cdf).pvalue > 1e-3
    assert_allclose(sums.mean(), 0, atol=4 / np.sqrt(20_000))
    assert_allclose(stats.skew(sums), 2 / np.sqrt(causes), atol=0.25)


def test_the_distance_from_normal_is_the_exact_one_and_falls_as_one_over_root_k():
    x = np.linspace(-5, 8, 20_001)
    distances = []
    for causes in (1, 4, 16, 64):
        exact = np.abs(stats.gamma(causes).cdf(causes + np.sqrt(causes) * x) - stats.norm.cdf(x)).max()
        sums = standardised_sums(causes, 100_000, np.random.default_rng(causes))
        distances.append(distance_to_normal(sums))
        assert_allclose(distances[-1], exact, atol=1.95 / np.sqrt(100_000))  # Kolmogorov's test at 0.1 %
    ratios = np.array(distances[:-1]) / distances[1:]
    assert_allclose(ratios, 2, rtol=0.25)
    third_moment = 12 / np.e - 2  # E|X − 1|³ of an exponential
    assert all(d <= 0.4748 * third_moment / np.sqrt(k) for d, k in zip(distances, (1, 4, 16, 64), strict=True))


def test_distance_by_hand():
    assert_allclose(distance_to_normal(np.array([0.0])), 0.5)
    assert_allclose(distance_to_normal(np.array([-10.0, 10.0])), 0.5, atol=1e-9)


def test_normal_quantiles_are_bloms():
    for n in (1, 2, 10, 301):
        expected = [NormalDist().inv_cdf((8 * i - 3) / (8 * n + 2)) for i in range(1, n + 1)]
        assert_allclose(normal_quantiles(n), expected, atol=1e-9)
    filliben = stats.probplot(np.zeros(100))[0][0]
    assert_allclose(normal_quantiles(100), filliben, atol=0.05)


def test_normal_quantiles_are_the_expected_order_statistics_nearly():
    """Harter 1961, Table 1: of five normal values the largest is expected at 1.16296, the next at 0.49502."""
    assert_allclose(normal_quantiles(5), [-1.16296, -0.49502, 0, 0.49502, 1.16296], atol=0.02)


def test_residuals_are_those_of_the_plane_in_its_sigma():
    cars = auto_mpg(seed=0)
    fitted, held_out = residuals(cars.train, cars.test)
    peer = LinearRegression().fit(cars.train.features, cars.train.targets)
    misses = cars.train.targets - peer.predict(cars.train.features)
    sigma = np.sqrt(misses @ misses / (len(misses) - 8))
    assert_allclose(fitted, misses / sigma, rtol=1e-6, atol=1e-9)
    expected = (cars.test.targets - peer.predict(cars.test.features)) / sigma
    assert_allclose(held_out, expected, rtol=1e-6, atol=1e-9)


def test_with_log_targets_changes_the_targets_and_nothing_else():
    cars = auto_mpg(seed=0).test
    logs = with_log_targets(cars)
    assert_allclose(np.exp(logs.targets), cars.targets, rtol=1e-12)
    assert_allclose(logs.features, cars.features)
    assert_allclose(logs.ids, cars.ids)
    assert (logs.names, logs.unit) == (cars.names, "log mpg")
