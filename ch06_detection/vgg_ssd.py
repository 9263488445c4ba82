"""SSD300 with VGG-16 at its full size: six feature maps, a head on each, and what is made of the heads' answers.

Method     Liu et al. 2016, Fig. 2 and §3: VGG-16 (Simonyan & Zisserman 2015) up to conv5_3; pool5 with 3×3 and stride
           1; fc6 and fc7 as convolutions, the first à trous (dilation 6); four more blocks. conv4_3 is divided by the
           length of each place's features and multiplied by a learned scale, 20 at first (Liu et al. 2015, ParseNet).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch06_detection.boxes import Boxes, clip, decode
from ch06_detection.ssd_network import by_box
from ch06_detection.thinning import thinned_out
from common.data.boxed import Target

VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # a block ends with a pooling
MAPS = {"conv4_3": 512, "fc7": 1024, "conv8_2": 512, "conv9_2": 256, "conv10_2": 256, "conv11_2": 256}  # channels
BOXES = (4, 6, 6, 6, 4, 4)  # default boxes at a place of each map
MEAN = (123.0, 117.0, 104.0)  # of ImageNet's red, green and blue: the inputs are 0 … 255 less these

convolution = partial(nn.Conv2d, kernel_size=3, padding=1)


def relu_after(*layers: nn.Conv2d) -> list[nn.Module]:
    """The convolutions, with a ReLU after each."""
    return [module for layer in layers for module in (layer, nn.ReLU(inplace=True))]


def vgg_block(channels: int, widths: Sequence[int]) -> list[nn.Module]:
    """3×3 convolutions of these widths."""
    return relu_after(*(convolution(a, b) for a, b in zip((channels, *widths), widths, strict=False)))


def narrow_then(channels: int, narrow: int, wide: int, **how: int) -> nn.Sequential:
    """1×1 to fewer channels, then 3×3 that makes the map smaller: an extra block."""
    return nn.Sequential(*relu_after(nn.Conv2d(channels, narrow, 1), nn.Conv2d(narrow, wide, 3, **how)))


class SSD300(nn.Module):
    """Images (300×300, red, green, blue: 0 … 255 less MEAN) to logits and offsets of 8732 default boxes. Fig. 2.

    classes: with the background. New layers start as Glorot & Bengio 2010 say (§3), VGG's as He et al. 2015.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.full((512,), 20.0))
        one, two, three, four, five = (
            vgg_block(channels, widths) for channels, widths in zip((3, 64, 128, 256, 512), VGG, strict=True)
        )
        pooled = nn.MaxPool2d
        self.to_conv4_3 = nn.Sequential(
            *one,
            pooled(2),
            *two,
            pooled(2),
            *three,
            pooled(2, ceil_mode=True),
            *four,  # 300, 150, 75, 38
        )
        fc6, fc7 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1)
        self.to_fc7 = nn.Sequential(pooled(2), *five, pooled(3, stride=1, padding=1), *relu_after(fc6, fc7))
        self.extra = nn.ModuleList(
            [
                narrow_then(1024, 256, 512, stride=2, padding=1),
                narrow_then(512, 128, 256, stride=2, padding=1),
                narrow_then(256, 128, 256),
                narrow_then(256, 128, 256),
            ]
        )
        heads = list(zip(MAPS.values(), BOXES, strict=True))
        self.confidence = nn.ModuleList(convolution(channels, boxes * classes) for channels, boxes in heads)
        self.location = nn.ModuleList(convolution(channels, boxes * 4) for channels, boxes in heads)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        for layer in (*one, *two, *three, *four, *five):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")

    def maps(self, images: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """The six feature maps, the finest first."""
        found = [self.to_conv4_3(images)]
        for block in (self.to_fc7, *self.extra):
            found.append(block(found[-1]))
        found[0] = self.scale[:, None, None] * functional.normalize(found[0])
        return found

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
        """Offsets, and logits of background and classes, in default_boxes' order: map, row, column, box."""
        maps = self.maps(images)
        offsets = [by_box(head(x), 4) for head, x in zip(self.location, maps, strict=True)]
        logits = [by_box(head(x), self.classes) for head, x in zip(self.confidence, maps, strict=True)]
        return torch.cat(offsets, dim=1), torch.cat(logits, dim=1)


def detections(
    offsets: Float[Tensor, "n 4"],
    logits: Float[Tensor, "n classes"],
    defaults: Boxes,
    size: tuple[int, int],
    *,
    least: float = 0.01,
    candidates: int = 400,
    overlap: float = 0.45,
    most: int = 200,
) -> Target:
    """What is made of one image's answers: boxes in an image of size (height, width), labels, scores. §3.

    least: score of a candidate. candidates: the highest-scoring of each class. overlap: IoU above which the box
    with the higher score suppresses the other of its class. most: detections.
    """
    boxes = clip(decode(offsets.float(), defaults), *size)
    scores = logits.float().softmax(dim=1)[:, 1:]
    return thinned_out(boxes, scores, least=least, suppression=overlap, keep=most, candidates=candidates)
