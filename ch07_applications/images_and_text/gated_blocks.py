"""The blocks of AttnGAN's generator, and the distribution around a sentence. Zhang et al. 2018, §3.

A gated convolution (Dauphin et al. 2017) computes twice as many maps as it returns: one half is multiplied by the
sigmoid of the other.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

Maps = Float[Tensor, "n channels height width"]


def block(inputs: int, outputs: int, *before: nn.Module) -> nn.Sequential:
    """A convolution, twice as wide as its output: one half is gated by the other."""
    conv = nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False)
    return nn.Sequential(*before, conv, nn.BatchNorm2d(2 * outputs), nn.GLU(dim=1))


def enlarging(inputs: int, outputs: int) -> nn.Sequential:
    """A block that doubles the side of maps."""
    return block(inputs, outputs, nn.Upsample(scale_factor=2))


class Residual(nn.Module):
    """A residual block: maps plus the output of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.added = nn.Sequential(block(width, width), last, nn.BatchNorm2d(width))

    def forward(self, maps: Maps) -> Maps:
        return maps + self.added(maps)


class Condition(nn.Module):
    """Fᶜᵃ: a distribution N(μ(ē), σ(ē)²) around the sentence, so that similar sentences give similar drawings."""

    def __init__(self, words: int, condition: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(words, 4 * condition), nn.GLU(dim=1))

    def forward(
        self, whole: Float[Tensor, "n width"]
    ) -> tuple[Float[Tensor, "n condition"], Float[Tensor, "n condition"]]:
        """The distribution's μ and log σ²."""
        mean, log_variance = self.layers(whole).chunk(2, dim=1)
        return mean, log_variance


class Standard(nn.Module):
    """Vectors standardised to mean 0 and deviation 1 in each dimension, by the statistics that `measure` has taken."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def measure(self, vectors: Float[Tensor, "m width"]) -> None:
        """Set the mean and the deviation to those of these vectors."""
        self.mean.copy_(vectors.mean(dim=0))
        self.deviation.copy_(vectors.std(dim=0).clamp(min=1e-6))

    def forward(self, vectors: Float[Tensor, "*n width"]) -> Float[Tensor, "*n width"]:
        return (vectors - self.mean) / self.deviation
