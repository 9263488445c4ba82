"""The lecture's momentum is PyTorch's in other symbols; theory predicts the best and the longest step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop import gradient_descent
from ch04_backprop.gradient_descent import (
    CLOSE,
    CURVATURES,
    START,
    best_settings,
    descend,
    pytorch_settings,
    steps_until_close,
)
from common.console import Console
from common.data import Scale, auto_mpg
from common.record import LessonRecord
from common.run import Run

CURVED = st.floats(0.1, 100.0)


def bent(theta):
    """∇ of Σ log cosh(θ_i) + ½ (θ_0 − 2 θ_1)²: no quadratic."""
    return np.tanh(theta) + (theta[0] - 2 * theta[1]) * np.array([1.0, -2.0, 0.0])


def bowl(theta):
    return CURVATURES * theta


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.001, 0.5), momentum=st.floats(0.0, 0.99), seed=st.integers(0, 2**32 - 1))
def test_the_lecture_s_form_is_pytorch_s(rate, momentum, seed):
    start = np.random.default_rng(seed).normal(size=3)
    theta = torch.tensor(start, requires_grad=True)
    optimiser, theirs = torch.optim.SGD([theta], **pytorch_settings(rate, momentum)), [start]
    for _ in range(100):
        theta.grad = torch.tensor(bent(theta.detach().numpy()))
        optimiser.step()
        theirs.append(theta.detach().numpy().copy())
    assert_allclose(descend(bent, start, rate, 100, momentum), theirs, rtol=1e-10, atol=1e-10)


def test_without_memory_it_is_plain_descent():
    path = descend(bent, np.ones(3), 0.1, 50)
    assert_array_equal(path[0], 1)
    assert len(path) == 51
    assert_allclose(np.diff(path, axis=0), -0.1 * np.array([bent(theta) for theta in path[:-1]]), rtol=1e-10)
    assert_array_equal(path, descend(bent, np.ones(3), 0.1, 50, 0.0))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_equal_gradients_add_up_to_a_step_of_the_learning_rate(momentum):
    steps = np.diff(descend(lambda theta: np.array([3.0, -1.0]), np.zeros(2), 0.1, 400, momentum), axis=0)
    assert_allclose(steps[-1], [-0.3, 0.1], rtol=1e-9)
    assert_allclose(steps[0], (1 - momentum) * np.array([-0.3, 0.1]), rtol=1e-9)


def test_the_start_stays_where_it_was():
    start = np.ones(3)
    start.flags.writeable = False
    descend(bent, start, 0.1, 3, 0.5)


# --- How long a step may be -------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.01, 0.99))
def test_below_2_over_the_largest_curvature_every_step_comes_closer(share):
    path = descend(bowl, START, share * 2 / CURVATURES.max(), 60)
    assert (np.diff(np.linalg.norm(path, axis=1)) < 0).all()
    assert (np.abs(path[1:]) <= np.abs(path[:-1])).all()


@settings(max_examples=40, deadline=None)
@given(share=st.floats(1.01, 3.0))
def test_above_it_every_step_goes_farther(share):
    far = np.abs(descend(bowl, START, share * 2 / CURVATURES.max(), 60)[:, CURVATURES.argmax()])
    assert (np.diff(far) > 0).all()


def test_at_it_the_steepest_direction_only_swings():
    path = descend(bowl, START, 2 / CURVATURES.max(), 40)[:, CURVATURES.argmax()]
    assert_allclose(path, START[CURVATURES.argmax()] * (-1.0) ** np.arange(41), rtol=1e-9)


# --- The best settings ------------------------------------------------------------------------------------------------


def shrinkage(rate, momentum, curvature):
    """The factor by which momentum shrinks the error asymptotically: the spectral radius of (θ, Δ) ↦ (θ, Δ)."""
    force = (1 - momentum) * rate * curvature
    step = np.moveaxis(np.array([[1 - force, momentum + 0 * force], [-force, momentum + 0 * force]]), (0, 1), (-2, -1))
    return np.abs(np.linalg.eigvals(step)).max(axis=-1)


@settings(max_examples=15, deadline=None)
@given(ends=st.tuples(CURVED, CURVED).filter(lambda ends: max(ends) > 1.01 * min(ends)))
def test_no_other_learning_rate_and_momentum_shrink_the_error_faster(ends):
    smallest, largest = min(ends), max(ends)
    rate, momentum = best_settings(smallest, largest)
    best = max(shrinkage(np.array(rate), momentum, curvature) for curvature in (smallest, largest))
    root = np.sqrt(largest / smallest)
    assert_allclose(best, (root - 1) / (root + 1), rtol=1e-5, atol=1e-6)

    momenta = np.linspace(0, 0.99, 80)[:, None]
    rates = rate * np.geomspace(0.05, 20, 120)
    worst = np.maximum(*(shrinkage(rates, momenta, curvature) for curvature in (smallest, largest)))
    assert worst.min() > best - 1e-6
    near = [max(shrinkage(np.array(rate * a), momentum * b, c) for c in (smallest, largest)) for a, b in NEAR]
    assert min(near) > best + 1e-6


NEAR = [(0.97, 1), (1.03, 1), (1, 0.97), (1, 1.03)]


def test_what_lies_between_the_two_curvatures_shrinks_as_fast():
    rate, momentum = best_settings(1.0, 50.0)
    factors = [shrinkage(np.array(rate), momentum, curvature) for curvature in np.linspace(1.01, 49.9, 20)]
    assert_allclose(factors, np.sqrt(momentum), rtol=1e-6)


def test_a_round_bowl_needs_one_step_and_no_memory():
    rate, momentum = best_settings(4.0, 4.0)
    assert (rate, momentum) == (0.25, 0.0)
    assert_allclose(descend(lambda theta: 4 * theta, START, rate, 1, momentum)[1], 0, atol=1e-15)


# --- Until it is close ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.5, 0.9, 0.99])
def test_steps_until_close_of_a_geometric_fall(factor):
    heights = 7 + 3 * factor ** np.arange(3000.0)
    assert steps_until_close(heights, 7.0) == np.ceil(np.log(CLOSE) / np.log(factor))


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([1.0, 0.5, 1e-7, 1e-8], 2),
        ([1.0, 1e-7, 0.5, 1e-7, 0.0], 3),  # it must stay close
        ([1.0, 0.0], 1),
        ([1.0, 0.5, 0.1], np.inf),
        ([1.0], np.inf),
        ([0.0, 0.0], 0),  # it was there from the start
        ([1.0, 1e-7, np.inf], np.inf),
        ([1.0, 10.0, np.inf, np.nan, np.nan], np.inf),
        ([1.0, np.nan], np.inf),
    ],
)
def test_steps_until_close(heights, expected):
    assert steps_until_close(np.array(heights), 0.0) == expected


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_way_that_flies_off_never_gets_there():
    path = descend(bowl, START, 3 / CURVATURES.max(), 2000)
    assert steps_until_close(0.5 * (CURVATURES * path**2).sum(axis=1), 0.0) == np.inf


def test_the_lesson_s_facts_about_the_cars(tmp_path):
    run = Run("gradient_descent", 0, Scale("smoke"), LessonRecord("", ""), Path(tmp_path), Console())
    gradient_descent.lesson(run)
    facts = {fact.name: fact.value for fact in run.record.facts}
    X = auto_mpg(seed=0).train.features
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    assert_allclose(facts["condition number of the cars' Hessian"], np.linalg.cond(X) ** 2, rtol=1e-8)
    steps = [
        facts[f"steps until C is close, {name}"] for name in ("conjugate gradients", "momentum", "gradient descent")
    ]
    assert steps == sorted(steps)
    assert steps[0] <= X.shape[1]  # in exact arithmetic conjugate gradients need no more steps than weights
