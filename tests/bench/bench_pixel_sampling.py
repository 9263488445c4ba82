"""Speed of sampling a PixelCNN with kept maps beside a full pass for every pixel, which draws the same digits."""

from __future__ import annotations

from functools import partial

import torch
from side_by_side import row
from torch import Tensor

from ch07_applications.reconstruction.cached_sampling import sample
from ch07_applications.reconstruction.pixel_rnn import Bottleneck, PixelNetwork

BATCH = 8
SIDE = 28


@torch.no_grad()
def full_passes(network: PixelNetwork, images: Tensor) -> Tensor:
    """A pass over whole images for each of their pixels."""
    images = images.clone()
    uniform = torch.rand(len(images), SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    for place in range(SIDE * SIDE):
        y, x = divmod(place, SIDE)
        images[:, 0, y, x] = (uniform[:, y, x] < network(images)[:, 0, y, x].sigmoid()).float()
    return images


def with_kept_maps(network: PixelNetwork, images: Tensor) -> Tensor:
    """Each place of each map once."""
    return sample(network, images, torch.Generator().manual_seed(0))


def measure() -> list[dict]:
    """A row for run.py: a batch of digits of 28 × 28 pixels from the lesson's network, its weights drawn at random."""
    torch.manual_seed(0)
    network = PixelNetwork(Bottleneck, 48, 7, (SIDE, SIDE)).eval()
    for block in network.layers:
        torch.nn.init.normal_(block.expand.weight, std=0.1)
    images = torch.zeros(BATCH, 1, SIDE, SIDE)
    ours, slow = partial(with_kept_maps, network, images), partial(full_passes, network, images)
    logits = torch.empty_like(images)
    drawn = sample(network, images, torch.Generator().manual_seed(0), logits=logits)
    with torch.no_grad():
        assert torch.allclose(logits, network(drawn), atol=1e-4)
    name = f"PixelCNN: {BATCH} digits of {SIDE}×{SIDE}"
    return [row(name, ours, "a full pass for each pixel", slow, 20, runs=1)]
