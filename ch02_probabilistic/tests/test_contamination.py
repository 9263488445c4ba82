"""Which cars are spoilt, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import HuberRegressor, LinearRegression

from ch02_probabilistic.contamination import LITRES, SHARE, contaminate, draw_contamination, errors_by_share, methods
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
    wrong = contaminate(cars, share, np.random.default_rng(1))
    changed = wrong.targets != cars.targets
    assert changed.sum() == round(share * len(cars))
    assert_allclose(wrong.targets[changed], LITRES / cars.targets[changed], rtol=1e-12)
    assert_array_equal(wrong.targets[~changed], cars.targets[~changed])
    assert_array_equal(wrong.features, cars.features)
    assert_array_equal(wrong.ids, cars.ids)
    assert (wrong.names, wrong.unit) == (cars.names, cars.unit)


def test_twice_is_as_never():
    cars = auto_mpg(seed=0).train
    twice = contaminate(contaminate(cars, 1.0, np.random.default_rng(0)), 1.0, np.random.default_rng(0))
    assert_allclose(twice.targets, cars.targets, rtol=1e-12)


def test_what_is_wrong_at_one_share_is_wrong_at_a_larger_one():
    cars = auto_mpg(seed=0).train
    few, many = (contaminate(cars, share, np.random.default_rng(5)).targets != cars.targets for share in (0.1, 0.4))
    assert few.sum() < many.sum()
    assert many[few].all()


def test_the_generator_decides_which():
    cars = auto_mpg(seed=0).train
    first, again, other = (contaminate(cars, 0.2, np.random.default_rng(seed)).targets for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_the_drawn_cars_are_any_cars():
    """Over many draws every car is hit about as often: it is not always the first ones."""
    cars = auto_mpg(seed=0).train
    rng = np.random.default_rng(3)
    hits = sum((contaminate(cars, 0.2, rng).targets != cars.targets).astype(int) for _ in range(400))
    assert_allclose(hits / 400, 0.2, atol=5 * np.sqrt(0.2 * 0.8 / 400))


def smoke_run() -> Run:
    """A run at the smoke preset, of which methods() asks the seed and the preset."""
    return Run("contamination", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())


def test_robust_lines_notice_and_least_squares_does_not():
    cars = auto_mpg(seed=0)
    clean, test = cars.train.select("weight"), cars.test.select("weight")
    wrong = contaminate(clean, SHARE, np.random.default_rng(0))
    rmse = {
        name: np.sqrt(np.mean((make().fit(wrong.features, wrong.targets).predict(test.features) - test.targets) ** 2))
        for name, (_, make) in methods(smoke_run()).items()
    }
    worst = rmse.pop("Gaussian (least squares)")
    assert all(value < worst for value in rmse.values())
    least_squares = LinearRegression().fit(wrong.features, wrong.targets).predict(test.features)
    assert_allclose(worst, np.sqrt(np.mean((least_squares - test.targets) ** 2)), rtol=1e-8)
    assert isinstance(methods(smoke_run())["Huber"][1]()[-1], HuberRegressor)


def test_errors_by_share_are_those_of_the_cars_that_one_seed_contaminates():
    cars, run = auto_mpg(seed=0), smoke_run()
    train, held_out = (part.select("weight") for part in cars.split(seed=0))
    errors = errors_by_share(train, held_out, [0.0, 0.3], run)
    for at, share in enumerate([0.0, 0.3]):
        wrong = contaminate(train, share, np.random.default_rng(run.seed))
        predicted = LinearRegression().fit(wrong.features, wrong.targets).predict(held_out.features)
        rmse = np.sqrt(np.mean((predicted - held_out.targets) ** 2))
        assert_allclose(errors["Gaussian (least squares)"][at], rmse, rtol=1e-8)


def test_the_wrong_cars_are_the_crosses():
    clean = auto_mpg(seed=0).train.select("weight")
    wrong = contaminate(clean, 0.3, np.random.default_rng(0))
    line = LinearRegression().fit(wrong.features, wrong.targets)
    panel = draw_contamination(clean, wrong, {"line": line}, [0.0, 0.3], {"line": [4.0, 6.0]}).axes[0]
    right, crosses = (np.array(dots.get_data()) for dots in panel.lines[:2])
    changed = wrong.targets != clean.targets
    assert_array_equal(crosses, [wrong.features[changed, 0], wrong.targets[changed]])
    assert_array_equal(right, [wrong.features[~changed, 0], wrong.targets[~changed]])
    assert "30 % in the wrong unit" in (panel.get_title(), panel.get_title(loc="left"))
