"""Speed of sampling a gated PixelCNN with kept maps beside a full pass for every pixel, which draws the same digits."""

from __future__ import annotations

from functools import partial

import torch
from side_by_side import row
from torch import Tensor

from ch07_applications.synthesis.gated_sampling import sample
from ch07_applications.synthesis.pixelcnn import KERNELS, WIDTH, GatedPixelCNN

BATCH = 8
SIZE = (28, 28)


@torch.no_grad()
def full_passes(network: GatedPixelCNN, h: Tensor) -> Tensor:
    """A pass over whole images for each of their pixels."""
    images = torch.zeros(len(h), 1, *SIZE)
    uniform = torch.rand(len(h), *SIZE, generator=torch.Generator().manual_seed(0))
    for place in range(SIZE[0] * SIZE[1]):
        y, x = divmod(place, SIZE[1])
        images[:, 0, y, x] = (uniform[:, y, x] < network(images, h)[:, 0, y, x].sigmoid()).float()
    return images


def with_kept_maps(network: GatedPixelCNN, h: Tensor) -> Tensor:
    """Each place of each map once."""
    return sample(network, h, SIZE, torch.Generator().manual_seed(0))


def measure() -> list[dict]:
    """A row for run.py: a batch of digits of 28 × 28 pixels from the lesson's network, its weights drawn at random."""
    torch.manual_seed(0)
    network = GatedPixelCNN(WIDTH, KERNELS, size=SIZE).eval()
    h = torch.eye(10)[:BATCH]
    ours, slow = partial(with_kept_maps, network, h), partial(full_passes, network, h)
    logits = torch.empty(BATCH, 1, *SIZE)
    drawn = sample(network, h, SIZE, torch.Generator().manual_seed(0), logits)
    with torch.no_grad():
        assert torch.allclose(logits, network(drawn, h), atol=1e-4)
    name = f"gated PixelCNN: {BATCH} digits of {SIZE[0]}×{SIZE[1]}"
    return [row(name, ours, "a full pass for each pixel", slow, 20, runs=1)]
