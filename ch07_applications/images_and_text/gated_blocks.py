"""The blocks that AttnGAN's generator is built of, and the distribution around a sentence. Zhang et al. 2018, §3.

A gated convolution (Dauphin et al. 2017) makes twice as many maps as it gives out: one half passes as much as the
sigmoid of the other lets through.
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
    """Maps of twice the side."""
    return block(inputs, outputs, nn.Upsample(scale_factor=2))


class Residual(nn.Module):
    """Maps, and what two convolutions add to them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.added = nn.Sequential(block(width, width), last, nn.BatchNorm2d(width))

    def forward(self, maps: Maps) -> Maps:
        return maps + self.added(maps)


class Condition(nn.Module):
    """Fᶜᵃ: a distribution N(μ(ē), σ(ē)²) around the sentence, so that near sentences are drawn alike."""

    def __init__(self, words: int, condition: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(words, 4 * condition), nn.GLU(dim=1))

    def forward(
        self, whole: Float[Tensor, "n width"]
    ) -> tuple[Float[Tensor, "n condition"], Float[Tensor, "n condition"]]:
        """μ and log σ²."""
        mean, log_variance = self.layers(whole).chunk(2, dim=1)
        return mean, log_variance


class Standard(nn.Module):
    """Vectors with mean 0 and deviation 1 in each of their numbers, over those that it has measured."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def measure(self, vectors: Float[Tensor, "m width"]) -> None:
        """From now on by the mean and the deviation of these."""
        self.mean.copy_(vectors.mean(dim=0))
        self.deviation.copy_(vectors.std(dim=0).clamp(min=1e-6))

    def forward(self, vectors: Float[Tensor, "*n width"]) -> Float[Tensor, "*n width"]:
        return (vectors - self.mean) / self.deviation
