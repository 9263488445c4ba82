"""A tiny single-shot network, trained in seconds: it classifies default boxes and predicts offsets.

It serves to compare losses (multibox.py); the chapter's detector is a larger one (ssd.py). Strided convolutions lead
to maps of 16, 8 and 4 cells per side, and a head on each map predicts logits and offsets.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ch06_detection.default_boxes import RATIOS, flatten_head
from common.data.boxed import BoxedImages
from common.train import minibatches, rate_at

WIDTHS = (24, 48, 64, 64)  # channels of 32×32, 16×16, 8×8 and 4×4 cells
LEARNING_RATE, BATCH = 0.01, 32


def reduce_map(channels: int, width: int, stride: int = 2) -> nn.Sequential:
    """A strided convolution, BatchNorm and ReLU."""
    convolution = nn.Conv2d(channels, width, 2 * stride - 1, stride, padding=stride - 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class TinySSD(nn.Module):
    """Maps images, −1 … 1, to offsets and logits of the default boxes of default_boxes.py's three maps."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.first = reduce_map(3, WIDTHS[0], stride=4)
        self.blocks = nn.ModuleList(reduce_map(a, b) for a, b in pairwise(WIDTHS))
        boxes = 2 + 2 * len(RATIOS[0])
        self.heads = nn.ModuleList(nn.Conv2d(width, boxes * (4 + classes), 3, padding=1) for width in WIDTHS[1:])

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
        """The offsets and logits, in default_boxes' order."""
        outputs, x = [], self.first(images)
        for block, head in zip(self.blocks, self.heads, strict=True):
            x = block(x)
            outputs.append(flatten_head(head(x), 4 + self.classes))
        offsets, logits = torch.cat(outputs, dim=1).split([4, self.classes], dim=2)
        return offsets, logits


def as_inputs(part: BoxedImages) -> Float[Tensor, "n 3 height width"]:
    """The images as the network's input."""
    return torch.tensor(part.images).permute(0, 3, 1, 2) / 127.5 - 1


def predict_logits(network: TinySSD, part: BoxedImages) -> Float[Tensor, "n boxes classes"]:
    """The logits of every default box of every image."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(some)[1] for some in as_inputs(part).split(100)])


def train(
    part: BoxedImages,
    matched: tuple[Int[Tensor, "images n"], Float[Tensor, "images n 4"]],
    loss: Callable[..., Tensor],
    *,
    epochs: int,
    seed: int,
) -> TinySSD:
    """Train the network. matched: labels and offsets of its default boxes. loss: like multibox_loss."""
    labels, offsets = matched
    torch.manual_seed(seed)
    network, generator = TinySSD(len(part.classes) + 1), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    images, n = as_inputs(part), len(part)
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
