"""Class weights: which images a frequency is taken over, what does not count, classes that are not there."""

import numpy as np
import pytest

from ch07_applications.segmentation.class_balance import median_frequency
from common.data.segmented import IGNORE


def labels_of(*rows):
    return np.array(rows, np.uint8)[:, None]


def test_a_frequency_is_taken_over_the_images_that_have_the_class():
    """Class 2 has one image, and all of it but 1 pixel: rare in the set, but not within its image."""
    labels = labels_of([0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 1])
    frequency = np.array([6 / 8, 3 / 12, 3 / 4])
    assert np.allclose(median_frequency(labels, 3), np.median(frequency) / frequency)
    assert np.allclose(median_frequency(labels, 3, 0.5), np.sqrt(np.median(frequency) / frequency))


def test_pixels_that_do_not_count_are_in_no_frequency():
    labels = labels_of([0, 0, 0, 1], [0, 0, 0, 1])
    more = np.concatenate([labels, np.full_like(labels, IGNORE)], axis=2)
    assert np.array_equal(median_frequency(labels, 2), median_frequency(more, 2))


def test_a_class_without_training_pixels_weighs_nothing_and_moves_no_other():
    labels = labels_of([0, 0, 0, 2])
    with np.errstate(all="raise"):
        weights = median_frequency(labels, 4)
    assert weights[[1, 3]].tolist() == [0, 0]
    assert np.array_equal(weights[[0, 2]], median_frequency(labels_of([0, 0, 0, 1]), 2))
    assert np.array_equal(median_frequency(labels, 4, 0.0), [1, 0, 1, 0])


def test_labels_that_all_do_not_count_have_no_frequencies():
    with pytest.raises(ValueError, match="none of the 4 pixels"):
        median_frequency(labels_of([IGNORE] * 4), 2)
