"""What lies in boxes of any shape, cut out as squares of one size: what a network is shown that classifies.

Method     Girshick et al. 2014 (R-CNN), appendix A, (B): the tightest square around a box, with context.
Differs    The paper does best with boxes that are warped to squares, (D). Of clothes the shape says much, and warped, a
           dress is as wide as a bag.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torchvision.ops import roi_align

from ch06_detection.boxes import Boxes

MARGIN = 1.2  # of a box's longer side: what is cut out
Pictures = UInt8[np.ndarray, "n height width 3"]
Crops = Float[Tensor, "n 3 side side"]


def squares(boxes: Boxes) -> Boxes:
    """Squares around the boxes, with a margin."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = MARGIN / 2 * (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True)
    return torch.cat([middle - half, middle + half], dim=1)


def cut(
    images: Float[Tensor, "n 3 height width"], boxes: Sequence[Tensor], side: int
) -> Float[Tensor, "objects 3 side side"]:
    """The squares around each image's boxes, resized, image after image; 0, the mean, where they reach beyond."""
    return roi_align(images, [squares(own) for own in boxes], side, aligned=True)
