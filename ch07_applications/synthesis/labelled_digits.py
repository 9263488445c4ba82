"""Binary digits with their classes, in batches for a network with or without class conditioning.

A training batch has one input. So the class is stored with the image, as further channels with the same number at
every pixel; FromChannels separates them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64, UInt8
from torch import Tensor, nn

from ch07_applications.reconstruction.binarised_digits import BinarisedDigits, Greys, digit_sets, draw, halve
from common import data
from common.run import Run

CLASSES = 10
SEED = 20160616  # of further drawings of the test digits


class LabelledSets(NamedTuple):
    """Grey training digits of 14 × 14 pixels with their classes; binarised digits for choosing settings and for
    scoring.

    moved: the training digits at several places, the first as in greys. drawings: several binarisations of the test
    digits, the first as in test. priors: p(y), from the training digits.
    """

    greys: Greys
    moved: Float32[np.ndarray, "places digits height width"]
    labels: Int64[np.ndarray, "digits"]
    validation: BinarisedDigits
    test: BinarisedDigits
    drawings: UInt8[np.ndarray, "drawings tested height width"]
    priors: Float[np.ndarray, "classes"]


def labelled_sets(run: Run, test: int, drawings: int) -> LabelledSets:
    """The digits and binarisations of reconstruction/pixel_rnn at 14 × 14 pixels, here with classes.

    test: number of test digits, the first ones. Raises ValueError if a class has no training digit.
    """
    digits, sets = data.mnist(run.scale), digit_sets(run, small=True, test=test)
    labels = digits.train.labels[: len(sets.train)]
    greys = halve(digits.test.images[: len(sets.test)].astype(np.float32) / 255)
    rng = np.random.default_rng(SEED)
    drawn = [sets.test.inputs, *(draw(greys, rng) for _ in range(drawings - 1))]
    moved = moved_digits(digits.train.images[: len(sets.train)])
    return LabelledSets(sets.train, moved, labels, sets.validation, sets.test, np.stack(drawn), class_priors(labels))


def drawn_at_places(sets: LabelledSets, times: int, seed: int) -> tuple[np.ndarray, Int64[np.ndarray, "_"]]:
    """`times` binarisations of every training digit, concatenated, each at a different place; and the labels."""
    rng, digits = np.random.default_rng(seed), np.arange(len(sets.labels))
    places = rng.integers(0, len(sets.moved), (times, len(digits)))
    return np.concatenate([draw(sets.moved[place, digits], rng) for place in places]), np.tile(sets.labels, times)


def class_priors(labels: Int64[np.ndarray, "digits"], classes: int = CLASSES) -> Float[np.ndarray, "classes"]:
    """The share of each class. Raises ValueError for labels out of range, and for a class without an image."""
    check_labels(labels, classes)
    counts = np.bincount(labels, minlength=classes)
    if len(missing := np.flatnonzero(counts == 0)):
        raise ValueError(f"no training image shows class {missing[0]}: nothing can be learned of it")
    return counts / len(labels)


def check_labels(labels: Int64[np.ndarray, "digits"], classes: int = CLASSES) -> None:
    """Raises ValueError for a label that is not 0 … classes − 1."""
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"labels must be 0 … {classes - 1}, found {labels.min()} … {labels.max()}")


def one_hot(labels: Int64[np.ndarray, "digits"], classes: int = CLASSES) -> Float[Tensor, "digits classes"]:
    """h: 1 at the class, 0 elsewhere. Raises ValueError for labels out of range."""
    check_labels(labels, classes)
    return torch.eye(classes)[torch.tensor(labels)]


def moved_digits(images: UInt8[np.ndarray, "digits height width"]) -> Float32[np.ndarray, "places digits _ _"]:
    """Grey values at half the side, 0 … 1, of the images unchanged, and shifted by a pixel in the four directions.

    A pixel is half a pixel after halving. What is shifted out on one side is 0 for all digits, which have a border.
    """
    greys = images.astype(np.float32) / 255
    moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    return np.stack([halve(np.roll(greys, move, axis=(1, 2))) for move in moves])


@dataclass
class LabelledDigits:
    """Training digits as batches, binarised anew for every batch: (images and, as further channels, h; images).

    greys: of all digits at several places, one of which is drawn at random. dropped: the share of digits whose h is 0.
    rounds: an epoch uses one of `rounds` digits, others each time.
    """

    greys: Float[Tensor, "places digits height width"]
    h: Float[Tensor, "digits classes"]
    dropped: float
    rounds: int = 1

    def __len__(self) -> int:
        return self.greys.shape[1] // self.rounds

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch 1 height width"]]:
        """Digits index, index + len, index + 2 len …, one of them each, moved, binarised, some without their class."""
        digit = index + len(self) * torch.randint(self.rounds, index.shape, generator=generator)
        place = torch.randint(len(self.greys), index.shape, generator=generator)
        images = torch.bernoulli(self.greys[place, digit], generator=generator)[:, None]
        known = torch.rand(len(index), 1, generator=generator) >= self.dropped
        planes = (self.h[digit] * known)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return torch.cat([images, planes], dim=1), images


class FromChannels(nn.Module):
    """A network of images and h that takes both in one tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, packed: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 height width"]:
        return self.network(packed[:, :1], packed[:, 1:, 0, 0])
