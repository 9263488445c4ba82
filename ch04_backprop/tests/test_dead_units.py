"""The monitor on networks whose dead units are known, and the gradients of dead units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop import dead_units
from ch04_backprop.dead_units import SIZES, STEPS, Outcomes, build_network, dead_share, draw_dead, watch_dead_units
from ch04_backprop.layers import Linear
from ch04_backprop.optimisers import Momentum
from common import plots
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.results import mean_interval
from common.run import Run


def make_run(seed: int = 0) -> Run:
    return Run("dead_units", seed, Scale("smoke"), LessonRecord("", ""), Path(), Console())


def images(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 784)).astype(np.float32), rng.integers(10, size=n)


def killed(name: str, first: int, second: int):
    """A network with given numbers of dead units in its two hidden layers: their biases are far below all inputs."""
    network = build_network(name, np.random.default_rng(1))
    one, two = (layer for layer in network.layers[:-1] if isinstance(layer, Linear))
    one.b.data[:first] = -20
    two.b.data[:second] = -20
    return network


@pytest.mark.parametrize("name", ["ReLU", "leaky ReLU"])
@pytest.mark.parametrize(("first", "second"), [(0, 0), (10, 3), (32, 64), (64, 0)])
def test_the_dead_are_counted(name, first, second):
    share = dead_share(killed(name, first, second), images()[0])
    assert_allclose(share[0], first / SIZES[1])
    if first < 64:  # otherwise the layer above has constant inputs, and may be dead too
        assert_allclose(share[1], second / SIZES[2], atol=0.02)


def test_one_image_brings_a_unit_to_life():
    x = images()[0]
    network = killed("ReLU", 1, 0)
    waker = network.layers[0].W.data[:, :1].T * 1e4
    assert dead_share(network, x)[0] == 1 / SIZES[1]
    assert dead_share(network, np.vstack([x, waker]))[0] == 0


def test_a_dead_relu_gets_no_gradient_and_a_leaky_one_does():
    x, y = images()
    for name, gets in (("ReLU", False), ("leaky ReLU", True)):
        network = killed(name, 5, 0)
        network.gradient(x, y)
        gradient = np.abs(network.layers[0].W.grad).max(axis=0)
        assert (gradient[:5] > 0).all() == gets
        assert (gradient[5:] > 0).all()


def test_a_dead_relu_of_the_first_layer_stays_as_it_is():
    x, y = images()
    network = killed("ReLU", 5, 0)
    kept = network.layers[0].W.data.copy()
    optimiser = Momentum(network.parameters(), 0.01)
    for _ in range(20):
        network.gradient(x, y)
        optimiser.step()
    moved = (network.layers[0].W.data != kept).any(axis=0)
    assert_array_equal(moved, np.arange(SIZES[1]) >= 5)
    assert dead_share(network, x)[0] >= 5 / SIZES[1]


def test_watched_looks_before_every_step(monkeypatch):
    monkeypatch.setattr(dead_units, "LARGE", 1e-6)
    x, y = images(6000)
    shares = watch_dead_units("ReLU", (x, y), x[:3], make_run(3))
    fresh = build_network("ReLU", np.random.default_rng([3, 0]))
    assert len(shares) == STEPS
    assert 5 < shares[0] == 100 * dead_share(fresh, x[:3]).mean()
    assert_allclose(shares, shares[0], atol=2)  # next to no step: next to no change


@pytest.mark.filterwarnings("error")
def test_watched_ends_where_the_loss_runs_away(monkeypatch):
    monkeypatch.setattr(dead_units, "LARGE", 50.0)
    x, y = images(6000)
    assert 0 < len(watch_dead_units("leaky ReLU", (x, y), x[:50], make_run())) < STEPS


def test_the_picture_shows_means_intervals_and_what_ran_away():
    finished, split, lost = (
        Outcomes([1.0, 2.0, 4.0], [90.0, 91.0, 95.0]),
        Outcomes([5.0], [70.0], 2),
        Outcomes([], [], 3),
    )
    outcomes = {"ReLU": {0.1: finished, 0.2: split, 0.4: lost}}
    dead, right, away, _ = draw_dead(outcomes, {"ReLU": [0.0, 1.0]}).axes
    assert_allclose(dead.get_lines()[0].get_xydata(), [[0.1, 7 / 3], [0.2, 5]])
    assert_allclose(right.get_lines()[0].get_xydata(), [[0.1, 92], [0.2, 70]])
    interval = mean_interval(finished.right)
    (bar,) = right.collections  # one network alone has no interval
    assert_allclose(bar.get_segments()[0], [[0.1, interval.low], [0.1, interval.high]])
    assert_allclose(away.get_lines()[0].get_xydata(), [[0.1, 0], [0.2, 2], [0.4, 3]])
    assert away.get_lines()[0].get_color() == plots.BLUE
