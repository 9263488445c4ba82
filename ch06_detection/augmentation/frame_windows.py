"""Random windows of large frames, for training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ch06_detection.augmentation.box_crops import Stack, mirror_boxes, sample_windows, uniform_between
from common.data.boxed import Target
from common.data.checked_inputs import precise


@dataclass(frozen=True)
class FrameWindows:
    """A random window of each frame, resized, randomly mirrored.

    size: rows and columns of the result. zoom: the range of scale factors, uniform on a logarithmic scale; with (1, 1),
    people keep their size. A frame has to be as large as the widest window.
    """

    size: tuple[int, int] = (192, 192)
    zoom: tuple[float, float] = (1.0, 1.0)

    def __call__(
        self, images: Stack, targets: Sequence[Target], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch channels rows columns"], list[Target]]:
        """The windows, and the people whose centre lies in them, clipped to their borders."""
        n, (height, width) = len(images), self.size
        zoom = torch.exp(uniform_between(math.log(self.zoom[0]), math.log(self.zoom[1]), (n, 1), generator))
        extent = torch.tensor([float(width), float(height)]) / zoom
        room = torch.tensor(images.shape[:1:-1]) - extent
        corner = (torch.rand(n, 2, generator=generator) * (room + 1)).floor().minimum(room)  # whole pixels stay sharp
        windows = torch.cat([corner, corner + extent], dim=1)
        turned = torch.rand(n, generator=generator) < 0.5
        limits = torch.tensor([width, height, width, height], dtype=torch.float32)
        found = []
        for target, window, factor, turn in zip(targets, windows, zoom, turned.tolist(), strict=True):
            boxes = (precise(target["boxes"]) - window[:2].repeat(2)) * factor
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            there = ((middle > 0) & (middle < limits[:2])).all(dim=1)
            boxes = torch.minimum(boxes[there].clamp(min=0), limits)
            found.append({
                "boxes": mirror_boxes(boxes, width) if turn else boxes, "labels": target["labels"][there],
            })  # fmt: skip
        return sample_windows(images, torch.where(turned[:, None], windows[:, [2, 1, 0, 3]], windows), self.size), found
