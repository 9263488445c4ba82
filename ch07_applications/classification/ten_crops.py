"""Crops smaller than the image: one at a random place per training step, ten at fixed places per prediction.

Method     Krizhevsky et al. 2012, §4.1 and §4: the input is a crop of 224×224 from each 256×256 image. In training the
           crop is random and mirrored half of the time. In prediction the four corners, the middle and their mirror
           images are used, and the ten softmax outputs are averaged.
Differs    Images of 32×32 pixels and crops of 28×28: an eighth of the side is left out, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from common.image_classifier import Colour, Grey, ImageClassifier, outputs

VIEWS = 10
Stack = Float[Tensor, "batch channels height width"]
Crop = Float[Tensor, "batch channels side side"]


@dataclass(frozen=True)
class RandomCrops:
    """An augmentation: a random square of every image, mirrored half of the time."""

    side: int

    def __call__(self, images: Stack, generator: torch.Generator) -> Crop:
        n, _, height, width = images.shape
        check_size(height, width, self.side)
        top = torch.randint(height - self.side + 1, (n, 1), generator=generator)
        left = torch.randint(width - self.side + 1, (n, 1), generator=generator)
        rows, columns = top + torch.arange(self.side), left + torch.arange(self.side)
        columns = torch.where(torch.rand((n, 1), generator=generator) < 0.5, columns.flip(1), columns)
        item, rows, columns = (
            index.to(images.device) for index in (torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :])
        )
        return images.permute(0, 2, 3, 1)[item, rows, columns].permute(0, 3, 1, 2)  # whole pixels move, channels last


@dataclass(frozen=True)
class MiddleCrops:
    """No augmentation: the centre crop of every image, the same as in a prediction from one crop."""

    side: int

    def __call__(self, images: Stack, generator: torch.Generator) -> Crop:
        return ten_crops(images, self.side)[0]


def ten_crops(images: Stack, side: int) -> list[Crop]:
    """The middle and its mirror image, then the same for the four corners. Raises ValueError for images below side."""
    height, width = images.shape[2:]
    check_size(height, width, side)
    down, right = height - side, width - side
    corners = [(down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)]
    crops = (images[:, :, top : top + side, left : left + side] for top, left in corners)
    return [view for crop in crops for view in (crop, crop.flip(3))]


def check_size(height: int, width: int, side: int) -> None:
    """Raise ValueError unless a crop of side × side lies in the image."""
    if min(height, width) < side:
        raise ValueError(f"images of {height}×{width} pixels hold no crop of {side}×{side}")


@dataclass
class TenCrops(ImageClassifier):
    """An ImageClassifier whose network takes squares of side × side, and that predicts from ten of them.

    The images to predict must have the size and the channels of the training images; otherwise it raises ValueError.
    """

    side: int = 28

    def fit(self, images: Grey | Colour, labels: Integer[np.ndarray, "labels"]) -> TenCrops:
        """The same as ImageClassifier's fit; augment makes the crops."""
        self.shape_ = images.shape[1:]
        super().fit(images, labels)
        return self

    def untrained(self) -> nn.Module:
        """The network as initialised, before training."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.build(self.shape_[2], self.side)

    def probabilities(self, images: Grey | Colour, views: int = VIEWS) -> Float[np.ndarray, "n classes"]:
        """The mean of the softmax outputs over the first `views` of ten_crops."""
        if images.shape[1:] != self.shape_:
            got, known = ("×".join(map(str, shape)) for shape in (images.shape[1:], self.shape_))
            raise ValueError(f"images of {got}, but the network learned from images of {known}")
        crops = ten_crops(self.pixels_(images), self.side)[:views]
        return torch.stack([outputs(self.network_, crop).float().softmax(1) for crop in crops]).mean(0).numpy()

    def decision_function(self, images: Grey | Colour) -> Float[np.ndarray, "n classes"]:
        """The probabilities, not the outputs before the softmax, because the paper averages probabilities."""
        return self.probabilities(images)

    def predict_from(self, images: Grey | Colour, views: int) -> Int[np.ndarray, "n"]:
        """The class with the largest mean probability over the first `views` of ten_crops."""
        return self.probabilities(images, views).argmax(axis=1)
