"""Label maps in colours, and the choice of test items that are shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

from common.data.segmented import IGNORE, SegmentedImages
from common.metrics.segmentation import ConfusionMatrix, mean_iou

BACKGROUND, UNCOUNTED = (238, 240, 244), (255, 255, 255)
# The colours in which publications show CamVid, as its authors chose them.
STREET = {
    "sky": (128, 128, 128), "building": (128, 0, 0), "pole": (192, 192, 128), "road": (128, 64, 128),
    "pavement": (60, 40, 222), "tree": (128, 128, 0), "sign": (192, 128, 128), "fence": (64, 64, 128),
    "car": (64, 0, 128), "pedestrian": (64, 64, 0), "bicyclist": (0, 128, 192),
}  # fmt: skip
OTHERS = (
    (31, 111, 180), (217, 122, 10), (10, 143, 105), (194, 56, 79), (139, 95, 191), (240, 200, 40), (88, 169, 220),
    (110, 70, 45), (230, 130, 180), (90, 100, 115), (150, 190, 60), (20, 40, 90),
)  # fmt: skip

Labels = Integer[np.ndarray, "height width"]


def colours_of(classes: Sequence[str]) -> UInt8[np.ndarray, "classes 3"]:
    """A colour per class: CamVid's own if all classes are CamVid's; else pale for "background", OTHERS for the rest.

    Raises ValueError for more classes than there are colours.
    """
    if set(classes) <= set(STREET):
        return np.array([STREET[name] for name in classes], np.uint8)
    things = [name for name in classes if name != "background"]
    if len(things) > len(OTHERS):
        raise ValueError(f"{len(things)} classes beside the background, but {len(OTHERS)} colours")
    colours = {"background": BACKGROUND, **dict(zip(things, OTHERS, strict=False))}
    return np.array([colours[name] for name in classes], np.uint8)


def paint(labels: Labels, classes: Sequence[str]) -> UInt8[np.ndarray, "height width 3"]:
    """The label map in its classes' colours; pixels that do not count (IGNORE) are white.

    Raises ValueError for a label that is neither a class nor IGNORE.
    """
    if (wrong := (labels != IGNORE) & ((labels < 0) | (labels >= len(classes)))).any():
        raise ValueError(f"label {labels[wrong][0]} is none of 0 … {len(classes) - 1}")
    palette = np.concatenate([colours_of(classes), np.array([UNCOUNTED], np.uint8)])
    return palette[np.where(labels == IGNORE, len(classes), labels)]


def best_median_worst(scores: Float[np.ndarray, "items"]) -> Int[np.ndarray, "3"]:
    """The indices of the best, the median and the worst item; NaN (an item without a score) is never chosen.

    Raises ValueError if no item has a score.
    """
    order = np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]  # NaN is last
    if not len(order):
        raise ValueError("no item has a score")
    return order[[0, len(order) // 2, -1]]


def examples(part: SegmentedImages, labels: Integer[np.ndarray, "items height width"]) -> Int[np.ndarray, "3"]:
    """The indices of the pictures with the best, the median and the worst mean IoU of a single picture."""
    matrix = ConfusionMatrix(len(part.classes), IGNORE)
    matrix.add(part.labels, labels)
    return best_median_worst(mean_iou(matrix.matrices))
