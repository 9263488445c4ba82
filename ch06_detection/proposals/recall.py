"""Quality of proposals: which objects have a good box among the first n (Hosang et al. 2016, §4).

No detector is involved. An object that no proposal overlaps is lost to every proposal-based detector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ch06_detection.boxes import iou
from common.data.boxed import Target

RESAMPLES = 300
ENOUGH = 0.9  # share of the objects


def best_overlaps_so_far(
    boxes: Float[Tensor, "n 4"], objects: Float[Tensor, "objects 4"], most: int
) -> Float[Tensor, "objects most"]:
    """Each object's largest IoU with the first 1, 2, … most boxes; with all if there are fewer."""
    if not len(boxes):
        return torch.zeros(len(objects), most)
    best = iou(objects, boxes[:most]).cummax(dim=1).values
    return best[:, torch.arange(most).clamp(max=best.shape[1] - 1)]


def overlaps_by_count(
    proposals: Sequence[Tensor], targets: Sequence[Target], most: int
) -> Float[np.ndarray, "objects most"]:
    """The best_overlaps_so_far of the objects of all pictures, concatenated."""
    pairs = zip(proposals, targets, strict=True)
    return torch.cat([best_overlaps_so_far(boxes, target["boxes"], most) for boxes, target in pairs]).numpy()


def recall(best: Float[np.ndarray, "objects *most"], threshold: float) -> Float[np.ndarray, "*most"] | np.floating:
    """The share of objects with a box of this overlap."""
    return (best >= threshold).mean(axis=0)


def boxes_needed(best: Float[np.ndarray, "objects most"], threshold: float, share: float = ENOUGH) -> int | None:
    """The boxes per picture needed to find this share of objects; None if all of them are not enough."""
    enough = recall(best, threshold) >= share
    return int(enough.argmax()) + 1 if enough.any() else None


def recall_band(
    best: Float[np.ndarray, "objects most"], picture: Int[np.ndarray, "objects"], threshold: float
) -> Float[np.ndarray, "2 most"]:
    """The ends of recall's 95 % interval, by the bootstrap over pictures, because objects of one are not independent.

    picture: the index of each object's picture.
    """
    pictures = int(picture.max()) + 1
    hits = np.zeros((pictures, best.shape[1]))
    np.add.at(hits, picture, best >= threshold)
    draws = np.random.default_rng(0).multinomial(pictures, np.full(pictures, 1 / pictures), RESAMPLES)
    shares = draws @ hits / (draws @ np.bincount(picture))[:, None]
    return np.percentile(shares, [2.5, 97.5], axis=0)
