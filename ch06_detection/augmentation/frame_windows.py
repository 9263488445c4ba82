"""Random windows of large frames, for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ch06_detection.augmentation.box_crops import Stack, mirror_boxes
from common.data.boxed import Target
from common.data.checked_inputs import precise


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
            {**target, "boxes": mirror_boxes(target["boxes"], width)} if turn else target for _, target, turn in pairs
        ]
