"""Pixels and descriptors of any size or kind: what a descriptor divides by must not overflow, vanish or wrap around."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage.feature import hog

from common.features.bag_of_words import BagOfVisualWords, squared_distances
from common.features.hog import HOG, central_difference
from common.features.sift import DenseSIFT

IMAGES = np.random.default_rng(0).random((3, 24, 24))


@pytest.mark.parametrize("size", [1.0, 1e3, 1e18, 1e37])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("norm", ["L1", "L2", "L2-Hys"])
def test_hog_of_large_floats_is_scikit_image_s(size, kind, norm):
    ours = HOG(pixels_per_cell=(6, 6), block_norm=norm).fit_transform((IMAGES * size).astype(kind))
    wanted = hog(IMAGES[0] * size, pixels_per_cell=(6, 6), block_norm=norm)
    assert_allclose(ours[0], wanted, atol=1e-6)


def test_hog_says_which_pixels_are_too_large():
    assert_allclose(HOG().fit_transform(IMAGES * 1e100), HOG().fit_transform(IMAGES * 1e3), atol=1e-6)
    with pytest.raises(ValueError, match=r"1\.0e\+200"):
        HOG().fit_transform(IMAGES * 1e200)


@pytest.mark.parametrize("size", [1e17, 1e30, 1e300, 1e-17, 1e-25, 1e-300])
def test_sift_does_not_mind_the_size(size):
    plain = DenseSIFT().fit_transform(IMAGES)
    stack = IMAGES * np.array([size, 1.0, 1 / size])[:, None, None]  # each by itself
    assert_allclose(DenseSIFT().fit_transform(stack), plain, atol=1e-5)
    colours = DenseSIFT().fit_transform(np.stack([stack] * 3, axis=-1))
    assert_allclose(colours, plain, atol=1e-5)
    assert np.linalg.norm(plain[0]) > 1


def test_sift_of_a_power_of_two_is_the_same_to_the_last_bit():
    assert (DenseSIFT().fit_transform(IMAGES * 2.0**60) == DenseSIFT().fit_transform(IMAGES)).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("sigma", [5e-324, 1e-200, 1e-25])
@pytest.mark.filterwarnings("error")
def test_words_of_no_width_are_hard(sigma, kind):
    rows = np.random.default_rng(1).random((20, 16 * 8)).astype(kind)
    settings = {"descriptor_size": 8, "random_state": 0}
    hard = BagOfVisualWords(5, **settings).fit_transform(rows)
    assert_allclose(BagOfVisualWords(5, assignment="soft", sigma=sigma, **settings).fit_transform(rows), hard)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_words_of_endless_width_share_every_patch(kind):
    rows = np.random.default_rng(1).random((20, 16 * 8)).astype(kind)
    bag = BagOfVisualWords(5, descriptor_size=8, assignment="soft", sigma=1e200, pyramid=(1,), norm="l1", power=1.0)
    assert_allclose(bag.fit_transform(rows), 1 / 5, rtol=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int8, bool])
def test_differences_of_whole_pixels_do_not_wrap(kind):
    pixels = np.random.default_rng(2).integers(0, 2 if kind is bool else 120, (1, 6, 6)).astype(kind)
    for axis in (1, 2):
        exact = central_difference(pixels.astype(float), axis)
        assert_allclose(central_difference(pixels, axis), exact)
        assert exact.min() < 0


def test_distances_of_bytes_do_not_wrap():
    a, b = np.uint8([[200, 10], [0, 3]]), np.uint8([[100, 20], [255, 255], [1, 1]])
    wanted = ((a[:, None].astype(float) - b) ** 2).sum(axis=-1)
    assert_allclose(squared_distances(a, b), wanted)
