"""Boxes of any shape, cut out with some of what is around and warped to one size: what R-CNN's network looks at.

Method     Girshick et al. 2014 (R-CNN), appendix A: warped, with 16 pixels of context around a crop of 227; what lies
           outside the image is its mean.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from ch06_detection.boxes import Boxes, centre_form, corner_form

CONTEXT = 16 / 227  # of a crop's side, on each of its sides, is what lies around the box
Pictures = UInt8[np.ndarray, "n height width 3"]
Crops = Float[Tensor, "n 3 side side"]


def with_context(boxes: Boxes, share: float = CONTEXT) -> Boxes:
    """The boxes, larger, so that they become this share smaller than the crop on each side."""
    middle, size = centre_form(boxes).split(2, dim=1)
    return corner_form(torch.cat([middle, size / (1 - 2 * share)], dim=1))


def sampling(boxes: Boxes, height: int, width: int, side: int) -> Float[Tensor, "n side side 2"]:
    """Where in an image the pixels of each crop lie; −1 and 1 are the image's edges."""
    limits = torch.tensor([width, height], device=boxes.device)
    low, high = boxes[:, :2] / limits, boxes[:, 2:] / limits
    theta = torch.cat([(high - low).diag_embed(), (low + high - 1)[..., None]], dim=2)
    return functional.affine_grid(theta, [len(boxes), 3, side, side], align_corners=False)


def warp(images: Float[Tensor, "n 3 height width"], boxes: Boxes, side: int) -> Crops:
    """One box of each image, warped to a square, bilinearly; 0, an image's mean, where it reaches beyond."""
    return functional.grid_sample(images, sampling(boxes, *images.shape[2:], side), align_corners=False)


def warp_all(image: Float[Tensor, "3 height width"], boxes: Boxes, side: int) -> Crops:
    """Many boxes of one image, warped: sampled as one tall picture."""
    if not len(boxes):
        return image.new_zeros(0, 3, side, side)
    grid = sampling(boxes, *image.shape[1:], side).reshape(1, -1, side, 2)
    tall = functional.grid_sample(image[None], grid, align_corners=False)
    return tall.view(3, len(boxes), side, side).transpose(0, 1).contiguous(memory_format=torch.channels_last)
