"""Loss, gradient and Hessian against finite differences; both ways down against scipy and scikit-learn."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize
from sklearn import metrics
from sklearn.linear_model import LinearRegression, LogisticRegression

from ch03_classification.bernoulli import malignant_as_1
from ch03_classification.logistic_line import (
    FOUR,
    START,
    design,
    gradient,
    hessian,
    mean_log_loss,
    newton_step,
    path,
    safe_learning_rate,
)
from ch03_classification.sigmoid import INPUT, sigmoid
from common.data import breast_cancer

thetas = st.tuples(*[st.floats(-4, 4)] * 2).map(np.array)


def tumours() -> tuple[np.ndarray, np.ndarray]:
    train = malignant_as_1(breast_cancer(seed=0).train).select(INPUT)
    x = train.features[:, 0]
    return design((x - x.mean()) / x.std()), train.labels


def made(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return design(x), np.concatenate([[0, 1], (rng.random(n - 2) < sigmoid(1 + 2 * x[2:])).astype(int)])


def lowest(X, y):
    peer = LogisticRegression(C=np.inf, fit_intercept=False, solver="newton-cholesky", tol=1e-12).fit(X, y)
    return peer.coef_[0]


# --- the surface ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), theta=thetas)
def test_loss_gradient_and_hessian(seed, theta):
    X, y = made(seed)
    assert_allclose(mean_log_loss(theta, X, y), metrics.log_loss(y, sigmoid(X @ theta)), rtol=1e-10)
    h = 1e-5
    for i, step in enumerate(h * np.eye(2)):
        up, down = theta + step, theta - step
        slope = (mean_log_loss(up, X, y) - mean_log_loss(down, X, y)) / (2 * h)
        assert_allclose(gradient(theta, X, y)[i], slope, atol=1e-8)
        assert_allclose(hessian(theta, X)[i], (gradient(up, X, y) - gradient(down, X, y)) / (2 * h), atol=1e-8)


def test_a_grid_of_thetas_is_each_theta_in_turn():
    X, y = made(1)
    grid = np.random.default_rng(2).normal(size=(3, 4, 2))
    surface, slopes, bends, steps = (
        mean_log_loss(grid, X, y),
        gradient(grid, X, y),
        hessian(grid, X),
        newton_step(grid, X, y),
    )
    for at in np.ndindex(3, 4):
        assert_allclose(surface[at], mean_log_loss(grid[at], X, y), rtol=1e-12)
        assert_allclose(slopes[at], gradient(grid[at], X, y), rtol=1e-10, atol=1e-15)
        assert_allclose(bends[at], hessian(grid[at], X), rtol=1e-10, atol=1e-15)
        assert_allclose(steps[at], newton_step(grid[at], X, y), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), a=thetas, b=thetas, share=st.floats(0, 1))
def test_the_surface_is_convex(seed, a, b, share):
    X, y = made(seed)
    between = mean_log_loss(share * a + (1 - share) * b, X, y)
    assert between <= share * mean_log_loss(a, X, y) + (1 - share) * mean_log_loss(b, X, y) + 1e-12


# --- two ways down ----------------------------------------------------------------------------------------------------


def test_both_end_where_scikit_learn_does():
    X, y = tumours()
    rate = safe_learning_rate(X)
    by_newton = path(lambda theta: newton_step(theta, X, y), START, 10)
    by_gradient = path(lambda theta: theta - rate * gradient(theta, X, y), START, 400)
    assert_allclose(by_newton[-1], lowest(X, y), rtol=1e-9)
    assert_allclose(by_gradient[-1], lowest(X, y), rtol=1e-6)
    assert_array_equal(by_newton[0], START)
    assert (len(by_newton), len(by_gradient)) == (11, 401)


def test_near_the_minimum_a_newton_step_squares_the_error():
    X, y = tumours()
    best = lowest(X, y)
    errors = [np.linalg.norm(newton_step(best + np.array([0, size]), X, y) - best) for size in (0.4, 0.04)]
    assert_allclose(errors[0] / errors[1], 100, rtol=0.3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), offset=st.floats(-30, 30), scale=st.floats(0.1, 30), theta=thetas)
def test_no_gradient_step_of_the_safe_rate_climbs(seed, offset, scale, theta):
    X, y = made(seed)
    X = design(offset + scale * X[:, 1])
    down = theta - safe_learning_rate(X) * gradient(theta, X, y)
    assert mean_log_loss(down, X, y) <= mean_log_loss(theta, X, y) + 1e-12


def test_of_a_standardised_input_the_safe_rate_is_four():
    assert_allclose(safe_learning_rate(tumours()[0]), 4, rtol=1e-12)


def test_newton_does_not_care_about_the_inputs_unit_and_gradient_descent_does():
    (X, y), offset, scale = tumours(), 14.1, 3.5
    raw = design(offset + scale * X[:, 1])

    def in_pixels(theta):
        return np.array([theta[0] - theta[1] * offset / scale, theta[1] / scale])

    theta = np.array([0.3, 0.5])
    assert_allclose(newton_step(in_pixels(theta), raw, y), in_pixels(newton_step(theta, X, y)), rtol=1e-9)
    left = []
    for start, points in ((theta, X), (in_pixels(theta), raw)):
        rate = safe_learning_rate(points)
        end = path(lambda at, X=points, rate=rate: at - rate * gradient(at, X, y), start, 200)[-1]
        left.append(mean_log_loss(end, points, y) - mean_log_loss(lowest(X, y), X, y))
    assert left[0] < 1e-9
    assert left[1] > 0.1


def test_far_away_newton_is_lost():
    X, y = tumours()
    start = np.array([2.0, 6.0])
    assert mean_log_loss(newton_step(start, X, y), X, y) > 2 * mean_log_loss(start, X, y)
    try:  # whether a matrix of numbers next to nothing is called singular depends on the processor
        last = path(lambda theta: newton_step(theta, X, y), start, 20)[-1]
    except np.linalg.LinAlgError:
        return
    assert not mean_log_loss(last, X, y) < mean_log_loss(start, X, y)


def test_the_first_newton_step_from_0_is_four_times_least_squares():
    """There every p is ½ and every weight ¼: H⁻¹g = (XᵀX)⁻¹ Xᵀ (½ − y) · 4."""
    X, y = tumours()
    line = LinearRegression(fit_intercept=False).fit(X, y - 0.5)
    assert_allclose(newton_step(np.zeros(2), X, y), 4 * line.coef_, rtol=1e-10)


def test_four_points():
    X, y = design(FOUR[0]), FOUR[1]
    found = optimize.minimize(lambda theta: mean_log_loss(theta, X, y), np.zeros(2), tol=1e-10)
    assert_allclose(path(lambda theta: newton_step(theta, X, y), np.zeros(2), 8)[-1], found.x, atol=1e-5)
    assert_allclose(np.exp(-4 * mean_log_loss(np.zeros(2), X, y)), 1 / 16)
