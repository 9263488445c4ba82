"""What lessons choose: on which cars, by which score, in which direction, and whether the choice is what is fitted."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold, cross_val_score

from ch01_regression import basis, design_matrix, line, network, ridge, rivals
from common.data import auto_mpg, diabetes
from tests.recorded_lesson import recorded

FOLDS = KFold(2, shuffle=True, random_state=0)  # of smoke


def held_out_error(model, part):
    scores = cross_val_score(
        model, part.features, part.targets, cv=FOLDS, scoring="neg_root_mean_squared_error", error_score="raise"
    )
    return -scores.mean()


def test_a_basis_has_the_size_that_is_best_on_cars_left_out(monkeypatch):
    found = recorded(basis, monkeypatch)
    few = auto_mpg(seed=0).train.select("horsepower").take(slice(basis.FEW))
    kinds = {"polynomial": basis.polynomial, "Gaussian bumps": basis.gaussian, "knots": basis.piecewise}
    sizes = (basis.DEGREES[::4], basis.BUMPS[::4], basis.KNOTS[::4])
    for (name, functions), tried, choice in zip(kinds.items(), sizes, found.choices, strict=True):
        assert choice.options == list(tried)
        errors = [held_out_error(basis.curve(functions, size), few) for size in tried]
        assert_allclose(choice.scores, errors)
        assert choice.taken == tried[int(np.argmin(errors))] == found.facts[f"size chosen by cross-validation, {name}"]
        model, part = found.fitted[f"{name}, size chosen"][0].args
        assert_array_equal(part.ids, few.ids)
        width = functions(np.zeros(1), choice.taken).shape[1] - 1
        assert model["plane"].coef_.shape == (width,)


def test_the_curves_are_of_the_size_that_their_names_say(monkeypatch):
    found = recorded(basis, monkeypatch)
    widths = {name: len(found.run.methods[name].model["plane"].coef_) for name in ("line", "cubic", "20 knots")}
    assert widths == {"line": 1, "cubic": 3, "20 knots": 21}  # knots: a line, and 20 hinges


def test_ridge_has_the_penalty_that_is_best_on_cars_left_out(monkeypatch):
    found = recorded(ridge, monkeypatch)
    few = auto_mpg(seed=0).train.select("horsepower").take(slice(ridge.FEW))
    (choice,) = found.choices
    assert choice.options == ridge.PENALTIES[::3].tolist()
    errors = [held_out_error(ridge.knots(ridge.LinearRegression(ridge=penalty)), few) for penalty in choice.options]
    assert_allclose(choice.scores, errors)
    best = choice.options[int(np.argmin(errors))]
    assert best not in choice.options[:: len(choice.options) - 1], "a corner would be chosen by mistakes, too"
    name = f"{ridge.KNOTS} knots, ridge"
    assert choice.taken == best == found.facts["lambda by cross-validation"]
    assert found.run.methods[name].model[-1].ridge == best
    for calls in found.fitted.values():
        assert_array_equal(calls[0].args[1].ids, few.ids)


@pytest.mark.parametrize(
    ("module", "name", "grid", "columns"),
    [
        (rivals, "plane over products", {"plane__ridge": rivals.RIDGES[::3]}, None),
        (line, "k nearest neighbours", {"n_neighbors": line.NEIGHBOURS[::3]}, "weight"),
    ],
)
def test_a_search_is_over_the_stated_grid_and_all_training_cars(module, name, grid, columns, monkeypatch):
    found = recorded(module, monkeypatch)
    search, part = found.fitted[name][0].args
    assert {key: list(values) for key, values in search.param_grid.items()} == {k: list(v) for k, v in grid.items()}
    train = auto_mpg(seed=0).train
    assert_array_equal(part.features, (train.select(columns) if columns else train).features)
    assert_array_equal(part.targets, train.targets)
    assert search.scoring == "neg_root_mean_squared_error"  # the error that the scoreboard shows
    assert repr(search.cv) == repr(FOLDS)


def test_each_plane_is_found_by_the_solver_of_its_name(monkeypatch):
    found = recorded(design_matrix, monkeypatch)
    for solver in design_matrix.SOLVE:
        model, part = found.fitted[f"plane, {solver}"][0].args
        assert model.solver == solver
        assert_array_equal(part.features, diabetes(seed=0).train.features)


def test_the_network_and_its_rivals_learn_the_same_cars(monkeypatch):
    found = recorded(network, monkeypatch)
    train = auto_mpg(seed=0).train.select("horsepower")
    parts = [found.fitted["cubic"][0].args[1], found.fitted["kernel ridge"][0].args[1]]
    parts += [call.args[1] for calls in found.timed.values() for call in calls if call.args[0] is network.fit_network]
    assert len(parts) == 3
    for part in parts:
        assert_array_equal(part.features, train.features)


def test_the_squares_are_squares_on_the_page_and_as_high_as_the_residuals():
    x, y, theta = np.array([2.0, 3.0, 4.5]), np.array([30.0, 21.0, 18.0]), (40.0, -6.0)
    figure = line.draw_squares(x, y, {"a line": theta, "another": (30.0, -3.0)})
    figure.canvas.draw()
    axis = figure.axes[0]
    boxes = [path.get_extents() for path in axis.collections[0].get_paths()]
    pages = [axis.transData.transform([box.min, box.max]) for box in boxes]
    sides = np.array([corners[1] - corners[0] for corners in pages])
    plt.close(figure)
    assert_allclose(sides[:, 0], sides[:, 1], rtol=0.1)  # but for the margins that layout leaves
    assert_allclose([box.height for box in boxes], np.abs(y - (theta[0] + theta[1] * x)))
