"""A training step of the lesson's SegNet beside a plain encoder and decoder of the same convolutions.

The peer has PyTorch's own layers in one nn.Sequential, with bilinear upsampling instead of unpooling, so as many
multiplications: what is measured is what places, windows of labels and the weighted loss cost on top.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from side_by_side import row
from torch import nn

from ch07_applications.blocks.counting import layers_of
from ch07_applications.segmentation.segmenter import pixel_loss
from ch07_applications.segmentation.segnet import SMALL, SegNet
from common.train import half_pays

BATCH, SIZE, CLASSES = 8, (112, 160), 11  # sides that last through four poolings: the peer knows no others


def plain(classes: int) -> nn.Sequential:
    """The same convolutions, one after the other."""
    layers: list[nn.Module] = []
    widths = [3, *(width for stage in SMALL for width in stage)]
    for number, (a, b) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if number % 2 else []
    back = [*widths[:0:-1], classes]
    for number, (a, b) in enumerate(pairwise(back)):
        layers += [] if number % 2 else [nn.Upsample(scale_factor=2, mode="bilinear")]
        layers += [nn.Conv2d(a, b, 3, padding=1)]
        layers += [nn.BatchNorm2d(b), nn.ReLU()] if number + 2 < len(back) else []
    return nn.Sequential(*layers)


def measure() -> list[dict]:
    """A row for run.py, on one thread, in 16 bits where the lesson's training is."""
    threads, generator = torch.get_num_threads(), torch.Generator().manual_seed(0)
    torch.set_num_threads(1)
    images = torch.randn((BATCH, 3, *SIZE), generator=generator).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (BATCH, *SIZE), generator=generator)
    networks = SegNet(SMALL, CLASSES), plain(CLASSES)
    counts = {sum(layer.multiplications for layer in layers_of(network, (3, *SIZE))) for network in networks}
    assert len(counts) == 1, counts

    def step(network: nn.Module, weighted: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half_pays(torch.device("cpu"))):
            scores = network(images)
            if weighted:
                total, count = pixel_loss(scores, labels, torch.ones(CLASSES))
                loss = total / count
            else:
                loss = nn.functional.cross_entropy(scores, labels)
        network.zero_grad()
        loss.backward()

    ours, theirs = (network.to(memory_format=torch.channels_last).train() for network in networks)
    title = f"SegNet's training step: {BATCH} windows of {SIZE[0]}×{SIZE[1]}"
    made = row(
        title, lambda: step(ours, True), "plain PyTorch, as many multiplications", lambda: step(theirs, False), 0.83
    )
    torch.set_num_threads(threads)
    return [made]
