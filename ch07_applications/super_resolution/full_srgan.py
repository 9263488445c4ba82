"""SRResNet and SRGAN's discriminator at full size (Ledig et al. 2017, Fig. 4), for counting only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch07_applications.blocks.counting import parameters_of
from common.paper_claims import PaperClaims
from common.run import Run

Maps = Float[Tensor, "batch _ _ _"]


class ResidualBlock(nn.Module):
    """Convolution, BatchNorm, PReLU, convolution, BatchNorm, and a shortcut. Fig. 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        convolve, normalise = partial(nn.Conv2d, width, width, 3, padding=1), partial(nn.BatchNorm2d, width)
        self.layers = nn.Sequential(convolve(), normalise(), nn.PReLU(), convolve(), normalise())

    def forward(self, maps: Maps) -> Maps:
        return maps + self.layers(maps)


class FullSRResNet(nn.Module):
    """SRResNet ×4 at full size, with red, green and blue from −1 to 1: 16 blocks of 64 channels. Fig. 4."""

    def __init__(self, blocks: int = 16, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(
            *(ResidualBlock(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        )
        doubling = [(nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()) for _ in range(2)]
        self.doublings = nn.Sequential(*(layer for each in doubling for layer in each))
        self.last = nn.Sequential(nn.Conv2d(width, 3, 9, padding=4), nn.Tanh())

    def forward(self, low: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 rows columns"]:
        maps = self.first(low)
        return self.last(self.doublings(maps + self.blocks(maps)))


class FullDiscriminator(nn.Module):
    """Eight convolutions, every second of stride 2, and two dense layers, for patches of 96 × 96 pixels. Fig. 4."""

    def __init__(self, widths: Sequence[int] = (64, 64, 128, 128, 256, 256, 512, 512), side: int = 96) -> None:
        super().__init__()
        layers, inputs = [], 3
        for number, width in enumerate(widths):
            layers.append(nn.Conv2d(inputs, width, 3, 1 + number % 2, padding=1))
            layers += [nn.BatchNorm2d(width)] * (number > 0) + [nn.LeakyReLU(0.2)]
            inputs = width
        side //= 2 ** (len(widths) // 2)
        dense = nn.Flatten(), nn.Linear(inputs * side**2, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1)
        self.layers = nn.Sequential(*layers, *dense)

    def forward(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1"]:
        return self.layers(pictures)


def count_full_size(run: Run, claims: PaperClaims) -> None:
    """Count the published generator's and discriminator's parameters, without memory for them."""
    with torch.device("meta"):
        counts = parameters_of(FullSRResNet()), parameters_of(FullDiscriminator())
    run.fact("SRResNet at full size", counts[0], "parameters")
    run.fact("discriminator at full size", counts[1], "parameters")
    claims.counted(
        "SRResNet has 16 blocks of 64 channels, 1.5 M parameters", source="Fig. 4", paper="1.5 M",
        ours=f"{counts[0]:,}", against=f"{counts[1]:,} of its discriminator", holds=round(counts[0] / 1e5) == 15,
    )  # fmt: skip
