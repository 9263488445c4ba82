"""The maps of the small detector: a residual trunk, and a top-down path that adds coarse maps to fine ones.

Method     He et al. 2016 (ResNet), Fig. 2: the blocks. Lin et al. 2017 (feature pyramids), §3, for the path: a
           coarse map, upsampled, is added to a 1×1 convolution of the next finer one.
Differs    Three maps of strides 4, 8 and 16; ReLU in place of the 3×3 convolution after each sum, which at stride 4
           would cost as much as the whole trunk.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Maps = Float[Tensor, "batch channels _ _"]


def convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution, BatchNorm and ReLU."""
    layer = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """ReLU(x + f(x)), where f is two 3×3 convolutions. He et al. 2016, Fig. 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.f = nn.Sequential(convolution(channels, channels), second, nn.BatchNorm2d(channels))

    def forward(self, x: Maps) -> Maps:
        return functional.relu(x + self.f(x))


class FeatureMaps(nn.Module):
    """Images are mapped to `channels` channels at strides 4, 8 and 16."""

    def __init__(self, width: int = 16, channels: int = 64) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 8 * width
        self.stages = nn.ModuleList(
            [
                nn.Sequential(convolution(3, a, 2), convolution(a, b, 2)),
                nn.Sequential(convolution(b, c, 2), Residual(c), Residual(c)),
                nn.Sequential(convolution(c, d, 2), Residual(d)),
            ]
        )
        self.lateral = nn.ModuleList(nn.Conv2d(n, channels, 1) for n in (b, c, d))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Maps]:
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        found = [lateral(x) for lateral, x in zip(self.lateral, found, strict=True)]
        for k in (1, 0):
            found[k] = found[k] + functional.interpolate(found[k + 1], size=found[k].shape[2:])
        return [functional.relu(x) for x in found]
