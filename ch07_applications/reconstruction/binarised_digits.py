"""Binarised digits: every pixel drawn as 0 or 1 with its grey value as the probability of 1.

Method     Salakhutdinov and Murray 2008, §5. A threshold gives other data: it removes a pixel's randomness, some 25
           nats per digit for a good model, so that results for one binarisation say nothing about the other. Held-out
           digits are drawn once, with a fixed seed; training digits are drawn anew each time they are used.

The drawing itself has an entropy, Σ H(p) over the pixels. On average no model can need fewer nats per digit than one
that knows the grey values, and that one needs exactly this entropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64, UInt8
from scipy.special import entr
from torch import Tensor

from common import data
from common.run import Run

SEED = 20160125  # of the held-out digits' binarisation
HELD_OUT = 700  # training digits, the last ones, on which everything is chosen

Greys = Float32[np.ndarray, "digits height width"]
Binary = UInt8[np.ndarray, "digits height width"]


@dataclass(frozen=True, eq=False)
class BinarisedDigits:
    """A part of binary digits. inputs: 0 or 1. answers: the classes, which are not used here. ids: of each digit.

    Raises ValueError for values other than 0 and 1.
    """

    inputs: Binary
    answers: Int64[np.ndarray, "digits"]
    ids: Int64[np.ndarray, "digits"]

    def __post_init__(self) -> None:
        check_binary(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: np.ndarray | slice) -> BinarisedDigits:
        """The digits at these indices, in that order."""
        return BinarisedDigits(self.inputs[indices], self.answers[indices], self.ids[indices])


class DigitSets(NamedTuple):
    """Grey training digits, to be binarised anew each time; and binary validation and test digits."""

    train: Greys
    validation: BinarisedDigits
    test: BinarisedDigits
    test_entropy: float  # nats per test digit


def check_binary(images: UInt8[np.ndarray, "..."]) -> None:
    """Raises ValueError if a pixel is neither 0 nor 1."""
    if images.size and images.max() > 1:
        raise ValueError(f"pixels must be 0 or 1, found {images.max()}: binarise grey values first")


def draw(greys: Greys, rng: np.random.Generator) -> Binary:
    """One binarisation: 1 with the grey value as its probability. Raises ValueError for NaN and outside 0 … 1."""
    if not np.all((greys >= 0) & (greys <= 1)):
        raise ValueError("grey values must be probabilities, 0 … 1")
    return (rng.random(greys.shape, dtype=np.float32) < greys).astype(np.uint8)


def halve(greys: Greys) -> Float32[np.ndarray, "digits _ _"]:
    """Means of 2 × 2 pixels. Raises ValueError for a side that is odd."""
    n, height, width = greys.shape
    if height % 2 or width % 2:
        raise ValueError(f"images of {height} × {width} pixels do not consist of squares of 2 × 2")
    return greys.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


def entropy(greys: Greys) -> float:
    """The entropy of the drawing in nats per digit: the mean over digits of Σ −p log p − (1 − p) log (1 − p)."""
    wide = greys.astype(np.float64)
    return float((entr(wide) + entr(1 - wide)).sum(axis=(1, 2)).mean())


def digit_sets(run: Run, small: bool = False, test: int | None = None) -> DigitSets:
    """MNIST's digits at 28 × 28 pixels, or at 14 × 14 if small; the last training digits are for choosing settings.

    test: how many of the test digits, the first ones; all by default.
    """
    digits = data.mnist(run.scale)
    judged = digits.test.take(slice(test))
    held_out = min(HELD_OUT, len(digits.train) // 4)
    parts = []
    for part in (digits.train, judged):
        greys = part.images.astype(np.float32) / 255
        parts.append(halve(greys) if small else greys)
    train, greys = parts
    rng = np.random.default_rng(SEED)
    validation, test = (
        BinarisedDigits(draw(greys, rng), part.labels, part.ids)
        for greys, part in ((train[-held_out:], digits.train.take(slice(-held_out, None))), (greys, judged))
    )
    return DigitSets(train[:-held_out], validation, test, entropy(greys))


@dataclass
class FreshDigits:
    """Training digits as batches, binarised anew for every batch, for networks: (images, images), the second the
    target.

    greys: of all digits. rounds: a training epoch uses one of `rounds` digits, others each time, so that validation
    occurs more than once per pass through the digits.
    """

    greys: Float[Tensor, "digits height width"]
    rounds: int = 1

    def __len__(self) -> int:
        return len(self.greys) // self.rounds

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch 1 height width"], Float[Tensor, "batch 1 height width"]]:
        """Digits index, index + len, index + 2 len …, one of them each, binarised."""
        turn = torch.randint(self.rounds, index.shape, generator=generator)
        images = torch.bernoulli(self.greys[index + turn * len(self)], generator=generator)[:, None]
        return images, images
