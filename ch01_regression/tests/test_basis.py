"""Basis functions against numpy.polynomial, the formula, and np.interp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from numpy.polynomial.polynomial import polyvander
from numpy.testing import assert_allclose
from scipy.stats import norm

from ch01_regression.basis import curve, gaussian, piecewise, polynomial


@given(x=st.lists(st.floats(-3, 3, allow_subnormal=False), max_size=20), degree=st.integers(0, 12))
def test_polynomial_is_polyvander(x, degree):
    assert_allclose(polynomial(np.array(x, float), degree), polyvander(np.array(x, float), degree), rtol=1e-12)


def test_polynomial_of_degree_0_is_the_constant():
    assert_allclose(polynomial(np.array([-1.0, 0.0, 5.0]), 0), np.ones((3, 1)))


def test_polynomial_refuses_a_negative_degree():
    with pytest.raises(ValueError, match="degree must be 0 or more, got -1"):
        polynomial(np.zeros(2), -1)


@pytest.mark.parametrize("bumps", [1, 2, 5, 10])
def test_gaussian_is_the_bell_around_even_centres(bumps):
    x = np.linspace(-1.5, 1.5, 31)
    functions = gaussian(x, bumps)
    assert functions.shape == (31, bumps + 1)
    assert_allclose(functions[:, 0], 1)
    width = 2 / (bumps - 1) if bumps > 1 else 2
    for j in range(bumps):
        bell = norm(-1 + j * 2 / (bumps - 1) if bumps > 1 else -1, width)
        assert_allclose(functions[:, j + 1], bell.pdf(x) * width * np.sqrt(2 * np.pi), rtol=1e-12)


@pytest.mark.parametrize("knots", [0, 1, 2, 9])
def test_piecewise_is_a_constant_a_line_and_hinges(knots):
    x = np.linspace(-1.5, 1.5, 31)
    functions = piecewise(x, knots)
    assert functions.shape == (31, knots + 2)
    for i, value in enumerate(x):
        hinges = [max(0, value - (-1 + 2 * (j + 1) / (knots + 1))) for j in range(knots)]
        assert_allclose(functions[i], [1, value, *hinges], atol=1e-12)


@pytest.mark.parametrize("knots", [0, 1, 5, 20])
def test_piecewise_spans_every_broken_line_through_its_knots(knots):
    corners = np.linspace(-1, 1, knots + 2)
    heights = np.random.default_rng(knots).normal(size=knots + 2)
    x = np.linspace(-1, 1, 400)
    y = np.interp(x, corners, heights)
    theta = np.linalg.lstsq(piecewise(x, knots), y)[0]
    assert_allclose(piecewise(x, knots) @ theta, y, atol=1e-10)
    model = curve(piecewise, knots).fit(x[:, None], y)
    assert_allclose(model.predict(x[:, None]), y, atol=1e-4)  # a whisper of ridge


@pytest.mark.parametrize("basis", [polynomial, gaussian, piecewise])
def test_the_first_function_is_the_constant_that_curve_leaves_to_the_intercept(basis):
    assert_allclose(basis(np.linspace(-1, 1, 9), 4)[:, 0], 1)


def test_a_cubic_is_found_exactly():
    x = np.linspace(46, 230, 60)
    cubic = Polynomial([1.0, -2.0, 0.5, 3.0], domain=(46, 230))
    model = curve(polynomial, 3).fit(x[:, None], cubic(x))
    assert_allclose(model.predict(x[:, None]), cubic(x), atol=1e-7)
    assert_allclose([model["plane"].intercept_, *model["plane"].coef_], cubic.coef, atol=1e-7)


@pytest.mark.parametrize("degree", [1, 3, 6])
def test_curve_is_numpys_polynomial_fit(degree):
    rng = np.random.default_rng(0)
    x = rng.uniform(46, 230, 80)
    y = 40 - 0.1 * x + rng.normal(size=80)
    model = curve(polynomial, degree).fit(x[:, None], y)
    assert_allclose(model.predict(x[:, None]), Polynomial.fit(x, y, degree)(x), rtol=1e-6)


def test_outside_its_data_a_curve_stays_at_its_ends():
    x = np.linspace(0, 10, 30)
    model = curve(polynomial, 5).fit(x[:, None], np.sin(x))
    assert_allclose(model.predict([[-5.0], [12.0]]), model.predict([[0.0], [10.0]]))
