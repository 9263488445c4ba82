"""The single-shot network: a trunk in stages, and on each stage's map a convolution that predicts for default boxes.

Method     Liu et al. 2016 (SSD), §2.1: on each map (c + 4) k filters of 3×3, which predict, for each of the k default
           boxes of a cell, four offsets and c logits, of background and the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from common.muon import hidden_filters

Images = Float[Tensor, "batch 3 height width"]


def convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    """3×3, normalised, ReLU."""
    layer = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """ReLU(x + f(x)), f being two 3×3 convolutions. He et al. 2015, Fig. 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.f = nn.Sequential(convolution(channels, channels), second, nn.BatchNorm2d(channels))

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
        return functional.relu(x + self.f(x))


def small_trunk(width: int = 16) -> list[nn.Sequential]:
    """Three stages whose maps have an 8th, a 16th and a 32nd of the image's side; 4, 12 and 12 times width channels.

    Depth is at the finest map: on validation scenes a block there helped more than one on the next map, with less than
    half of its multiplications.
    """
    a, b, c, d = width, 2 * width, 4 * width, 12 * width
    return [
        nn.Sequential(convolution(3, a, 2), convolution(a, b, 2), convolution(b, c, 2), Residual(c), Residual(c)),
        nn.Sequential(convolution(c, d, 2)),
        nn.Sequential(convolution(d, d, 2)),
    ]


def mobile_trunk(mobilenet: nn.Module) -> list[nn.Sequential]:
    """torchvision's MobileNetV2 as two stages, of an 8th and a 16th of the image's side; 192 and 576 channels.

    A stage ends within a block, where its 1×1 convolution has widened the map (Sandler et al. 2018, §6.2).
    """
    blocks = mobilenet.features
    eighth, sixteenth = blocks[7].conv, blocks[14].conv  # expansion, depthwise convolution of stride 2, projection
    return [nn.Sequential(*blocks[:7], eighth[0]), nn.Sequential(*eighth[1:], *blocks[8:14], sixteenth[0])]


class SSD(nn.Module):
    """Stages, one map each, and their heads. classes: without background. boxes: of a cell, on each map.

    top_down: a 1×1 convolution of the next coarser map is added to each finer one (Lin et al. 2017, §3).
    """

    def __init__(self, stages: Sequence[nn.Module], boxes: Sequence[int], classes: int, top_down: bool = False) -> None:
        super().__init__()
        self.stages, self.classes = nn.ModuleList(stages), classes
        channels = [stage_channels(stage) for stage in stages]
        told = zip(channels[1:], channels, strict=False) if top_down else ()
        self.down = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in told)
        self.heads = nn.ModuleList(
            nn.Conv2d(c, (classes + 1 + 4) * k, 3, padding=1) for c, k in zip(channels, boxes, strict=True)
        )

    def maps(self, images: Images) -> list[Float[Tensor, "batch _ _ _"]]:
        """Each stage's map."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        for k, convolution_1x1 in reversed(list(enumerate(self.down))):
            message = functional.interpolate(convolution_1x1(maps[k + 1]), size=maps[k].shape[2:])
            maps[k] = functional.relu(maps[k] + message)
        return maps

    def forward(self, images: Images) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
        """Offsets, and the scores of background and the classes before the softmax, of all default boxes."""
        maps = zip(self.heads, self.maps(images), strict=True)
        said = torch.cat([by_box(head(x), 4 + self.classes + 1) for head, x in maps], dim=1)
        return said[..., :4], said[..., 4:]

    def grids(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Rows and columns of each map for an image (height, width)."""
        first = next(self.parameters())
        with torch.inference_mode():
            was, _ = self.training, self.eval()
            maps = self.maps(torch.zeros(1, 3, *size, device=first.device))
            self.train(was)
        return [(x.shape[2], x.shape[3]) for x in maps]


def hidden_and_heads(network: SSD) -> list[dict[str, Any]]:
    """Its parameters in two groups, for common.muon: filters of hidden layers, and all others, heads among them."""
    return hidden_filters(network, last=network.heads)


def by_box(x: Float[Tensor, "batch channels rows columns"], numbers: int) -> Float[Tensor, "batch n numbers"]:
    """A head's output, row by row, column by column, box by box: the order of default_boxes."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, numbers)


def stage_channels(stage: nn.Module) -> int:
    """Channels of the map that a stage ends with: those of its last convolution."""
    return [layer.out_channels for layer in stage.modules() if isinstance(layer, nn.Conv2d)][-1]
