"""The rivals see training data only; the plane over products is a ridge over written-out products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

from ch01_regression.baselines.tuned_rivals import classical_rivals
from ch01_regression.design_matrix import LinearRegression
from ch01_regression.rivals import products_plane
from common.console import Console
from common.data import Scale, auto_mpg
from common.record import LessonRecord
from common.run import Run
from common.tuning import folds, scaled, tuned

RIVALS = ("k nearest neighbours", "tree", "random forest", "kernel ridge")


def make_run(seed: int = 0, preset: str = "smoke") -> Run:
    return Run("rivals", seed, Scale(preset), LessonRecord("", ""), Path(), Console())


@pytest.mark.parametrize(("preset", "count"), [("smoke", 2), ("lecture", 5), ("full", 5)])
def test_folds_are_shuffled_by_the_seed(preset, count):
    points = np.zeros((20, 1))
    splits = [left for _, left in folds(make_run(7, preset)).split(points)]
    expected = [left for _, left in KFold(count, shuffle=True, random_state=7).split(points)]
    assert len(splits) == count
    for a, b in zip(splits, expected, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_learns_from_nothing_but_what_it_is_fitted_to(name):
    """Refitting its best setting by hand on the training cars gives the same predictions."""
    run, cars = make_run(), auto_mpg(seed=0)
    rival = classical_rivals(run)[name]
    assert rival.refit
    assert rival.cv.get_n_splits() == 2
    rival.fit(cars.train.features, cars.train.targets)
    by_hand = clone(rival.estimator).set_params(**rival.best_params_).fit(cars.train.features, cars.train.targets)
    assert_allclose(rival.predict(cars.test.features), by_hand.predict(cars.test.features), rtol=1e-12)


def test_the_rivals_are_four_and_the_setting_is_what_cross_validation_likes():
    run, cars = make_run(), auto_mpg(seed=0)
    rivals = classical_rivals(run)
    assert tuple(rivals) == RIVALS
    search = rivals["tree"].fit(cars.train.features, cars.train.targets)
    score = "neg_root_mean_squared_error"
    by_hand = {
        leaf: cross_val_score(
            clone(search.estimator).set_params(min_samples_leaf=leaf),
            cars.train.features,
            cars.train.targets,
            cv=folds(run),
            scoring=score,
        ).mean()
        for leaf in search.param_grid["min_samples_leaf"]
    }
    assert search.best_params_["min_samples_leaf"] == max(by_hand, key=by_hand.get)


def test_the_scaler_is_fitted_on_the_training_folds_and_not_before():
    cars = auto_mpg(seed=0).train
    model = scaled(LinearRegression(ridge=5.0))
    half = len(cars) // 2
    model.fit(cars.features[:half], cars.targets[:half])
    assert_allclose(model["scale"].mean_, cars.features[:half].mean(axis=0))


def standard(X, like):
    return (X - like.mean(axis=0)) / like.std(axis=0)


def written_out(X):
    m = X.shape[1]
    return np.column_stack([X] + [X[:, i] * X[:, j] for i in range(m) for j in range(i, m)])


@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_products_plane_is_a_ridge_over_written_out_products(ridge):
    cars = auto_mpg(seed=1)
    train, test = cars.train.features, cars.test.features
    model = products_plane().set_params(plane__ridge=ridge).fit(train, cars.train.targets)
    products = written_out(standard(train, train))
    assert products.shape[1] == len(model["plane"].coef_) == 35
    peer = Ridge(ridge, solver="svd").fit(standard(products, products), cars.train.targets)
    expected = peer.predict(standard(written_out(standard(test, train)), products))
    assert_allclose(model.predict(test), expected, rtol=1e-8)


def test_tuned_scores_by_rmse():
    search = tuned(LinearRegression(), {"ridge": [0.0, 1e9]}, make_run())
    cars = auto_mpg(seed=0).train
    search.fit(cars.features, cars.targets)
    assert search.scoring == "neg_root_mean_squared_error"
    assert search.best_params_ == {"ridge": 0.0}
