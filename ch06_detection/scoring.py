"""A detector's whole account: how precise it is, at one overlap and at ten, how fast, and what it gets wrong.

Method     Everingham et al. 2010 and Lin et al. 2014 for the means; Hoiem et al. 2012, §2.1, for the kinds of errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ch06_detection.boxes import iou_of_pairs
from ch06_detection.frames import HalfSize, halved
from ch06_detection.proposal_sets import spaced
from common.data.boxed import BoxedImages
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.run import Method

METRIC, STRICT = "mAP@0.5", "mAP@[.5:.95]"
NEAR = 0.1  # IoU with an object, from which on a detection is said to be about it


def judge(method: Method, part: BoxedImages) -> Evaluation:
    """Run the method's model on the part, timed, and put its mean average precisions on the scoreboard."""
    searching = seconds_for_proposals(method.model, part)
    start = time.perf_counter()
    detections = method.model.predict(part.images)
    method.predict_seconds = searching + time.perf_counter() - start
    evaluation = Evaluation(detections, part.targets, len(part.classes), COCO_THRESHOLDS, groups=part.groups)
    return account(method, evaluation, part)


def examine(
    method: Method, name: str, build: Callable[[], Any], train: BoxedImages, test: BoxedImages
) -> tuple[Any, Evaluation]:
    """learn and judge, once a run and seed: a later lesson that asks for the same is given the answers."""
    detector = learn(method, name, build, train)
    key = answers_of(method, name, test)
    if key in method.run.shared:
        evaluation, method.predict_seconds = method.run.shared[key]
        account(method, evaluation, test)
    else:
        evaluation = judge(method, test)
        method.run.shared[key] = evaluation, method.predict_seconds
    return detector, evaluation


def answers_of(method: Method, name: str, test: BoxedImages) -> tuple[str, int]:
    """Where a run keeps the detections of a detector of that name on the part."""
    return f"{name}, answers for {len(test)} images", method.run.seed


def learn(method: Method, name: str, build: Callable[[], Any], train: BoxedImages) -> Any:
    """method.fit_shared; but what a detector is given ready-made counts among its seconds, too."""
    if (name, method.run.seed) in method.run.shared:
        return method.fit_shared(name, build, train)
    detector = build()
    before = seconds_before(detector, train)
    method.fit(detector, train)
    method.fit_seconds += before
    method.share(name, detector)
    return detector


def seconds_before(detector: Any, train: BoxedImages) -> float:
    """What has been spent already on a detector that is not yet fitted: its trunk, its training images' proposals."""
    half = isinstance(detector, HalfSize)
    own = detector.detector if half else detector
    trunk, proposals = getattr(own, "trunk", None), getattr(own, "proposals", None)
    images = train.images[spaced(len(train), getattr(own, "searched", None))]
    spent = proposals.spent(halved(images) if half else images) if proposals else 0.0
    return spent + getattr(trunk, "seconds_", 0.0)


def seconds_for_proposals(model: Any, part: BoxedImages) -> float:
    """What computing the part's proposals cost, for whichever detector it was done; 0 for one that needs none."""
    half = isinstance(model, HalfSize)
    proposals = getattr(model.detector if half else model, "proposals", None)
    return proposals.seconds(halved(part.images) if half else part.images) if proposals else 0.0


def account(method: Method, evaluation: Evaluation, part: BoxedImages) -> Evaluation:
    """Put both mean average precisions on the scoreboard, in per cent; with intervals over the part's groups."""
    if evaluation.groups is None and part.groups is not None:
        evaluation = replace(evaluation, groups=part.groups)
    for metric, threshold in ((METRIC, 0.5), (STRICT, None)):
        method.score_items(metric, 100 * evaluation.by_image(threshold), part, unit="%", higher_is_better=True)
    return evaluation


@dataclass(frozen=True, eq=False)
class Errors:
    """What is wrong with each class's highest-scoring detections, as many as it has objects. Hoiem et al. 2012, §2.1.

    In per cent of the objects: `localisation`: the object's class, but at an IoU below 0.5, or the second one on it;
    `confusion`: on an object of another class; `background`: on none. `missed`: objects that no detection of their
    class has found, however unsure it is: what lowering the threshold does not bring back.
    kinds, images, boxes: of each of these detections, the kind ("" where it is right), its image, its box.
    """

    shares: dict[str, float]
    kinds: np.ndarray
    images: Int[np.ndarray, "n"]
    boxes: Float[np.ndarray, "n 4"]


def errors_of(evaluation: Evaluation) -> Errors:
    """What is wrong at an IoU of 0.5, objects that are marked as difficult and what lies on them left aside."""
    matches, place = evaluation.matches, evaluation.places(0.5)[0]
    truths, said = matches.truths, matches.detections
    wanted = ~matches.truth_ignored
    counts = np.bincount(truths.labels[wanted], minlength=evaluation.classes + 1)
    used = ~matches.ignored[place]
    rank = np.zeros(len(used), int)
    for label in range(1, evaluation.classes + 1):  # they stand class by class, the surest first
        own = used & (said.labels == label)
        rank[own] = np.arange(own.sum())
    sure = np.flatnonzero(used & (rank < counts[said.labels]))

    right = matches.true[place, sure]
    same, other = best_overlaps(evaluation, sure)
    kinds = np.where(same >= NEAR, "localisation", np.where(other >= NEAR, "confusion", "background"))
    kinds = np.where((same >= NEAR) & (same < 0.5) & (other >= 0.5), "confusion", kinds)
    kinds[right] = ""
    shares = {kind: 100 * float((kinds == kind).sum() / counts.sum()) for kind in ("localisation", "confusion")}
    shares["background"] = 100 * float((kinds == "background").sum() / counts.sum())
    shares["missed"] = 100 * float(1 - matches.true[place].sum() / counts.sum())
    return Errors(shares, kinds, said.images[sure], said.boxes[sure])


def best_overlaps(
    evaluation: Evaluation, which: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """The highest IoU of these detections with an object of their class in their image, and with one of another."""
    truths, said = evaluation.matches.truths, evaluation.matches.detections.take(which)
    most = 1 + int(truths.items.max(initial=0))
    boxes = np.zeros((len(evaluation.targets), most, 4))
    labels = np.zeros((len(evaluation.targets), most), int)
    boxes[truths.images, truths.items], labels[truths.images, truths.items] = truths.boxes, truths.labels
    overlaps = iou_of_pairs(torch.tensor(said.boxes[:, None]), torch.tensor(boxes[said.images])).numpy()
    there, own = labels[said.images] > 0, labels[said.images] == said.labels[:, None]
    return highest(overlaps, there & own), highest(overlaps, there & ~own)


def highest(overlaps: Float[np.ndarray, "n m"], counts: Bool[np.ndarray, "n m"]) -> Float[np.ndarray, "n"]:
    """The highest of a row that counts, 0 where none does."""
    return np.where(counts, overlaps, 0.0).max(axis=1, initial=0.0)
