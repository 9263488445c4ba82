"""Kernels around training digits: a density that sums to 1, and copies in its limit."""

import numpy as np
import pytest
from sklearn.naive_bayes import BernoulliNB

from ch07_applications.reconstruction.binarised_digits import draw
from ch07_applications.synthesis.density_bench import digit_bench
from ch07_applications.synthesis.digit_kernels import DigitKernels, fit_kernels
from ch07_applications.synthesis.labelled_digits import labelled_sets
from ch07_applications.synthesis.sample_judge import nearest
from ch07_applications.tests.synthesis.small_runs import run_of


def greys_of(n, seed=0, size=(2, 3)):
    return np.random.default_rng(seed).random((n, *size)).astype(np.float32)


def all_images(height, width):
    codes = np.arange(2 ** (height * width))[:, None] >> np.arange(height * width) & 1
    return codes.astype(np.uint8).reshape(-1, height, width)


@pytest.mark.parametrize("epsilon", [0.0, 0.05])
def test_probabilities_of_all_images_sum_to_1(epsilon):
    greys = greys_of(5)
    greys[0] = 0.0  # where a mean is 0, an image with ink is impossible, and the sum must still be 1
    nats = DigitKernels(epsilon).fit(greys).nats(all_images(2, 3))
    assert np.exp(-nats).sum() == pytest.approx(1)


def test_nats_are_those_of_naive_bayes_with_a_class_per_training_digit():
    greys, images = greys_of(7, size=(3, 4)), (greys_of(9, 1, (3, 4)) > 0.5).astype(np.uint8)
    kernels = DigitKernels(0.02).fit(greys)
    bayes = BernoulliNB(alpha=0, force_alpha=True)
    bayes.classes_, bayes.class_log_prior_ = np.arange(7), np.full(7, -np.log(7))
    bayes.feature_log_prob_ = np.log(kernels.means_.reshape(7, -1).astype(float))
    joint = bayes.predict_joint_log_proba(images.reshape(9, -1))
    np.testing.assert_allclose(kernels.nats(images), -np.logaddexp.reduce(joint, axis=1), rtol=1e-6)


def test_without_epsilon_an_image_beyond_the_training_digits_is_impossible():
    greys = np.zeros((2, 2, 2), np.float32)
    greys[:, 0] = 0.5
    inside, beyond = np.zeros((2, 1, 2, 2), np.uint8)
    inside[0, 0, 0] = beyond[0, 1, 1] = 1
    copies, kernels = DigitKernels(0.0).fit(greys), DigitKernels(0.01).fit(greys)
    assert copies.nats(inside)[0] == pytest.approx(2 * np.log(2))
    assert np.isinf(copies.nats(beyond)[0])
    assert np.isfinite(kernels.nats(beyond)[0])


def test_samples_have_the_means_of_the_training_digits():
    greys = greys_of(3)
    drawn = DigitKernels(0.0).fit(greys).sample(20_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(axis=0), greys.mean(axis=0), atol=0.015)


def test_a_sample_of_one_training_digit_without_greys_is_its_copy():
    digit = np.array([[[0, 1], [1, 0]]], np.float32)
    drawn = DigitKernels(0.0).fit(digit).sample(50, np.random.default_rng(0))
    assert (drawn == digit.astype(np.uint8)).all()


def test_epsilon_is_chosen_on_held_out_images():
    greys, held_out = greys_of(20), (greys_of(40, 5) > 0.5).astype(np.uint8)
    options = (0.01, 0.1, 0.3)
    nats = [DigitKernels(epsilon).fit(greys).nats(held_out).mean() for epsilon in options]
    assert fit_kernels(greys, held_out, options).epsilon == options[int(np.argmin(nats))]


def test_grey_digits_unmask_copies_that_another_binarisation_hides(tmp_path):
    run = run_of("synthesis/pixelcnn", tmp_path, shared={})
    sets = labelled_sets(run, 30, 1)
    bench, rng = digit_bench(run, sets), np.random.default_rng(0)
    np.testing.assert_array_equal(bench.training, np.rint(255 * sets.greys))
    copies, binarised = 255 * DigitKernels(0.0).fit(sets.greys).sample(200, rng), 255 * draw(sets.greys, rng)
    unseen = nearest(bench.real.images, binarised)[1].mean()
    hidden = 100 * nearest(copies, binarised)[1].mean() / unseen
    assert bench.apart(copies) < hidden - 5


@pytest.mark.parametrize("epsilon", [-0.1, 0.5, float("nan")])
def test_an_epsilon_that_leaves_no_mean_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon lies between"):
        DigitKernels(epsilon)


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match="pixels must be 0 or 1"):
        DigitKernels().fit(greys_of(3)).nats(np.full((1, 2, 3), 7, np.uint8))
