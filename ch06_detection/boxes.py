"""Boxes: how two of them are compared, written as offsets from a default box, and thinned out.

Question   A detector says a hundred boxes around one object. How near are two of them, and which one stays?
Method     Intersection over union; centre form and offsets with variances (Liu et al. 2016, Eq. 2); greedy
           non-maximum suppression.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

Boxes = Float[Tensor, "n 4"]
VARIANCES = (0.1, 0.2)  # of centres, of log sizes: what offsets are divided by, so that they are of about one size


def area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Width × height of boxes (x1, y1, x2, y2)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """|A ∩ B| / |A ∪ B| of every box of a with every box of b, xyxy."""
    low = torch.maximum(a[:, None, :2], b[:, :2])
    high = torch.minimum(a[:, None, 2:], b[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=2)
    return common / (area(a)[:, None] + area(b) - common)


def centre_form(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """(x1, y1, x2, y2) to (cx, cy, w, h)."""
    size = boxes[..., 2:] - boxes[..., :2]
    return torch.cat([boxes[..., :2] + size / 2, size], dim=-1)


def corner_form(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """(cx, cy, w, h) to (x1, y1, x2, y2)."""
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)


def encode(
    boxes: Float[Tensor, "*n 4"], defaults: Float[Tensor, "*m 4"], variances: tuple[float, float] = VARIANCES
) -> Float[Tensor, "*n 4"]:
    """Offsets (Δcx, Δcy, Δw, Δh) that take each default box to its box; both xyxy. Eq. (2), Liu et al. 2016."""
    boxes, defaults = centre_form(boxes), centre_form(defaults)
    centres = (boxes[..., :2] - defaults[..., :2]) / defaults[..., 2:] / variances[0]
    return torch.cat([centres, torch.log(boxes[..., 2:] / defaults[..., 2:]) / variances[1]], dim=-1)


def decode(
    offsets: Float[Tensor, "*n 4"], defaults: Float[Tensor, "*m 4"], variances: tuple[float, float] = VARIANCES
) -> Float[Tensor, "*n 4"]:
    """The boxes, xyxy, that offsets make of default boxes: encode's inverse."""
    defaults = centre_form(defaults)
    centres = defaults[..., :2] + variances[0] * offsets[..., :2] * defaults[..., 2:]
    return corner_form(torch.cat([centres, defaults[..., 2:] * torch.exp(variances[1] * offsets[..., 2:])], dim=-1))


def clip(boxes: Float[Tensor, "*n 4"], height: int, width: int) -> Float[Tensor, "*n 4"]:
    """The parts of the boxes that lie in an image."""
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limits)


def nms(boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n"], threshold: float) -> Int[Tensor, "kept"]:
    """Indices of the boxes that stay, the surest first: none overlaps a surer one by more than the threshold (IoU)."""
    order = scores.argsort(descending=True, stable=True)
    left, kept = boxes[order], []
    while len(order):
        kept.append(order[0])
        near = iou(left[:1], left)[0] > threshold
        near[0] = True
        left, order = left[~near], order[~near]
    return torch.stack(kept) if kept else order


def nms_by_class(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n"], labels: Int[Tensor, "n"], threshold: float
) -> Int[Tensor, "kept"]:
    """nms, but a box suppresses only boxes of its own label: labels are moved far apart, where none overlaps another."""
    if not len(boxes):
        return labels.new_zeros(0)
    far = labels.to(boxes)[:, None] * (boxes.max() - boxes.min() + 1)
    return nms(boxes + far, scores, threshold)
