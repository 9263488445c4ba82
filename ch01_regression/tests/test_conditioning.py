"""Designs of a condition set by hand, and whether each solver's error grows as the theory says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ch01_regression.conditioning import MARKERS, design_of_condition, errors_by_condition, seconds_by_width, solve
from ch01_regression.design_matrix import EPSILON


@pytest.mark.parametrize("condition", [1.0, 30.0, 1e6, 1e12])
@pytest.mark.parametrize(("n", "m"), [(200, 8), (20, 3)])
def test_the_design_has_the_condition_asked_for_and_centred_columns(condition, n, m):
    X = design_of_condition(condition, np.random.default_rng(0), n, m)
    assert X.shape == (n, m)
    assert_allclose(np.linalg.cond(X), condition, rtol=1e-3)
    assert_allclose(X.mean(axis=0), 0, atol=1e-15)
    s = np.linalg.svd(X, compute_uv=False)
    assert_allclose(np.diff(np.log10(s)), -np.log10(condition) / (m - 1), atol=1e-3)


def typical_errors(condition: float) -> dict[str, float]:
    errors = errors_by_condition(np.full(15, condition), np.random.default_rng(1))
    return {name: float(np.median(values)) for name, values in errors.items()}


@pytest.mark.parametrize(
    ("name", "power", "conditions"),
    [
        ("cholesky", 2, [1e2, 1e3, 1e4, 1e5, 1e6]),
        ("qr", 1, [1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
        ("svd", 1, [1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
    ],
)
def test_errors_grow_as_the_theory_says(name, power, conditions):
    """Higham 2002, chapter 20: ε cond² for the normal equations, ε cond for QR and SVD, up to a modest factor."""
    errors = np.array([typical_errors(condition)[name] for condition in conditions])
    factor = errors / (EPSILON * np.power(conditions, power))
    assert ((factor > 1e-3) & (factor < 1e2)).all()
    slope = np.polyfit(np.log10(conditions), np.log10(errors), 1)[0]
    assert_allclose(slope, power, atol=0.15)


def test_cholesky_answers_at_a_million_and_refuses_at_ten_billion_and_the_others_never_do():
    kept, refused = (errors_by_condition(np.full(20, c), np.random.default_rng(2)) for c in (1e6, 1e10))
    assert np.isfinite(kept["cholesky"]).all()
    assert np.isnan(refused["cholesky"]).all()
    assert np.isfinite([refused["qr"], refused["svd"]]).all()


@pytest.mark.parametrize("name", MARKERS)
def test_every_solver_finds_the_weights_of_a_decent_design(name):
    X, theta = design_of_condition(3, np.random.default_rng(3)), np.arange(8.0)
    assert_allclose(solve(name, X, X @ theta), theta, atol=1e-12)


def test_seconds_are_measured_for_each_solver_and_width():
    seconds = seconds_by_width(200, (2, 5), np.random.default_rng(0))
    assert set(seconds) == set(MARKERS)
    assert all(len(values) == 2 and min(values) > 0 for values in seconds.values())
