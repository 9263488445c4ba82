"""What a trunk learns before it learns to detect: of which class an object is that the training boxes cut out.

Method     Girshick et al. 2014, §2.3, and Girshick 2015, §2.2: the network has learned to classify before.
Differs    The papers' networks have learned from ImageNet's photos. Here all that is there is the training scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch06_detection.proposal_sets import Pictures
from ch06_detection.warped_crops import Crops, warp_all, with_context
from common.augment import Crops as Shifts
from common.data.boxed import Target
from common.image_classifier import LabelledImages, Pixels
from common.train import History, Training

LIGHT = 0.2  # by which the colours of an image are brightened and shifted, at most
SHIFT = 2  # pixels


class Classifier(nn.Module):
    """A detector's network as a classifier of crops: its trunk, its layers, its scores. Background comes last."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Crops) -> Float[Tensor, "n scores"]:
        return self.network.score(self.network.layers(self.network.trunk(images)))


def object_crops(
    images: Pictures, targets: Sequence[Target], pixels: Pixels, side: int, context: float
) -> Crops:
    """Every object, warped."""
    cuts = [
        warp_all(pixels(image[None])[0], with_context(target["boxes"], context), side)
        for image, target in zip(images, targets, strict=True)
        if len(target["boxes"])
    ]
    return torch.cat([*cuts, torch.zeros(0, 3, side, side)])


def in_other_light(images: Crops, generator: torch.Generator) -> Crops:
    """A gain and a shift for each colour of each image."""
    gain, shift = (2 * torch.rand(2, len(images), 3, 1, 1, generator=generator) - 1) * LIGHT
    return images * (1 + gain.to(images)) + shift.to(images)


def elsewhere(images: Crops, generator: torch.Generator) -> Crops:
    """Shifted a little, mirrored or not, in other light."""
    return in_other_light(Shifts(SHIFT)(images, generator), generator).contiguous(memory_format=torch.channels_last)


def learn_to_classify(
    network: nn.Module,
    images: Pictures,
    targets: Sequence[Target],
    pixels: Pixels,
    training: Training,
    side: int,
    context: float,
    seed: int = 0,
) -> History | None:
    """Teach the network's trunk, layers and scores the class of each object, warped. None where there are no two."""
    cuts = object_crops(images, targets, pixels, side, context)
    if len(cuts) < 2:
        return None
    labels = torch.cat([target["labels"] for target in targets])
    history = training(Classifier(network), LabelledImages(cuts, labels, elsewhere), seed)
    with torch.no_grad():  # of background it has seen nothing yet
        for row in (network.score.weight, network.score.bias):
            row[0] = row[1:].mean(dim=0)
    return history
