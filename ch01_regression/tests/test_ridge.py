"""Cross-validation and the path of ridge against scikit-learn's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import KFold, cross_val_score

from ch01_regression.design_matrix import LinearRegression
from ch01_regression.ridge import PENALTIES, cross_validated_errors, knots
from common.console import Console
from common.data import Scale, Table, auto_mpg
from common.record import LessonRecord
from common.run import Run
from common.tuning import folds


@pytest.fixture
def run() -> Run:
    return Run("ridge", 3, Scale(), LessonRecord("", ""), Path(), Console())


@pytest.fixture(scope="module")
def forty() -> Table:
    return auto_mpg(seed=0).train.select("horsepower").take(slice(40))


def test_errors_are_those_of_cross_val_score(run, forty):
    penalties = np.array([1e-3, 1.0, 1e3])
    errors = cross_validated_errors(forty, penalties, run)
    assert errors.shape == (3, 5)
    for penalty, row in zip(penalties, errors, strict=True):
        score = "neg_root_mean_squared_error"
        cv = KFold(5, shuffle=True, random_state=3)
        scores = cross_val_score(knots(Ridge(penalty)), forty.features, forty.targets, cv=cv, scoring=score)
        assert_allclose(row, -scores, rtol=1e-6)


def test_the_penalty_chosen_is_that_of_ridgecv(run, forty):
    errors = cross_validated_errors(forty, PENALTIES, run)
    peer = knots(RidgeCV(PENALTIES, scoring="neg_root_mean_squared_error", cv=folds(run)))
    peer.fit(forty.features, forty.targets)
    ours = errors.mean(axis=1)
    # knots() standardises within each fold, RidgeCV behind it once over all cars: two answers, nearly as good
    at = int(np.argmin(np.abs(PENALTIES - peer[-1].alpha_)))
    assert ours[at] <= 1.1 * ours.min()


def test_the_weights_of_the_path_are_those_of_ridge_and_shrink(forty):
    lengths, costs = [], []
    for penalty in PENALTIES:
        ours = knots(LinearRegression(ridge=float(penalty))).fit(forty.features, forty.targets)
        peer = knots(Ridge(float(penalty), solver="svd")).fit(forty.features, forty.targets)
        assert_allclose(ours[-1].coef_, peer[-1].coef_, rtol=1e-5, atol=1e-6)
        lengths.append(np.linalg.norm(ours[-1].coef_))
        costs.append(np.sum((ours.predict(forty.features) - forty.targets) ** 2))
    assert len(ours[-1].coef_) == 21
    assert (np.diff(lengths) < 0).all()
    assert (np.diff(costs) > 0).all()


def test_knots_are_standardised_on_the_training_points(forty):
    functions = knots(LinearRegression(ridge=1.0)).fit(forty.features, forty.targets)[:-1].transform(forty.features)
    assert_allclose(functions.mean(axis=0), 0, atol=1e-12)
    spread = functions.std(axis=0)
    assert_allclose(spread[spread > 0], 1, rtol=1e-9)
