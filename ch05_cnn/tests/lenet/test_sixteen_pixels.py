"""The digit's box is found wherever it lies; reducing takes means over areas, as OpenCV does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ch05_cnn.lenet.sixteen_pixels import area_weights, cut_ink_boxes, shrink, shrink_ink_box
from common import data


@given(seed=st.integers(0, 2**32 - 1), down=st.integers(0, 8), right=st.integers(0, 8))
def test_a_digit_in_a_box_is_cut_out_wherever_it_lies(seed, down, right):
    digit = np.random.default_rng(seed).integers(0, 256, (20, 20), np.uint8)
    digit[[0, -1], 7] = digit[4, [0, -1]] = 255  # ink up to all four sides
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, down : down + 20, right : right + 20] = digit
    images[1, 4:24, 4:24] = digit
    assert_array_equal(cut_ink_boxes(images), [digit, digit])


def test_no_ink_of_mnist_is_lost():
    images = data.mnist().train.images
    assert_array_equal(cut_ink_boxes(images).sum(axis=(1, 2), dtype=int), images.sum(axis=(1, 2), dtype=int))


def test_an_image_without_ink_has_a_box_too():
    assert cut_ink_boxes(np.zeros((1, 28, 28), np.uint8)).shape == (1, 20, 20)


@pytest.mark.parametrize(("before", "after"), [(20, 16), (28, 16), (16, 16), (32, 16)])
def test_reducing_is_opencv_s_area_interpolation(before, after):
    images = np.random.default_rng(0).integers(0, 256, (3, before, before), np.uint8)
    theirs = [cv2.resize(image.astype(np.float32), (after, after), interpolation=cv2.INTER_AREA) for image in images]
    ours = shrink(images, after)
    assert ours.dtype == np.float32
    assert_allclose(ours, np.array(theirs) / 127.5 - 1, atol=1e-4)


@given(before=st.integers(1, 40), after=st.integers(1, 40))
def test_shares_of_a_new_pixel_are_a_mean_and_every_old_pixel_counts_the_same(before, after):
    shares = area_weights(before, after)
    assert shares.shape == (after, before)
    assert_allclose(shares.sum(axis=1), 1)
    assert_allclose(shares.sum(axis=0), after / before)


def test_background_is_minus_one_and_ink_one():
    images = np.stack([np.zeros((20, 20)), np.full((20, 20), 255)]).astype(np.uint8)
    assert_allclose(shrink(images), np.stack([-np.ones((16, 16)), np.ones((16, 16))]), atol=1e-6)


def test_both_together():
    images = data.mnist().test.images[:5]
    assert_array_equal(shrink_ink_box(images), shrink(cut_ink_boxes(images)))
    assert shrink_ink_box(images).shape == (5, 16, 16)
