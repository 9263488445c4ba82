"""The IoU of boxes with objects: of detections with their class, of proposals with every class."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ch06_detection.boxes import Boxes, iou
from common.data.boxed import BoxedImages, Target


def overlaps_with_objects(found: list[Target], part: BoxedImages, least: float) -> Float[np.ndarray, "n"]:
    """The IoU of each detection of at least this score with the best object of its class; if any, those above 0.3."""
    overlaps = []
    for detections, target in zip(found, part.targets, strict=True):
        same = detections["labels"][:, None] == target["labels"]
        best = (
            (iou(detections["boxes"], target["boxes"]) * same).amax(dim=1) if len(target["labels"]) else torch.zeros(0)
        )
        overlaps.append(best[detections["scores"][: len(best)] >= least])
    together = torch.cat([*overlaps, torch.zeros(1)]).numpy().astype(float)
    return together[together > 0.3] if (together > 0.3).any() else together


def overlap_by_class(boxes: Boxes, target: Target, classes: int) -> Float[Tensor, "n classes"]:
    """The IoU of each box with the object of each class that it overlaps most; 0 if there is none."""
    best = torch.zeros(len(boxes), classes)
    for label in target["labels"].unique().tolist():
        best[:, label - 1] = iou(boxes, target["boxes"][target["labels"] == label]).amax(dim=1)
    return best


def spread_out(boxes: Boxes, most: int) -> Float[Tensor, "m 4"]:
    """The first boxes with little mutual overlap, at most `most`."""
    chosen = boxes[:1]
    for box in boxes:
        if len(chosen) < most and float(iou(box[None], chosen).max()) < 0.3:
            chosen = torch.cat([chosen, box[None]])
    return chosen
