"""Scenes with the mask of each object, as batches: padded to a common number of objects, mirrored, light varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from common.augment import in_other_light
from common.data.boxed import Masks, Target
from common.image_classifier import Pixels

LIGHT = 0.3  # the limit of in_other_light


@dataclass(frozen=True, eq=False)
class Instances:
    """Images and their objects, with the same number of rows for each image. labels: from 1; 0 marks padding.

    A slice selects images with their objects.
    """

    images: Float[Tensor, "batch 3 height width"]
    boxes: Float[Tensor, "batch objects 4"]
    labels: Int64[Tensor, "batch objects"]
    masks: Bool[Tensor, "batch objects height width"]

    def __getitem__(self, part: slice) -> Instances:
        return Instances(self.images[part], self.boxes[part], self.labels[part], self.masks[part])

    def to(self, device: torch.device) -> Instances:
        """The same tensors on a device."""
        return Instances(*(part.to(device) for part in (self.images, self.boxes, self.labels, self.masks)))


@dataclass(frozen=True, eq=False)
class SceneBatches:
    """Scenes in memory, as common.train.Batches.

    items: the indices of the training scenes. augment: mirror half of the scenes, change their light.
    """

    images: UInt8[np.ndarray, "n height width 3"]
    targets: Sequence[Target]
    masks: Masks
    items: Int64[np.ndarray, "items"]
    pixels: Pixels
    augment: bool = True

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, index: Int64[Tensor, "batch"], generator: torch.Generator) -> tuple[Instances]:
        numbers = self.items[index.numpy()]
        images = self.pixels(self.images[numbers])
        height, width = images.shape[2:]
        none = [torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64), torch.zeros(1, height, width, dtype=torch.bool)]
        rows = [none]  # a row of padding at least, even if no scene has objects
        for number in numbers.tolist():
            target, masks = self.targets[number], torch.from_numpy(self.masks[number])
            rows.append([target["boxes"].float(), target["labels"].long(), masks])
        boxes, labels, masks = (pad_sequence(list(part), batch_first=True)[1:] for part in zip(*rows, strict=True))
        if self.augment:
            turned = torch.rand(len(images), generator=generator) < 0.5
            images, masks = (torch.where(turned[:, None, None, None], x.flip(3), x) for x in (images, masks))
            boxes = torch.where(turned[:, None, None], mirrored(boxes, width), boxes)
            images = in_other_light(images, LIGHT, generator)
        return (Instances(images.contiguous(memory_format=torch.channels_last), boxes, labels, masks),)


def mirrored(boxes: Float[Tensor, "*n 4"], width: int) -> Float[Tensor, "*n 4"]:
    """The boxes in the mirror image of an image of this width."""
    x1, y1, x2, y2 = boxes.unbind(dim=-1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)
