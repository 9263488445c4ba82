"""Train a detector, time it on test images, and score its mean average precisions.

Method     Everingham et al. 2010 for mAP at an IoU of 0.5; Lin et al. 2014 for 101 recalls and for ten thresholds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from common.data.boxed import BoxedImages
from common.detector import Detector
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.run import Method

METRIC, STRICT = "mAP@0.5", "mAP@[.5:.95]"


def judge(method: Method, part: BoxedImages) -> Evaluation:
    """Run the method's model on the part, timed, and score its mean average precisions."""
    searching = method.model.seconds_for_proposals(part.images)
    start = time.perf_counter()
    detections = method.model.predict(part.images)
    method.predict_seconds = searching + time.perf_counter() - start
    evaluation = Evaluation(detections, part.targets, len(part.classes), COCO_THRESHOLDS, groups=part.groups)
    return account(method, evaluation, part)


def examine(
    method: Method, name: str, build: Callable[[], Detector], train: BoxedImages, test: BoxedImages
) -> tuple[Detector, Evaluation]:
    """learn and judge, once per run and seed: a later lesson with the same detector reuses the results."""
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
    """The key under which a run stores the detections of a detector on the part."""
    return f"{name}, answers for {len(test)} images", method.run.seed


def learn(method: Method, name: str, build: Callable[[], Detector], train: BoxedImages) -> Detector:
    """Like method.fit_shared, but also counts the seconds spent before on a shared trunk and on cached proposals."""
    if (name, method.run.seed) in method.run.shared:
        return method.fit_shared(name, build, train)
    detector = build()
    before = detector.seconds_before(train.images)
    method.fit(detector, train)
    method.fit_seconds += before
    method.share(name, detector)
    return detector


def account(method: Method, evaluation: Evaluation, part: BoxedImages) -> Evaluation:
    """Score both mean average precisions in per cent, with intervals over the part's groups."""
    if evaluation.groups is None and part.groups is not None:
        evaluation = replace(evaluation, groups=part.groups)
    for metric, threshold in ((METRIC, 0.5), (STRICT, None)):
        method.score_items(metric, 100 * evaluation.by_image(threshold), part, unit="%", higher_is_better=True)
    return evaluation
