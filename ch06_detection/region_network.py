"""A network for windows of an image: a trunk, two layers, and scores. R-CNN and Fast R-CNN here have the same one.

Method     Girshick et al. 2014, §2.3, and Girshick 2015, §2.2: before it learns to detect, it has learned to classify.
Differs    The papers' networks have learned from ImageNet's photos. Here there are only the training scenes: their
           objects, cut out. The scores' rows of the classes are kept for detection; the papers start them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ch06_detection.box_crops import in_other_light
from ch06_detection.ssd_network import Residual, convolution
from ch06_detection.warped_crops import Crops, Pictures, warp_all, with_context
from common.augment import Crops as Shifts
from common.data.boxed import Target
from common.image_classifier import LabelledImages, Pixels
from common.train import History, Training

STRIDE = 8  # pixels, a cell of the trunk's map
SHIFT = 2  # pixels, of crops
ADAMW = partial(torch.optim.AdamW, weight_decay=0.05)


class RegionNetwork(nn.Module):
    """Called with crops of side · STRIDE pixels, it gives scores before the softmax, background first.

    classes: without background. side: cells of a window's map along each axis, which are what the layers are given.
    """

    def __init__(self, classes: int, side: int, width: int = 24, hidden: int = 256) -> None:
        super().__init__()
        self.classes, self.side = classes, side
        self.trunk = nn.Sequential(
            convolution(3, width, 2),
            convolution(width, 2 * width, 2),
            convolution(2 * width, 4 * width, 2),
            Residual(4 * width),
        )
        first = nn.Linear(4 * width * side**2, hidden)
        self.layers = nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.score = nn.Linear(hidden, classes + 1)

    def forward(self, crops: Crops) -> Float[Tensor, "n scores"]:
        return self.score(self.layers(self.trunk(crops)))


def varied(crops: Crops, generator: torch.Generator) -> Crops:
    """Shifted a little, mirrored or not, in other light."""
    return in_other_light(Shifts(SHIFT)(crops, generator), generator)


def learn_to_classify(
    network: RegionNetwork,
    images: Pictures,
    targets: Sequence[Target],
    pixels: Pixels,
    training: Training,
    *,
    context: float,
    seed: int = 0,
) -> History | None:
    """Teach a network of the region kind which class each object is, warped. None where there are no two objects."""
    side = network.side * STRIDE
    cuts = [
        warp_all(pixels(image[None])[0], with_context(target["boxes"], context), side)
        for image, target in zip(images, targets, strict=True)
    ]
    cuts, labels = torch.cat(cuts), torch.cat([target["labels"] for target in targets])
    if len(cuts) < 2:
        return None
    history = training(network, LabelledImages(cuts, labels, varied), seed)
    with torch.no_grad():  # of background it has seen nothing yet
        for rows in (network.score.weight, network.score.bias):
            rows[0] = rows[1:].mean(dim=0)
    return history
