"""Both solvers against scikit-learn's to 1e-6, Newton against weighted least squares, and data that lie in wait."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, special
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info, threadpool_limits

from ch03_classification.logistic import MANY, SOLVE, LogisticRegression, newton, textbook_newton
from ch03_classification.optimisation.accelerated_gradient import accelerated_gradient
from ch03_classification.optimisation.logistic_loss import Objective, few_threads, is_separated, solve

RTOL = 1e-6
every_solver = pytest.mark.parametrize("solver", SOLVE)


def problem(seed: int = 0, n: int = 80, m: int = 4, offset: float = 1.0, strength: float = 1.0):
    rng = np.random.default_rng(seed)
    X = offset + rng.normal(size=(n, m))
    y = (rng.random(n) < special.expit(strength * (X - offset) @ rng.normal(size=m))).astype(int)
    y[:2] = 0, 1
    return X, y


def peer(penalty: float = 1.0) -> Peer:
    """scikit-learn's Newton, run until nothing moves."""
    return Peer(C=1 / penalty if penalty else np.inf, solver="newton-cholesky", tol=1e-13, max_iter=1000)


def objective_of(model, penalty, X, y) -> float:
    margin = np.where(y == model.classes_[1], 1, -1) * model.decision_function(X)
    return float(-special.log_expit(margin).sum() + penalty / 2 * np.sum(model.coef_**2))


def assert_same(ours, reference, rtol=RTOL):
    size = np.abs(reference.coef_).max()
    assert_allclose(ours.coef_, reference.coef_, rtol=rtol, atol=rtol * size)
    assert_allclose(ours.intercept_, reference.intercept_, rtol=rtol, atol=rtol * max(1.0, size))


# --- scikit-learn's idea of a classifier ------------------------------------------------------------------------------


@parametrize_with_checks([LogisticRegression(), LogisticRegression(solver="gradient")])
def test_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


@every_solver
def test_works_in_pipeline_clone_and_grid_search(solver):
    X, y = load_breast_cancer(return_X_y=True)
    ours = make_pipeline(StandardScaler(), LogisticRegression(solver=solver))
    penalties = [3.0, 30.0]
    search = GridSearchCV(ours, {"logisticregression__penalty": penalties}, scoring="neg_log_loss", cv=3).fit(X, y)
    reference = make_pipeline(StandardScaler(), peer())
    grid = {"logisticregression__C": [1 / penalty for penalty in penalties]}
    expected = GridSearchCV(reference, grid, scoring="neg_log_loss", cv=3).fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=1e-6)
    assert clone(LogisticRegression(2.0, solver)).get_params()["penalty"] == 2.0


@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [False, True], [0.0, 2.0], [7, 3]])
def test_the_labels_may_be_any_two(labels):
    X, y = problem()
    named = np.array(labels)[y]
    ours, reference = LogisticRegression().fit(X, named), peer().fit(X, named)
    assert_same(ours, reference)
    assert_array_equal(ours.classes_, reference.classes_)
    assert_array_equal(ours.predict(X), reference.predict(X))
    assert ours.coef_.shape == (1, 4)
    assert ours.intercept_.shape == (1,)


def test_probabilities_are_sigmoids_of_log_odds_and_a_tie_goes_to_the_second_class():
    X, y = problem()
    model = LogisticRegression().fit(X, y)
    z = X @ model.coef_[0] + model.intercept_
    assert_allclose(model.decision_function(X), z, rtol=1e-12)
    assert_allclose(model.predict_proba(X), np.column_stack([special.expit(-z), special.expit(z)]), rtol=1e-12)
    assert_array_equal(model.predict(X), z >= 0)
    model.coef_, model.intercept_ = np.array([[1000.0, 0, 0, 0]]), np.zeros(1)
    ends = np.array([[-1.0, 0, 0, 0], [0, 0, 0, 0], [1.0, 0, 0, 0]])
    with np.errstate(all="raise", under="ignore"):
        assert_array_equal(model.predict_proba(ends), [[1, 0], [0.5, 0.5], [0, 1]])
    assert_array_equal(model.predict(ends), [0, 1, 1])


