"""The metrics of this task: mean IoU and boundary F1 for labels, average precision for masks of objects.

All four are in per cent. The scoreboard stores a value per image whose mean is the metric (Groups.by_image), so that
intervals and paired tests resample photographs, not scenes with the same photograph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int64, Integer

from ch07_applications.segmentation.labelled_scenes import instances
from common.data.boxed import BoxedImages, Target
from common.data.segmented import IGNORE, SegmentedImages
from common.metrics.boundary_f1 import boundary_f1, mean_boundary_f1
from common.metrics.detection import Evaluation
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.run import Method

IOU, BOUNDARY, AP50, AP75 = "mean IoU", "boundary F1", "mask AP@.5", "mask AP@.75"
Labels = Integer[np.ndarray, "items height width"]


def judge_semantic(method: Method, part: SegmentedImages, predict: Callable | None = None) -> Labels:
    """Predict a label per pixel, by method.model.predict or predict(images), timed; then score_semantic.

    Returns the labels.
    """
    start = time.perf_counter()
    labels = np.asarray((predict or method.model.predict)(part.images))
    method.predict_seconds = time.perf_counter() - start
    score_semantic(method, part, labels)
    return labels


def score_semantic(method: Method, part: SegmentedImages, labels: Labels) -> Int64[np.ndarray, "classes classes"]:
    """Mean IoU of one confusion matrix for the whole part (Long et al. 2015, §5), and boundary F1 (Csurka et al. 2013).

    Returns the confusion matrix. Pixels with the true label IGNORE do not count. Raises ValueError if labels are not
    one per pixel of the part, or are outside its classes.
    """
    if labels.shape != part.labels.shape:
        raise ValueError(f"{method.name}: labels {labels.shape} for scenes {part.labels.shape}")
    classes = len(part.classes)
    matrix = ConfusionMatrix(classes, ignore=IGNORE)
    matrix.add(part.labels, labels)
    boundaries = np.stack(
        [boundary_f1(truth, own, classes, ignore=IGNORE) for truth, own in zip(part.labels, labels, strict=True)]
    )
    for metric, values in (
        (IOU, matrix.values_by_image(mean_iou, part.groups)),
        (BOUNDARY, mean_boundary_f1(boundaries)),
    ):
        method.score_items(metric, 100 * values, part, unit="%", higher_is_better=True)
    return matrix.total


def judge_instances(method: Method, part: BoxedImages, predict: Callable | None = None) -> list[Target]:
    """Predict objects with masks, by method.model.predict or predict(images), timed; then score_instances."""
    start = time.perf_counter()
    detections = (predict or method.model.predict)(part.images)
    method.predict_seconds = time.perf_counter() - start
    score_instances(method, part, detections)
    return detections


def predicted_once(method: Method, part: BoxedImages) -> list[Target]:
    """The detections of method.model in the part, predicted once per run and seed for all lessons; and the seconds.

    Masks are stored with one bit per pixel; as booleans, those of one method and seed would take 100 MB.
    """
    key = f"{method.name}, detections in {len(part)} scenes", method.run.seed
    if key not in method.run.shared:
        start = time.perf_counter()
        detections = method.model.predict(part.images)
        seconds = time.perf_counter() - start
        method.run.shared[key] = [{**found, "masks": np.packbits(found["masks"], -1)} for found in detections], seconds
    packed, method.predict_seconds = method.run.shared[key]
    width = part.images.shape[2]
    return [
        {**found, "masks": torch.from_numpy(np.unpackbits(found["masks"], axis=-1, count=width).astype(bool))}
        for found in packed
    ]


def score_instances(method: Method, part: BoxedImages, detections: Sequence[Target]) -> Evaluation:
    """Mask AP at an IoU of 0.5 and of 0.75: the mean over classes of AP^r (Hariharan et al. 2014, §4), at full size.

    detections: boxes, labels from 1, scores, and masks (n, H, W), booleans, for each scene. Raises Problem for
    detections without masks or scores, or with masks of another size.
    """
    evaluation = Evaluation(
        detections, instances(part), len(part.classes), (0.5, 0.75), iou_of="masks", groups=part.groups
    )
    for metric, threshold in ((AP50, 0.5), (AP75, 0.75)):
        values = 100 * evaluation.by_image(threshold)
        method.score_items(metric, values, part, unit="%", higher_is_better=True)
    return evaluation
