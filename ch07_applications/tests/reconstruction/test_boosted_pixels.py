"""Boosted trees on the causal neighbourhood: the right neighbours, no later pixel, probabilities that sum to 1."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ch07_applications.reconstruction.binarised_digits import draw
from ch07_applications.reconstruction.boosted_pixels import (
    OUTSIDE,
    BoostedPixels,
    causal_offsets,
    every_place,
    features,
)
from ch07_applications.reconstruction.pixel_rnn import causal_mask


def greys(n=60, size=(2, 3), seed=0):
    return np.random.default_rng(10 + seed).random((n, *size), dtype=np.float32)  # not what draw() is drawn with


def model(size=(2, 3), **settings):
    return BoostedPixels(pixels=2000, trees=8, **settings).fit(greys(400, size))


def test_the_neighbours_are_what_a_masked_filter_sees():
    for reach in (1, 3, 5):
        expected = causal_mask("A", (2 * reach + 1, 2 * reach + 1)).nonzero().numpy() - reach
        assert_array_equal(causal_offsets(reach), expected)
    assert len(causal_offsets(5)) == 60


def test_features_are_neighbours_and_place():
    image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4) % 2
    image[0, 0, 1] = 1
    found = features(image, np.array([[0, 1, 0], [0, 2, 3]]), causal_offsets(1))
    expected = [[OUTSIDE, *image[0, 0, :2], OUTSIDE, 1, 0], [*image[0, 1, 2:], OUTSIDE, image[0, 2, 2], 2, 3]]
    assert_array_equal(found, expected)


def test_no_answer_depends_on_its_own_pixel_or_a_later_one():
    trees, images = model((4, 5)), draw(greys(30, (4, 5), 1), np.random.default_rng(0))
    before = trees.probabilities(images).reshape(30, -1)
    changed = np.zeros((20, 20), bool)
    for pixel in range(20):
        other = images.copy().reshape(30, -1)
        other[:, pixel] ^= 1
        changed[pixel] = (trees.probabilities(other.reshape(images.shape)).reshape(30, -1) != before).any(axis=0)
    assert changed.any()
    assert not np.tril(changed).any()


def test_the_probabilities_of_all_images_sum_to_1():
    every = np.array(list(product([0, 1], repeat=6)), np.uint8).reshape(-1, 2, 3)
    nats = model().pixel_nats(every)
    assert np.exp(-nats.sum(axis=(1, 2))).sum() == pytest.approx(1, abs=1e-9)


def test_nats_are_of_what_scikit_learn_predicts():
    trees, images = model(), draw(greys(5, seed=2), np.random.default_rng(0))
    places = every_place(images)
    chances = trees.model_.predict_proba(features(images, places, causal_offsets(5)))
    expected = -np.log(chances[np.arange(len(places)), images.ravel()])
    assert np.allclose(trees.pixel_nats(images).ravel(), expected)
    with pytest.raises(ValueError, match="binarise"):
        trees.pixel_nats(images + 1)


def test_trees_learn_what_a_pixel_depends_on():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (300, 4, 4)).astype(np.float32)
    images[:, :, 1:] = images[:, :, :1]  # each row is constant
    trees = BoostedPixels(pixels=4000, trees=30).fit(images)
    nats = trees.pixel_nats(images[:50].astype(np.uint8))
    assert nats[:, :, 1:].mean() < 0.1 < nats[:, :, 0].mean()


def test_samples_keep_the_rows_that_are_given():
    trees, images = model((4, 5)), draw(greys(6, (4, 5), 1), np.random.default_rng(0))
    drawn = trees.sample(images, np.random.default_rng(1), 2)
    assert_array_equal(drawn[:, :2], images[:, :2])
    assert not np.array_equal(drawn[:, 2:], images[:, 2:])
    assert set(np.unique(drawn)) <= {0, 1}


@pytest.mark.parametrize("reach", [1, 2])
def test_pixels_that_are_drawn_at_the_same_time_are_those_of_a_loop(reach):
    size, given = (6, 7), 2
    trees, images = model(size, reach=reach), draw(greys(5, size, seed=3), np.random.default_rng(2))
    uniform, wanted = np.random.default_rng(4).random(images.shape), images.copy()
    for row, column in product(range(given, 6), range(7)):
        places = np.array([(n, row, column) for n in range(5)], np.int64)
        wanted[:, row, column] = uniform[:, row, column] < trees.probabilities(wanted, places)
    assert_array_equal(trees.sample(images, np.random.default_rng(4), given), wanted)
