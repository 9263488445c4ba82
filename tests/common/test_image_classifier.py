"""Pixels by numpy, batches in their order, and a classifier that scikit-learn could use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from torch import nn

from common import data
from common.augment import Crops
from common.data import Scale
from common.errors import Problem
from common.image_classifier import ImageClassifier, LabelledImages, Pixels, in_chunks, outputs
from common.model_size import model_size
from common.train import Training

SMOKE = Scale("smoke")


def linear(channels: int, side: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, 10))


def drawing(channels: int, side: int) -> nn.Module:
    """What is another network in training."""
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.LazyLinear(10))


def training(epochs: int = 3, **changes) -> Training:
    return Training(epochs, **{"learning_rate": 0.01, "half": False} | changes)


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits, 8×8: (to learn from, to be judged on)."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8).astype(np.uint8)
    return (images[:1300], labels[:1300]), (images[1300:], labels[1300:])


# --- Pixels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [data.mnist, data.cifar10])
def test_pixels_have_mean_0_and_variance_1_a_channel_by_numpy(load):
    images = load(SMOKE).train.images
    pixels = Pixels.of(images)
    colours = images if images.ndim == 4 else images[..., None]
    mean, deviation = colours.astype(float).mean((0, 1, 2)), colours.astype(float).std((0, 1, 2))
    assert_allclose(pixels.mean, mean, rtol=1e-10)
    assert_allclose(pixels.deviation, deviation, rtol=1e-10)
    made = pixels(images[:7])
    assert made.dtype == torch.float32
    assert_allclose(made, ((colours[:7] - mean) / deviation).transpose(0, 3, 1, 2), atol=1e-5)
    whole = pixels(images)
    assert_allclose(whole.mean((0, 2, 3)), 0, atol=1e-4)
    assert_allclose(whole.std((0, 2, 3)), 1, atol=1e-4)


def test_test_images_are_scaled_as_training_images_were():
    digits = data.mnist(SMOKE)
    pixels = Pixels.of(digits.train.images)
    white = pixels(np.full((1, 28, 28), 255, np.uint8))
    assert_allclose(white, (255 - digits.train.images.mean()) / digits.train.images.std(), rtol=1e-5)


def test_a_channel_that_never_changes_is_zero_and_not_nan():
    images = np.zeros((4, 5, 5, 3), np.uint8)
    images[..., 1], images[:2, ..., 2] = 7, 9
    made = Pixels.of(images)(images)
    assert_array_equal(made[:, :2], 0)
    assert_allclose(made[:2, 2], 1)


@pytest.mark.parametrize(("seen", "given"), [((4, 8, 8), (4, 8, 8, 3)), ((4, 8, 8, 3), (4, 8, 8))])
def test_another_number_of_channels_is_refused(seen, given):
    pixels = Pixels.of(np.zeros(seen, np.uint8))
    with pytest.raises(ValueError, match=r"images of [13] channels, but [13] are expected, as in training"):
        pixels(np.zeros(given, np.uint8))


# --- Batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_the_images_asked_for_with_their_labels():
    images, labels = torch.arange(10.0)[:, None, None, None].expand(10, 1, 2, 2), torch.arange(10) + 20
    several = LabelledImages(images, labels)
    index = torch.tensor([7, 0, 7])
    inputs, targets = several.batch(index, torch.Generator())
    assert len(several) == 10
    assert inputs[:, 0, 0, 0].tolist() == [7, 0, 7]
    assert targets.tolist() == [27, 20, 27]


def test_a_batch_is_augmented_and_the_images_stay():
    images = torch.randn(6, 1, 8, 8)
    before = images.clone()
    several = LabelledImages(images, torch.arange(6), Crops(2))
    made, _ = several.batch(torch.arange(6), torch.Generator().manual_seed(3))
    assert torch.equal(made, Crops(2)(before, torch.Generator().manual_seed(3)))
    assert not torch.equal(made, before)
    assert torch.equal(images, before)


@pytest.mark.parametrize("n", [1, 4, 11])
def test_outputs_do_not_depend_on_the_chunks_and_are_those_of_evaluation(n):
    network, images = drawing(1, 8), torch.randn(n, 1, 8, 8)
    network(images.expand(max(n, 2), -1, -1, -1))  # in training: makes the lazy layer, moves BatchNorm's means
    network.eval()
    expected = network(images).detach()
    network.train()
    assert_allclose(torch.cat(list(in_chunks(network, images, size=4))), expected, atol=1e-5)
    network.train()
    assert_allclose(outputs(network, images), expected, atol=1e-5)
    assert not network.training


# --- The classifier ---------------------------------------------------------------------------------------------------


def test_it_learns_digits(digits):
    (images, labels), (others, answers) = digits
    classifier = ImageClassifier(linear, training(5, learning_rate=0.05))
    assert classifier.fit(images, labels) is classifier
    assert np.mean(classifier.predict(others) == answers) > 0.88
    assert_array_equal(classifier.decision_function(others).argmax(1), classifier.predict(others))
    assert model_size(classifier) == 64 * 10 + 10
    assert classifier.history_.epochs == 5


def test_the_seed_decides_and_nothing_else(digits):
    (images, labels), _ = digits

    def fitted(seed, draws):
        torch.manual_seed(draws)
        classifier = ImageClassifier(linear, training(1), Crops(1), seed=seed).fit(images[:200], labels[:200])
        return classifier, torch.rand(1)

    (first, a), (again, b), (other, _) = fitted(0, 1), fitted(0, 2), fitted(5, 1)
    assert_array_equal(first.network_[1].weight.detach(), again.network_[1].weight.detach())
    assert not torch.equal(first.network_[1].weight, other.network_[1].weight)
    torch.manual_seed(1)
    assert a == torch.rand(1) != b  # and no random number of the caller is used up


def test_the_network_is_built_from_channels_and_side():
    built, cifar = [], data.cifar10(SMOKE).train.take(slice(20))
    build = lambda channels, side: built.append((channels, side)) or linear(channels, side)  # noqa: E731
    ImageClassifier(build, training(1)).fit(cifar.images, cifar.labels)
    assert built == [(3, 32)]


def test_mirrored_sees_the_mirror_image_too(digits):
    (images, labels), (others, _) = digits
    classifier = ImageClassifier(linear, training(3)).fit(images, labels)
    once, mirror = classifier.decision_function(others), classifier.decision_function(others[:, :, ::-1])
    classifier.mirrored = True
    assert_allclose(classifier.decision_function(others), once + mirror, rtol=1e-4, atol=1e-4)


def test_pixels_are_those_of_the_training_images(digits):
    (images, labels), (others, _) = digits
    classifier = ImageClassifier(linear, training(1)).fit(images, labels)
    assert classifier.pixels_ == Pixels.of(images)
    assert_array_equal(classifier.predict(others[:1]), classifier.predict(others)[:1])


@pytest.mark.parametrize(("images", "labels"), [(5, 4), (5, 6), (0, 0)])
def test_as_many_labels_as_images_and_some(images, labels):
    with pytest.raises(ValueError, match=f"{images} images and {labels} labels"):
        ImageClassifier(linear, Training(1)).fit(np.zeros((images, 8, 8), np.uint8), np.zeros(labels, np.int64))


def test_labels_of_any_whole_numbers(digits):
    (images, labels), _ = digits
    fitted = [
        ImageClassifier(linear, Training(1, half=False)).fit(images[:40], labels[:40].astype(kind))
        for kind in (np.int64, np.uint8)
    ]
    assert_array_equal(*[classifier.decision_function(images[:5]) for classifier in fitted])
    assert fitted[0].predict(images[:0]).shape == (0,)


def test_batchnorm_and_batches_of_one_are_one_problem(digits):
    (images, labels), _ = digits
    build = lambda channels, side: nn.Sequential(nn.BatchNorm2d(channels), *linear(channels, side))  # noqa: E731
    with pytest.raises(Problem, match="batches of one image"):
        ImageClassifier(build, training(1, batch_size=1)).fit(images, labels)
