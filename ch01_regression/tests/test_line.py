"""The line and its cost against numpy, scipy and the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, stats

from ch01_regression.line import cost, directional_derivative, fit_line, gradient


def cloud(seed: int, n: int, offset: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = offset + spread * rng.normal(size=n)
    return x, 5 - 3 * x + rng.normal(size=n)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 200),
    offset=st.floats(-100, 100),
    spread=st.floats(0.1, 100),
)
def test_the_line_of_polyfit_and_of_linregress(seed, n, offset, spread):
    x, y = cloud(seed, n, offset, spread)
    theta_0, theta_1 = fit_line(x, y)
    peer = stats.linregress(x, y)
    size = np.abs(y).max()  # what an error of theta is measured against, where theta itself may be near 0
    assert_allclose(theta_0, peer.intercept, rtol=1e-8, atol=1e-10 * size)
    assert_allclose(theta_1, peer.slope, rtol=1e-8, atol=1e-10 * size)
    slope, intercept = np.polyfit(x, y, 1)
    assert_allclose([theta_0, theta_1], [intercept, slope], rtol=1e-8, atol=1e-8)


def test_points_on_a_line_give_the_line():
    assert_allclose(fit_line(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 7.0])), (-1, 2), rtol=1e-14)


def test_anscombes_four_sets_share_a_line():
    """Anscombe 1973: y = 3.00 + 0.500 x for each of four very different sets; two of them here."""
    x = np.array([10.0, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5])
    first = np.array([8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68])
    third = np.array([7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73])
    for y in (first, third):
        assert_allclose(fit_line(x, y), (3.00, 0.500), atol=0.005)


def test_far_from_zero_the_line_keeps_its_digits():
    x, y = cloud(0, 50, 0, 1)
    theta_0, theta_1 = fit_line(x, y)
    far_0, far_1 = fit_line(x + 2.0**26, y)  # a power of two: hardly a digit of x is lost
    assert_allclose(far_1, theta_1, rtol=1e-6)
    assert_allclose(far_0 + far_1 * 2.0**26, theta_0, rtol=1e-6)


def test_nist_norris():
    """NIST, Statistical Reference Datasets, Norris: the certified line and its digits."""
    y = "0.1 338.8 118.1 888.0 9.2 228.1 668.5 998.5 449.1 778.9 559.2 0.3 0.1 778.1 668.8 339.3 448.9 10.8 557.7 "
    y += "228.3 998.0 888.8 119.6 0.3 0.6 557.6 339.3 888.0 998.5 778.9 10.2 117.6 228.9 668.4 449.2 0.2"
    x = "0.2 337.4 118.2 884.6 10.1 226.5 666.3 996.3 448.6 777.0 558.2 0.4 0.6 775.5 666.9 338.0 447.5 11.6 556.0 "
    x += "228.1 995.8 887.6 120.2 0.3 0.3 556.8 339.1 887.2 999.0 779.0 11.1 118.3 229.2 669.1 448.9 0.5"
    x, y = (np.array(column.split(), float) for column in (x, y))
    assert_allclose(fit_line(x, y), (-0.262323073774029, 1.00211681802045), rtol=1e-12)


@pytest.mark.parametrize("x", [[1.0], [2.0, 2.0, 2.0], []])
def test_refuses_what_no_one_line_is_best_for(x):
    with pytest.raises(ValueError, match="points at two different x"):
        fit_line(np.array(x), np.zeros(len(x)))


def test_equal_x_that_rounding_makes_differ_from_their_mean_are_refused():
    with pytest.raises(ValueError, match="two different x"):
        fit_line(np.full(10, 0.1), np.arange(10.0))


def test_refuses_different_lengths():
    # Ours, or jaxtyping's where it checks shapes.
    with pytest.raises(Exception, match=r"same length, got shapes \(3,\) and \(2,\)|Type-check error"):
        fit_line(np.arange(3.0), np.arange(2.0))


def test_cost_is_the_sum_of_squares_at_every_point_of_a_grid():
    x, y = cloud(1, 20, 3, 1)
    theta_0, theta_1 = np.meshgrid(np.linspace(-10, 10, 7), np.linspace(-4, 4, 5))
    surface = cost(theta_0, theta_1, x, y)
    assert surface.shape == (5, 7)
    for at in np.ndindex(surface.shape):
        direct = sum((b - theta_0[at] - theta_1[at] * a) ** 2 for a, b in zip(x, y, strict=True))
        assert_allclose(surface[at], direct, rtol=1e-12)


def test_cost_is_least_at_the_fitted_line():
    x, y = cloud(2, 30, 3, 1)
    best = fit_line(x, y)
    at = lambda theta: float(cost(np.array(theta[0]), np.array(theta[1]), x, y))  # noqa: E731
    found = optimize.minimize(at, (0.0, 0.0), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert_allclose(best, found.x, rtol=1e-4)
    assert at(best) <= found.fun + 1e-12
    around = best[0] + np.linspace(-1, 1, 41), best[1] + np.linspace(-1, 1, 41)
    surface = cost(*np.meshgrid(*around), x, y)
    assert np.unravel_index(surface.argmin(), surface.shape) == (20, 20)


# --- The gradient -----------------------------------------------------------------------------------------------------


def test_the_gradient_is_autograds_and_vanishes_at_the_best_line():
    x, y = cloud(1, 30, 2.0, 1.5)
    rng = np.random.default_rng(0)
    thetas = rng.normal(size=(4, 3, 2))
    free = torch.tensor(thetas, requires_grad=True)
    residuals = torch.tensor(y) - free[..., :1] - free[..., 1:] * torch.tensor(x)
    (residuals**2).sum().backward()
    assert_allclose(gradient(thetas[..., 0], thetas[..., 1], x, y), free.grad.numpy(), rtol=1e-12)
    best = [np.array(value) for value in fit_line(x, y)]
    assert_allclose(gradient(*best, x, y), 0, atol=1e-10)


def test_the_slope_in_a_direction_is_the_gradients_component_and_largest_along_it():
    x, y = cloud(2, 40, 1.0, 2.0)
    theta, angles = (1.0, -1.0), np.radians(np.arange(0, 360, 0.5))
    slope = gradient(np.array(theta[0]), np.array(theta[1]), x, y)
    found = directional_derivative(theta, angles, x, y)
    assert_allclose(found, np.cos(angles) * slope[0] + np.sin(angles) * slope[1], rtol=1e-9, atol=1e-8)
    steepest = angles[found.argmax()]
    assert_allclose([np.cos(steepest), np.sin(steepest)], slope / np.linalg.norm(slope), atol=0.005)
    assert_allclose(found.max(), np.linalg.norm(slope), rtol=1e-4)


def test_the_gradient_refuses_what_the_cost_refuses():
    with pytest.raises((ValueError, TypeError)):
        gradient(np.array(0.0), np.array(0.0), np.zeros(3), np.zeros(4))
