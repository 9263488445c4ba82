"""Do intervals keep what they promise, on data where the promise is a theorem?"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import mean_pinball_loss

from ch02_probabilistic.linear_likelihood import GaussianLinearModel
from ch02_probabilistic.prediction_intervals import (
    METHODS,
    conformal_interval,
    contains,
    coverage,
    gaussian_interval,
    interval_score,
    log_gaussian_interval,
    quantile_interval,
)
from common.data import Table, auto_mpg


def table(rng: np.random.Generator, n: int, noise=None) -> Table:
    X = rng.normal(size=(n, 2))
    noise = rng.normal(size=n) if noise is None else noise(n)
    return Table(X, 10 + X @ [1.0, -2.0] + noise, ("a", "b"))


def test_the_gaussian_interval_is_t_times_the_models_standard_deviation():
    rng = np.random.default_rng(0)
    train, new = table(rng, 12), rng.normal(size=(5, 2))
    low, high = gaussian_interval(train, new, 0.9)
    mean, std = GaussianLinearModel().fit(train.features, train.targets).predict(new, return_std=True)
    assert_allclose((low + high) / 2, mean, rtol=1e-12)
    assert_allclose((high - low) / 2, 1.833112932656 * std, rtol=1e-9)  # t of 9 degrees, 0.95, from the tables


def test_the_gaussian_interval_of_a_line_by_the_textbook():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 10, 15)
    y = 3 + 2 * x + rng.normal(size=15)
    line = stats.linregress(x, y)
    s = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 13)
    at = np.array([0.0, 5.0, 20.0])
    half = stats.t.ppf(0.975, 13) * s * np.sqrt(1 + 1 / 15 + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    low, high = gaussian_interval(Table(x[:, None], y, ("x",)), at[:, None], 0.95)
    assert_allclose(low, line.intercept + line.slope * at - half, rtol=1e-9)
    assert_allclose(high, line.intercept + line.slope * at + half, rtol=1e-9)


def test_the_log_interval_is_the_gaussian_one_of_logarithms():
    cars = auto_mpg(seed=0)
    logs = Table(cars.train.features, np.log(cars.train.targets), cars.train.names)
    ends = gaussian_interval(logs, cars.test.features, 0.8)
    assert_allclose(np.log(log_gaussian_interval(cars.train, cars.test.features, 0.8)), ends, rtol=1e-9)


def test_the_quantile_planes_leave_the_asked_share_on_each_side_and_do_not_cross():
    rng = np.random.default_rng(2)
    train = table(rng, 200)
    low, high = quantile_interval(train, train.features, 0.8)
    assert (low <= high).all()
    assert_allclose((train.targets < low - 1e-6).mean(), 0.1, atol=3 / 200)  # at most m + 1 points lie on a plane
    assert_allclose((train.targets > high + 1e-6).mean(), 0.1, atol=3 / 200)
    peer = QuantileRegressor(quantile=0.9, alpha=0.0).fit(train.features, train.targets)
    assert_allclose(high, peer.predict(train.features), rtol=1e-6)
    far = 100 * rng.normal(size=(50, 2))  # where planes of few points cross
    assert all((a <= b).all() for a, b in [quantile_interval(table(rng, 15), far, 0.5)])


def test_conformal_by_hand():
    """Two cars fit a line, three calibrate: ⌈0.5 · 4⌉ = 2, so the second smallest miss is the half-width."""
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])[:, None]
    train = Table(x, np.array([0.0, 1.0, 2.5, 2.9, 5.0]), ("x",))
    low, high = conformal_interval(train, np.array([[10.0]]), 0.5)
    assert_allclose([low[0], high[0]], [9.5, 10.5], atol=1e-9)


def test_conformal_promises_everything_where_too_few_cars_calibrate():
    rng = np.random.default_rng(3)
    low, high = conformal_interval(table(rng, 10), rng.normal(size=(2, 2)), 0.95)  # ⌈0.95 · 6⌉ = 6 of 5 misses
    assert (low == -np.inf).all()
    assert (high == np.inf).all()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_conformal_covers_under_noise_that_is_not_gaussian(level):
    """Lei et al. 2018, Theorem 2: coverage in [level, level + 1 / (calibration + 1)], here 24 cars."""
    rng, draws = np.random.default_rng(4), 1500
    hits = []
    for _ in range(draws):
        data = table(rng, 49, noise=lambda n: rng.exponential(size=n) ** 2)
        train, new = data.take(slice(48)), data.take([48])
        hits.append(contains(conformal_interval(train, new.features, level), new.targets)[0])
    margin = 4 * np.sqrt(level * (1 - level) / draws)
    assert level - margin <= np.mean(hits) <= level + 1 / 25 + margin


def test_gaussian_intervals_cover_under_gaussian_noise():
    rng, draws = np.random.default_rng(5), 2000
    hits = []
    for _ in range(draws):
        data = table(rng, 11)
        train, new = data.take(slice(10)), data.take([10])
        hits.append(contains(gaussian_interval(train, new.features, 0.9), new.targets)[0])
    assert_allclose(np.mean(hits), 0.9, atol=4 * np.sqrt(0.09 / draws))


def test_covered_counts_the_ends():
    ends = np.array([0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0])
    assert contains(ends, np.array([0.0, 1.0, 1.1])).tolist() == [True, True, False]


def test_coverage_is_wilsons_interval_in_per_cent():
    """Newcombe 1998, Table I: 81 of 263 gives 0.2553 to 0.3662."""
    interval = coverage(np.arange(263) < 81)
    assert_allclose([interval.low, interval.high], [25.53, 36.62], atol=0.005)
    assert_allclose(interval.value, 100 * 81 / 263)


def test_the_interval_score_by_hand():
    """Level 0.9: an end that is missed by 1 costs 2 / 0.1 = 20 beside the width of 4; on the end it costs nothing."""
    ends = np.zeros(5), np.full(5, 4.0)
    assert_allclose(interval_score(ends, np.array([2.0, 0.0, 4.0, -1.0, 4.5]), 0.9), [4, 4, 4, 24, 14])


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_the_interval_score_is_a_sum_of_pinball_losses(level):
    """Gneiting and Raftery 2007, §6.2: 2/α times the pinball losses of the two quantiles."""
    rng = np.random.default_rng(0)
    y, low = rng.normal(size=(2, 300))
    high = low + rng.exponential(size=300)
    alpha = 1 - level
    losses = mean_pinball_loss(y, low, alpha=alpha / 2) + mean_pinball_loss(y, high, alpha=1 - alpha / 2)
    assert_allclose(interval_score((low, high), y, level).mean(), 2 / alpha * losses, rtol=1e-12)


def test_neither_a_wide_nor_a_narrow_interval_has_a_better_score_than_the_true_one():
    y = np.random.default_rng(1).normal(size=100_000)
    scores = {z: interval_score((np.full(y.size, -z), np.full(y.size, z)), y, 0.95).mean() for z in (1.5, 1.96, 2.6)}
    assert min(scores, key=scores.get) == 1.96


@pytest.mark.parametrize("name", METHODS)
def test_a_higher_promise_is_a_wider_interval(name):
    cars = auto_mpg(seed=0)
    _, interval = METHODS[name]
    widths = [
        np.mean(np.subtract(*interval(cars.train, cars.test.features, level)[::-1])) for level in (0.5, 0.8, 0.95)
    ]
    assert widths[0] < widths[1] < widths[2]
