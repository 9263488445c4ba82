"""The trunks of the chapter's networks: a small residual one, in stages, and MobileNetV2's first blocks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from common.residual import Residual, convolution

STRIDE = 8  # pixels per cell of the first stage's map


def small_trunk(width: int = 16) -> list[nn.Sequential]:
    """Three stages whose maps have an 8th, a 16th and a 32nd of the image's side; 4, 12 and 12 times width channels.

    Depth is at the finest map: on validation scenes a block there helped more than one on the next map, with less than
    half of its multiplications.
    """
    a, b, c, d = width, 2 * width, 4 * width, 12 * width
    deep = [Residual(c, rectified_sum=True) for _ in range(2)]
    return [
        nn.Sequential(convolution(3, a, 2), convolution(a, b, 2), convolution(b, c, 2), *deep),
        nn.Sequential(convolution(c, d, 2)),
        nn.Sequential(convolution(d, d, 2)),
    ]


class Frozen(nn.Sequential):
    """Layers whose weights and BatchNorm statistics stay fixed while others are trained."""

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch out rows columns"]:
        with torch.no_grad():
            return super().forward(x)


def mobile_trunk(mobilenet: nn.Module, frozen: int = 4) -> list[nn.Sequential]:
    """torchvision's MobileNetV2 as two stages, of an 8th and a 16th of the image's side; 192 and 576 channels.

    A stage ends within a block, where its 1×1 convolution has widened the map (Sandler et al. 2018, §6.2). frozen: the
    number of first blocks with fixed weights; they are the most expensive to train (their maps are the largest).
    """
    blocks = mobilenet.features
    eighth, sixteenth = blocks[7].conv, blocks[14].conv  # expansion, depthwise convolution of stride 2, projection
    first = Frozen(*blocks[:frozen]).requires_grad_(False)
    return [
        nn.Sequential(first, *blocks[frozen:7], eighth[0]),
        nn.Sequential(*eighth[1:], *blocks[8:14], sixteenth[0]),
    ]


def stage_channels(stage: nn.Module) -> int:
    """The output channels of a stage: those of its last convolution."""
    return [layer.out_channels for layer in stage.modules() if isinstance(layer, nn.Conv2d)][-1]
