"""A discriminator that judges a picture alone and together with a sentence. Xu et al. 2017, Eqs. 4, 5."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch07_applications.images_and_text.attngan_plans import Plan

SLOPE = 0.2  # of LeakyReLU


class Discriminator(nn.Module):
    """A logit for whether a picture is real, and one for whether it is real and matches its sentence."""

    def __init__(self, plan: Plan, side: int) -> None:
        super().__init__()
        halvings, least = ((length // 4).bit_length() - 1 for length in (side, plan.sides[0]))
        widths = [plan.judging * 2**k for k in range(halvings)]
        layers = [nn.Conv2d(3, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(SLOPE)]
        for pair in pairwise(widths):
            layers += [nn.Conv2d(*pair, 4, 2, 1, bias=False), nn.BatchNorm2d(pair[1]), nn.LeakyReLU(SLOPE)]
        for k in range(halvings - 1, least - 1, -1):
            layers.append(narrowing(widths[k], widths[k - 1]))
        top = widths[least - 1]
        self.maps, self.joint = nn.Sequential(*layers), narrowing(top + plan.words, top)
        self.real, self.own = nn.Conv2d(top, 1, 4), nn.Conv2d(top, 1, 4)

    def match(
        self, maps: Float[Tensor, "n channels height width"], whole: Float[Tensor, "n words"]
    ) -> Float[Tensor, "n"]:
        """The second logit, for a picture's maps and a sentence."""
        spread = whole[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        return self.own(self.joint(torch.cat([maps, spread], dim=1))).flatten().float()

    def forward(
        self, images: Float[Tensor, "n 3 _ _"], whole: Float[Tensor, "n words"]
    ) -> tuple[Float[Tensor, "n"], ...]:
        maps = self.maps(images)
        return self.real(maps).flatten().float(), self.match(maps, whole)


def narrowing(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution that keeps the side."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE))
