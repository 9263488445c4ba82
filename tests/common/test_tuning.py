"""Settings are chosen by cross-validation on the training data: which folds, which score, which grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from common.console import Console
from common.data import Scale, auto_mpg, breast_cancer
from common.record import LessonRecord
from common.run import Run
from common.tuning import folds, scaled, tuned

GRID = [1e-4, 1e-2, 1.0, 1e2, 1e4]


def make_run(preset="lecture", seed=0):
    return Run("tuning", seed, Scale(preset), LessonRecord("", ""), Path(), Console())


@pytest.mark.parametrize(("preset", "count"), [("smoke", 2), ("lecture", 5), ("full", 5)])
@pytest.mark.parametrize(("stratified", "peer"), [(False, KFold), (True, StratifiedKFold)])
def test_folds_are_scikit_learn_s_shuffled_by_the_seed(preset, count, stratified, peer):
    points, labels = np.zeros((40, 1)), np.repeat([0, 1], [30, 10])
    ours = folds(make_run(preset, seed=7), stratified)
    theirs = peer(count, shuffle=True, random_state=7)
    for mine, its in zip(ours.split(points, labels), theirs.split(points, labels), strict=True):
        assert_array_equal(mine[1], its[1])
    if stratified:
        assert all(labels[left].mean() == 0.25 for _, left in ours.split(points, labels))


def test_a_classifier_is_tuned_by_log_loss_over_stratified_folds():
    run, part = make_run(), breast_cancer(seed=0).train
    search = tuned(LogisticRegression(), {"C": GRID}, run).fit(part.features[:, :3], part.labels)
    by_hand = [
        cross_val_score(
            LogisticRegression(C=C),
            part.features[:, :3],
            part.labels,
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
            scoring="neg_log_loss",
        ).mean()
        for C in GRID
    ]
    assert_allclose(search.cv_results_["mean_test_score"], by_hand, rtol=1e-9)
    assert search.best_params_["C"] == GRID[int(np.argmax(by_hand))]


def test_a_regressor_is_tuned_by_rmse_over_folds():
    run, part = make_run(seed=3), auto_mpg(seed=0).train
    search = tuned(Ridge(), {"alpha": GRID}, run).fit(part.features, part.targets)
    by_hand = [
        cross_val_score(
            Ridge(alpha),
            part.features,
            part.targets,
            cv=KFold(5, shuffle=True, random_state=3),
            scoring="neg_root_mean_squared_error",
        ).mean()
        for alpha in GRID
    ]
    assert_allclose(search.cv_results_["mean_test_score"], by_hand, rtol=1e-9)
    best = clone(search.estimator).set_params(**search.best_params_).fit(part.features, part.targets)
    assert_allclose(search.predict(part.features), best.predict(part.features))  # fitted again, to all of the part


@pytest.mark.parametrize(("preset", "left"), [("smoke", [GRID[0], GRID[3]]), ("lecture", GRID), ("full", GRID)])
def test_smoke_tries_every_third_value(preset, left):
    given = {"C": list(GRID), "gamma": [1.0]}
    search = tuned(SVC(), given, make_run(preset))
    assert search.param_grid == {"C": left, "gamma": [1.0]}
    assert given == {"C": GRID, "gamma": [1.0]}


def test_the_score_and_the_search_may_be_told():
    model, run = RidgeClassifier(), make_run()  # which has no probabilities for a log loss
    search = tuned(model, {"alpha": GRID}, run, scoring="accuracy", cv=3, refit=False)
    assert type(search) is GridSearchCV
    assert (search.scoring, search.cv, search.refit) == ("accuracy", 3, False)
    assert search.estimator is model


def test_scaled_does_not_care_for_units():
    part, units = auto_mpg(seed=0).train, np.geomspace(1e-3, 1e3, 7)
    plain, other = (
        scaled(Ridge(10.0)).fit(x, part.targets).predict(x) for x in (part.features, 5 + units * part.features)
    )
    assert_allclose(other, plain, rtol=1e-9)
