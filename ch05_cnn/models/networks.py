"""The networks that this chapter trains, from LeNet-5 to a small modern one.

LeNet-5    LeCun, Bottou, Bengio & Haffner 1998, §II.B, with today's ReLU, maximum pooling and softmax.
Modern     The present standard: kernels of 3×3 (Simonyan & Zisserman 2015), BatchNorm (Ioffe & Szegedy 2015), shortcuts
           (He et al. 2016), and one number per map in place of large dense layers (Lin et al. 2014 take the map's mean,
           here it is the maximum).
Five       Five convolutions with three poolings, placed as in Krizhevsky et al. 2012.
"""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from common.residual import Residual, convolution

CLASSES = 10
WIDTHS, POOLED = (16, 32, 32, 48, 64), (1, 2, 5)  # units of the five layers; the layers with a pooling, as in the paper


def check_images(images: Tensor, channels: int, side: int) -> None:
    """Raise ValueError unless images are (batch, channels, side, side)."""
    if tuple(images.shape[1:]) != (channels, side, side):
        got = "×".join(map(str, images.shape[1:]))
        raise ValueError(f"the network expects images of {channels}×{side}×{side} (channels, height, width), not {got}")


class LeNet5(nn.Module):
    """Two convolutions, two poolings, three dense layers: 61,706 parameters for a grey image."""

    def __init__(self, channels: int = 1, side: int = 28) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        left = (side // 2 - 4) // 2  # the side of the last maps: 5 for 28×28
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * left**2, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, CLASSES),
        )

    def forward(self, images: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch 10"]:
        check_images(images, self.channels, self.side)
        return self.layers(images)


class Modern(nn.Module):
    """Stages of convolutions, each at half the side of the one before; then global max pooling, and a linear layer.

    widths: of the first layer, and of each stage: a convolution, a pooling, a residual block.
    """

    def __init__(self, channels: int = 1, side: int = 28, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        stages: list[nn.Module] = [convolution(channels, widths[0])]
        for inputs, outputs in pairwise(widths):
            stages += [convolution(inputs, outputs), nn.MaxPool2d(2), Residual(outputs)]
        self.features = nn.Sequential(*stages)
        self.classify = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(widths[-1], CLASSES))

    def forward(self, images: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch 10"]:
        check_images(images, self.channels, self.side)
        return self.classify(self.features(images))


def build_five_layers(channels: int, side: int) -> nn.Sequential:
    """Five stages of convolution and ReLU, poolings placed as in Krizhevsky et al. 2012, and one linear layer.

    Weights start small; the random part of large weights would survive training and dominate the pictures.
    """
    stages = []
    for number, (inputs, outputs) in enumerate(pairwise((channels, *WIDTHS)), start=1):
        kernel = 5 if number == 1 else 3
        filters = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.normal_(filters.weight, std=0.04)
        nn.init.zeros_(filters.bias)
        stages.append(nn.Sequential(filters, nn.ReLU(), *[nn.MaxPool2d(2)] * (number in POOLED)))
    return nn.Sequential(*stages, nn.Flatten(), nn.Linear(WIDTHS[-1] * (side // 2 ** len(POOLED)) ** 2, 10))
