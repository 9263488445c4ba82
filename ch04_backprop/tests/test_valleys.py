"""The valleys against scipy's, and the race of many rates at once against each rate alone in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad, minimize, rosen, rosen_der

from ch04_backprop import valleys
from ch04_backprop.autograd import Tensor
from ch04_backprop.optimisers import OPTIMISERS
from ch04_backprop.valleys import VALLEYS, descend_by_lbfgs, lbfgs_needs_few_gradients, race
from common.record import Fact, LessonRecord

BY_TORCH = {  # on an array of two numbers
    "Rosenbrock": lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
    "Beale": lambda x: sum((c - x[0] + x[0] * x[1] ** k) ** 2 for k, c in enumerate((1.5, 2.25, 2.625), start=1)),
}
EACH_VALLEY = pytest.mark.parametrize(("height", "start", "least"), VALLEYS.values(), ids=VALLEYS)
PEERS = {
    "SGD": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
    "Nesterov": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
    "AdaGrad": torch.optim.Adagrad,
    "RMSProp": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
}


def height_and_slope(height, at):
    x = Tensor(np.array(at), requires_grad=True)
    result = height(x)
    result.backward()
    return result.item(), x.grad


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_heights_and_slopes(seed):
    at = np.random.default_rng(seed).uniform(-3, 3, size=2)
    height, slope = height_and_slope(valleys.rosenbrock, at)
    assert_allclose(height, rosen(at), rtol=1e-12)
    assert_allclose(slope, rosen_der(at), rtol=1e-9, atol=1e-9)
    height, slope = height_and_slope(valleys.beale, at)
    assert_allclose(height, BY_TORCH["Beale"](at), rtol=1e-12)
    by_torch = torch.autograd.functional.jacobian(BY_TORCH["Beale"], torch.tensor(at))
    assert_allclose(slope, by_torch, rtol=1e-9, atol=1e-9)
    wrong = check_grad(*(lambda at, part=p: height_and_slope(valleys.beale, at)[part] for p in (0, 1)), at)
    assert wrong < 1e-4 * (1 + np.linalg.norm(slope))


@EACH_VALLEY
def test_the_bottom_is_where_it_is_said_to_be(height, start, least):
    bottom, slope = height_and_slope(height, least)
    assert_allclose(bottom, 0, atol=1e-20)
    assert_allclose(slope, 0, atol=1e-12)
    rng = np.random.default_rng(0)
    around = np.array(least)[:, None] + rng.normal(size=(2, 200)) * np.geomspace(1e-3, 3, 200)
    assert (height(Tensor(around)).data > 0).all()
    assert height_and_slope(height, start)[0] > 1


def alone(valley, start, rule, rate, steps):
    """One rate's points and heights, by PyTorch."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser, points, heights = PEERS[rule]([x], rate), [], []
    for _ in range(steps + 1):
        points.append(x.detach().numpy().copy())
        optimiser.zero_grad()
        height = BY_TORCH[valley](x)
        heights.append(height.item())
        height.backward()
        optimiser.step()
    return np.array(points), np.array(heights)


@pytest.mark.parametrize("valley", VALLEYS)
@pytest.mark.parametrize("rule", OPTIMISERS)
def test_the_race_is_won_by_the_rate_that_ends_lowest_alone(valley, rule, monkeypatch):
    height, start, _ = VALLEYS[valley]
    rates = np.array([1e-5, 3e-4, 1e-2, 0.3, 50.0])  # some crawl, some fly off
    monkeypatch.setattr(valleys, "RATES", rates)
    points, heights = race(height, start, OPTIMISERS[rule], 25)
    ways = [alone(valley, start, rule, float(rate), 25) for rate in rates]
    best_points, best_heights = ways[int(np.nanargmin([heights[-1] for _, heights in ways]))]
    assert_allclose(points, best_points, rtol=1e-8, atol=1e-10)
    assert_allclose(heights, best_heights, rtol=1e-8, atol=1e-10)
    assert (points.shape, heights.shape) == ((26, 2), (26,))
    assert_array_equal(points[0], start)


@pytest.mark.filterwarnings("error")
def test_rates_that_fly_off_are_no_warning_to_the_reader():
    race(valleys.rosenbrock, (-1.5, 1.5), OPTIMISERS["momentum"], 40)


@pytest.mark.parametrize("valley", VALLEYS)
def test_quasi_newton_is_scipy_s_and_gets_there(valley):
    height, start, least = VALLEYS[valley]
    points, heights = descend_by_lbfgs(height, start)
    by_torch = BY_TORCH[valley]
    way = [np.array(start)]
    peer = minimize(
        by_torch,
        start,
        method="L-BFGS-B",
        jac=lambda at: torch.autograd.functional.jacobian(by_torch, torch.tensor(at)).numpy(),
        callback=lambda at: way.append(at.copy()),
    )
    assert_allclose(points, way, atol=1e-6)
    assert len(heights) == peer.nfev
    assert_allclose(points[-1], least, atol=1e-3)
    assert heights[0] == height_and_slope(height, start)[0]
    assert_allclose(min(heights), peer.fun, atol=1e-9)


@pytest.mark.parametrize(
    ("distances", "gradients", "holds"),
    [
        ((1.5e-6, 2.6e-6), (49, 18), True),  # as measured; Adam's 1.5e-6 on Beale's function does not count
        ((1.5e-6, 2e-4), (49, 18), False),
        ((1.5e-6, 2.6e-6), (49, 75), False),
    ],
)
def test_l_bfgs_needs_few_gradients_if_it_arrives_in_both_valleys_within_a_quarter_of_the_steps(
    distances, gradients, holds
):
    record = LessonRecord("", "")
    for valley, distance, count in zip(VALLEYS, distances, gradients, strict=True):
        record.facts += [
            Fact(f"{valley}, L-BFGS: distance from the bottom", distance),
            Fact(f"{valley}, L-BFGS: gradients until it stopped", count),
            Fact(f"{valley}, Adam: distance from the bottom", 1e-6),
        ]
    assert lbfgs_needs_few_gradients(record, 300) is holds
