"""The trunk that detectors start from: its inputs, that it learns, and that it is trained once, on one set."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2.functional import resized_crop

from ch06_detection.trunk.layers import small_trunk
from ch06_detection.trunk.pretraining import (
    SIDE,
    TrunkPretraining,
    as_classifier,
    copy_class_rows,
    copy_weights,
    cut_out_objects,
)
from common.data import Scale
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.train import Training


@pytest.fixture(scope="module")
def few():
    return scenes(Scale("smoke")).train.take(slice(24))


def named(epochs=1, **settings):
    return TrunkPretraining(Training(epochs, 2e-3, 8, half=False), 10, width=8, **settings)


def test_a_cut_shows_the_object_and_a_label_from_0():
    image = np.zeros((2, 128, 128, 3), np.uint8)
    image[1, 20:60, 30:70] = np.arange(40, dtype=np.uint8)[:, None, None] * 6
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    one = {"boxes": torch.tensor([[30.0, 20, 70, 60]]), "labels": torch.tensor([7])}
    crops, labels = cut_out_objects(image, [none, one], Pixels((0.0,) * 3, (1.0,) * 3))
    assert labels.tolist() == [6]
    x = torch.tensor(image[1]).permute(2, 0, 1).float()
    theirs = resized_crop(x, 16, 26, 48, 48, list(SIDE), antialias=False)
    assert (crops[0] - theirs).abs().mean() < 3  # of 255: both bilinear, theirs on whole pixels


def test_a_trunk_learns_to_name_objects(few):
    own = named(epochs=12)
    own(few.images, few.targets)
    losses = own.history_.losses
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert own.accuracy(few.images, few.targets) > 0.5
    assert own.seconds_ > 0


def test_it_is_taught_once_and_on_one_set(few):
    own = named()
    first = own(few.images, few.targets)
    spent = own.seconds_
    assert own(few.images, few.targets) is first
    assert own.seconds_ == spent
    with pytest.raises(ValueError, match="other images"):
        own(few.images[:20], few.targets[:20])


def test_without_two_objects_it_stays_untaught(few):
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    own = named()
    taught = own(few.images[:2], [nothing] * 2)
    assert own.history_ is None
    torch.manual_seed(0)
    for ours, fresh in zip(taught.stages.parameters(), nn.Sequential(*small_trunk(8)[:2]).parameters(), strict=True):
        assert torch.equal(ours, fresh)


def test_the_first_layers_are_copied_however_they_are_grouped(few):
    taught = named()(few.images, few.targets)
    whole = small_trunk(8)
    network = nn.ModuleList([nn.Sequential(*whole[:2]), whole[2]])
    coarsest = network[1][0][0].weight.clone()
    copy_weights(taught.stages, network)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(network[0].eval()(x), taught.stages.eval()(x))
    assert torch.equal(network[1][0][0].weight, coarsest)
    with torch.no_grad():
        network[0][0][0][0].weight.zero_()  # a copy: the trained weights stay
    assert taught.stages[0][0][0].weight.any()


def test_background_gets_a_row_of_its_own(few):
    taught = named()(few.images, few.targets)
    score = nn.Linear(96, 11)
    copy_class_rows(score, taught.score)
    x = torch.randn(5, 96)
    torch.testing.assert_close(score(x)[:, 1:], taught.score(x))
    torch.testing.assert_close(score(x)[:, 0], taught.score(x).mean(dim=1))
    assert as_classifier(taught)(torch.randn(3, 3, *SIDE)).shape == (3, 10)
