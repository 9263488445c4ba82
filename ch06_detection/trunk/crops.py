"""Square crops of one size around boxes of any shape: the input of a network that classifies proposals.

Method     Girshick et al. 2014 (R-CNN), appendix A, (B): the tightest square around a box, with context.
Differs    The paper does best with boxes that are warped to squares, (D). Here squares keep
           the shape, by which clothes differ: warped, a dress is as wide as a bag.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Real, UInt8
from torch import Tensor
from torchvision.ops import roi_align

from ch06_detection.boxes import Boxes
from common.data.checked_inputs import precise
from common.image_classifier import Pixels

MARGIN = 1.2  # of a box's longer side: what is cut out
CHUNK = 50  # images that are cut from together
Pictures = UInt8[np.ndarray, "n height width 3"]
Crops = Float[Tensor, "n 3 side side"]


def squares(boxes: Real[Tensor, "n 4"]) -> Boxes:
    """Squares around the boxes, with a margin."""
    boxes = precise(boxes)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = MARGIN / 2 * (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True)
    return torch.cat([middle - half, middle + half], dim=1)


def cut(
    images: Float[Tensor, "n 3 height width"], boxes: Sequence[Tensor], side: int
) -> Float[Tensor, "objects 3 side side"]:
    """The squares around each image's boxes, resized, image after image; 0, the mean, where they reach beyond."""
    return roi_align(images, [squares(own).to(images) for own in boxes], side, aligned=True)


def cut_from(
    images: Pictures, boxes: Sequence[Tensor], pixels: Pixels, side: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "objects 3 side side"]:
    """cut, from many images: no more than CHUNK of them are held as float numbers at a time."""
    crops, done = torch.empty(sum(map(len, boxes)), 3, side, side, dtype=dtype), 0
    for start in range(0, len(images), CHUNK):
        some = cut(pixels(images[start : start + CHUNK]), boxes[start : start + CHUNK], side)
        crops[done : done + len(some)] = some
        done += len(some)
    return crops
