"""Objects cut out of labelled pictures, resized to one size, to train a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torchvision.ops import roi_align

from common.augment import in_other_light, uniform
from common.data.boxed import BoxedImages
from common.image_classifier import Pixels

MARGIN, SIZES, SHIFT = 1.1, 1.16, 0.08  # side: times the object's longer one; scaled by up to 1.16; shifted by 8 %
LIGHT = 0.2  # the limit of in_other_light


@dataclass(frozen=True)
class ObjectCrops:
    """The objects of boxed pictures, as common.train.Batches. An item is a picture; a batch has all objects of some.

    images: all pictures of the part. places: indices of those with objects; boxes and labels are theirs. side: the side
    of the square crops in pixels.
    """

    images: UInt8[np.ndarray, "_ height width 3"]
    places: Int[np.ndarray, "n"]
    boxes: tuple[Float[Tensor, "_ 4"], ...]
    labels: tuple[Int[Tensor, "_"], ...]
    pixels: Pixels
    side: int

    @classmethod
    def of(cls, part: BoxedImages, pixels: Pixels, side: int) -> ObjectCrops:
        """Labels count from 0 here: there is no background. Raises ValueError if no picture has an object."""
        full = [place for place, target in enumerate(part.targets) if len(target["labels"])]
        if not full:
            raise ValueError(f"none of {len(part)} pictures has an object to be cut out")
        targets = [part.targets[place] for place in full]
        boxes = tuple(target["boxes"].float() for target in targets)
        labels = tuple(target["labels"] - 1 for target in targets)
        return cls(part.images, np.array(full), boxes, labels, pixels, side)

    def __len__(self) -> int:
        return len(self.places)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "objects 3 side side"], Int[Tensor, "objects"]]:
        """Squares around the objects with random shift, scale, mirroring and light; and their classes."""
        items = index.tolist()
        owner = torch.cat([torch.full((len(self.boxes[item]),), float(k)) for k, item in enumerate(items)])
        boxes = torch.cat([self.boxes[item] for item in items])
        n = len(boxes)
        sides = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True)
        half = sides * MARGIN / 2 * SIZES ** uniform(1, (n, 1), generator)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + sides * uniform(SHIFT, (n, 2), generator)
        windows = torch.cat([owner[:, None], middle - half, middle + half], dim=1)
        images = self.pixels(self.images[self.places[index.numpy()]])
        crops = roi_align(images, windows, self.side, sampling_ratio=1, aligned=True)
        crops = torch.where(torch.rand((n, 1, 1, 1), generator=generator) < 0.5, crops.flip(3), crops)
        return in_other_light(crops, LIGHT, generator), torch.cat([self.labels[item] for item in items])
