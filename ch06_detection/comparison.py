"""Four detectors on the same scenes: how precise, how fast, how large, and what each gets wrong.

Question   Eleven years lie between a template of gradients and a single-shot network. What has been gained, on the
           same pictures?
Method     HOG + SVM (Dalal & Triggs 2005), R-CNN (Girshick et al. 2014), Fast R-CNN (Girshick 2015) and SSD (Liu et
           al. 2016), as trained in the lessons before. Kinds of errors: Hoiem et al. 2012, §2.1.
Protocol   All detectors are trained on the same scenes, those with at least three objects (scoring/protocol.py): HOG +
           SVM on the objects off their borders, with negatives from some; both R-CNNs on proposals in all of them; the
           trunk that the networks start from, on all objects. Training times are of the same order (see the table).
           Each detector predicts for a test scene once, at one size and not mirrored; only HOG needs a pyramid to find
           objects of other sizes. SSD with six looks is a row of its own. All settings were chosen on validation
           scenes. Intervals and tests resample whole photographs, which test scenes share.
Differs    Hoiem's similar classes and other classes are one kind here.
Costs      2 s on two cores if the detectors are trained; five minutes more if they have to be trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ch06_detection.drawings.comparison import draw_by_size, draw_errors, draw_kinds
from ch06_detection.fast_rcnn import build_scenes_fast_rcnn
from ch06_detection.rcnn import build_scenes_rcnn
from ch06_detection.scoring.errors import KINDS, classify_errors
from ch06_detection.scoring.judging import METRIC, STRICT, examine
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.sliding_window import build_scenes_hog
from ch06_detection.ssd import SIX_LOOKS, build_scenes_ssd, examine_six_looks
from common.data.scenes import scenes
from common.metrics.detection import Evaluation
from common.run import Run

CONTENDERS: dict[str, tuple[str, Callable[[Run], Any]]] = {
    "HOG + SVM": ("classical", build_scenes_hog),
    "R-CNN": ("deep", build_scenes_rcnn),
    "Fast R-CNN": ("deep", build_scenes_fast_rcnn),
    "SSD": ("deep", build_scenes_ssd),
}
SIZES = {"small": (0.0, 34.0), "medium": (34.0, 56.0), "large": (56.0, 999.0)}  # √area, pixels


def by_size(evaluation: Evaluation) -> list[float]:
    """mAP at 0.5 of small, medium and large objects, in per cent."""
    areas = [(low**2, high**2) for low, high in SIZES.values()]
    return [100 * evaluation.of_size(*limits).mean_average_precision(0.5) for limits in areas]


def lesson(run: Run) -> None:
    train, test, judged = training_scenes(run.scale), scenes(run.scale).test, {}
    run.fact("training scenes", len(train))
    for name, (kind, build) in CONTENDERS.items():
        with run.method(name, kind=kind) as method:
            judged[name] = examine(method, f"{name}, scenes", lambda build=build: build(run), train, test)[1]
            run.fact(f"milliseconds a scene, {name}", 1000 * method.predict_seconds / len(test), "ms")
    with run.method(SIX_LOOKS, kind="deep") as method:
        examine_six_looks(method, train, test)
        run.fact(f"milliseconds a scene, {SIX_LOOKS}", 1000 * method.predict_seconds / len(test), "ms")
    for name in list(CONTENDERS)[:-1]:
        run.compare("SSD", name, METRIC)
    run.compare("R-CNN", "HOG + SVM", METRIC)
    run.compare("Fast R-CNN", "R-CNN", METRIC)
    run.compare("SSD", "Fast R-CNN", STRICT)
    run.floor("SSD", METRIC, at_least=68.0)

    sizes = {name: by_size(evaluation) for name, evaluation in judged.items()}
    for name, values in sizes.items():
        for size, value in zip(SIZES, values, strict=True):
            run.fact(f"mAP of {size} objects, {name}", value, "%")
    errors = {name: classify_errors(evaluation) for name, evaluation in judged.items()}
    for name, found in errors.items():
        for kind, share in found.shares.items():
            run.fact(f"{kind}, {name}", share, "% of the objects")
        worst = max(KINDS, key=found.shares.get)
        run.note(f"{name}: most of its errors are {worst} ({found.shares[worst]:.0f} for every 100 objects).")
    run.figure(
        "sizes",
        draw_by_size,
        sizes,
        {name: low for name, (low, _) in SIZES.items()},
        caption="Mean average precision by the size of the objects.",
    )
    run.figure(
        "kinds", draw_kinds, errors,
        caption="Left: what is wrong with the highest-scoring detections of each class, as many as it has objects. "
        "Right: objects that no detection of their class finds, at any score.",
    )  # fmt: skip
    run.figure(
        "errors", draw_errors, test, errors,
        caption="Examples of each kind of error. Green: the objects; red: the false detection, with its class and, for "
        "a confusion, the class of the object below it.",
    )  # fmt: skip
