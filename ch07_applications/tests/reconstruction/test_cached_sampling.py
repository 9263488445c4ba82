"""Sampling with kept maps: the same logits as full passes, the same pixels, nothing that was given is changed."""

import pytest
import torch
from torch import nn

from ch07_applications.reconstruction.cached_sampling import sample
from ch07_applications.reconstruction.pixel_rnn import Bottleneck, PixelNetwork


def network(size=(6, 7), with_places=True):
    torch.manual_seed(0)
    made = PixelNetwork(Bottleneck, 8, 3, size if with_places else None)
    for weights in made.parameters():
        nn.init.normal_(weights, std=0.3)
    return made.eval()


def naive(made, images, generator, given_rows):
    """A full pass for every pixel."""
    images = images.clone()
    uniform = torch.rand(len(images), *images.shape[2:], generator=generator)
    for row in range(given_rows, images.shape[2]):
        for column in range(images.shape[3]):
            with torch.no_grad():
                chance = made(images)[:, 0, row, column].sigmoid()
            images[:, 0, row, column] = (uniform[:, row, column] < chance).float()
    return images


@pytest.mark.parametrize("with_places", [True, False])
@pytest.mark.parametrize("given_rows", [0, 3, 6])
def test_samples_and_logits_are_those_of_full_passes(with_places, given_rows):
    made, size = network(with_places=with_places), (5, 1, 6, 7)
    images = torch.bernoulli(torch.full(size, 0.5), generator=torch.Generator().manual_seed(1))
    logits = torch.full(size, float("nan"))
    drawn = sample(made, images, torch.Generator().manual_seed(2), given_rows, logits)
    assert torch.equal(drawn, naive(made, images, torch.Generator().manual_seed(2), given_rows))
    with torch.no_grad():
        assert torch.allclose(logits, made(drawn), atol=1e-5)
    assert torch.equal(drawn[:, :, :given_rows], images[:, :, :given_rows])


def test_what_is_below_the_given_rows_does_not_matter():
    made, first = network(), torch.zeros(3, 1, 6, 7)
    second = first.clone()
    second[:, :, 2:] = 1
    drawn = [sample(made, images, torch.Generator().manual_seed(0), 2) for images in (first, second)]
    assert torch.equal(*drawn)
    assert not first.any()


def test_samples_are_as_probable_as_the_network_says():
    made = network((2, 2))
    drawn = sample(made, torch.zeros(20_000, 1, 2, 2), torch.Generator().manual_seed(0))
    codes = (drawn.flatten(1) * torch.tensor([8.0, 4, 2, 1])).sum(dim=1).long()
    frequencies = codes.bincount(minlength=16) / len(drawn)
    every = torch.tensor([[c >> 3 & 1, c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(16)]).float().view(16, 1, 2, 2)
    with torch.no_grad():
        chance = nn.functional.binary_cross_entropy_with_logits(made(every), every, reduction="none")
    assert (frequencies - (-chance.sum(dim=(1, 2, 3))).exp()).abs().max() < 0.015


@pytest.mark.parametrize("rows", [-1, 7])
def test_rows_that_do_not_exist_cannot_be_given(rows):
    with pytest.raises(ValueError, match="cannot be given"):
        sample(network(), torch.zeros(1, 1, 6, 7), torch.Generator(), rows)
