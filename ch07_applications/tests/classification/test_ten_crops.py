"""Crops lie where they should, and a prediction is the mean of ten probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from ch07_applications.classification.ten_crops import MiddleCrops, RandomCrops, TenCrops, ten_crops
from common.train import Training

GENERATOR = torch.Generator()


def numbered(side=6):
    """One image, every pixel of which is its place: 10 · row + column."""
    return (10.0 * torch.arange(side)[:, None] + torch.arange(side)).expand(1, 3, side, side)


def test_ten_crops_are_the_middle_and_the_corners_and_their_mirror_images():
    crops = ten_crops(numbered(), 4)
    assert [int(crop[0, 0, 0, 0]) for crop in crops[::2]] == [11, 0, 2, 20, 22]
    assert all(torch.equal(mirrored, crop.flip(3)) for crop, mirrored in zip(crops[::2], crops[1::2], strict=True))
    assert {crop.shape for crop in crops} == {(1, 3, 4, 4)}


def test_random_crops_are_everywhere_mirrored_every_second_time_and_whole():
    images = numbered().expand(600, 3, 6, 6)
    crops = RandomCrops(4)(images, GENERATOR.manual_seed(0))
    mirrored = crops[:, 0, 0, 0] > crops[:, 0, 0, 1]
    assert 0.4 < mirrored.float().mean() < 0.6
    upright = torch.where(mirrored[:, None, None, None], crops.flip(3), crops)
    places = upright[:, 0, 0, 0]
    assert set(places.int().tolist()) == {10 * row + column for row in range(3) for column in range(3)}
    assert torch.equal(upright - places[:, None, None, None], numbered()[:, :, :4, :4].expand_as(upright))


def test_middle_crops_are_the_first_view():
    images = numbered()
    assert torch.equal(MiddleCrops(4)(images, GENERATOR), ten_crops(images, 4)[0])


@pytest.mark.parametrize("crop", [RandomCrops(8), MiddleCrops(8)])
def test_an_image_that_is_smaller_than_the_crop_is_refused(crop):
    with pytest.raises(ValueError, match="images of 6×6 pixels hold no crop of 8×8"):
        crop(numbered(), GENERATOR)


class Corner(nn.Module):
    """Two scores: the top left pixel of a crop, and 0."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return torch.stack([self.one * images[:, 0, 0, 0], torch.zeros(len(images))], 1)


@pytest.fixture
def fitted():
    images = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), dtype=np.uint8)
    model = TenCrops(lambda channels, side: Corner(), Training(1, learning_rate=0.0), RandomCrops(4), side=4)
    return model.fit(images, np.arange(8) % 2), images


def test_probabilities_are_averaged_and_not_scores(fitted):
    model, images = fitted
    corners = torch.stack([crop[:, 0, 0, 0] for crop in ten_crops(model.pixels_(images), 4)])
    assert_allclose(model.probabilities(images)[:, 0], torch.sigmoid(corners).mean(0), rtol=1e-5)
    assert_allclose(model.probabilities(images, views=1)[:, 0], torch.sigmoid(corners[0]), rtol=1e-5)
    assert_allclose(model.decision_function(images).sum(1), 1, rtol=1e-5)
    assert np.array_equal(model.predict(images), model.predict_from(images, 10))
    assert not np.allclose(model.probabilities(images)[:, 0], torch.sigmoid(corners.mean(0)))


@pytest.mark.parametrize(("shape", "got"), [((2, 6, 6), "6×6"), ((2, 7, 7, 3), "7×7×3")])
def test_images_of_another_kind_than_in_training_are_refused(fitted, shape, got):
    with pytest.raises(ValueError, match=f"images of {got}, but the network learned from images of 6×6×3"):
        fitted[0].predict(np.zeros(shape, np.uint8))


def test_nothing_is_learned_from_no_images(fitted):
    with pytest.raises(ValueError, match="0 images and 0 labels"):
        fitted[0].fit(np.zeros((0, 6, 6, 3), np.uint8), np.zeros(0, int))


def test_no_images_have_no_predictions(fitted):
    assert fitted[0].predict(fitted[1][:0]).shape == (0,)
