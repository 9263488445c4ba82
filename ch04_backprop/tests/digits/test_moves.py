"""Moved digits are SciPy's, and stay images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from ch04_backprop.digits.moves import Moves, move_images
from common.data import mnist


def digits(n: int = 5) -> np.ndarray:
    return mnist().train.images[:n].astype(np.float32) / 255


def by_scipy(image, shift, angle):
    """Output at p comes from the place that the inverse of turn, then shift, takes p to."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = (np.array(image.shape) - 1) / 2
    offset = middle - turn @ (middle + shift)
    return ndimage.affine_transform(image, turn, offset, order=1, mode="grid-constant", cval=image.min())


@settings(max_examples=40, deadline=None)
@given(
    shifts=st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=5, max_size=5),
    angles=st.lists(st.floats(-np.pi, np.pi), min_size=5, max_size=5),
)
def test_moved_is_scipys_affine_transform(shifts, angles):
    images, shifts, angles = digits(), np.array(shifts), np.array(angles)
    expected = [by_scipy(*one) for one in zip(images, shifts, angles, strict=True)]
    assert_allclose(move_images(images, shifts, angles), expected, atol=2e-5)


@pytest.mark.parametrize("side", [1, 2, 5, 28])
def test_nothing_moves_by_nothing(side):
    images = np.random.default_rng(side).random((3, side, side)).astype(np.float32)
    assert_allclose(move_images(images, np.zeros((3, 2)), np.zeros(3)), images, atol=1e-6)


def test_a_whole_pixel_down_and_two_to_the_right():
    images = digits()
    expected = np.zeros_like(images)
    expected[:, 1:, 2:] = images[:, :-1, :-2]
    assert_allclose(move_images(images, np.tile([1.0, 2.0], (5, 1)), np.zeros(5)), expected, atol=1e-6)


def test_a_quarter_turn_is_counter_clockwise():
    images = digits()
    turned = move_images(images, np.zeros((5, 2)), np.full(5, np.pi / 2))
    assert_allclose(turned, np.rot90(images, axes=(1, 2)), atol=1e-5)


def test_background_comes_in_and_no_value_that_was_not_between():
    images = digits() - 3
    shifted = move_images(images, np.full((5, 2), 100.0), np.zeros(5))
    assert_array_equal(shifted, np.full_like(images, -3))
    turned = move_images(images, np.full((5, 2), 0.3), np.full(5, 0.2))
    assert turned.min() >= images.min() - 1e-5
    assert turned.max() <= images.max() + 1e-5


def centres(images):
    return np.array([ndimage.center_of_mass(image) for image in images])


def test_moves_are_within_their_bounds_and_reach_them():
    images = digits(400)
    before = centres(images)
    off = centres(Moves(shift=2.0)(images.reshape(400, -1), np.random.default_rng(0)).reshape(images.shape)) - before
    assert np.abs(off).max() <= 2.05  # ink at the border may leave
    assert off.max() > 1.9
    assert off.min() < -1.9
    assert_allclose(off.mean(axis=0), 0, atol=5 * 2 / np.sqrt(3 * 400))


def test_angles_are_in_degrees():
    bar = np.zeros((500, 29, 29), np.float32)
    bar[:, 14, :] = 1
    turned = Moves(angle=20.0)(bar.reshape(500, -1), np.random.default_rng(0)).reshape(bar.shape)
    place = np.arange(29) - 14
    slope = np.einsum("nij,i,j->n", turned, -place, place) / np.einsum("nij,j->n", turned, place**2)
    degrees = np.degrees(np.arctan(slope))
    assert np.abs(degrees).max() == pytest.approx(20, abs=1)
    assert degrees.min() < -18
    assert_allclose(degrees.mean(), 0, atol=5 * 20 / np.sqrt(3 * 500))


def test_the_generator_decides_and_the_batch_stays_as_it_was():
    x = digits().reshape(5, -1)
    before = x.copy()
    x.flags.writeable = False
    first, again, other = (Moves(2.0, 15.0)(x, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    assert first.dtype == np.float32
    assert_array_equal(x, before)
