"""What lessons choose and where they use it: penalties, which network is counted, which digits a temperature is of."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from ch03_classification import (
    bernoulli,
    calibration,
    logistic,
    logistic_line,
    neuron,
    no_line,
    rivals,
    separable,
    softmax,
)
from ch03_classification.baselines.tuned_rivals import classical_rivals
from common.data import breast_cancer, digits
from tests.recorded_lesson import recorded


def test_theta_begins_on_the_boundary_and_points_to_higher_probabilities(monkeypatch):
    found = recorded(logistic, monkeypatch)
    part, model = found.figures["boundary"]
    figure = logistic.draw_boundary(part, model)
    (axis,) = figure.axes
    arrow = next(text for text in axis.texts if getattr(text, "arrow_patch", None))
    (foot, tip), theta = (np.array(arrow.xyann), np.array(arrow.xy)), model["model"].coef_[0]
    plt.close(figure)

    def log_odds(point):
        return model.decision_function(model["scale"].inverse_transform(point[None]))[0]

    assert abs(log_odds(np.zeros(2))) > 0.1, "a foot at the middle is on both sides"
    assert_allclose(log_odds(foot), 0, atol=1e-9)
    assert log_odds(tip) > 1
    assert_allclose((tip - foot) / np.linalg.norm(tip - foot), theta / np.linalg.norm(theta))
    assert_allclose(foot @ [-theta[1], theta[0]], 0, atol=1e-9)  # of the boundary, the point nearest to the middle


def test_all_logistic_regressions_have_the_penalty_that_was_chosen(monkeypatch):
    found = recorded(logistic, monkeypatch)
    search = found.run.methods["logistic, Newton"].model
    penalties = np.array(search.param_grid["model__penalty"])
    assert_array_equal(penalties, logistic.PENALTIES[::3])
    best = penalties[int(np.argmax(search.cv_results_["mean_test_score"]))]
    assert search.scoring == "neg_log_loss"
    assert found.facts["penalty λ that cross-validation chooses"] == best
    models = {name: method.model for name, method in found.run.methods.items()}
    assert models["logistic, gradient"]["model"].penalty == best
    assert models["logistic, two inputs"]["model"].penalty == best
    assert_allclose(models["logistic, scikit-learn"]["model"].C, 1 / best)
    assert found.fitted["logistic, two inputs"][0].args[1].names == logistic.TWO


@pytest.mark.parametrize(
    ("module", "names"), [(logistic_line, ("k nearest neighbours",)), (logistic, logistic.RIVALS)], ids=["line", "many"]
)
def test_settings_of_rivals_are_chosen_by_the_log_loss_of_the_probabilities_that_are_scored(module, names, monkeypatch):
    found = recorded(module, monkeypatch)
    for name in names:
        search = found.run.methods[name].model
        assert search.scoring == "neg_log_loss"
        assert all(len(values) > 1 for values in search.param_grid.values())
        part = found.scored[name][0].args[0]
        loss = metrics.log_loss(part.labels, search.predict_proba(part.features))
        assert_allclose(found.value(name, "log loss"), loss, rtol=1e-9)


def test_logistic_regression_meets_the_rivals_as_they_are_in_the_lesson_on_rivals(monkeypatch):
    found = recorded(logistic, monkeypatch)
    for name, rival in classical_rivals(found.run).items():
        if name in logistic.RIVALS:
            search, part = found.fitted[name][0].args
            assert search.param_grid == rival.param_grid
            assert repr(search.estimator) == repr(rival.estimator)
            assert_array_equal(part.ids, breast_cancer(seed=0).train.ids)


def test_the_starts_counted_are_those_of_the_network_named_on_its_training_points(monkeypatch):
    monkeypatch.setattr(no_line, "share_solved", lambda model, part: model.hidden + part.features.sum() / 1e6)
    found = recorded(no_line, monkeypatch)
    for problem in ("XOR", "rings"):
        for hidden in (2, 3):
            name = f"{hidden} hidden units, {problem}"
            model, train = found.fitted[name][0].args
            assert model is found.run.methods[name].model
            assert model.hidden == hidden
            expected = 100 * (hidden + train.features.sum() / 1e6)
            assert_allclose(found.facts[no_line.starts_that_solve(problem, hidden)], expected)


def test_networks_have_the_penalty_that_is_best_on_points_left_out(monkeypatch):
    monkeypatch.setattr(no_line, "PENALTIES", [10.0, 0.0, 0.0, 0.01])  # without the default; smoke takes every third
    found = recorded(no_line, monkeypatch)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    for problem in ("XOR", "rings"):
        for hidden in (2, 3):
            name = f"{hidden} hidden units, {problem}"
            _, _, train, _ = found.timed[name][0].args
            model, part = found.fitted[name][0].args
            assert part is train  # and the penalty's choice is among the seconds to fit
            grid = no_line.PENALTIES[::3]
            few = [no_line.HiddenUnits(hidden, penalty, starts=1, random_state=0) for penalty in grid]
            scores = [cross_val_score(m, part.features, part.labels, cv=folds, scoring="accuracy").mean() for m in few]
            best = grid[int(np.argmax(scores))]
            assert found.run.methods[name].model.penalty == model.penalty == best
            assert found.facts[f"penalty λ chosen, {problem}, {hidden} hidden units"] == best


def test_rivals_of_hidden_units_are_tuned_for_the_accuracy_that_is_scored(monkeypatch):
    found = recorded(no_line, monkeypatch)
    searches = {name: calls[0].args[0] for name, calls in found.fitted.items()}
    searches = {name: model for name, model in searches.items() if isinstance(model, GridSearchCV)}
    assert {name.partition(",")[0] for name in searches} == {"RBF-SVM", "k nearest neighbours", "tree"}
    assert {search.scoring for search in searches.values()} == {"accuracy"}


def test_a_start_is_solved_where_nearly_all_points_are_right(monkeypatch):
    found = recorded(no_line, monkeypatch)
    for problem in ("XOR", "rings"):
        model, train = found.fitted[f"2 hidden units, {problem}"][0].args
        right = []
        for end in model.ends_:
            first = end[: 3 * model.hidden].reshape(3, model.hidden)
            z = np.tanh(train.features @ first[1:] + first[0]) @ end[3 * model.hidden + 1 :] + end[3 * model.hidden]
            right.append(np.mean((z > 0) == train.labels))
        share = 100 * np.mean(np.array(right) >= no_line.SOLVED)
        assert_allclose(found.facts[no_line.starts_that_solve(problem, 2)], share)


def test_temperatures_are_fitted_to_digits_that_no_method_has_learned(monkeypatch):
    found = recorded(calibration, monkeypatch)
    for name in calibration.forecasters(found.run):
        train, held_out = found.fitted[name][0].args[1], found.fitted[f"{name}, isotonic"][0].args[1]
        assert (len(train), len(held_out)) == (500, 250)
        assert not set(train.ids) & set(held_out.ids)
        _, P, labels = found.timed[f"{name}, tempered"][0].args
        assert_array_equal(labels, held_out.labels)
        assert_allclose(P, found.run.methods[name].model.predict_proba(held_out.features))


@pytest.mark.parametrize("size", list(softmax.PENALTIES))
def test_softmax_chooses_among_the_penalties_of_its_size(size, monkeypatch):
    found = recorded(softmax, monkeypatch)
    search, part = found.fitted[f"softmax, {size}"][0].args
    assert list(search.param_grid["penalty"]) == softmax.PENALTIES[size][::3]
    assert part.features.shape[1] == {"8×8": 64, "28×28": 784}[size]
    best = search.param_grid["penalty"][int(np.argmax(search.cv_results_["mean_test_score"]))]
    assert found.facts[f"penalty λ chosen, {size}"] == best
    if size == "8×8":
        assert_allclose(found.run.methods["scikit-learn's softmax, 8×8"].model.C, 1 / best)


def test_separable_compares_the_chosen_penalty_with_next_to_none(monkeypatch):
    found = recorded(separable, monkeypatch)
    search = found.run.methods["penalty by cross-validation"].model
    grid, scores = search.param_grid["model__penalty"], search.cv_results_["mean_test_score"]
    assert search.best_params_["model__penalty"] == grid[int(np.argmax(scores))]
    assert found.run.methods[f"penalty {separable.TINY:g}"].model["model"].penalty == separable.TINY < min(grid) * 1.1
    _, _, drawn, best = found.figures["path"]
    assert best == search.best_params_["model__penalty"]
    assert_allclose(drawn["held out"], scores)
    assert_allclose(drawn["fitted"], search.cv_results_["mean_train_score"])


def test_neurons_rivals_are_tuned_by_accuracy_on_training_tumours(monkeypatch):
    found = recorded(neuron, monkeypatch)
    train = neuron.malignant_as_1(breast_cancer(seed=0).train)
    for name, grid in neuron.TUNED.items():
        search, part = found.fitted[name][0].args
        assert search.scoring == "accuracy"
        assert search.param_grid == {key: values[::3] for key, values in grid.items()}
        assert_array_equal(part.features, train.features)


def test_rivals_learn_the_training_part_of_their_own_problem(monkeypatch):
    found = recorded(rivals, monkeypatch)
    ids = {"tumours": breast_cancer(seed=0).train.ids, "digits": digits(seed=0).train.ids}
    for name, calls in found.fitted.items():
        assert_array_equal(calls[0].args[1].ids, ids[name.rpartition(", ")[2]])


def test_estimates_are_from_as_many_tumours_as_they_are_named_for(monkeypatch):
    asked = []
    ask = bernoulli.expected_log_loss
    monkeypatch.setattr(bernoulli, "expected_log_loss", lambda *args: asked.append((args[0], args[1])) or ask(*args))
    found = recorded(bernoulli, monkeypatch)
    n, few = len(breast_cancer(seed=0).train), bernoulli.FEW
    names = {"k / n": bernoulli.maximum_likelihood, "Laplace's rule": bernoulli.laplace_rule}
    expected = [(rule, size) for size in (few, n) for rule in names.values()]
    assert asked[:4] == expected
    values = {
        name: found.value(name, "log loss") for name in (f"k / n, {few} tumours", f"Laplace's rule, {few} tumours")
    }
    assert values[f"Laplace's rule, {few} tumours"] < values[f"k / n, {few} tumours"]
