"""Four detectors on the same scenes: how precise, how fast, how large, and what each gets wrong.

Question   Ten years lie between a template of gradients and a network that looks once. What did they buy, on the same
           pictures?
Method     HOG + SVM (Dalal & Triggs 2005), R-CNN (Girshick et al. 2014), Fast R-CNN (Girshick 2015) and SSD (Liu et
           al. 2016), as the lessons before have trained them. Kinds of errors: Hoiem et al. 2012, §2.1.
Differs    No fair race: the number of training scenes, and of passes over a test scene, is that of each detector's
           lesson; both are among the facts, the seconds on the scoreboard. Hoiem's similar classes and other
           classes are one kind here.
Costs      10 s on two cores where the detectors are there; ten minutes more where they have to be trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ch06_detection.drawn_boxes import outline
from ch06_detection.fast_rcnn_detector import scenes_fast_rcnn
from ch06_detection.proposal_sets import spaced
from ch06_detection.rcnn_detector import scenes_rcnn
from ch06_detection.scoring import METRIC, STRICT, Errors, errors_of, examine
from ch06_detection.ssd_detector import SSDDetector
from ch06_detection.ssd_recipes import scenes_ssd
from common import plots
from common.data.boxed import BoxedImages
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector
from common.hog_detection.recipes import scenes_detector
from common.metrics.detection import Evaluation
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTENDERS: dict[str, tuple[str, Callable[[Run], Any]]] = {
    "HOG + SVM": ("classical", scenes_detector),
    "R-CNN": ("deep", scenes_rcnn),
    "Fast R-CNN": ("deep", scenes_fast_rcnn),
    "SSD": ("deep", scenes_ssd),
}
SIZES = {"small": (0.0, 34.0), "medium": (34.0, 56.0), "large": (56.0, 999.0)}  # √area, pixels
KINDS = {"localisation": plots.BLUE, "confusion": plots.ORANGE, "background": plots.GREY}


def budget(detector: Any, train: BoxedImages) -> dict[str, int]:
    """How many training scenes a detector learned to detect from, and how many passes over a test scene it makes."""
    looks = 1
    if isinstance(detector, HOGDetector):
        seen = min(detector.images, len(train))
    elif isinstance(detector, SSDDetector):
        seen = sum(len(target["boxes"]) >= detector.crowded for target in train.targets)
        looks = len(detector.scales) * (1 + detector.mirrored)
    else:
        seen = len(range(len(train))[spaced(len(train), detector.searched)])
    return {"training scenes": seen, "looks at a test scene": looks}


def by_size(evaluation: Evaluation) -> list[float]:
    """mAP at 0.5 of small, medium and large objects, in per cent."""
    areas = [(low**2, high**2) for low, high in SIZES.values()]
    return [100 * evaluation.of_size(*limits).mean_average_precision(0.5) for limits in areas]


def draw_by_size(values: dict[str, list[float]]) -> Figure:
    """mAP by the size of the objects."""
    figure, axis = plots.panels(width=5.2, height=3.2)
    for (name, line), colour in zip(values.items(), plots.CYCLE, strict=False):
        axis.plot(list(SIZES), line, "o-", color=colour, label=name)
    axis.set_xticks(range(len(SIZES)), [f"{name}\nfrom {low:g} px" for name, (low, _) in SIZES.items()])
    axis.set(ylabel="mAP at 0.5 (%)", ylim=(0, 100))
    axis.legend(loc="lower right", ncols=2)
    return figure


def draw_kinds(errors: dict[str, Errors]) -> Figure:
    """What is wrong with the highest-scoring detections, and the missed objects, in per cent of the objects."""
    figure, (left, right) = plots.panels(2, width=4.6, height=2.7, width_ratios=(2.4, 1))
    names = list(errors)
    start = np.zeros(len(names))
    for kind, colour in KINDS.items():
        shares = np.array([errors[name].shares[kind] for name in names])
        left.barh(names, shares, left=start, color=colour, label=kind)
        start += shares
    right.barh(names, [errors[name].shares["missed"] for name in names], color=plots.RED)
    left.set(title="False among the surest", xlabel="% of the objects", xlim=(0, start.max() * 1.05))
    right.set(title="Objects missed", xlabel="% of the objects", yticklabels=[])
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for axis in (left, right):
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
    return figure


def draw_errors(part: BoxedImages, errors: dict[str, Errors], count: int = 2) -> Figure:
    """For each detector and kind of error, examples with high scores: objects in green, detections in red."""
    figure, axes = plots.panels(len(KINDS) * count, len(errors), width=1.45, height=1.6, squeeze=False)
    for row, (name, found) in zip(axes, errors.items(), strict=True):
        for k, kind in enumerate(KINDS):
            some = np.flatnonzero(found.kinds == kind)[:: max(1, (found.kinds == kind).sum() // count)][:count]
            for axis, which in zip(row[k * count : (k + 1) * count], some, strict=False):
                item = int(found.images[which])
                axis.imshow(part.images[item])
                outline(axis, part.targets[item]["boxes"], plots.GREEN, 1.2)
                outline(axis, torch.tensor(found.boxes[which : which + 1]), plots.RED, 2)
                axis.set(xlim=(0, part.images.shape[2]), ylim=(part.images.shape[1], 0))
        for axis in row:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, fontsize=9, fontweight="bold")
    for k, kind in enumerate(KINDS):
        axes[0, k * count].set_title(kind, fontsize=9)
    return figure


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    test, judged = sets.test, {}
    for name, (kind, build) in CONTENDERS.items():
        with run.method(name, kind=kind) as method:
            model, judged[name] = examine(method, f"{name}, scenes", lambda build=build: build(run), sets.train, test)
            run.fact(f"milliseconds a scene, {name}", 1000 * method.predict_seconds / len(test), "ms")
            for what, number in budget(model, sets.train).items():
                run.fact(f"{what}, {name}", number)
    for name in list(CONTENDERS)[:-1]:
        run.compare("SSD", name, METRIC)
    run.compare("R-CNN", "HOG + SVM", METRIC)
    run.compare("Fast R-CNN", "R-CNN", METRIC)
    run.compare("SSD", "Fast R-CNN", STRICT)
    run.floor("SSD", METRIC, at_least=74.3)

    sizes = {name: by_size(evaluation) for name, evaluation in judged.items()}
    for name, values in sizes.items():
        for size, value in zip(SIZES, values, strict=True):
            run.fact(f"mAP of {size} objects, {name}", value, "%")
    errors = {name: errors_of(evaluation) for name, evaluation in judged.items()}
    for name, found in errors.items():
        for kind, share in found.shares.items():
            run.fact(f"{kind}, {name}", share, "% of the objects")
        worst = max(KINDS, key=found.shares.get)
        run.note(f"{name}: most of its errors are {worst} ({found.shares[worst]:.0f} for every 100 objects).")
    run.figure("sizes", draw_by_size, sizes, caption="Mean average precision by the size of the objects.")
    run.figure(
        "kinds", draw_kinds, errors,
        caption="Of every class the surest detections, as many as it has objects: what is wrong with them; and the "
        "objects that no detection has found, however unsure.",
    )  # fmt: skip
    run.figure(
        "errors", draw_errors, test, errors,
        caption="Examples of each kind: green, what is there; red, what was said.",
    )  # fmt: skip
