"""Sums of bumps against interpolation and its error bounds; tents against SciPy's triangle wave, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal

from ch04_backprop.layers import Linear, ReLU
from ch04_backprop.networks.training import mlp
from ch04_backprop.wide_or_deep import (
    COUNTS,
    NOISE,
    SHAPES,
    count_pieces,
    draw_learned,
    largest_error,
    noisy_points,
    one_hidden_layer,
    polyline,
    predict,
    sawtooth,
    smooth,
    staircase,
    tents,
    train_on_points,
)
from common.record import Fact, LessonRecord

GRID = np.linspace(0, 1, 2001)
SLOPE, CURVATURE = (  # of smooth, at most: measured, not derived
    np.abs(np.gradient(smooth(GRID), GRID)).max(),
    np.abs(np.gradient(np.gradient(smooth(GRID), GRID), GRID)).max(),
)


def values(network, x: np.ndarray) -> np.ndarray:
    return network.forward(x[:, None])[:, 0]


def cubic(seed: int):
    return np.polynomial.Polynomial(np.random.default_rng(seed).normal(size=4))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), units=st.integers(1, 60))
def test_the_polyline_is_linear_interpolation(seed, units):
    f, knots = cubic(seed), np.linspace(0, 1, units + 1)
    assert_allclose(values(polyline(f, units), GRID), np.interp(GRID, knots, f(knots)), atol=1e-10)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), units=st.integers(1, 60))
def test_the_staircase_is_as_high_as_the_function_in_the_middle_of_each_step(seed, units):
    f = cubic(seed)
    middles = (np.arange(units + 1) + 0.5) / (units + 1)
    assert_allclose(values(staircase(f, units), middles), f(middles), atol=1e-6)
    near = np.clip(middles[None] + np.array([[-0.25], [0.25]]) / (units + 1), 0, 1)  # and flat around it
    for x in near:
        assert_allclose(values(staircase(f, units), x), f(middles), atol=1e-3)


@pytest.mark.parametrize("units", COUNTS)
def test_errors_keep_their_bounds(units):
    """Half a step times the slope; an eighth of the step squared times the curvature."""
    step = 1 / (units + 1)
    assert 0.8 * SLOPE * step / 2 < largest_error(staircase(smooth, units), smooth) <= 1.02 * SLOPE * step / 2
    assert (
        0.8 * CURVATURE / 8 / units**2
        < largest_error(polyline(smooth, units), smooth)
        <= 1.01 * CURVATURE / 8 / units**2
    )


def test_one_hidden_layer_is_the_sum_that_it_says():
    at, height = np.array([0.2, 0.5, 0.7]), np.array([1.0, -2.0, 3.0])
    network = one_hidden_layer(ReLU(), 4.0, at, height, 0.25)
    expected = 0.25 + sum(h * np.maximum(0, 4 * (GRID - t)) for t, h in zip(at, height, strict=True))
    assert_allclose(values(network, GRID), expected, atol=1e-12)
    assert sum(isinstance(layer, Linear) for layer in network.layers) == 2


# --- Depth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(1, 11))
def test_deep_and_shallow_draw_the_same_sawtooth_exactly(k):
    x = np.arange(2 ** (k + 3) + 1) / 2 ** (k + 3)
    expected = (1 + signal.sawtooth(2 * np.pi * 2 ** (k - 1) * x, width=0.5)) / 2
    assert_allclose(sawtooth(x, k), expected, atol=1e-9)
    deep, shallow = tents(k), polyline(lambda x: sawtooth(x, k), 2**k)
    assert_array_equal(values(deep, x), sawtooth(x, k))
    assert_array_equal(values(shallow, x), sawtooth(x, k))
    assert count_pieces(values(deep, x)) == 2**k


@pytest.mark.parametrize("k", [1, 2, 5])
def test_units_and_layers_are_counted(k):
    deep, shallow = tents(k), polyline(lambda x: sawtooth(x, k), 2**k)
    assert [layer.b.data.size for layer in deep.layers if isinstance(layer, Linear)] == [2] * k + [1]
    assert sum(isinstance(layer, ReLU) for layer in deep.layers) == k
    assert [layer.b.data.size for layer in shallow.layers if isinstance(layer, Linear)] == [2**k, 1]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), units=st.integers(1, 12))
def test_one_hidden_layer_bends_at_most_once_a_unit(seed, units):
    """So all but one of 2^k pieces cost a unit each, for any weights."""
    rng = np.random.default_rng(seed)
    at, height = rng.uniform(0, 1, units), rng.normal(size=units)
    assert count_pieces(values(one_hidden_layer(ReLU(), 1.0, at, height, 0.0), GRID)) <= units + 1


def test_pieces_of_zigzags():
    assert count_pieces(np.array([0.0, 1, 2, 3])) == 1
    assert count_pieces(np.array([0.0, 1, 0])) == 2
    assert count_pieces(np.array([0.0, 1, 2, 1, 0, 3])) == 3


# --- What is found ----------------------------------------------------------------------------------------------------


def test_the_points_lie_around_the_sawtooth():
    points = noisy_points(4000, np.random.default_rng(0))
    x = points.features[:, 0]
    misses = points.targets - sawtooth(x)
    assert_allclose([misses.mean(), misses.std()], [0, NOISE], atol=0.005)
    assert_allclose([x.min(), x.mean(), x.max()], [0, 0.5, 1], atol=0.02)
    assert_array_equal(sawtooth(x[:0]), [])


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_has_241_weights_and_its_bends_where_they_should_be(name):
    sizes, spread = SHAPES[name]
    network = train_on_points(sizes, spread, noisy_points(10, np.random.default_rng(0)), 0, np.random.default_rng(0))
    assert sum(parameter.data.size for parameter in network.parameters()) == 241
    first = network.layers[0]
    bends = -first.b.data / first.W.data[0]
    if spread:
        assert_allclose([bends.min(), bends.max()], [-1, 1], atol=0.5)
        assert np.abs(bends).max() <= 1
        assert bends.std() > 0.4
    else:
        assert_array_equal(bends, 0)


def test_starts_that_found_all_teeth_are_drawn_for_all_seeds():
    counts = {"wide": [5, 4], "deep": [3, 0], "wide, biases 0": [1, 0]}
    facts = [
        Fact(f"starts of 2 that found all teeth, {name}", float(value), "", seed)
        for name, values in counts.items()
        for seed, value in enumerate(values)
    ]
    networks = {name: [mlp(sizes, np.random.default_rng(0))] * 2 for name, (sizes, _) in SHAPES.items()}
    *_, axis = draw_learned(LessonRecord("", "", facts=facts), networks).axes
    assert [list(line.get_ydata()) for line in axis.lines] == list(counts.values())
    assert [bar.get_segments()[0][0, 1] for bar in axis.collections] == [4.5, 1.5, 0.5]


def test_training_finds_the_teeth():
    points = noisy_points(300, np.random.default_rng(0))
    network = train_on_points(*SHAPES["wide"], points, 800, np.random.default_rng(0))
    misses = predict(network, GRID[:, None]) - sawtooth(GRID)
    assert np.sqrt(np.mean(misses**2)) < NOISE < 0.25 < sawtooth(GRID).std()
    assert_array_equal(predict(network, GRID[:, None]), values(network, 2 * GRID - 1))
