"""Which cars are spoilt, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import HuberRegressor, LinearRegression

from ch02_probabilistic.contamination import LITRES, SHARE, contaminated, methods
from common.console import Console
from common.data import Scale, auto_mpg
from common.record import LessonRecord
from common.run import Run


def test_litres_is_a_gallon_over_a_hundred_kilometres():
    gallon, mile = 3.785411784, 1.609344  # litres, kilometres; both by definition
    assert_allclose(LITRES, 100 * gallon / mile, atol=5e-4)
    assert SHARE == 0.2


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_that_share_is_rewritten_and_the_rest_untouched(share):
    cars = auto_mpg(seed=0).train
    wrong = contaminated(cars, share, np.random.default_rng(1))
    changed = wrong.targets != cars.targets
    assert changed.sum() == round(share * len(cars))
    assert_allclose(wrong.targets[changed], LITRES / cars.targets[changed], rtol=1e-12)
    assert_array_equal(wrong.targets[~changed], cars.targets[~changed])
    assert_array_equal(wrong.features, cars.features)
    assert_array_equal(wrong.ids, cars.ids)
    assert (wrong.names, wrong.unit) == (cars.names, cars.unit)


def test_twice_is_as_never():
    cars = auto_mpg(seed=0).train
    twice = contaminated(contaminated(cars, 1.0, np.random.default_rng(0)), 1.0, np.random.default_rng(0))
    assert_allclose(twice.targets, cars.targets, rtol=1e-12)


def test_the_generator_decides_which():
    cars = auto_mpg(seed=0).train
    first, again, other = (contaminated(cars, 0.2, np.random.default_rng(seed)).targets for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_the_drawn_cars_are_any_cars():
    """Over many draws every car is hit about as often: it is not always the first ones."""
    cars = auto_mpg(seed=0).train
    rng = np.random.default_rng(3)
    hits = sum((contaminated(cars, 0.2, rng).targets != cars.targets).astype(int) for _ in range(400))
    assert_allclose(hits / 400, 0.2, atol=5 * np.sqrt(0.2 * 0.8 / 400))


def smoke_run() -> Run:
    """A run at the smoke preset, of which methods() asks the seed and the preset."""
    return Run("contamination", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())


def test_robust_lines_notice_and_least_squares_does_not():
    cars = auto_mpg(seed=0)
    clean, test = cars.train.select("weight"), cars.test.select("weight")
    wrong = contaminated(clean, SHARE, np.random.default_rng(0))
    rmse = {
        name: np.sqrt(np.mean((make().fit(wrong.features, wrong.targets).predict(test.features) - test.targets) ** 2))
        for name, (_, make) in methods(smoke_run()).items()
    }
    worst = rmse.pop("Gaussian (least squares)")
    assert all(value < worst for value in rmse.values())
    least_squares = LinearRegression().fit(wrong.features, wrong.targets).predict(test.features)
    assert_allclose(worst, np.sqrt(np.mean((least_squares - test.targets) ** 2)), rtol=1e-8)
    assert isinstance(methods(smoke_run())["Huber"][1]()[-1], HuberRegressor)
