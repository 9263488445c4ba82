"""Three solvers against scikit-learn's LinearRegression and Ridge, numpy's lstsq, and columns that lie in wait."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.linear_model import LinearRegression as Peer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ch01_regression import design_matrix as module
from ch01_regression.conditioning import design_of_condition
from ch01_regression.design_matrix import (
    SOLVE,
    LinearRegression,
    design_matrix,
    normal_equations,
    solve_cholesky,
    solve_qr,
)

RTOL = 1e-8
every_solver = pytest.mark.parametrize("solver", SOLVE)
REPEATED = "points settle .* directions, so many weights fit alike"


def problem(
    seed: int = 0, n: int = 60, m: int = 5, offset: float = 3.0, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = offset + scale * rng.normal(size=(n, m))
    return X, X @ np.arange(1.0, m + 1) + 2 + 0.3 * rng.normal(size=n)


def assert_same_plane(ours, peer, rtol=RTOL):
    size = np.abs(peer.coef_).max()
    assert_allclose(ours.coef_, peer.coef_, rtol=rtol, atol=rtol * size)
    assert_allclose(ours.intercept_, peer.intercept_, rtol=rtol, atol=rtol * max(1.0, abs(peer.intercept_)))


# --- The textbook's four lines ----------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 6), offset=st.floats(-3, 3))
def test_the_normal_equations_give_what_numpy_scikit_learn_and_every_solver_give(seed, m, offset):
    """Where columns are of size 1 and far from dependent, the short way is as good as the safe ones."""
    features, y = problem(seed, 80, m, offset)
    X = design_matrix(features)
    theta = normal_equations(X, y)
    assert_allclose(theta, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-8, atol=1e-9)
    peer = Peer().fit(features, y)
    assert_allclose(theta, [peer.intercept_, *peer.coef_], rtol=1e-8, atol=1e-9)
    for solver in SOLVE:
        safe = LinearRegression(solver).fit(features, y)
        assert_allclose(theta, [safe.intercept_, *safe.coef_], rtol=1e-8, atol=1e-9)


def test_where_columns_nearly_repeat_each_other_the_short_way_loses_the_digits_that_qr_keeps():
    X = design_of_condition(1e7, np.random.default_rng(0))
    theta = np.arange(1.0, 9)
    short = normal_equations(X, X @ theta)
    safe = solve_qr(X, X.mean(axis=0), X @ theta, 0.0)
    assert np.abs(safe - theta).max() < 1e-6 < 1e-4 < np.abs(short - theta).max()


# --- scikit-learn's idea of a regressor -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*many weights fit alike")
@parametrize_with_checks([LinearRegression(solver, ridge) for solver in SOLVE for ridge in (0.0, 0.5)])
def test_is_a_scikit_learn_regressor(estimator, check):
    check(estimator)


@every_solver
def test_works_in_pipeline_clone_and_grid_search(solver):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    ours = make_pipeline(StandardScaler(), LinearRegression(solver))
    peer = make_pipeline(StandardScaler(), Ridge(solver="cholesky"))
    penalties = [0.1, 10.0, 1000.0]
    search = GridSearchCV(ours, {"linearregression__ridge": penalties}).fit(X, y)
    expected = GridSearchCV(peer, {"ridge__alpha": penalties}).fit(X, y)
    assert search.best_params_["linearregression__ridge"] == expected.best_params_["ridge__alpha"]
    assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=RTOL)
    assert clone(LinearRegression(solver, 2.0)).get_params() == {"solver": solver, "ridge": 2.0}


# --- the same numbers as scikit-learn ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(1, 12),
    more=st.integers(5, 80),
    offset=st.floats(-100, 100),
    scale=st.floats(0.1, 10),
    ridge=st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
    solver=st.sampled_from(list(SOLVE)),
)
def test_agrees_with_linear_regression_and_ridge(seed, m, more, offset, scale, ridge, solver):
    X, y = problem(seed, 2 * m + more, m, offset, scale)
    peer = Ridge(ridge, solver="cholesky") if ridge else Peer()
    assert_same_plane(LinearRegression(solver, ridge).fit(X, y), peer.fit(X, y))


@every_solver
@pytest.mark.parametrize("ridge", [0.0, 0.1, 10.0])
@pytest.mark.parametrize("n", [module.BLOCK - 1, module.BLOCK, 2 * module.BLOCK + 1])  # the edges of blocks
def test_agrees_around_the_size_of_a_block(solver, ridge, n):
    X, y = problem(1, n, 4)
    peer = Ridge(ridge, solver="cholesky") if ridge else Peer()
    assert_same_plane(LinearRegression(solver, ridge).fit(X, y), peer.fit(X, y))


@every_solver
def test_agrees_on_the_diabetes_table(solver):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    assert_same_plane(LinearRegression(solver).fit(X, y), Peer().fit(X, y))
    assert_allclose(LinearRegression(solver).fit(X, y).predict(X), Peer().fit(X, y).predict(X), rtol=RTOL)


@every_solver
def test_nist_longley(solver):
    """NIST, Statistical Reference Datasets, Longley 1967: seven certified weights of an ill-conditioned table."""
    numbers = """
    60323 83.0 234289 2356 1590 107608 1947 61122 88.5 259426 2325 1456 108632 1948 60171 88.2 258054 3682 1616
    109773 1949 61187 89.5 284599 3351 1650 110929 1950 63221 96.2 328975 2099 3099 112075 1951 63639 98.1 346999
    1932 3594 113270 1952 64989 99.0 365385 1870 3547 115094 1953 63761 100.0 363112 3578 3350 116219 1954 66019
    101.2 397469 2904 3048 117388 1955 67857 104.6 419180 2822 2857 118734 1956 68169 108.4 442769 2936 2798 120445
    1957 66513 110.8 444546 4681 2637 121950 1958 68655 112.6 482704 3813 2552 123366 1959 69564 114.2 502601 3931
    2514 125368 1960 69331 115.7 518173 4806 2572 127852 1961 70551 116.9 554894 4007 2827 130081 1962"""
    table = np.array(numbers.split(), float).reshape(16, 7)
    model = LinearRegression(solver).fit(table[:, 1:], table[:, 0])
    certified = [
        15.0618722713733,
        -0.0358191792925910,
        -2.02022980381683,
        -1.03322686717359,
        -0.0511041056535807,
        1829.15146461355,
    ]
    assert_allclose(model.coef_, certified, rtol=1e-7)
    assert_allclose(model.intercept_, -3482258.63459582, rtol=1e-7)


@every_solver
def test_ridge_holds_where_columns_repeat_and_where_they_outnumber_the_points(solver):
    X, y = problem(2, 8, 20)
    X[:, 1] = X[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_plane(LinearRegression(solver, 0.5).fit(X, y), Ridge(0.5, solver="svd").fit(X, y))


@every_solver
def test_a_large_ridge_leaves_the_mean(solver):
    X, y = problem()
    model = LinearRegression(solver, 1e14).fit(X, y)
    assert np.abs(model.coef_).max() < 1e-9
    assert_allclose(model.intercept_, y.mean(), rtol=1e-9)


# --- more parameters than points, columns that depend on each other ---------------------------------------------------


@every_solver
@pytest.mark.parametrize("n", [2, 5, 11])  # centring takes one direction: 11 points settle 10 of 11
def test_of_many_best_planes_the_shortest_with_a_warning(solver, n):
    X, y = problem(3, n, 11)
    with pytest.warns(UserWarning, match=rf"{n} points settle {n - 1} of 11 directions.* use ridge > 0"):
        model = LinearRegression(solver).fit(X, y)
    assert_same_plane(model, Peer().fit(X, y))
    shortest = np.linalg.lstsq(X - X.mean(axis=0), y - y.mean())[0]
    assert_allclose(model.coef_, shortest, rtol=RTOL, atol=1e-10)
    assert_allclose(model.predict(X), y, rtol=1e-9)


@every_solver
@pytest.mark.parametrize("dependent", [lambda X: X[:, 0], lambda X: X[:, 0] - 2 * X[:, 3], lambda X: 7 + 3 * X[:, 1]])
def test_a_repeated_column_gets_the_shortest_weights(solver, dependent):
    X, y = problem(4)
    X = np.column_stack([X, dependent(X)])
    with pytest.warns(UserWarning, match=f"60 {REPEATED}"):
        model = LinearRegression(solver).fit(X, y)
    assert_same_plane(model, Peer().fit(X, y))
    assert np.abs(model.coef_).max() < 10


@every_solver
@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1 / 3, 1e9, -1e-9])  # of 0.1 and 1/3 the mean of many rounds
@pytest.mark.parametrize("unit", [1.0, 1e-9])
@pytest.mark.parametrize("first", [True, False])
def test_a_constant_column_gets_weight_zero(solver, constant, unit, first):
    X, y = problem(5, 50, 2)
    X *= unit
    columns = [np.full(50, constant), X] if first else [X, np.full(50, constant)]
    with pytest.warns(UserWarning, match="50 points settle 2 of 3"):
        model = LinearRegression(solver).fit(np.column_stack(columns), y)
    expected = Peer().fit(X / unit, y)
    assert_allclose(model.coef_[0 if first else -1], 0, atol=1e-6)
    assert_allclose(model.coef_[1:] if first else model.coef_[:-1], expected.coef_ / unit, rtol=1e-6)
    assert_allclose(model.intercept_, expected.intercept_, rtol=1e-5)


@every_solver
@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1e9 + 0.1])
def test_nothing_but_a_constant_column_is_the_mean(solver, constant):
    y = np.random.default_rng(6).normal(size=30)
    with pytest.warns(UserWarning, match="30 points settle 0 of 1"):
        model = LinearRegression(solver).fit(np.full((30, 1), constant), y)
    assert_array_equal(model.coef_, [0])
    assert_allclose(model.intercept_, y.mean(), rtol=1e-12)


@pytest.mark.parametrize("solver", ["cholesky", "qr"])
@pytest.mark.parametrize("ridge", [0.0, 1e-20])
def test_columns_of_other_units_do_not_depend_on_each_other(solver, ridge):
    X, y = problem(7, 40, 3)
    units = np.array([1e9, 1.0, 1e-9])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearRegression(solver, ridge).fit(X * units, y)
    by_hand = Peer().fit(X, y)
    assert_allclose(model.coef_, by_hand.coef_ / units, rtol=RTOL if not ridge else 1e-2)
    assert_allclose(model.intercept_, by_hand.intercept_, rtol=1e-7 if not ridge else 1e-2)


def test_the_svd_in_such_units_says_what_it_drops():
    """A singular value of 1e-9 beside one of 1e9 is 0 to working precision. It warns; scikit-learn does not."""
    X, y = problem(7, 40, 3)
    with pytest.warns(UserWarning, match="40 points settle 2 of 3 directions"):
        LinearRegression("svd").fit(X * [1e9, 1.0, 1e-9], y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearRegression("svd").fit(X * [1e6, 1.0, 1e-6], y)
    assert_allclose(model.coef_, Peer().fit(X, y).coef_ / [1e6, 1.0, 1e-6], rtol=1e-4)


@pytest.mark.parametrize("solve", [solve_cholesky, solve_qr])
@pytest.mark.parametrize("n", [3, 5, 200])
def test_cholesky_and_qr_refuse_dependent_columns(solve, n):
    X, y = problem(8, n, 4, offset=0)
    X = np.column_stack([X, X @ [1.0, -2.0, 0.5, 3.0]])
    with pytest.raises(linalg.LinAlgError):
        solve(X, X.mean(axis=0), y - y.mean(), 0.0)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    gap=st.floats(-16, 0),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
    n=st.integers(10, 100),
    solver=st.sampled_from(["cholesky", "qr"]),
)
def test_nearly_dependent_columns_never_give_garbage(seed, gap, offset, n, solver):
    """One column repeats another up to a gap from 1 down to rounding: whatever solves it, the plane fits as well."""
    X, y = problem(seed, n, 3, offset)
    X[:, 2] = X[:, 0] + 10**gap * np.random.default_rng(seed).normal(size=n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression(solver).fit(X, y)
    centred = X - X.mean(axis=0)
    U, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = U[:, s > 1e-6 * s[0]]
    best = y - y.mean() - kept @ (kept.T @ (y - y.mean()))
    cost = np.sum((y - model.predict(X)) ** 2)
    assert cost <= (best @ best) * 1.01
    assert np.linalg.norm(centred @ model.coef_) <= 1.01 * np.linalg.norm(y - y.mean())


@pytest.mark.parametrize("condition", np.logspace(6, 14, 9))
def test_cholesky_answers_well_or_not_at_all(condition):
    """Beyond about 10⁷ the normal equations hold no digit of the weights: it must leave these to the SVD."""
    rng = np.random.default_rng(14)
    for _ in range(20):
        X, theta = design_of_condition(condition, rng), rng.normal(size=8)
        try:
            found = solve_cholesky(X, X.mean(axis=0), X @ theta, 0.0)
        except linalg.LinAlgError:
            continue
        assert np.linalg.norm(found - theta) < 0.1 * np.linalg.norm(theta)


def test_the_svd_takes_over_from_solvers_that_refuse(monkeypatch):
    def refuse(*_):
        raise linalg.LinAlgError

    X, y = problem()
    monkeypatch.setitem(SOLVE, "qr", refuse)
    assert_same_plane(LinearRegression("qr").fit(X, y), Peer().fit(X, y))


@every_solver
def test_one_point_is_its_own_mean(solver):
    with pytest.warns(UserWarning, match="1 points settle 0 of 2"):
        model = LinearRegression(solver).fit([[1.0, 2.0]], [3.0])
    assert_array_equal(model.coef_, [0, 0])
    assert model.intercept_ == 3


# --- bad input --------------------------------------------------------------------------------------------------------

BAD = {
    "NaN": ([[1.0], [np.nan]], [1.0, 2.0]),
    "infinite": ([[1.0], [np.inf]], [1.0, 2.0]),
    "NaN target": ([[1.0], [2.0]], [1.0, np.nan]),
    "infinite target": ([[1.0], [2.0]], [1.0, np.inf]),
    "no points": (np.empty((0, 2)), np.empty(0)),
    "no columns": (np.empty((2, 0)), [1.0, 2.0]),
    "one dimension": ([1.0, 2.0], [1.0, 2.0]),
    "three dimensions": (np.zeros((2, 2, 2)), [1.0, 2.0]),
    "lengths": ([[1.0], [2.0]], [1.0, 2.0, 3.0]),
    "words": ([["a"], ["b"]], [1.0, 2.0]),
    "no target": ([[1.0], [2.0]], None),
    "complex": (np.array([[1.0 + 1j], [2.0]]), [1.0, 2.0]),
}


@every_solver
@pytest.mark.parametrize("what", BAD)
def test_bad_input_gets_the_message_of_scikit_learn(solver, what):
    X, y = BAD[what]
    peer = BayesianRidge() if what == "words" else Peer()  # which turns X into numbers as ours does
    with pytest.raises(ValueError) as expected:  # noqa: PT011 - whatever scikit-learn says
        peer.fit(X, y)
    with pytest.raises(ValueError) as got:  # noqa: PT011
        LinearRegression(solver).fit(X, y)
    assert str(got.value).replace("LinearRegression", type(peer).__name__) == str(expected.value)


def test_predict_refuses_another_number_of_columns():
    X, y = problem()
    with pytest.raises(ValueError, match="X has 4 features, but LinearRegression is expecting 5 features"):
        LinearRegression().fit(X, y).predict(X[:, :4])


def test_refuses_an_unknown_solver():
    with pytest.raises(ValueError, match="solver must be one of cholesky, qr, svd, got 'lu'"):
        LinearRegression("lu").fit(*problem())


@pytest.mark.parametrize(("ridge", "error"), [(-1.0, ValueError), (-1e-300, ValueError), ("1", TypeError)])
def test_refuses_a_ridge_that_is_no_penalty(ridge, error):
    model = LinearRegression().set_params(ridge=ridge)
    with pytest.raises(error, match="ridge"):
        model.fit(*problem())


@every_solver
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_the_callers_arrays_stay_as_they_were(solver, order, ridge):
    X, y = problem()
    X = np.asarray(X, order=order)
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    LinearRegression(solver, ridge).fit(X, y).predict(X)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])


# --- the design matrix of the lecture ---------------------------------------------------------------------------------


def test_design_matrix_has_a_first_column_of_ones():
    assert_array_equal(design_matrix(np.array([[2.0, 3.0], [4.0, 5.0]])), [[1, 2, 3], [1, 4, 5]])


def test_the_normal_equations_with_the_column_of_ones_give_the_same_plane():
    X, y = problem()
    D = design_matrix(X)
    theta = np.linalg.solve(D.T @ D, D.T @ y)
    model = LinearRegression().fit(X, y)
    assert_allclose([model.intercept_, *model.coef_], theta, rtol=1e-9)
    assert_allclose(D.T @ (y - D @ [model.intercept_, *model.coef_]), 0, atol=1e-9)
