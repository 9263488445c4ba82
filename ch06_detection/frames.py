"""Large frames: detection at half their size, and training on windows cut out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ch06_detection.box_crops import Stack, mirrored
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, precise, to_learn_from
from common.errors import Problem


def halved(images: Given) -> UInt8[np.ndarray, "n half_height half_width 3"]:
    """Every 2×2 pixels become their mean. Raises Problem where an image has an odd side, or is of the wrong kind."""
    n, height, width, _ = colour_pictures(images).shape
    if height % 2 or width % 2:
        raise Problem(f"frames of {height}×{width} pixels cannot be halved: both sides have to be even")
    small = np.empty((n, height // 2, width // 2, 3), np.uint8)
    for image, out in zip(images, small, strict=True):  # frame by frame: a sum of all would take gigabytes
        out[:] = (image.reshape(height // 2, 2, width // 2, 2, 3).sum(axis=(1, 3), dtype=np.uint16) + 2) >> 2
    return small


def scaled(targets: Sequence[Target], factor: float) -> list[Target]:
    """The same objects in images enlarged by this factor."""
    return [{**target, "boxes": precise(target["boxes"]) * factor} for target in targets]


@dataclass
class HalfSize:
    """A detector that works on images of half the size; its boxes are in pixels of the full size."""

    detector: Any

    def fit(self, images: Given, targets: Sequence[Target]) -> HalfSize:
        targets = to_learn_from(images, targets)
        self.detector.fit(halved(images), scaled(targets, 0.5))
        return self

    def predict(self, images: Given) -> list[Target]:
        """The objects of each image, highest score first."""
        return scaled(self.detector.predict(halved(images)), 2)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The detector's, for common.model_size."""
        return self.detector.parameters()


@dataclass(frozen=True)
class FrameWindows:
    """A random window of each frame, mirrored or not. Nothing is enlarged: people are as large as they are."""

    size: tuple[int, int] = (192, 192)  # rows, columns

    def __call__(
        self, images: Stack, targets: Sequence[Target], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch channels rows columns"], list[Target]]:
        """The windows, and the people whose middle lies in them, cut off at their borders."""
        height, width = self.size
        room = torch.tensor(images.shape[2:]) - torch.tensor(self.size) + 1
        corners = (torch.rand(len(images), 2, generator=generator) * room).long()
        turned = (torch.rand(len(images), generator=generator) < 0.5).tolist()
        limits = torch.tensor([width, height, width, height], dtype=torch.float32)
        windows, found = [], []
        for image, target, (top, left) in zip(images, targets, corners.tolist(), strict=True):
            boxes = precise(target["boxes"]) - torch.tensor([left, top, left, top])
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            there = ((middle > 0) & (middle < limits[:2])).all(dim=1)
            boxes = torch.minimum(boxes[there].clamp(min=0), limits)
            windows.append(image[:, top : top + height, left : left + width])
            found.append({"boxes": boxes, "labels": target["labels"][there]})
        pairs = list(zip(windows, found, turned, strict=True))
        return torch.stack([w.flip(2) if turn else w for w, _, turn in pairs]), [
            {**target, "boxes": mirrored(target["boxes"], width)} if turn else target for _, target, turn in pairs
        ]
