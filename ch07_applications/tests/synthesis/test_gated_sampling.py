"""Sampling with kept maps of both stacks: the same logits as full passes, the same pixels."""

import pytest
import torch
from torch import nn

from ch07_applications.synthesis.gated_sampling import sample
from ch07_applications.synthesis.pixelcnn import GatedPixelCNN


def network(size=(6, 7), kernels=(5, 3, 3), with_places=True):
    torch.manual_seed(0)
    made = GatedPixelCNN(6, kernels, 3, size if with_places else None)
    for weights in made.parameters():
        nn.init.normal_(weights, std=0.3)
    return made.eval()


def naive(made, h, size, generator):
    """A full pass for every pixel."""
    images = torch.zeros(len(h), 1, *size)
    uniform = torch.rand(len(h), *size, generator=generator)
    for row in range(size[0]):
        for column in range(size[1]):
            with torch.no_grad():
                chance = made(images, h)[:, 0, row, column].sigmoid()
            images[:, 0, row, column] = (uniform[:, row, column] < chance).float()
    return images


@pytest.mark.parametrize("kernels", [(5, 3, 3), (3,), (7, 5)])
@pytest.mark.parametrize("with_places", [True, False])
def test_samples_and_logits_are_those_of_full_passes(kernels, with_places):
    made, size = network(kernels=kernels, with_places=with_places), (6, 7)
    h = torch.cat([torch.eye(3), torch.zeros(1, 3)])
    logits = torch.full((4, 1, *size), float("nan"))
    drawn = sample(made, h, size, torch.Generator().manual_seed(2), logits)
    assert torch.equal(drawn, naive(made, h, size, torch.Generator().manual_seed(2)))
    with torch.no_grad():
        assert torch.allclose(logits, made(drawn, h), atol=1e-5)


def test_samples_of_a_class_are_as_probable_as_the_network_says():
    made = network((2, 2))
    every = torch.tensor([[c >> 3 & 1, c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(16)]).float().view(16, 1, 2, 2)
    for y in range(2):
        drawn = sample(made, torch.eye(3)[y].expand(20_000, 3), (2, 2), torch.Generator().manual_seed(0))
        codes = (drawn.flatten(1) * torch.tensor([8.0, 4, 2, 1])).sum(dim=1).long()
        frequencies = codes.bincount(minlength=16) / len(drawn)
        with torch.no_grad():
            logits = made(every, torch.eye(3)[y].expand(16, 3))
        nats = nn.functional.binary_cross_entropy_with_logits(logits, every, reduction="none")
        assert (frequencies - (-nats.sum(dim=(1, 2, 3))).exp()).abs().max() < 0.015
