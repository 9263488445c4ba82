"""Crops of one size from boxes of any shape: the input of a network that classifies proposals.

Method     Girshick et al. 2014 (R-CNN), appendix A, (D): the box with some context around it, warped to one size. So
           the crop shows all four edges of the box, and its score can distinguish a tight box from a loose one.
Differs    The context is a share of the box's sides, here a tenth at each of them; the paper's p = 16 of 227 pixels
           leave 195 for the box, of which they are a twelfth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Real, UInt8
from torch import Tensor
from torchvision.ops import roi_align

from common.data.checked_inputs import precise
from common.image_classifier import Pixels

MARGIN = 1.2  # of a box's width and height: the size of a crop
CHUNK = 50  # images processed together
Pictures = UInt8[np.ndarray, "n height width 3"]
Crops = Float[Tensor, "crops 3 rows columns"]
Side = tuple[int, int]  # rows and columns of a crop, or of an RoI's features


def with_context(boxes: Real[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """The boxes, enlarged about their centres by MARGIN."""
    boxes = precise(boxes)
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, MARGIN / 2 * (boxes[..., 2:] - boxes[..., :2])
    return torch.cat([middle - half, middle + half], dim=-1)


def cut(images: Float[Tensor, "n 3 height width"], boxes: Sequence[Tensor], side: Side) -> Crops:
    """Crop each image's boxes with their context, warped to one size; beyond the image is 0, the mean."""
    return roi_align(images, [with_context(own).to(images) for own in boxes], side, aligned=True)


def cut_from(
    images: Pictures, boxes: Sequence[Tensor], pixels: Pixels, side: Side, dtype: torch.dtype = torch.float32
) -> Crops:
    """The same as cut for many images: at most CHUNK of them are stored as floats at a time."""
    crops, done = torch.empty(sum(map(len, boxes)), 3, *side, dtype=dtype), 0
    for start in range(0, len(images), CHUNK):
        some = cut(pixels(images[start : start + CHUNK]), boxes[start : start + CHUNK], side)
        crops[done : done + len(some)] = some
        done += len(some)
    return crops
