"""Labelled digits: batches carry h, some of it 0; labels out of range and classes without images are refused."""

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.reconstruction.binarised_digits import digit_sets, halve
from ch07_applications.synthesis.labelled_digits import (
    FromChannels,
    LabelledDigits,
    class_priors,
    drawn_at_places,
    labelled_sets,
    moved_digits,
    one_hot,
)
from ch07_applications.tests.synthesis.small_runs import run_of
from common import data


def test_priors_are_shares_of_the_classes():
    np.testing.assert_allclose(class_priors(np.array([0, 1, 1, 2]), 3), [0.25, 0.5, 0.25])


def test_a_class_without_training_images_is_refused():
    with pytest.raises(ValueError, match="no training image shows class 1"):
        class_priors(np.array([0, 2, 2]), 3)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_labels_out_of_range_are_refused(labels):
    for function in (class_priors, one_hot):
        with pytest.raises(ValueError, match="labels must be 0 … 2"):
            function(np.array(labels), 3)


def test_h_is_1_at_the_class():
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def batches(dropped=0.0, rounds=1, places=1):
    greys = torch.zeros(places, 40, 4, 4)
    greys[:, ::2] = 1  # even digits are white, odd ones black
    return LabelledDigits(greys, torch.eye(2)[torch.arange(40) % 2], dropped, rounds)


def test_a_batch_has_each_digit_with_its_own_class_at_every_pixel():
    packed, images = batches().batch(torch.arange(40), torch.Generator().manual_seed(0))
    assert packed.shape == (40, 3, 4, 4)
    assert torch.equal(packed[:, :1], images)
    assert torch.equal(packed[:, 1], images[:, 0])  # class 0 is white
    assert torch.equal(packed[:, 2], 1 - images[:, 0])


def test_as_many_labels_are_dropped_as_is_said_and_no_image_with_them():
    index = torch.arange(40).repeat(100)
    packed, images = batches(dropped=0.25).batch(index, torch.Generator().manual_seed(0))
    known = packed[:, 1:, 0, 0].sum(dim=1)
    assert set(known.tolist()) == {0.0, 1.0}
    assert float(known.mean()) == pytest.approx(0.75, abs=0.03)
    assert float(images.mean()) == pytest.approx(0.5)
    assert torch.equal(packed[known == 1][:, 1], packed[known == 1][:, 0])


def test_an_epoch_takes_one_digit_in_so_many():
    some = batches(rounds=2)
    assert len(some) == 20
    packed, images = some.batch(torch.arange(20).repeat(50), torch.Generator().manual_seed(0))
    assert torch.equal(packed[:, 1], images[:, 0])


def test_channels_are_taken_apart_as_they_were_put_together():
    class Both(nn.Module):
        def forward(self, images, h):
            return images * h.argmax(dim=1)[:, None, None, None]

    packed, images = batches().batch(torch.arange(6), torch.Generator().manual_seed(0))
    assert torch.equal(FromChannels(Both())(packed), images * (torch.arange(6) % 2)[:, None, None, None])


def test_digits_move_by_half_a_pixel_after_halving():
    images = np.zeros((1, 8, 8), np.uint8)
    images[0, 2:4, 4:6] = 255
    still, down, up, right, left = moved_digits(images)[:, 0]
    assert still[1, 2] == 1
    assert still.sum() == 1
    assert down[1:3, 2].tolist() == [0.5, 0.5]
    assert up[0:2, 2].tolist() == [0.5, 0.5]
    assert right[1, 2:4].tolist() == [0.5, 0.5]
    assert left[1, 1:3].tolist() == [0.5, 0.5]


def test_the_sets_are_those_of_pixel_rnn_with_their_classes(tmp_path):
    run = run_of("synthesis/pixelcnn", tmp_path)
    sets, others, digits = labelled_sets(run, 30, 3), digit_sets(run, small=True, test=30), data.mnist(run.scale)
    assert np.array_equal(sets.test.inputs, others.test.inputs)
    assert np.array_equal(sets.validation.inputs, others.validation.inputs)
    assert np.array_equal(sets.greys, halve(digits.train.images[: len(sets.labels)].astype(np.float32) / 255))
    assert np.array_equal(sets.labels, digits.train.labels[: len(sets.labels)])
    assert sets.drawings.shape == (3, 30, 14, 14)
    assert np.array_equal(sets.drawings[0], sets.test.inputs)
    means = halve(digits.test.images[:30].astype(np.float32) / 255)
    for drawing in sets.drawings[1:]:
        assert 0 < np.mean(drawing != sets.drawings[0]) < 0.2
        assert not drawing[means == 0].any()


def test_drawings_at_places_keep_labels_and_visit_every_place(tmp_path):
    sets = labelled_sets(run_of("synthesis/pixelcnn", tmp_path), 30, 1)
    n = len(sets.labels)
    solid = np.zeros((5, n, 3, 4), np.float32)  # the pixel that is on identifies the place
    for place in range(5):
        solid[place, :, place // 4, place % 4] = 1
    images, labels = drawn_at_places(sets._replace(moved=solid), 3, 0)
    np.testing.assert_array_equal(labels, np.tile(sets.labels, 3))
    found = images.reshape(len(images), -1).argmax(axis=1)
    assert set(found) == set(range(5))
    assert (found[:n] != found[n : 2 * n]).mean() > 0.5
    np.testing.assert_array_equal(images, drawn_at_places(sets._replace(moved=solid), 3, 0)[0])


def test_the_first_place_is_where_the_digits_are(tmp_path):
    sets = labelled_sets(run_of("synthesis/pixelcnn", tmp_path), 30, 1)
    np.testing.assert_array_equal(sets.moved[0], sets.greys)
    assert sets.moved.shape == (5, *sets.greys.shape)
