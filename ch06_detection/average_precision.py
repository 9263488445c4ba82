"""Average precision by hand: five detections in one picture, from boxes to a number.

Question   A detector predicts boxes, each with a score. Some lie on objects, others do not. Which number measures how
           good the detector is, independent of a score threshold?
Method     Everingham et al. 2010 (PASCAL VOC), §4.2: detections are matched to objects in the order of their scores;
           precision and recall after each detection; average precision: the area under their curve's envelope.
Rival      The mean at 11 recalls (the paper's own, VOC until 2009), and at 101 (Lin et al. 2014, COCO).
Differs    A detection may take its second-best object if the best is taken, as in COCO's code; in VOC's it is false.
           common/metrics computes the same for many images, classes and thresholds at once.
Costs      A second.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ch06_detection.boxes import iou
from ch06_detection.drawings.average_precision import draw_conventions, draw_matches
from common.run import Run

SIZE = (42, 62)  # height and width of the picture, in pixels
OBJECTS = ((4.0, 6.0, 24.0, 30.0), (30.0, 4.0, 46.0, 20.0), (48.0, 22.0, 58.0, 38.0))  # xyxy
DETECTIONS = (  # xyxy, and the score
    (30.0, 6.0, 46.0, 22.0, 0.7),  # on the second object
    (26.0, 24.0, 40.0, 38.0, 0.5),  # on nothing
    (6.0, 6.0, 26.0, 30.0, 0.9),  # on the first object
    (44.0, 22.0, 54.0, 38.0, 0.6),  # beside the third object
    (2.0, 10.0, 22.0, 34.0, 0.8),  # on the first object, once more
)
THRESHOLD = 0.5  # IoU with an object from which on a detection is true
CONVENTIONS: dict[str, int | None] = {"11 points": 11, "101 points": 101, "area": None}


def match_by_score(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n"], objects: Float[Tensor, "m 4"], threshold: float = THRESHOLD
) -> Int[Tensor, "n"]:
    """The object that each detection takes, −1 if it takes none. §4.2.

    The detection with the highest score chooses first. It takes the free object with the highest IoU, if that reaches
    the threshold. An object is taken only once. Where there are no objects, none is taken.
    """
    overlaps, taken = iou(boxes, objects), torch.full((len(boxes),), -1)
    for detection in scores.argsort(descending=True, stable=True).tolist() if len(objects) else ():
        best = int(overlaps[detection].argmax())
        if overlaps[detection, best] >= threshold:
            taken[detection] = best
            overlaps[:, best] = 0  # no longer free
    return taken


def precision_and_recall(true: Bool[Tensor, "n"], objects: int) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """True detections over detections, and over objects, after each detection in the order of scores."""
    so_far = true.cumsum(0).double()
    return so_far / torch.arange(1, len(true) + 1), so_far / objects


def envelope(precision: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The highest precision at each recall or a higher one: from the right, a staircase that never falls. Eq. (2)."""
    highest = precision.clone()
    for k in range(len(highest) - 2, -1, -1):
        highest[k] = max(highest[k], highest[k + 1])
    return highest


def area_under(precision: Float[Tensor, "n"], recall: Float[Tensor, "n"]) -> float:
    """∫ envelope dr: each step of recall times the envelope's height there; 0 where no recall is reached."""
    steps = recall.diff(prepend=recall.new_zeros(1))
    return float((steps * envelope(precision)).sum())


def mean_at_recalls(precision: Float[Tensor, "n"], recall: Float[Tensor, "n"], points: int) -> float:
    """The mean of the envelope at recalls 0, 1 / (points − 1), …, 1; it is 0 at those never reached. Eq. (1)."""
    highest, total = envelope(precision), 0.0
    for wanted in np.linspace(0, 1, points).tolist():
        reached = recall >= wanted - 1e-9  # linspace gives 0.30000000000000004, more than 3/10
        total += float(highest[reached][0]) if reached.any() else 0.0
    return total / points


def by_convention(precision: Float[Tensor, "n"], recall: Float[Tensor, "n"], points: int | None) -> float:
    """Average precision: the mean at `points` recalls; None: the area."""
    return area_under(precision, recall) if points is None else mean_at_recalls(precision, recall, points)


def lesson(run: Run) -> None:
    objects, rows = torch.tensor(OBJECTS), torch.tensor(DETECTIONS)
    rows = rows[rows[:, 4].argsort(descending=True)]
    boxes, scores = rows[:, :4], rows[:, 4]
    overlaps, taken = iou(boxes, objects).amax(dim=1), match_by_score(boxes, scores, objects)
    true = taken >= 0
    precision, recall = precision_and_recall(true, len(objects))
    for k in range(len(boxes)):
        run.fact(f"detection {k + 1}, highest IoU", float(overlaps[k]))
        run.fact(f"detection {k + 1}, precision", float(precision[k]))
        run.fact(f"detection {k + 1}, recall", float(recall[k]))
    values = {name: by_convention(precision, recall, points) for name, points in CONVENTIONS.items()}
    for name, value in values.items():
        run.fact(f"average precision, {name}", value)
    run.figure(
        "matches", draw_matches, SIZE, objects, boxes, scores, true,
        caption="A picture with three objects (grey) and five detections, numbered by score; solid lines: true ones.",
    )  # fmt: skip
    run.figure(
        "conventions", draw_conventions, precision, recall, envelope(precision), CONVENTIONS, values,
        caption="Precision and recall after each of the five detections (numbered), their envelope, and what each "
        "convention averages.",
    )  # fmt: skip
    run.note(
        f"{int(true.sum())} of {len(true)} detections are true. Average precision: "
        + ", ".join(f"{value:.3f} ({name})" for name, value in values.items())
        + "."
    )
