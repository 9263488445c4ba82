"""Settings are chosen by cross-validation on the training data: which folds, which score, which grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from common.console import Console
from common.data import Scale, auto_mpg, breast_cancer
from common.record import LessonRecord
from common.run import Run
from common.tuning import choose, folds, scaled, tuned

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


# --- A choice among scores that are already known ---------------------------------------------------------------------


@given(scores=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=8), highest=st.booleans())
def test_the_best_score_is_taken_and_a_nan_never(scores, highest):
    options = [f"option {k}" for k in range(len(scores))]
    finite = [score for score in scores if not np.isnan(score)]
    if not finite:
        with pytest.raises(ValueError, match=f"none of {len(scores)} options has a score"):
            choose(options, scores, highest=highest)
        return
    taken = scores[options.index(choose(options, scores, highest=highest))]
    assert taken == (max(finite) if highest else min(finite))


def test_the_lowest_is_taken_unless_a_high_score_is_a_good_one():
    assert choose(["a", "b", "c"], [2.0, 1.0, 3.0]) == "b"
    assert choose(["a", "b", "c"], [2.0, 1.0, 3.0], highest=True) == "c"
    assert choose(range(5, 8), np.array([1.0, 0.5, 0.5])) == 6  # of equals, the first
    assert choose(np.array([0.1, 1.0]), [90.0, 95.0], highest=True) == 1.0


@pytest.mark.parametrize("scores", [[1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]], np.ones((2, 1))])
def test_options_and_scores_of_other_numbers_are_refused(scores):
    with pytest.raises((ValueError, TypeError), match=r"2 options, but scores of shape|Type-check"):
        choose(["a", "b"], scores)


def test_the_same_seed_makes_the_same_search_and_another_seed_other_folds():
    part = breast_cancer(seed=0).train
    grids = [{"C": list(GRID)}] * 3
    first, again, other = (
        tuned(LogisticRegression(), grid, make_run("smoke", seed)).fit(part.features[:, :3], part.labels).cv_results_
        for grid, seed in zip(grids, (0, 0, 1), strict=True)
    )
    assert_array_equal(first["mean_test_score"], again["mean_test_score"])
    assert (first["mean_test_score"] != other["mean_test_score"]).any()
