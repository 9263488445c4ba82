"""Objects cut out of labelled pictures, enlarged or reduced to one size: what a classifier learns from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torchvision.ops import roi_align

from ch07_applications.segmentation.segmenter import PixelCrops
from common.augment import uniform
from common.data.boxed import BoxedImages
from common.image_classifier import Pixels

MARGIN, SIZES, SHIFT = 1.1, 1.16, 0.08  # a crop's side: of the object's longer one, times or by 1.16; shifted by 8 %


@dataclass(frozen=True)
class ObjectCrops:
    """The objects of boxed pictures, as common.train.Batches: an item is a picture, a batch all objects of some.

    side: of the square crops, in pixels. Raises ValueError without any object.
    """

    images: UInt8[Tensor, "n height width 3"]
    boxes: tuple[Float[Tensor, "_ 4"], ...]
    labels: tuple[Int[Tensor, "_"], ...]
    pixels: Pixels
    side: int

    @classmethod
    def of(cls, part: BoxedImages, pixels: Pixels, side: int) -> ObjectCrops:
        """Of the part's pictures that have an object. Labels count from 0 here: there is no background."""
        full = [place for place, target in enumerate(part.targets) if len(target["labels"])]
        if not full:
            raise ValueError(f"none of {len(part)} pictures has an object to be cut out")
        targets = [part.targets[place] for place in full]
        boxes = tuple(target["boxes"].float() for target in targets)
        labels = tuple(target["labels"] - 1 for target in targets)
        return cls(torch.tensor(part.images[full]), boxes, labels, pixels, side)

    def __len__(self) -> int:
        return len(self.images)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "objects 3 side side"], Int[Tensor, "objects"]]:
        """Squares around the objects, a little moved, larger or smaller, mirrored or not, in other light; classes."""
        places = index.tolist()
        owner = torch.cat([torch.full((len(self.boxes[place]),), float(k)) for k, place in enumerate(places)])
        boxes = torch.cat([self.boxes[place] for place in places])
        n = len(boxes)
        sides = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True)
        half = sides * MARGIN / 2 * SIZES ** uniform(1, (n, 1), generator)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + sides * uniform(SHIFT, (n, 2), generator)
        windows = torch.cat([owner[:, None], middle - half, middle + half], dim=1)
        crops = roi_align(self.pixels(self.images[index].numpy()), windows, self.side, sampling_ratio=1, aligned=True)
        crops = torch.where(torch.rand((n, 1, 1, 1), generator=generator) < 0.5, crops.flip(3), crops)
        return PixelCrops().in_other_light(crops, generator), torch.cat([self.labels[place] for place in places])
