"""The rivals see training data only; neighbours and Platt's machines give the probabilities that they say they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold, StratifiedShuffleSplit, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from ch03_classification.baselines.tuned_rivals import Neighbours, Platt, classical_rivals
from ch03_classification.digits.tables import pixels
from ch03_classification.logistic import LogisticRegression
from ch03_classification.rivals import our_regression
from ch03_classification.softmax import SoftmaxRegression
from common.console import Console
from common.data import Scale, breast_cancer, digits
from common.record import LessonRecord
from common.run import Run
from common.tuning import scaled, tuned

RIVALS = (
    "k nearest neighbours",
    "naive Bayes",
    "linear discriminant",
    "linear SVM",
    "RBF-SVM",
    "random forest",
)
MACHINES = ("linear SVM", "RBF-SVM")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threadpool_limits(1):
        yield


def make_run(seed: int = 0, preset: str = "smoke") -> Run:
    return Run("rivals", seed, Scale(preset), LessonRecord("", ""), Path(), Console())


@parametrize_with_checks([Neighbours()])
def test_neighbours_are_a_scikit_learn_classifier(estimator, check):
    check(estimator)


# --- What a rival learns from -----------------------------------------------------------------------------------------


def test_the_rivals_are_these():
    assert tuple(classical_rivals(make_run())) == RIVALS


@pytest.mark.parametrize("name", [name for name in RIVALS if name not in MACHINES])
def test_a_rival_learns_from_nothing_but_what_it_is_fitted_to(name):
    """Refitting its best setting by hand on the training tumours gives the same probabilities."""
    tumours = breast_cancer(seed=0)
    X, y = tumours.train.features, tumours.train.targets
    rival = classical_rivals(make_run())[name].fit(X, y)
    assert (rival.scoring, rival.cv.get_n_splits()) == ("neg_log_loss", 2)
    by_hand = clone(rival.estimator).set_params(**rival.best_params_).fit(X, y)
    test = tumours.test.features
    assert_allclose(rival.predict_proba(test), by_hand.predict_proba(test), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_tuned_for_accuracy_and_then_calibrated_on_the_training_part_alone(name):
    tumours = breast_cancer(seed=1)
    X, y = tumours.train.features, tumours.train.targets
    rival = classical_rivals(make_run())[name].fit(X, y)
    search = clone(rival.search).fit(X, y)
    assert search.scoring == "accuracy"
    machine = make_pipeline(StandardScaler(), clone(search.best_estimator_["model"]))
    assert machine[-1].kernel == {"linear SVM": "linear", "RBF-SVM": "rbf"}[name]
    by_hand = CalibratedClassifierCV(machine, method="sigmoid", ensemble=False, cv=5).fit(X, y)
    test = tumours.test.features
    assert_allclose(rival.predict_proba(test), by_hand.predict_proba(test), rtol=1e-6)
    assert_array_equal(rival.predict(test), by_hand.predict(test))
    assert_array_equal(rival.classes_, [0, 1])


def test_the_setting_is_what_cross_validation_likes():
    tumours = breast_cancer(seed=0).train
    run = make_run()
    search = classical_rivals(run)["k nearest neighbours"].fit(tumours.features, tumours.targets)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    scores = {
        k: cross_val_score(
            scaled(Neighbours(n_neighbors=k)), tumours.features, tumours.targets, cv=folds, scoring="neg_log_loss"
        ).mean()
        for k in search.param_grid["model__n_neighbors"]
    }
    assert search.best_params_["model__n_neighbors"] == max(scores, key=scores.get)


def test_searching_and_scaling_can_be_told():
    one = StratifiedShuffleSplit(1, test_size=0.5, random_state=0)
    rivals = classical_rivals(make_run(), standardise=False, cv=one, scoring="accuracy")
    for name, rival in rivals.items():
        search = rival.search if name in MACHINES else rival
        assert (search.cv, search.scoring) == (one, "accuracy")
        assert [step for step, _ in search.estimator.steps] == ["model"]


def test_ours_are_logistic_for_tumours_and_softmax_for_digits():
    run = make_run()
    assert isinstance(our_regression(run, "tumours").estimator["model"], LogisticRegression)
    assert isinstance(our_regression(run, "digits").estimator, SoftmaxRegression)


# --- Probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 5, 12])
def test_neighbours_and_an_undecided_one(k):
    part = pixels(digits(seed=0).train, white=16)
    X, y = part.features[:300], part.labels[:300]
    ours, plain = Neighbours(n_neighbors=k).fit(X, y), KNeighborsClassifier(n_neighbors=k).fit(X, y)
    P = ours.predict_proba(part.features[300:400])
    assert_allclose(P.sum(axis=1), 1)
    assert_allclose(P.min(), 0.1 / (k + 1))
    votes = k * plain.predict_proba(part.features[300:400])
    assert_allclose(P, (votes + np.full(10, 0.1)) / (k + 1))
    assert_array_equal(ours.predict(part.features[300:400]), plain.predict(part.features[300:400]))


def test_platt_is_a_sigmoid_of_the_machines_score():
    tumours = breast_cancer(seed=0)
    model = Platt(tuned(scaled(SVC(kernel="linear")), {"model__C": [0.1]}, make_run(), "accuracy"))
    model.fit(tumours.train.features, tumours.train.targets)
    p = model.predict_proba(tumours.test.features)[:, 1]
    score = model.estimator_.decision_function(tumours.test.features)
    odds = np.log(p / (1 - p))
    line = np.polyfit(score, odds, 1)
    assert_allclose(np.polyval(line, score), odds, atol=1e-6)
    assert line[0] > 0


def test_platt_leaves_the_search_it_was_given_unfitted():
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=2)
    Platt(search).fit(*(part[:100] for part in (breast_cancer().train.features, breast_cancer().train.targets)))
    assert not hasattr(search, "best_estimator_")
