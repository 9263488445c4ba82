"""Images with objects in boxes: what a detector learns from and is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int8, Int64, UInt8
from torch import Tensor

from common.data.parts import freeze, grouped, numbered
from common.errors import Problem

Target = dict[str, Tensor]
"""What is in one image, as torchvision writes it: boxes (n, 4) xyxy in pixels, labels (n,) from 1; 0 is background.
A detector's prediction has scores (n,) as well, highest first."""


@dataclass(frozen=True, eq=False)
class Masks:
    """For each image, which of its pixels each object is seen at: masks[i] is (objects, H, W).

    Kept as one map an image, a byte a pixel: the number of what is seen there. numbers: for each image, those of its
    objects, in their order; every other number is something else's.
    """

    owners: Int8[np.ndarray, "items height width"]
    numbers: tuple[Int8[np.ndarray, "_"], ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, item: int | np.integer) -> Bool[np.ndarray, "objects height width"]:
        return self.owners[item] == self.numbers[item][:, None, None]

    def take(self, order: Int64[np.ndarray, "n"]) -> Masks:
        """Those of the images with these numbers."""
        return Masks(self.owners[order], tuple(self.numbers[item] for item in order))


@dataclass(frozen=True, eq=False)
class BoxedImages:
    """Images and the objects in each.

    images: (N, H, W, 3), uint8. targets: N of boxes and labels (Target). classes: the names of labels 1, 2, …
    masks: for each image (n, H, W), which pixels of the image each object is seen at; () where nobody has drawn them.
    ids and groups: as of Images. Raises Problem for boxes or labels that cannot be, and says which image has them. A
    box may reach beyond its image, but not lie outside: loaders cut boxes off.
    """

    images: UInt8[np.ndarray, "items height width 3"]
    targets: tuple[Target, ...]
    classes: tuple[str, ...]
    masks: Masks | tuple[()] = ()
    ids: Int64[np.ndarray, "items"] | None = field(default=None)
    groups: Int64[np.ndarray, "items"] | None = field(default=None)

    def __post_init__(self) -> None:
        grouped(self.groups, len(self.targets))
        if len(self.images) != len(self.targets):
            raise ValueError(f"{len(self.images)} images but {len(self.targets)} targets")
        if self.masks and len(self.masks) != len(self.targets):
            raise ValueError(f"{len(self.targets)} targets but {len(self.masks)} masks")
        ids = numbered(self.ids, len(self.targets))
        check(self.targets, ids, len(self.classes), self.images.shape[1:3])
        freeze(self, images=self.images, ids=ids)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items height width 3"]:
        """The images, which a detector is given."""
        return self.images

    @property
    def answers(self) -> tuple[Target, ...]:
        """What a model should predict: the targets."""
        return self.targets

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> BoxedImages:
        """The items at these indices (or of this mask, or this slice), in that order."""
        order = np.arange(len(self))[indices]
        masks = self.masks.take(order) if self.masks else ()
        targets = tuple(self.targets[item] for item in order)
        groups = None if self.groups is None else self.groups[order]
        return BoxedImages(self.images[indices], targets, self.classes, masks, self.ids[order], groups)


def check(targets: Sequence[Target], ids: Int64[np.ndarray, "items"], classes: int, size: tuple[int, int]) -> None:
    """Whether a detector can learn from these. size: height and width of the images, in pixels.

    Raises Problem, with the image's id, for as many labels as there aren't boxes, a box that is no finite number, has
    no width or no height or lies outside its image, and for a label outside 1 … classes.
    """
    for target, number in zip(targets, ids, strict=True):
        boxes, labels = target["boxes"], target["labels"]
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.ndim != 1 or len(boxes) != len(labels):
            shapes = f"boxes {tuple(boxes.shape)} and labels {tuple(labels.shape)}"
            raise Problem(f"image {number}: {shapes} are not (n, 4) and (n,)")
        if not boxes.is_floating_point() or labels.dtype != torch.int64:
            kinds = f"boxes of {boxes.dtype} and labels of {labels.dtype}"
            raise Problem(f"image {number}: {kinds} are not floating point and torch.int64")
    if not sum(len(target["labels"]) for target in targets):
        return
    boxes, labels = (torch.cat([target[key] for target in targets]) for key in ("boxes", "labels"))
    low, high = boxes[:, :2], boxes[:, 2:]
    limits = torch.tensor(size[::-1])
    for wrong, why in [
        (~boxes.isfinite(), "has a corner that is no finite number"),
        (high <= low, "has no width or no height; (x1, y1, x2, y2) needs x1 < x2 and y1 < y2"),
        ((high <= 0) | (low >= limits), f"lies outside the image, {size[1]} × {size[0]} pixels"),
    ]:
        if wrong.any():
            first = int(wrong.any(dim=1).nonzero()[0])
            box = ", ".join(f"{corner:g}" for corner in boxes[first].tolist())
            raise Problem(f"image {owner(targets, ids, first)}: the box ({box}) {why}")
    if (wrong := (labels < 1) | (labels > classes)).any():
        first = int(wrong.nonzero()[0])
        why = f"label {labels[first]} is none of 1 … {classes}; 0 is the background's"
        raise Problem(f"image {owner(targets, ids, first)}: {why}")


def owner(targets: Sequence[Target], ids: Int64[np.ndarray, "items"], number: int) -> int:
    """The id of the image that has the object of this number, counted through all images."""
    ends = np.cumsum([len(target["labels"]) for target in targets])
    return int(ids[np.searchsorted(ends, number, side="right")])


def groups_of_objects(part: BoxedImages) -> Int64[np.ndarray, "objects"] | None:
    """The group of each object of a part, image after image: that of its image. None where the images have none."""
    counts = [len(target["labels"]) for target in part.targets]
    return None if part.groups is None else np.repeat(part.groups, counts)
