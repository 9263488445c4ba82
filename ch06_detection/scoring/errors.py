"""The errors of a detector: a wrong place, a wrong class, background, or a missed object.

Method     Hoiem et al. 2012, §2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ch06_detection.boxes import iou, iou_of_pairs
from common.data.boxed import BoxedImages
from common.metrics.detection import Evaluation

KINDS = ("localisation", "confusion", "background")
NEAR = 0.1  # least IoU at which a detection lies on an object


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors among each class's n highest-scoring detections, n being its number of objects. Hoiem et al. 2012,
    §2.1.

    In per cent of the objects: `localisation`: the object's class, but at an IoU below 0.5, or a duplicate;
    `confusion`: on an object of another class; `background`: on none. `missed`: objects without a detection of their
    class at any score: lowering the threshold does not find them.
    kinds, images, labels, boxes: of each of these detections; the kind is "" if it is right.
    """

    shares: dict[str, float]
    kinds: np.ndarray
    images: Int[np.ndarray, "n"]
    labels: Int[np.ndarray, "n"]
    boxes: Float[np.ndarray, "n 4"]

    def name(self, which: int, part: BoxedImages) -> str:
        """The class that a detection predicts; for a confusion, also the class of the object that it lies on."""
        predicted, target = part.classes[self.labels[which] - 1], part.targets[self.images[which]]
        if self.kinds[which] != "confusion":
            return predicted
        overlap = iou(target["boxes"], torch.tensor(self.boxes[which : which + 1]))[:, 0]
        return f"{predicted} (is {part.classes[int(target['labels'][overlap.argmax()]) - 1]})"


def classify_errors(evaluation: Evaluation) -> Errors:
    """Classify errors at an IoU of 0.5; difficult objects, and detections on them, are ignored."""
    matches, place = evaluation.matches, evaluation.places(0.5)[0]
    truths, found = matches.truths, matches.detections
    wanted = ~matches.truth_ignored
    counts = np.bincount(truths.labels[wanted], minlength=evaluation.classes + 1)
    used = ~matches.ignored[place]
    rank = np.zeros(len(used), int)
    for label in range(1, evaluation.classes + 1):  # they are sorted by class, then by descending score
        own = used & (found.labels == label)
        rank[own] = np.arange(own.sum())
    top = np.flatnonzero(used & (rank < counts[found.labels]))

    right = matches.true[place, top]
    same, other = overlaps_by_class(evaluation, top)
    kinds = np.where(same >= NEAR, "localisation", np.where(other >= NEAR, "confusion", "background"))
    kinds = np.where((same >= NEAR) & (same < 0.5) & (other >= 0.5), "confusion", kinds)
    kinds[right] = ""
    shares = {kind: 100 * float((kinds == kind).sum() / counts.sum()) for kind in ("localisation", "confusion")}
    shares["background"] = 100 * float((kinds == "background").sum() / counts.sum())
    shares["missed"] = 100 * float(1 - matches.true[place].sum() / counts.sum())
    return Errors(shares, kinds, found.images[top], found.labels[top], found.boxes[top])


def overlaps_by_class(
    evaluation: Evaluation, which: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """The highest IoU of these detections with an object of their class in their image, and with one of another."""
    truths, found = evaluation.matches.truths, evaluation.matches.detections.take(which)
    most = 1 + int(truths.items.max(initial=0))
    boxes = np.zeros((len(evaluation.targets), most, 4))
    labels = np.zeros((len(evaluation.targets), most), int)
    boxes[truths.images, truths.items], labels[truths.images, truths.items] = truths.boxes, truths.labels
    overlaps = iou_of_pairs(torch.tensor(found.boxes[:, None]), torch.tensor(boxes[found.images])).numpy()
    there, own = labels[found.images] > 0, labels[found.images] == found.labels[:, None]
    return highest_where(overlaps, there & own), highest_where(overlaps, there & ~own)


def highest_where(overlaps: Float[np.ndarray, "n m"], counts: Bool[np.ndarray, "n m"]) -> Float[np.ndarray, "n"]:
    """The highest counted value of each row, 0 if none counts."""
    return np.where(counts, overlaps, 0.0).max(axis=1, initial=0.0)
