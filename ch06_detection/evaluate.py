"""Mean average precision: which errors of a detector it notices, and how reliable it is.

Question   A detector has a mean average precision of 52 %. Which errors lower this number, and how much would it change
           with other test scenes?
Method     The lesson average_precision explains the average precision of one class; its mean over classes and over
           thresholds of IoU is Everingham et al. 2010, §4.2, and Lin et al. 2014. Intervals from resampled images
           (Efron and Tibshirani 1993, ch. 11 and 13). All are tested on made-up detectors, which start from the true
           objects and make errors at set rates (scoring/made_up.py).
Rival      The three conventions of average precision; the log-average miss rate (Dollár et al. 2012).
Differs    Own code (common/metrics: matching.py, precision_recall.py, detection.py); it agrees with pycocotools.
Costs      3 s on two cores, besides the scenes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float

from ch06_detection.average_precision import CONVENTIONS
from ch06_detection.drawings.evaluate import draw_doubts, draw_error_effects, draw_thresholds
from ch06_detection.scoring.made_up import MadeUp
from common.claims import beats
from common.data.boxed import BoxedImages
from common.data.scenes import scenes
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.record import LessonRecord
from common.run import Run

DETECTORS = {  # one predicts few boxes and places them well, the other finds nearly all and places them roughly
    "careful": MadeUp(found=0.75, spread=0.02),
    "keen": MadeUp(found=0.92, spread=0.08),
}
PLAIN = MadeUp(found=0.9, spread=0.04, copies=0, confused=0, nothing=0, logit_gain=10)
ERRORS = {
    "as it is": {},
    "a fifth fewer found": {"found": 0.72},
    "edges off twice as far": {"spread": 0.08},
    "one duplicate per object": {"copies": 1},
    "a fifth confused": {"confused": 0.2},
    "3 false boxes, some with high scores": {"nothing": 3, "logit_gain": 1},
    "30 false boxes, all with low scores": {"nothing": 30},
}
METRICS = {"mAP at 0.5": 0.5, "mAP at 0.75": 0.75, "mAP, 0.5 … 0.95": None}
SIDE = 128
MORE = "mean mAP at 0.5 of the smallest sets above that of the largest"
ERROR = "standard error of that difference"
PLAIN_MORE, PLAIN_ERROR = "the same without the envelope", "standard error of that difference without the envelope"
ADDED, ADDED_ERROR = "what the envelope adds to that difference", "standard error of what the envelope adds"
LEVELS = (1000, 100, 30, 10, 5, 3, 2)  # of rounded scores


def with_ties(evaluation: Evaluation, levels: int) -> list[float]:
    """Mean average precision of rounded scores: among equal scores the right ones come last, as predicted, or first."""
    found = evaluation.matches.detections
    counts = np.array([len(one["labels"]) for one in evaluation.detections])
    right = np.zeros(counts.sum())
    right[(counts.cumsum() - counts)[found.images] + found.items] = evaluation.matches.true[0]
    rounded = (torch.cat([one["scores"] for one in evaluation.detections]) * levels).round() / levels
    values = []
    for luck in (-1e-6, 0, 1e-6):
        scores = (rounded + luck * torch.from_numpy(right)).split(counts.tolist())
        found = [{**one, "scores": some} for one, some in zip(evaluation.detections, scores, strict=True)]
        values.append(replace(evaluation, detections=found).mean_average_precision(0.5))
    return values


def without_envelope(evaluation: Evaluation, threshold: float = 0.5) -> float:
    """Mean average precision from the precision at the detection that reaches each recall, not the best from there on.

    A plain sum over true detections: the precision at each, times the share of recalls that it is the first to reach.
    """
    recalls, values = np.linspace(0, 1, evaluation.points), []
    for label in range(1, evaluation.classes + 1):
        if evaluation.objects_by_image(label).any():
            curve = evaluation.curve(label, threshold)
            reached = np.searchsorted(recalls, curve.recall, side="right") / len(recalls)
            values.append((curve.precision * np.diff(reached, prepend=0)).sum())
    return float(np.mean(values))


def evaluate_sets(part: BoxedImages, numbers: list[int], draws: int, run: Run) -> Float[np.ndarray, "2 numbers draws"]:
    """Mean average precisions of one detector, each on a different set of scenes. numbers: of scenes in a set.

    First as usual, then without the envelope.
    """
    values = np.zeros((2, len(numbers), draws))
    for row, number in enumerate(numbers):
        for draw in range(draws):
            targets = [part.targets[k] for k in run.rng.choice(len(part), number, replace=False)]
            found = DETECTORS["keen"](targets, len(part.classes), SIDE, run.rng)
            evaluation = Evaluation(found, targets, len(part.classes))
            values[:, row, draw] = evaluation.mean_average_precision(), without_envelope(evaluation)
    return values


def overestimate(values: Float[np.ndarray, "numbers draws"]) -> tuple[float, float]:
    """The excess of the mean of the smallest sets over that of the largest, and its standard error."""
    errors = (row.std(ddof=1) / len(row) ** 0.5 for row in (values[0], values[-1]))
    return float(values[0].mean() - values[-1].mean()), float(np.hypot(*errors))


def exceeds(name: str, error: str, record: LessonRecord) -> bool:
    """Whether a fact is more than twice its standard error, which is a fact, too."""
    found = record.findings()
    return found[name][0].value > 2 * found[error][0].value


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    part, classes = sets.validation, len(sets.classes)
    evaluations = {}
    for name, detector in DETECTORS.items():
        with run.method(name, kind="reference") as method:
            found = detector(part.targets, classes, SIDE, run.rng)
            evaluation = Evaluation(found, part.targets, classes, COCO_THRESHOLDS, groups=part.groups)
            evaluations[name] = evaluation
            for metric, threshold in METRICS.items():
                method.score_items(metric, 100 * evaluation.by_image(threshold), part, unit="%", higher_is_better=True)
            method.score_items("log-average miss rate", 100 * evaluation.miss_rate_by_image(0.5), part, unit="%")
    for metric in METRICS:
        run.compare("keen", "careful", metric)
    run.floor("keen", "mAP at 0.5", at_least=74.5)
    shaded = "Mean average precision by the IoU that makes a detection right. Shaded: 95 % of resampled photographs."
    run.figure("thresholds", draw_thresholds, evaluations, caption=shaded)
    run.claim(
        "Which is better depends on how well a box has to fit: keen beats careful at an IoU of 0.5, not at 0.75.",
        beats("keen", "careful", "mAP at 0.5"),
        beats("careful", "keen", "mAP at 0.75"),
    )

    for name, points in CONVENTIONS.items():
        value = replace(evaluations["keen"], points=points).mean_average_precision(0.5)
        run.fact(f"mAP at 0.5, keen, {name}", 100 * value, "%")
    for name, low, high in [("small", 0, 40**2), ("medium", 40**2, 56**2), ("large", 56**2, SIDE**2)]:
        sized = evaluations["keen"].of_size(low, high)
        run.fact(f"mAP at 0.5, keen, {name} objects", 100 * sized.mean_average_precision(0.5), "%")

    errors = {}
    luck = int(run.rng.integers(2**31))  # the same random state for all, so that nothing else differs
    for name, change in ERRORS.items():
        found = replace(PLAIN, **change)(part.targets, classes, SIDE, np.random.default_rng(luck))
        whole = Evaluation(found, part.targets, classes, COCO_THRESHOLDS)
        errors[name] = [100 * whole.mean_average_precision(threshold) for threshold in (0.5, None)]
        run.fact(f"mAP at 0.5, {name}", errors[name][0], "%")
        run.fact(f"mAP, 0.5 … 0.95, {name}", errors[name][1], "%")
    run.figure("errors", draw_error_effects, errors, caption="One detector, and the same with more errors of one kind.")

    ties = [with_ties(evaluations["keen"], levels) for levels in LEVELS]
    numbers = run.pick(smoke=[8, 16], lecture=[25, 50, 100, 300, 1000], full=[25, 50, 100, 500, 1000])
    values, plain = evaluate_sets(sets.train, numbers, run.pick(smoke=3, lecture=30), run)
    run.figure(
        "doubts",
        draw_doubts,
        LEVELS,
        ties,
        numbers,
        values,
        caption="Left: rounded scores, and mAP for three orders of equal ones. Right: the same detector on sets of "
        f"scenes, {values.shape[1]} of each size.",
    )
    k = int(np.argmin([abs(number - len(part)) for number in numbers]))  # sets of about the part's own size
    like, drawn = numbers[k], 100 * values[k].std(ddof=1)
    run.fact(f"standard deviation of mAP at 0.5 between sets of {like}", drawn, "%")
    alone = replace(evaluations["keen"], groups=None)  # these sets are draws of scenes, not of photographs
    spread = {
        "bootstrap": 100 * alone.bootstrap(0.5).std(ddof=1),
        "jackknife": 100 * alone.by_image(0.5).std(ddof=1) / len(part) ** 0.5,
    }
    for name, value in spread.items():
        run.fact(f"the same, from one set, {name}", value, "%")
    for number, mean in zip(numbers, 100 * values.mean(axis=1), strict=True):
        run.fact(f"mean mAP at 0.5 of sets of {number}", mean, "%")
    kinds = {(MORE, ERROR): values, (PLAIN_MORE, PLAIN_ERROR): plain, (ADDED, ADDED_ERROR): values - plain}
    for names, some in kinds.items():
        for name, value in zip(names, overestimate(some), strict=True):
            run.fact(name, 100 * value, "points")
    for name in DETECTORS:
        at = [100 * evaluations[name].mean_average_precision(threshold) for threshold in (0.5, 0.75)]
        run.note(f"mAP of {name}: {at[0]:.0f} % at an IoU of 0.5, {at[1]:.0f} % at 0.75.")
    change = {name: value[0] - errors["as it is"][0] for name, value in errors.items()}
    run.note(
        f"One duplicate per found object, on average, changes mAP by {change['one duplicate per object']:.1f} points, "
        f"thirty boxes of low score on nothing by {change['30 false boxes, all with low scores']:.1f}."
    )
    run.note(
        f"With scores of five levels, mAP is {100 * ties[4][0]:.0f} to {100 * ties[4][2]:.0f} %, by the order of equal "
        f"scores. Its mean is {100 * values[0].mean():.1f} % over sets of {numbers[0]} scenes, "
        f"{100 * values[-1].mean():.1f} % over sets of {numbers[-1]}."
    )
    run.claim(
        "Small sets overestimate mAP. One cause is the envelope, a maximum, of which part is chance where detections "
        "are few; another remains without it: a true detection counts in the precision at its own rank.",
        *(partial(exceeds, name, error) for name, error in kinds),
    )
    run.note(
        f"Between sets of {like} scenes mAP has a standard deviation of {drawn:.1f} points; estimated from one set, by "
        f"the bootstrap {spread['bootstrap']:.1f}, by the jackknife {spread['jackknife']:.1f}."
    )
