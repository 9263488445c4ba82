"""The 3×3 convolution with batch normalisation, and the residual block of two of them."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

Maps = Float[Tensor, "batch channels height width"]


def convolution(channels: int, out: int, stride: int = 1, rectified: bool = True) -> nn.Sequential:
    """A convolution of 3×3, BatchNorm (Ioffe & Szegedy 2015), ReLU. BatchNorm's own offset makes a bias needless."""
    layers = [nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *[nn.ReLU(inplace=True)] * rectified)


class Residual(nn.Module):
    """x + f(x), f being two convolutions: the gradient has a way around them. He et al. 2016, Fig. 2.

    rectified_sum: ReLU(x + f(x)), as the paper has it, with no ReLU at the end of f. Otherwise f ends with a ReLU, and
    the sum is left as it is.
    """

    def __init__(self, channels: int, rectified_sum: bool = False) -> None:
        super().__init__()
        self.f = nn.Sequential(convolution(channels, channels), convolution(channels, channels, 1, not rectified_sum))
        self.rectify = nn.ReLU() if rectified_sum else nn.Identity()

    def forward(self, x: Maps) -> Maps:
        return self.rectify(x + self.f(x))
