"""The digit classifier: its rival's training set, and the clock."""

import numpy as np

from ch05_cnn import one_minute
from common import data
from common.data import Scale


def test_the_rival_gets_each_digit_and_a_moved_copy_of_it():
    part = data.mnist(Scale("smoke")).train
    both = one_minute.with_moved_copies(part, seed=0)
    n = len(part)
    np.testing.assert_array_equal(both.images[:n], part.images)
    np.testing.assert_array_equal(both.labels, np.tile(part.labels, 2))
    moved = both.images[n:]
    assert (moved != part.images).any(axis=(1, 2)).mean() > 0.99
    # The copy is the same digit elsewhere: about as much ink, and nearer to its own than to other digits.
    ink = moved.sum(axis=(1, 2)) / part.images.sum(axis=(1, 2))
    assert 0.85 < np.median(ink) < 1.15
    own = np.square(moved / 255 - part.images / 255).sum(axis=(1, 2))
    other = np.square(moved / 255 - np.roll(part.images, 1, axis=0) / 255).sum(axis=(1, 2))
    assert np.mean(own < other) > 0.85


def test_moved_copies_depend_on_the_seed_alone():
    part = data.mnist(Scale("smoke")).train.take(slice(0, 20))
    first, again, other = (one_minute.with_moved_copies(part, seed).images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
