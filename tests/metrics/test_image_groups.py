"""Intervals over images and groups, by the statistic whose answers are known: a mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from common.metrics.image_groups import Groups
from common.results import bootstrap_interval, grouped_interval


def mean_of(values: np.ndarray):
    """The mean as a function of weights; NaN for weights of 0."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        return np.where(total > 0, weights @ values / np.maximum(total, 1), math.nan)

    return statistic


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).exponential(size=80)


def test_the_pseudo_values_of_a_mean_are_the_values(values):
    assert_allclose(Groups(None, 80).by_image(mean_of(values)), values)


def test_the_pseudo_values_of_groups_of_one_size_are_their_means(values):
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(20), 4))
    found = Groups(groups, 80).by_image(mean_of(values))
    assert_allclose(found, [values[groups == g].mean() for g in groups])


@pytest.mark.parametrize("sizes", [[4] * 20, [1, 2, 3, 4, 30, 5, 15, 20]])
def test_the_interval_of_groups_is_the_jackknife_s(values, sizes):
    groups = np.repeat(np.arange(len(sizes)), sizes) * 5
    found = Groups(groups, 80).interval(mean_of(values))
    assert found.ends == pytest.approx(grouped_interval(np.mean, values, groups=groups).ends)


def test_the_interval_of_independent_images_is_the_bootstrap_s(values):
    found, expected = Groups(None, 80).interval(mean_of(values)), bootstrap_interval(np.mean, values)
    assert found.ends == pytest.approx(expected.ends, abs=0.05)
    assert found.value == pytest.approx(values.mean())
    assert found.low < found.value < found.high


def test_values_by_image_give_the_interval_of_the_groups_whatever_their_sizes(values):
    """score_items leaves groups out of the mean of by_image; that has to be the interval of the statistic itself."""
    sizes = np.random.default_rng(2).integers(3, 6, 18)
    groups = np.repeat(np.arange(18), sizes)
    x = np.resize(values, sizes.sum())
    direct = Groups(groups, len(x)).interval(mean_of(x))
    through = grouped_interval(np.mean, Groups(groups, len(x)).by_image(mean_of(x)), groups=groups)
    assert through.value == pytest.approx(direct.value)
    assert through.half_width == pytest.approx(direct.half_width, rel=0.05)


@pytest.mark.parametrize(("n", "groups"), [(1, None), (4, [7, 7, 7, 7])])
def test_one_image_or_one_group_has_a_value_and_no_interval(n, groups):
    values = np.arange(1.0, n + 1)
    found = Groups(None if groups is None else np.array(groups), n)
    assert found.interval(mean_of(values)).value == values.mean()
    assert math.isnan(found.interval(mean_of(values)).low)
    assert_allclose(found.by_image(mean_of(values)), values.mean())


def test_no_image_at_all_has_no_value():
    assert math.isnan(Groups(None, 0).interval(mean_of(np.zeros(0))).value)
    assert Groups(None, 0).by_image(mean_of(np.zeros(0))).shape == (0,)


def test_a_group_that_cannot_be_left_out_has_the_statistic_itself():
    """Only the first image has the quantity: without it there is no mean, and draws without it are left aside."""
    amounts, has = np.array([3.0, 0, 0]), np.array([1.0, 0, 0])

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.where(weights @ has > 0, weights @ amounts / np.maximum(weights @ has, 1), math.nan)

    assert_allclose(Groups(None, 3).by_image(statistic), 3)
    assert_allclose(Groups(None, 3).interval(statistic).ends, 3)


def test_the_same_seed_draws_the_same_images():
    groups = Groups(None, 30)
    assert_allclose(groups.draw(20, seed=4), groups.draw(20, seed=4))
    assert not np.array_equal(groups.draw(20, seed=4), groups.draw(20, seed=5))