# --- the same numbers as scikit-learn ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(1, 8),
    more=st.integers(10, 80),
    offset=st.floats(-20, 20),
    penalty=st.sampled_from([0.1, 1.0, 30.0]),
    solver=st.sampled_from(list(SOLVE)),
)
def test_the_weights_are_scikit_learns(seed, m, more, offset, penalty, solver):
    X, y = problem(seed, 3 * m + more, m, offset)
    assert_same(LogisticRegression(penalty, solver).fit(X, y), peer(penalty).fit(X, y))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 5), solver=st.sampled_from(list(SOLVE)))
def test_and_so_they_are_without_a_penalty(seed, m, solver):
    X, y = problem(seed, 200, m, strength=0.5)
    assert_same(LogisticRegression(0.0, solver).fit(X, y), peer(0.0).fit(X, y))


@every_solver
@pytest.mark.parametrize("penalty", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("standardised", [True, False])
def test_tumours(solver, penalty, standardised):
    """Thirty columns that repeat each other; raw, their variances differ by a factor of 10¹⁰."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X) if standardised else X
    model = LogisticRegression(penalty, solver, max_iter=20_000).fit(X, y)
    assert_same(model, peer(penalty).fit(X, y))
    assert model.n_iter_ == len(model.loss_curve_)
    assert_allclose(model.loss_curve_[-1], objective_of(model, penalty, X, y), rtol=1e-9)
    assert (model.n_iter_ < 12) == (solver == "newton")


def test_a_general_optimiser_finds_nothing_lower():
    X, y = problem(3)

    def loss(theta):
        return -special.log_expit((2 * y - 1) * (X @ theta[1:] + theta[0])).sum() + 0.35 * theta[1:] @ theta[1:]

    found = optimize.minimize(loss, np.zeros(5), tol=1e-12)
    model = LogisticRegression(0.7).fit(X, y)
    assert_allclose(np.r_[model.intercept_, model.coef_[0]], found.x, atol=1e-4)
    assert objective_of(model, 0.7, X, y) <= found.fun + 1e-12


@every_solver
def test_the_intercept_is_not_penalised(solver):
    X, y = problem(4)
    near, far = (LogisticRegression(5.0, solver).fit(X + shift, y) for shift in (0.0, 1000.0))
    assert_allclose(far.coef_, near.coef_, rtol=1e-6)
    assert_allclose(far.decision_function(X + 1000), near.decision_function(X), atol=1e-6)
    strict = LogisticRegression(1e12, solver).fit(X, y)
    assert_allclose(strict.coef_, 0, atol=1e-9)
    assert_allclose(strict.intercept_, special.logit(y.mean()), atol=1e-9)


@every_solver
def test_without_a_penalty_units_do_not_matter(solver):
    X, y = problem(5, 300, 3, strength=0.5)
    units = np.array([1e-6, 1.0, 1e6])
    plain, scaled = LogisticRegression(0.0, solver).fit(X, y), LogisticRegression(0.0, solver).fit(X * units, y)
    assert_allclose(scaled.coef_ * units, plain.coef_, rtol=1e-6)


# --- The textbook's five lines ----------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 6), penalty=st.sampled_from([0.3, 1.0, 10.0]))
def test_the_textbooks_newton_gives_what_the_safe_one_and_scikit_learn_give(seed, m, penalty):
    """Where columns are of size 1 and independent, and the penalty keeps every step short enough."""
    X, y = problem(seed, 120, m, offset=0.5)
    theta = textbook_newton(np.column_stack([np.ones(len(X)), X]), y, np.r_[0.0, np.full(m, penalty)], 25)
    safe, reference = LogisticRegression(penalty).fit(X, y), peer(penalty).fit(X, y)
    for model in (safe, reference):
        assert_allclose(theta, np.r_[model.intercept_, model.coef_[0]], rtol=RTOL, atol=RTOL)


def test_where_a_step_overshoots_the_textbooks_newton_runs_away_and_the_safe_one_does_not():
    X, y, _ = heavy_tails(1377)
    D, penalties = np.column_stack([np.ones(len(X)), X]), np.r_[0.0, np.full(X.shape[1], 1e-4)]
    objective = Objective(D, 2.0 * y - 1, penalties)
    safe = newton(objective, 1000, 1e-7)
    assert safe.arrived
    with np.errstate(all="ignore"):
        try:
            away = objective.slope(textbook_newton(D, y, penalties, 20))[0]
        except np.linalg.LinAlgError:
            away = np.inf
    assert not away < 10 * safe.losses[-1]


# --- Newton's method is iteratively reweighted least squares ----------------------------------------------------------


@pytest.mark.filterwarnings("ignore:newton did not arrive")
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize("penalty", [0.5, 20.0])
def test_a_newton_step_is_a_weighted_ridge_fit_to_the_working_response(steps, penalty):
    X, y = problem(6)
    z = LogisticRegression(penalty, max_iter=steps).fit(X, y).decision_function(X) if steps else np.zeros(len(y))
    p = special.expit(z)
    weights = p * (1 - p)
    ridge = Ridge(penalty, solver="cholesky").fit(X, z + (y - p) / weights, sample_weight=weights)
    step = LogisticRegression(penalty, max_iter=steps + 1).fit(X, y)
    assert_allclose(step.coef_[0], ridge.coef_, rtol=1e-7)
    assert_allclose(step.intercept_, ridge.intercept_, rtol=1e-7)


def test_newton_squares_its_error_and_the_gradient_does_not():
    X, y = problem(7, 500)
    for solver, squares in (("newton", True), ("gradient", False)):
        curve = np.array(LogisticRegression(solver=solver).fit(X, y).loss_curve_)
        above = curve - curve.min()
        above = above[above > 1e-10]
        last = above[-1] / above[-2]
        assert (last < 1e-3) == squares


# --- the objective ----------------------------------------------------------------------------------------------------


def made_objective(seed: int = 8, n: int = 50, m: int = 4) -> Objective:
    X, y = problem(seed, n, m)
    return Objective(np.column_stack([np.ones(n), X]), 2.0 * y - 1, np.r_[0.0, np.linspace(0.1, 2, m)])


@pytest.mark.parametrize("n", [5, 50])
def test_slope_and_curvature_are_those_of_finite_differences(n, monkeypatch):
    monkeypatch.setattr("ch03_classification.optimisation.logistic_loss.BLOCK", 7)  # several blocks, and a rest
    objective, theta, h = made_objective(n=n), np.array([0.3, -0.5, 1.0, 0.2, -2.0]), 1e-5
    loss, slope, wrong = objective.slope(theta)
    margin = objective.sign * (objective.X @ theta)
    assert_allclose(loss, -special.log_expit(margin).sum() + objective.penalties @ theta**2 / 2, rtol=1e-12)
    hessian = objective.curvature(wrong)
    for i, step in enumerate(h * np.eye(5)):
        up, down = objective.slope(theta + step), objective.slope(theta - step)
        assert_allclose(slope[i], (up[0] - down[0]) / (2 * h), rtol=1e-6)
        assert_allclose(hessian[i], (up[1] - down[1]) / (2 * h), rtol=1e-5, atol=1e-7)


def test_no_curvature_exceeds_the_bound_and_at_zero_it_is_reached():
    objective, rng = made_objective(), np.random.default_rng(9)
    bound = objective.largest_curvature()
    for size in (0.0, 0.1, 1.0, 10.0):
        hessian = objective.curvature(objective.slope(size * rng.normal(size=5))[2])
        largest = np.linalg.eigvalsh(hessian)[-1]
        assert largest <= bound * (1 + 1e-12)
        assert np.isclose(largest, bound) == (size == 0)


def test_momentum_saves_steps():
    objective = made_objective(10, 300)
    fast, slow = (accelerated_gradient(objective, 100_000, 1e-6, momentum=momentum) for momentum in (True, False))
    assert fast.arrived
    assert slow.arrived
    assert_allclose(fast.theta, slow.theta, atol=1e-6)
    assert len(fast.losses) < len(slow.losses) / 2
    assert (np.diff(slow.losses) <= 1e-9).all()


@pytest.mark.parametrize(("columns", "limited"), [(2, True), (1000, False)])
def test_products_of_few_columns_run_in_one_thread_and_later_ones_in_as_many_as_before(columns, limited):
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with few_threads(columns):
            assert threads() == ([1] * len(before) if limited else before)
        assert threads() == before


# --- the brake --------------------------------------------------------------------------------------------------------


def heavy_tails(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Points with gross outliers, as few as make Newton's method without a brake run away."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(6, 60), rng.integers(1, 4)
    X = rng.standard_t(rng.choice([0.7, 1, 2]), size=(n, m))
    offset = 3 * rng.normal()
    y = rng.random(n) < special.expit(X @ rng.normal(size=m) * rng.choice([0.3, 1, 5]) + offset)
    return X, y.astype(int), float(rng.choice([1e-4, 1e-2]))


@pytest.mark.parametrize("seed", [863, 1377, 1462])
def test_a_newton_step_that_climbs_is_halved_until_it_does_not(seed):
    X, y, _ = heavy_tails(seed)
    penalty = {863: 1e-2, 1377: 1e-4, 1462: 1e-4}[seed]
    D, theta, unbraked = np.column_stack([np.ones(len(X)), X]), np.zeros(X.shape[1] + 1), []
    penalties = np.r_[0.0, np.full(X.shape[1], penalty)]
    objective = Objective(D, 2.0 * y - 1, penalties)
    while len(unbraked) < 20 and max(unbraked, default=0) < 1000:
        loss, slope, wrong = objective.slope(theta)
        unbraked.append(loss)
        theta = theta - np.linalg.solve(objective.curvature(wrong), slope)
    assert unbraked[-1] > 1000
    model = LogisticRegression(penalty).fit(X, y)
    curve = np.array(model.loss_curve_)
    assert (np.diff(curve) > 0).any()  # the brake was needed
    assert curve[-1] <= curve.min() * (1 + 1e-9)
    best = optimize.minimize(lambda t: objective.slope(t)[0], np.zeros(len(theta)), tol=1e-12, method="BFGS")
    assert objective_of(model, penalty, X, y) <= best.fun * (1 + 1e-9)


# --- many points: a sixteenth says where to start ---------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("order", ["as drawn", "sorted by label", "sixteenth of one class"])
def test_a_start_from_a_sixteenth_changes_nothing_but_the_number_of_steps(penalty, order):
    X, y = problem(11, 3 * MANY * 4, 3, strength=1.0)
    if order == "sorted by label":
        X, y = X[np.argsort(y)], np.sort(y)
    if order == "sixteenth of one class":
        y[::16] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LogisticRegression(penalty).fit(X, y)
    assert_same(model, peer(penalty).fit(X, y))
    if order == "as drawn":
        assert model.loss_curve_[0] < 1.01 * model.loss_curve_[-1]


def test_of_points_sixteen_times_each_a_sixteenth_has_a_sixteenth_of_the_loss():
    once = made_objective()
    often = Objective(np.repeat(once.X, 16, axis=0), np.repeat(once.sign, 16), 16 * once.penalties)
    theta = np.array([0.1, -0.2, 0.3, 0.4, 5.0])
    for part, whole in zip(often.sixteenth().slope(theta)[:2], often.slope(theta)[:2], strict=True):
        assert_allclose(16 * part, whole, rtol=1e-10)


# --- columns that depend on each other --------------------------------------------------------------------------------


@every_solver
@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1 / 3, 1e9])
def test_a_constant_column_gets_weight_zero(solver, penalty, constant):
    X, y = problem(12, 200, 3, strength=0.5)
    model = LogisticRegression(penalty, solver).fit(np.column_stack([X, np.full(len(X), constant)]), y)
    plain = peer(penalty).fit(X, y)
    assert_allclose(model.coef_[0, 3], 0, atol=1e-12)
    assert_allclose(model.coef_[:, :3], plain.coef_, rtol=1e-5)
    assert_allclose(model.intercept_, plain.intercept_, rtol=1e-5, atol=1e-6)


@every_solver
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_repeated_columns_share_the_weight(solver, penalty):
    X, y = problem(13, 200, 3, strength=0.5)
    model = LogisticRegression(penalty, solver).fit(np.column_stack([X, X[:, 0]]), y)
    assert_allclose(model.coef_[0, 3], model.coef_[0, 0], rtol=1e-6)
    if penalty == 0:
        plain = peer(0.0).fit(X, y)
        assert_allclose(2 * model.coef_[0, 0], plain.coef_[0, 0], rtol=1e-6)
        assert_allclose(model.intercept_, plain.intercept_, rtol=1e-6)


@every_solver
def test_more_columns_than_points(solver):
    X, y = problem(14, 20, 50)
    assert_same(LogisticRegression(1.0, solver).fit(X, y), peer(1.0).fit(X, y), rtol=1e-5)


def test_the_step_is_cholesky_s_or_the_shortest():
    rng = np.random.default_rng(15)
    rows = rng.normal(size=(9, 4))
    slope = rng.normal(size=4)
    assert_allclose(solve(rows.T @ rows, slope), np.linalg.solve(rows.T @ rows, slope), rtol=1e-9)
    rows[:, 3] = rows[:, 0] - rows[:, 1]
    inside = rows.T @ rng.normal(size=9)
    assert_allclose(solve(rows.T @ rows, inside), np.linalg.pinv(rows.T @ rows) @ inside, rtol=1e-7)
    assert_array_equal(solve(np.zeros((2, 2)), np.zeros(2)), [0, 0])


# --- bad input --------------------------------------------------------------------------------------------------------


@every_solver
def test_refuses_one_class(solver):
    with pytest.raises(
        ValueError, match="needs samples of at least 2 classes in the data, but the data contains only one class: yes"
    ):
        LogisticRegression(solver=solver).fit([[1.0], [2.0]], ["yes", "yes"])


@every_solver
def test_refuses_more_than_two_classes_and_counts_them(solver):
    message = "Only binary classification is supported. The type of the target is multiclass: 4 classes"
    with pytest.raises(ValueError, match=message):
        LogisticRegression(solver=solver).fit(np.eye(4), [0, 1, 2, 3])


@every_solver
def test_refuses_a_continuous_target(solver):
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        LogisticRegression(solver=solver).fit(X, y + 0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite_as_scikit_learn_does(bad):
    X, y = problem()
    X[3, 2] = bad
    with pytest.raises(ValueError, match="Input X contains") as expected:
        Peer().fit(X, y)
    with pytest.raises(ValueError, match="Input X contains") as got:
        LogisticRegression().fit(X, y)
    assert str(got.value).splitlines()[:1] == str(expected.value).splitlines()[:1]
    with pytest.raises(ValueError, match="Input X contains"):
        LogisticRegression().fit(*problem()).predict(X)


@pytest.mark.parametrize("penalty", [-1.0, -1e-300, np.nan, np.inf])
def test_refuses_what_is_no_penalty(penalty):
    with pytest.raises(ValueError, match="penalty must be finite and at least 0, got"):
        LogisticRegression(penalty).fit(*problem())


def test_refuses_an_unknown_solver():
    with pytest.raises(ValueError, match="solver must be one of newton, gradient, got 'lbfgs'"):
        LogisticRegression(solver="lbfgs").fit(*problem())


@every_solver
def test_the_callers_arrays_stay_as_they_were(solver):
    X, y = problem()
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    LogisticRegression(solver=solver).fit(X, y).predict(X)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])


@every_solver
def test_says_when_it_did_not_arrive(solver):
    X, y = problem()
    with pytest.warns(ConvergenceWarning, match=f"{solver} did not arrive in 2 steps"):
        model = LogisticRegression(solver=solver, max_iter=2).fit(X, y)
    assert model.n_iter_ == 2


# --- separable classes ------------------------------------------------------------------------------------------------

LINE = np.arange(8.0)[:, None]
APART, TOUCHING, MIXED = ([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 1, 1, 1], [0, 0, 1, 0, 1, 0, 1, 1])
AT_ONE_PLACE = np.array([0.0, 1, 2, 3, 3, 4, 5, 6])[:, None]  # with TOUCHING: one of each class at 3, else separable


@every_solver
def test_separable_classes_without_a_penalty_get_a_warning_that_names_the_cause(solver):
    with pytest.warns(ConvergenceWarning, match=r"the classes are separable: .* use penalty > 0"):
        model = LogisticRegression(0.0, solver, max_iter=200).fit(LINE, APART)
    assert_array_equal(model.predict(LINE), APART)
    assert np.isfinite(model.coef_).all()


def test_newton_sees_classes_that_are_separable_but_for_points_on_the_boundary():
    with pytest.warns(ConvergenceWarning, match="the classes are separable"):
        model = LogisticRegression(0.0).fit(AT_ONE_PLACE, TOUCHING)
    assert_allclose(model.predict_proba([[3.0]]), 0.5, atol=1e-6)


def test_the_gradient_at_least_says_that_it_did_not_arrive():
    with pytest.warns(ConvergenceWarning, match="gradient did not arrive"):
        LogisticRegression(0.0, "gradient", max_iter=300).fit(AT_ONE_PLACE, TOUCHING)


@every_solver
@pytest.mark.parametrize(
    ("X", "y", "penalty"),
    [
        (LINE, MIXED, 0.0),
        (LINE, APART, 0.1),
        (AT_ONE_PLACE, TOUCHING, 0.1),
        (np.r_[LINE, [[500.0]]], [*MIXED, 1], 0.0),  # a point whose probability is 1 to many digits proves nothing
    ],
)
def test_no_false_alarm(solver, X, y, penalty):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(penalty, solver, max_iter=100_000).fit(X, y)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 30), m=st.integers(1, 4), strength=st.sampled_from([1.0, 5.0]))
def test_the_warning_is_what_a_linear_programme_says(seed, n, m, strength):
    X, y = problem(seed, n, m, offset=0.0, strength=strength)
    rows = (2 * y - 1)[:, None] * np.column_stack([np.ones(n), X])
    # Is there a theta with every margin at least 1?
    found = optimize.linprog(np.zeros(m + 1), A_ub=-rows, b_ub=-np.ones(n), bounds=[(None, None)] * (m + 1))
    objective = Objective(np.column_stack([np.ones(n), X]), 2.0 * y - 1, np.zeros(m + 1))
    assert is_separated(objective, newton(objective, 1000, 1e-7)) == (found.status == 0)


def test_with_redundant_columns_and_no_penalty_it_still_fits():
    X, y = make_classification(2000, 12, n_informative=4, n_redundant=5, flip_y=0.2, random_state=0)
    assert_allclose(
        objective_of(LogisticRegression(0.0).fit(X, y), 0.0, X, y),
        objective_of(peer(1e-9).fit(X, y), 0.0, X, y),
        rtol=1e-8,
    )
