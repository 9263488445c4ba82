"""A tiny single-shot network, trained in seconds: it classifies default boxes and predicts offsets.

It serves to compare losses; the chapter's detector is another (ssd.py). Strided convolutions lead to maps of 16, 8 and
4 cells per side, and a head on each map predicts logits and offsets.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch06_detection.default_boxes import GRIDS, RATIOS, SIZE, SIZES, default_boxes
from ch06_detection.matching import match_batch
from ch06_detection.ssd_network import by_box
from common.data.boxed import BoxedImages
from common.train import minibatches, rate_at

WIDTHS = (24, 48, 64, 64)  # channels of 32×32, 16×16, 8×8 and 4×4 cells
LEARNING_RATE, BATCH = 0.01, 32


def smaller(channels: int, width: int, stride: int = 2) -> nn.Sequential:
    """A convolution that makes the map smaller, and what makes it easy to train."""
    convolution = nn.Conv2d(channels, width, 2 * stride - 1, stride, padding=stride - 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class FirstGlance(nn.Module):
    """Images, −1 … 1, to offsets and logits of the default boxes of default_boxes.py's three maps."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.first = smaller(3, WIDTHS[0], stride=4)
        self.blocks = nn.ModuleList(smaller(a, b) for a, b in pairwise(WIDTHS))
        boxes = 2 + 2 * len(RATIOS[0])
        self.heads = nn.ModuleList(nn.Conv2d(width, boxes * (4 + classes), 3, padding=1) for width in WIDTHS[1:])

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
        """Offsets and logits, in default_boxes' order."""
        answers, x = [], self.first(images)
        for block, head in zip(self.blocks, self.heads, strict=True):
            x = block(x)
            answers.append(by_box(head(x), 4 + self.classes))
        offsets, logits = torch.cat(answers, dim=1).split([4, self.classes], dim=2)
        return offsets, logits


def inputs(part: BoxedImages) -> Float[Tensor, "n 3 height width"]:
    """Images as the network takes them."""
    return torch.tensor(part.images).permute(0, 3, 1, 2) / 127.5 - 1


def answers(network: FirstGlance, part: BoxedImages) -> Float[Tensor, "n boxes classes"]:
    """The logits of every default box of every image."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(some)[1] for some in inputs(part).split(100)])


def trained(part: BoxedImages, loss: Callable[..., Tensor], epochs: int, seed: int) -> FirstGlance:
    """The network after this number of epochs. loss: as multibox_loss."""
    torch.manual_seed(seed)
    network, generator = FirstGlance(len(part.classes) + 1), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    labels, offsets = match_batch(part.targets, default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS))
    images, n = inputs(part), len(part)
    steps = epochs * -(-n // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, steps))
    network.train()
    for _ in range(epochs):
        for index in minibatches(n, BATCH, generator):
            optimiser.zero_grad()
            loss(*network(images[index]), offsets[index], labels[index]).backward()
            optimiser.step()
            schedule.step()
    return network
