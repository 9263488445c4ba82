"""Images with objects in boxes: what a detector learns from and is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt8
from torch import Tensor

from common.data.parts import freeze, numbered
from common.errors import Problem

Target = dict[str, Tensor]
"""What is in one image, as torchvision writes it: boxes (n, 4) xyxy in pixels, labels (n,) from 1; 0 is background.
A detector's answer has scores (n,) as well, the surest first."""


@dataclass(frozen=True, eq=False)
class BoxedImages:
    """Images and the objects in each.

    images: (N, H, W, 3), uint8. targets: N of boxes and labels (Target). classes: the names of labels 1, 2, …
    masks: for each image (n, H, W), which pixels of the image each object is seen at; () where nobody has drawn them.
    ids: as of Images. Raises Problem for boxes or labels that cannot be, and says which image has them.
    """

    images: UInt8[np.ndarray, "items height width 3"]
    targets: tuple[Target, ...]
    classes: tuple[str, ...]
    masks: tuple[Bool[np.ndarray, "..."], ...] = ()
    ids: Int64[np.ndarray, "items"] | None = field(default=None)

    def __post_init__(self) -> None:
        if len(self.images) != len(self.targets):
            raise ValueError(f"{len(self.images)} images but {len(self.targets)} targets")
        for number, target in enumerate(self.targets):
            checked(target, len(self.classes), f"image {number}")
        freeze(self, images=self.images, ids=numbered(self.ids, len(self.targets)))

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items height width 3"]:
        """What a detector is given: the images."""
        return self.images

    @property
    def answers(self) -> tuple[Target, ...]:
        """What it should say: the targets."""
        return self.targets

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> BoxedImages:
        """The items at these indices (or of this mask, or this slice), in that order."""
        order = np.arange(len(self))[indices]
        masks = tuple(self.masks[item] for item in order) if self.masks else ()
        targets = tuple(self.targets[item] for item in order)
        return BoxedImages(self.images[order], targets, self.classes, masks, self.ids[order])


def checked(target: Target, classes: int, where: str) -> Target:
    """The target, if a detector can learn from it.

    Raises Problem, beginning with where, for a box that is no finite number, has no width or no height, for as many
    labels as there aren't boxes, and for a label outside 1 … classes.
    """
    boxes: Float[Tensor, "n 4"] = target["boxes"]
    labels: Int[Tensor, "n"] = target["labels"]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) != len(labels):
        raise Problem(f"{where}: boxes {tuple(boxes.shape)} and labels {tuple(labels.shape)} are not (n, 4) and (n,)")
    if not torch.isfinite(boxes).all():
        raise Problem(f"{where}: a box has a corner that is no finite number")
    if len(boxes) and (flat := (boxes[:, 2:] <= boxes[:, :2]).any(dim=1)).any():
        worst = boxes[flat][0].tolist()
        raise Problem(f"{where}: the box {worst} has no width or no height; (x1, y1, x2, y2) needs x1 < x2 and y1 < y2")
    if len(labels) and not (1 <= int(labels.min()) and int(labels.max()) <= classes):
        odd = next(label for label in labels.tolist() if not 1 <= label <= classes)
        raise Problem(f"{where}: label {odd} is none of 1 … {classes}; 0 is the background's")
    return target
