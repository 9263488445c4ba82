"""Large frames: a detector that works on images of half the size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from torch import nn

from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, precise, to_learn_from
from common.detector import Detector
from common.errors import Problem


def halve(images: Given) -> UInt8[np.ndarray, "n half_height half_width 3"]:
    """Average every 2×2 pixels. Raises Problem if an image has an odd side, or is of the wrong kind."""
    n, height, width, _ = colour_pictures(images).shape
    if height % 2 or width % 2:
        raise Problem(f"frames of {height}×{width} pixels cannot be halved: both sides have to be even")
    small = np.empty((n, height // 2, width // 2, 3), np.uint8)
    for image, out in zip(images, small, strict=True):  # frame by frame: a sum of all would take gigabytes
        rows = image[::2].astype(np.uint16) + image[1::2]
        out[:] = (rows[:, ::2] + rows[:, 1::2] + 2) >> 2
    return small


def scale_boxes(targets: Sequence[Target], factor: float) -> list[Target]:
    """The same objects in images enlarged by this factor."""
    return [{**target, "boxes": precise(target["boxes"]) * factor} for target in targets]


@dataclass
class HalfSize(Detector):
    """A detector that works on images of half the size; its boxes are in pixels of the full size."""

    detector: Detector

    def fit(self, images: Given, targets: Sequence[Target]) -> HalfSize:
        targets = to_learn_from(images, targets)
        self.detector.fit(halve(images), scale_boxes(targets, 0.5))
        return self

    def predict(self, images: Given) -> list[Target]:
        """The objects of each image, highest score first."""
        return scale_boxes(self.detector.predict(halve(images)), 2)

    def seconds_before(self, images: Given) -> float:
        """The detector's seconds_before, for these images at half the size."""
        return self.detector.seconds_before(halve(images))

    def seconds_for_proposals(self, images: Given) -> float:
        """The detector's seconds_for_proposals, for these images at half the size."""
        return self.detector.seconds_for_proposals(halve(images))

    def parameters(self) -> Iterator[nn.Parameter]:
        """The detector's weights, which common.model_size counts."""
        return self.detector.parameters()
