"""The reader's photo becomes a square of 32 pixels, or one clear line."""

import numpy as np
import pytest

from ch07_applications.classification.own_photo import in_words, square
from common.errors import Problem


def test_the_middle_of_the_photo_is_kept_and_each_pixel_is_a_mean():
    photo = np.zeros((64, 128, 3), np.uint8)
    photo[:, 32:96] = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    means = photo[:, 32:96].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(square(photo) - means).max() <= 1  # it is rounded twice, along rows and along columns
    assert (
        np.abs(square(photo.transpose(1, 0, 2)) - means.transpose(1, 0, 2)).max() <= 1
    )  # it is rounded twice, along rows and along columns


def test_a_photo_of_32_pixels_stays_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(square(photo), photo)


@pytest.mark.parametrize("shape", [(0, 0, 3), (31, 500, 3), (500, 1, 3)])
def test_a_photo_that_is_empty_or_too_small_is_one_clear_line(shape):
    with pytest.raises(Problem, match=f"--photo has {shape[1]}×{shape[0]} pixels, the classifier needs at least 32×32"):
        square(np.zeros(shape, np.uint8))


def test_probabilities_in_words():
    assert in_words(np.array([0.1, 0.7, 0.2]), ("cat", "ship", "frog"), most=2) == "ship 70 %, frog 20 %"
