"""Words as pictures: patches lie where SIFT looks, shuffling keeps what a pyramid counts, tuning holds digits out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch05_cnn import hand_crafted
from ch05_cnn.hand_crafted import (
    average_patches,
    build_svms,
    cut_word_patches,
    find_nearest,
    find_telling_words,
    redraw,
    shuffle_words,
)
from common.console import Console
from common.data import Scale, mnist
from common.features import pipelines
from common.features.bag_of_words import BagOfVisualWords, pyramid_cells
from common.record import LessonRecord
from common.run import Run


def make_run(seed: int = 0, preset: str = "smoke") -> Run:
    return Run("hand_crafted", seed, Scale(preset), LessonRecord("", ""), Path(), Console())


@pytest.fixture(scope="module")
def images():
    return mnist(Scale("smoke")).train.images[:30]


@pytest.fixture(scope="module")
def sift(images):
    return pipelines.dense_sift().fit(images)


def test_patches_are_what_descriptors_see(images, sift):
    """The descriptor of a keypoint changes with pixels inside its patch, and with none beyond the patch's rim."""
    image = images[:1]
    before = sift.transform(image).reshape(-1, 128)
    for keypoint in (0, 65, 100, 143):
        inside = np.zeros((28, 28), bool)
        top, left = np.round(sift.positions_[keypoint] - 5.5).astype(int)
        inside[max(0, top) : top + 12, max(0, left) : left + 12] = True
        patch = cut_word_patches(image, sift)[0, keypoint]
        seen = image[0][inside] / 255
        assert_allclose(np.sort(patch.ravel())[-len(seen) :].sum(), seen.sum())
        assert patch[6, 6] == image[0, top + 6, left + 6] / 255
        near = inside.copy()
        near[max(0, top - 2) : top + 14, max(0, left - 2) : left + 14] = (
            True  # bins overlap by 1 pixel, gradients need 1
        )
        elsewhere = np.where(near, image, 255 - image)
        assert_allclose(sift.transform(elsewhere).reshape(-1, 128)[keypoint], before[keypoint], atol=1e-5)
        nearby = np.where(inside, 255 - image // 2, image)
        if image[0][inside].std() > 20:
            assert not np.allclose(sift.transform(nearby).reshape(-1, 128)[keypoint], before[keypoint], atol=0.05)


def test_a_mean_patch_is_the_mean_of_its_patches(images, sift):
    words = np.random.default_rng(0).integers(-1, 4, (len(images), 144))
    patches = cut_word_patches(images, sift)
    means = average_patches(images, words, sift, 5)
    for word in range(4):
        assert_allclose(means[word], patches[words == word].mean(axis=0))
    assert_array_equal(means[4], 0)


def test_with_a_word_for_each_patch_the_digit_is_rebuilt(images, sift):
    patches = cut_word_patches(images[:1], sift)[0]
    picture = redraw(np.arange(144), patches, sift, 28)
    assert_allclose(picture, images[0] / 255, atol=1e-12)
    assert_array_equal(redraw(np.full(144, -1), patches, sift, 28), 0)


def test_the_nearest_histogram_is_another_image_s():
    histograms = np.array([[4.0, 0, 1], [9, 0, 0], [4, 0, 1], [0, 5, 0], [1, 4, 0]])
    assert find_nearest(histograms, [0, 2, 3, 1]) == [2, 0, 4, 0]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_shuffling_within_cells_keeps_their_histograms(level):
    rng, cells = np.random.default_rng(0), pyramid_cells((12, 12), [level])
    words = rng.integers(-1, 20, 144)
    moved = shuffle_words(words, cells, rng)
    assert np.any(moved != words)
    counts, after = (cells @ (w[:, None] == np.arange(20)) for w in (words, moved))
    assert_array_equal(after, counts)
    finer = pyramid_cells((12, 12), [level + 1])
    assert np.any(finer @ (moved[:, None] == np.arange(20)) != finer @ (words[:, None] == np.arange(20)))


def test_telling_words_are_those_that_differ_most():
    labels = np.repeat([4, 9, 7], 50)
    histograms = np.random.default_rng(0).poisson(1.0, (150, 12)).astype(float)
    histograms[labels == 4, 3] += 5
    histograms[labels == 9, 8] += 5
    histograms[labels == 7, 5] += 50  # of no interest
    telling, means = find_telling_words(histograms, labels, (4, 9), 2)
    assert_array_equal(telling, [3, 8])
    assert_allclose(means[1], histograms[50:100].mean(axis=0))


@pytest.mark.parametrize("name", ["linear SVM", "RBF-SVM"])
def test_settings_are_chosen_on_held_out_training_digits(name):
    search = build_svms(make_run(preset="full"), pipelines.KernelMachine())[name]
    x, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    splits = list(search.cv.split(x, y))
    assert len(splits) == 1
    assert sorted(map(len, splits[0])) == [10, 50]
    assert search.fit(x, y).refit
    assert all(len(values) > 1 for values in search.param_grid.values())


def test_with_little_time_the_settings_are_those_of_the_pipelines():
    kernel = pipelines.hog_svm("mnist")[-1]
    chosen = build_svms(make_run(preset="lecture"), kernel)
    assert chosen["RBF-SVM"] is kernel
    assert not hasattr(chosen["linear SVM"], "param_grid")


def test_the_lesson_s_words_come_from_a_bag_with_quarters():
    assert pipelines.sift_words("mnist")[-1].get_params()["pyramid"] == (1, 2)
    assert len(hand_crafted.CELLS) == len(pyramid_cells((12, 12), BagOfVisualWords().pyramid))
