"""Boxes of any shape, cut out with some of what is around and warped to one size: what R-CNN's network looks at.

Method     Girshick et al. 2014 (R-CNN), appendix A: warped, with 16 pixels of context around a crop of 227; what lies
           outside the image is its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from ch06_detection.boxes import Boxes, centre_form, corner_form
from ch06_detection.proposal_sets import Pictures
from common.image_classifier import Pixels

CONTEXT = 16 / 227  # of a crop's side, on each of its sides, is what lies around the box
Crops = Float[Tensor, "n 3 side side"]


def with_context(boxes: Boxes, share: float = CONTEXT) -> Boxes:
    """The boxes, larger, so that they become this share smaller than the crop on each side."""
    middle, size = centre_form(boxes).split(2, dim=1)
    return corner_form(torch.cat([middle, size / (1 - 2 * share)], dim=1))


def warp(images: Float[Tensor, "n 3 height width"], boxes: Boxes, side: int) -> Crops:
    """One box of each image, warped to a square, bilinearly; 0, an image's mean, where it reaches beyond."""
    limits = torch.tensor([images.shape[3], images.shape[2]], device=boxes.device)
    low, high = boxes[:, :2] / limits, boxes[:, 2:] / limits
    theta = torch.cat([(high - low).diag_embed(), (low + high - 1)[..., None]], dim=2)
    grid = functional.affine_grid(theta.to(images), [len(boxes), 3, side, side], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def warp_all(image: Float[Tensor, "3 height width"], boxes: Boxes, side: int) -> Crops:
    """Many boxes of one image, warped: the crops are sampled as one tall picture."""
    limits = torch.tensor([image.shape[2], image.shape[1]], device=boxes.device)
    low, high = boxes[:, :2] / limits, boxes[:, 2:] / limits
    theta = torch.cat([(high - low).diag_embed(), (low + high - 1)[..., None]], dim=2)
    grid = functional.affine_grid(theta.to(image), [len(boxes), 3, side, side], align_corners=False)
    tall = functional.grid_sample(image[None], grid.reshape(1, -1, side, 2), align_corners=False)
    return tall.view(3, len(boxes), side, side).transpose(0, 1).contiguous(memory_format=torch.channels_last)
