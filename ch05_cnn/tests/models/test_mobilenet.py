"""MobileNetV2 taken apart: trunk and tail together are the network that they were taken from."""

import numpy as np
import pytest
import torch
from torchvision import models

from ch05_cnn.models import mobilenet
from common import data
from common.data import Scale, weights


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.mobilenet_v2().eval()


@pytest.fixture(scope="module")
def part():
    return data.cifar10(Scale("smoke")).train.take(slice(0, 6))


def test_trunk_and_tail_are_the_whole(network, part):
    images = mobilenet.enlarge(weights.imagenet_inputs(part.images))
    tail = mobilenet.Tail(network.features[mobilenet.CUT :]).eval()
    with torch.no_grad():
        whole = network.features(images).mean(dim=(2, 3))
        halves = tail.features(network.features[: mobilenet.CUT](images))
    torch.testing.assert_close(halves, whole)
    assert whole.shape == (6, mobilenet.FEATURES)


def test_activations_are_the_trunks_of_each_side(network, part):
    trunk = network.features[: mobilenet.CUT]
    both = mobilenet.compute_activations(trunk, part, torch.device("cpu")).float()
    inputs = weights.imagenet_inputs(part.images)
    with torch.no_grad():
        for side, images in enumerate((inputs, inputs.flip(3))):
            expected = trunk(mobilenet.enlarge(images))
            error = (both[:, side] - expected).norm() / expected.norm()
            assert error < 0.02, "16 bits keep two to three digits"


def test_a_tail_learns_without_touching_the_network_it_was_taken_from(network):
    tail = mobilenet.Tail(network.features[mobilenet.CUT :])
    before = network.features[-1][0].weight.clone()
    with torch.no_grad():
        for weight in tail.parameters():
            weight.add_(1.0)
    torch.testing.assert_close(network.features[-1][0].weight, before)


def test_either_picks_one_of_the_two_sides_by_the_generators_coin():
    both = torch.arange(400.0).reshape(200, 2, 1, 1, 1)
    picked = mobilenet.pick_either(both, torch.Generator().manual_seed(0)).flatten()
    side = picked - both[:, 0].flatten()
    assert set(side.tolist()) == {0.0, 1.0}
    assert 70 < side.sum() < 130
    again = mobilenet.pick_either(both, torch.Generator().manual_seed(0)).flatten()
    torch.testing.assert_close(picked, again)


def test_mirrored_images_are_enlarged_too():
    images = torch.rand(8, 3, 32, 32)
    out = mobilenet.enlarge_and_mirror(images, torch.Generator().manual_seed(0))
    straight, flipped = (mobilenet.enlarge(side, mobilenet.SMALLER) for side in (images, images.flip(3)))
    for image, a, b in zip(out, straight, flipped, strict=True):
        assert torch.equal(image, a) or torch.equal(image, b)


def test_answers_sum_over_both_sides():
    class Sum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x.flatten(1)

    sides = torch.tensor([[[3.0, 0.0, 2.0], [0.0, 0.0, 2.0]], [[0.0, 1.0, 0.0], [0.0, 1.0, 1.5]]])[..., None, None]
    np.testing.assert_array_equal(mobilenet.classify(Sum(), sides), [2, 1])
