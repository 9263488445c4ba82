"""Smooth fills against dense solutions and scikit-image; the mean-value property; exactly restored pictures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage.restoration import inpaint_biharmonic

from ch07_applications.reconstruction.holes import BANDS, draw_hole
from ch07_applications.reconstruction.smooth_fills import SmoothFill, fill_smoothly, laplacian


def a_hole(seed=0, size=(14, 18), band=BANDS[4]):
    return draw_hole(size, band, np.random.default_rng(seed))


def fill_harmonic(picture, hole):
    return fill_smoothly(picture, hole)[0]


def neighbours(hole, y, x):
    places = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
    return [(a, b) for a, b in places if 0 <= a < hole.shape[0] and 0 <= b < hole.shape[1]]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_a_dense_solution(seed):
    hole, picture = a_hole(seed), np.random.default_rng(seed).uniform(0, 255, (14, 18, 3))
    matrix, right = np.eye(hole.size), picture.reshape(-1, 3).copy()
    for y, x in np.argwhere(hole):
        k, own = y * 18 + x, neighbours(hole, y, x)
        matrix[k, k] = len(own)
        for a, b in own:
            matrix[k, a * 18 + b] = -1
        right[k] = 0
    assert_allclose(fill_harmonic(picture, hole).reshape(-1, 3), np.linalg.solve(matrix, right), atol=1e-9)


def test_every_hidden_pixel_is_the_mean_of_its_neighbours_and_known_ones_stay():
    hole, picture = a_hole(), np.random.default_rng(1).integers(0, 256, (14, 18, 3)).astype(np.uint8)
    filled = fill_harmonic(picture, hole)
    for y, x in np.argwhere(hole):
        assert_allclose(filled[y, x], np.mean([filled[place] for place in neighbours(hole, y, x)], axis=0))
    assert (filled[~hole] == picture[~hole]).all()
    assert filled.min() >= picture[~hole].min()
    assert filled.max() <= picture[~hole].max()


def test_a_linear_ramp_is_restored_exactly_within_the_picture():
    y, x = np.indices((20, 24))
    ramp = (3.0 * x - 2.0 * y + 60)[..., None] * [1.0, 0.5, 0.2]
    hole = np.zeros((20, 24), bool)
    hole[4:15, 6:20] = True
    assert_allclose(fill_harmonic(np.where(hole[..., None], 0, ramp), hole), ramp, atol=1e-9)


def test_hidden_values_make_no_difference():
    hole, picture = a_hole(), np.random.default_rng(1).uniform(0, 255, (14, 18, 3))
    wild = np.where(hole[..., None], 1e6, picture)
    assert (fill_harmonic(wild, hole) == fill_harmonic(picture, hole)).all()


def test_pictures_that_share_a_hole_are_filled_at_once():
    hole, pictures = a_hole(), np.random.default_rng(2).uniform(0, 255, (4, 14, 18, 3))
    assert_allclose(SmoothFill(hole, 1).fill(pictures), [fill_harmonic(each, hole) for each in pictures])


def test_a_hole_at_the_border_has_no_slope_across_it():
    picture, hole = np.zeros((5, 9, 3)), np.zeros((5, 9), bool)
    picture[:, :3], hole[:, 3:] = 70.0, True
    assert_allclose(fill_harmonic(picture, hole), 70)


# --- The biharmonic fill ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_biharmonic_fill_has_the_least_curvature(seed):
    """It equals a dense least-squares solution: the continuation with the least sum of squared Laplacians."""
    hole, picture = a_hole(seed), np.random.default_rng(seed).uniform(0, 255, (14, 18, 3))
    operator, hidden = laplacian(14, 18).toarray(), hole.ravel()
    flat = np.where(hidden[:, None], 0, picture.reshape(-1, 3))
    wanted = np.linalg.lstsq(operator[:, hidden], -operator @ flat, rcond=None)[0]
    assert_allclose(fill_smoothly(picture, hole)[1][hole], wanted, atol=1e-6)


def test_it_agrees_with_scikit_image_away_from_the_border():
    y, x = np.indices((30, 30))
    picture = np.repeat((127 + 60 * np.sin(x / 5) + 50 * np.cos(y / 4))[..., None], 3, axis=2)
    hole = np.zeros((30, 30), bool)
    hole[8:20, 9:21] = True
    theirs = 255 * inpaint_biharmonic(np.where(hole[..., None], 0, picture) / 255, hole, channel_axis=2)
    assert_allclose(fill_smoothly(picture, hole)[1], theirs, atol=0.01)


def test_it_continues_slopes_beyond_what_is_known():
    """A parabola is not harmonic; the biharmonic fill restores it, and exceeds the values on the rim."""
    y, x = np.indices((24, 24))
    picture = np.repeat((200.0 - (x - 12) ** 2 - (y - 12) ** 2)[..., None], 3, axis=2)
    hole = np.zeros((24, 24), bool)
    hole[8:17, 8:17] = True
    harmonic, biharmonic = fill_smoothly(picture, hole)
    assert_allclose(biharmonic, picture, atol=1e-6)
    assert harmonic[12, 12, 0] < picture[12, 12, 0] - 10


def test_the_laplacian_is_that_of_the_grid():
    values = np.random.default_rng(0).normal(size=(5, 7))
    padded = np.pad(values, 1, mode="edge")
    wanted = 4 * values - padded[:-2, 1:-1] - padded[2:, 1:-1] - padded[1:-1, :-2] - padded[1:-1, 2:]
    assert_allclose(laplacian(5, 7) @ values.ravel(), wanted.ravel())


@pytest.mark.parametrize("order", [1, 2])
def test_both_fills_never_see_hidden_values(order):
    hole, picture = a_hole(), np.random.default_rng(1).uniform(0, 255, (1, 14, 18, 3))
    wild = np.where(hole[..., None], 1e6, picture)
    assert (SmoothFill(hole, order).fill(wild) == SmoothFill(hole, order).fill(picture)).all()
