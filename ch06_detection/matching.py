"""Matching default boxes to objects: the targets, classes and offsets, that a detector with default boxes learns.

Method     Liu et al. 2016 (SSD), §2.2, matching strategy: each object has the default box that overlaps it most,
           and all others that overlap it enough.
Differs    Where two objects have the same best box, one gets its next best. torchvision's SSDMatcher gives the box to
           the object that comes later, and may leave the other without any.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from ch06_detection.boxes import Boxes, encode, iou
from common.data.boxed import Target
from common.data.checked_inputs import as_many, precise

THRESHOLD = 0.5  # IoU from which a default box is matched to an object


def first_to_ask(cells: Int[Tensor, "k"]) -> Bool[Tensor, "k"]:
    """Whether each entry is the first one with its value."""
    _, place = cells.unique(return_inverse=True)
    ranks = torch.arange(len(cells), device=cells.device)
    return ranks == torch.full_like(ranks, len(cells)).scatter_reduce_(0, place, ranks, "amin")[place]


def own_boxes(overlaps: Float[Tensor, "m n"], images: Int[Tensor, "m"]) -> Int[Tensor, "m"]:
    """Each object's own default box, whatever their IoU; no two objects of an image have the same one. §2.2.

    overlaps: IoU of objects and default boxes; is overwritten. images: the image of each object. −1: an object that
    overlaps nothing that is left. Greedy by IoU, computed as a stable matching (Gale & Shapley 1962): each object
    claims its best box; where two claim the same one, the higher IoU wins, and the other object claims its next best.
    """
    best, chosen = overlaps.max(dim=1)
    while True:
        order = best.argsort(descending=True, stable=True)
        order = order[best[order] > 0]
        refused = order[~first_to_ask(images[order] * overlaps.shape[1] + chosen[order])]
        if not len(refused):
            return chosen.where(best > 0, -1)
        overlaps[refused, chosen[refused]] = 0
        best[refused], chosen[refused] = overlaps[refused].max(dim=1)


def pairs(
    boxes: Real[Tensor, "m 4"], images: Int[Tensor, "m"], defaults: Real[Tensor, "n 4"], threshold: float
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Objects of several images and the default boxes matched to them: (object, image · n + default box). §2.2.

    Each object has its own default box. Every other one whose IoU with an object is at least the threshold is matched
    to the object that it overlaps most.
    """
    overlaps = iou(boxes, defaults)
    objects, near = (overlaps >= threshold).nonzero().unbind(1)
    order = overlaps[objects, near].argsort(descending=True, stable=True)
    own = own_boxes(overlaps, images)
    there = (own >= 0).nonzero()[:, 0]
    objects, near = torch.cat([there, objects[order]]), torch.cat([own[there], near[order]])
    cells = images[objects] * len(defaults) + near
    first = first_to_ask(cells)
    return objects[first], cells[first]


def match(
    boxes: Real[Tensor, "m 4"], labels: Int[Tensor, "..."], defaults: Real[Tensor, "n 4"], threshold: float = THRESHOLD
) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    """The target of each default box of an image: a label, 0 for background; and the object's number, 0 if none. §2.2.

    Raises ValueError where there are not as many labels as boxes.
    """
    as_many(boxes, labels=labels)
    said = labels.new_zeros(len(defaults))
    which = torch.zeros_like(said, dtype=torch.long)
    if len(boxes):
        objects, cells = pairs(boxes, torch.zeros_like(labels), defaults, threshold)
        said[cells], which[cells] = labels[objects], objects
    return said, which


def match_batch(
    targets: Sequence[Target], defaults: Boxes, threshold: float = THRESHOLD
) -> tuple[Int[Tensor, "batch n"], Float[Tensor, "batch n 4"]]:
    """The targets of the default boxes of each image: labels, 0 for background, and offsets, 0 for background.

    Raises ValueError where there are not as many labels as boxes.
    """
    n, defaults = len(defaults), precise(defaults)
    for target in targets:
        as_many(target["boxes"], labels=target["labels"])
    boxes = torch.cat([target["boxes"] for target in targets]).to(defaults)
    labels = torch.cat([target["labels"] for target in targets]).to(defaults.device)
    said, offsets = labels.new_zeros(len(targets) * n), defaults.new_zeros(len(targets) * n, 4)
    if len(boxes):
        counts = torch.tensor([len(target["boxes"]) for target in targets], device=defaults.device)
        images = torch.repeat_interleave(torch.arange(len(targets), device=defaults.device), counts)
        objects, cells = pairs(boxes, images, defaults, threshold)
        said[cells], offsets[cells] = labels[objects], encode(boxes[objects], defaults[cells % n])
    return said.reshape(-1, n), offsets.reshape(-1, n, 4)
