"""R-CNN: a network that classifies pictures becomes a detector by classifying proposals.

Question   A network can classify a picture. How does it find several objects in one, and what do the stages after the
           network add: SVMs, box regression?
Method     Girshick, Donahue, Darrell and Malik 2014. Selective search proposes boxes; each is cut out as a square
           (appendix A, square_crops.py); a network (§2.3, region_network.py) that has first learned to classify objects
           (naming.py) computes its features; a linear SVM per class scores them, and ridge regression corrects the box
           (appendix C). rcnn_heads.py, rcnn_detector.py.
Rival      The network's own softmax in place of the SVMs (appendix B); boxes that stay where they were proposed.
Differs    Crops of 32 pixels that are not warped, and a network of a hundredth of the size, which has not seen
           ImageNet: it first learns what the objects of all training scenes are. Proposals of a part of these scenes
           are learned from.
Costs      180 s on two cores, thirty of them for proposals and a minute for the trunk that others start from, too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ch06_detection.boxes import Boxes, iou
from ch06_detection.drawn_boxes import outline
from ch06_detection.proposal_sets import shared_proposals, spaced
from ch06_detection.rcnn_detector import scenes_rcnn
from ch06_detection.scoring import METRIC, STRICT, account, answers_of, learn
from ch06_detection.square_crops import cut
from common import plots
from common.data.boxed import BoxedImages, Target
from common.data.scenes import scenes
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIANTS = {  # the scores, and whether boxes are moved
    "R-CNN": ("svm", True),
    "R-CNN, boxes as proposed": ("svm", False),
    "R-CNN, softmax": ("softmax", True),
    "R-CNN, softmax, boxes as proposed": ("softmax", False),
}
SHOWN = 2  # the scene that is drawn


def draw_stages(
    image: UInt8[np.ndarray, "height width 3"],
    proposals: Boxes,
    chosen: Float[Tensor, "chosen 4"],
    found: Target,
    classes: tuple[str, ...],
) -> Figure:
    """Proposals, some of them cut out, and the detections."""
    figure, axes = plots.panels(3, width=2.7, height=2.9)
    for axis, title in zip(axes, (f"{len(proposals)} proposals", "some, as squares", "detections"), strict=True):
        axis.set_title(title)
        axis.axis("off")
    axes[0].imshow(image)
    outline(axes[0], proposals, "white", 0.5, 0.7)
    for k in range(len(chosen)):
        outline(axes[0], chosen[k : k + 1], plots.CYCLE[k % 6], 1.6)
    inside = torch.tensor(image.copy()).permute(2, 0, 1).float()[None]
    crops = cut(inside, [chosen], 32).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    for k, crop in enumerate(crops):
        row, column = divmod(k, 3)
        axes[1].imshow(crop, extent=(column * 36, column * 36 + 32, row * 36 + 32, row * 36))
        edges = torch.tensor([[column * 36.0, row * 36.0, column * 36.0 + 32, row * 36.0 + 32]])
        outline(axes[1], edges, plots.CYCLE[k % 6], 1.6)
    axes[1].set(xlim=(-2, 106), ylim=(106, -2))
    axes[2].imshow(image)
    outline(axes[2], found["boxes"], plots.ORANGE)
    for (x, y, *_), label, score in zip(
        found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
    ):
        paint = {"size": 6, "color": "white", "bbox": {"fc": plots.ORANGE, "ec": "none", "pad": 0.8}}
        axes[2].text(x + 1, max(y, 7), f"{classes[label - 1]} {score:.2f}", va="bottom", clip_on=True, **paint)
    return figure


def draw_moves(before: Float[np.ndarray, "n"], after: Float[np.ndarray, "n"], ap: dict[str, list[float]]) -> Figure:
    """IoU of proposals with their object, before and after regression; mAP by threshold of each variant."""
    figure, axes = plots.panels(2, width=4.6, height=3.4)
    bins = np.linspace(0.3, 1, 36)
    for overlaps, name, colour in ((before, "as proposed", plots.GREY), (after, "moved", plots.BLUE)):
        axes[0].hist(overlaps, bins, histtype="step", color=colour, lw=2, label=f"{name}: mean {overlaps.mean():.2f}")
    axes[0].set(title="detections that lie on an object", xlabel="IoU with it", ylabel="detections")
    axes[0].legend(loc="upper left")
    for (name, values), colour, line in zip(ap.items(), plots.CYCLE, ("-", "--", "-", "--"), strict=False):
        axes[1].plot(COCO_THRESHOLDS, values, line, color=colour, label=name)
    axes[1].set(title="how exact a box has to be", xlabel="IoU that counts as found", ylabel="mAP, %", ylim=(0, None))
    axes[1].legend(fontsize=7.5)
    return figure


def best_overlaps(found: list[Target], part: BoxedImages, least: float) -> Float[np.ndarray, "n"]:
    """IoU of each detection of at least this score with the object of its class that it overlaps most."""
    overlaps = []
    for said, target in zip(found, part.targets, strict=True):
        same = said["labels"][:, None] == target["labels"]
        best = (iou(said["boxes"], target["boxes"]) * same).amax(dim=1) if len(target["labels"]) else torch.zeros(0)
        overlaps.append(best[said["scores"][: len(best)] >= least])
    together = torch.cat([*overlaps, torch.zeros(1)]).numpy().astype(float)
    return together[together > 0.3] if (together > 0.3).any() else together


def spread(boxes: Boxes, n: int) -> Float[Tensor, "chosen 4"]:
    """n of the boxes that overlap one another little."""
    chosen: list[Tensor] = []
    for box in boxes:
        if len(chosen) < n and (not chosen or float(iou(box[None], torch.stack(chosen)).max()) < 0.3):
            chosen.append(box)
    return torch.stack(chosen)


def surest(found: Target, least: float = 0.5) -> Target:
    """Detections with at least this score; the first one if there is none."""
    n = max(1, int((found["scores"] >= least).sum()))
    return {name: values[:n] for name, values in found.items()}


def lesson(run: Run) -> None:
    sets, proposals = scenes(run.scale), shared_proposals(run)
    test, size = sets.test, sets.test.images.shape[1:3]
    searched = sets.train.images[spaced(len(sets.train), scenes_rcnn(run).searched)]
    run.say_step("selective search")
    run.fact("seconds for the training scenes' proposals", proposals.seconds(searched), "s")
    each = run.fact("milliseconds a scene, proposals", 1000 * proposals.seconds(test.images) / len(test), "ms")
    run.fact("proposals a scene", float(np.mean([len(boxes) for boxes in proposals(test.images)])))

    found, scores = {}, {}
    looks, seconds = [], 0.0
    for name, (scorer, regress) in VARIANTS.items():
        with run.method(name, kind="deep") as method:
            detector = learn(method, "R-CNN, scenes", lambda: scenes_rcnn(run), sets.train)
            if not looks:  # the network looks once; the variants differ in what is made of it
                start = time.perf_counter()
                looks = list(detector.looks(test.images, proposals(test.images)))
                seconds = time.perf_counter() - start
            start = time.perf_counter()
            found[name] = [detector.detections(look, size, scorer, regress) for look in looks]
            method.predict_seconds = time.perf_counter() - start + seconds + each * len(test) / 1000
            evaluation = account(
                method, Evaluation(found[name], test.targets, len(test.classes), COCO_THRESHOLDS), test
            )
            if name == "R-CNN":
                run.shared[answers_of(method, "R-CNN, scenes", test)] = evaluation, method.predict_seconds
            scores[name] = [100 * evaluation.mean_average_precision(threshold) for threshold in COCO_THRESHOLDS]
    network = run.fact("milliseconds a scene, network on every proposal", 1000 * seconds / len(test), "ms")
    for metric in (METRIC, STRICT):
        run.compare("R-CNN", "R-CNN, softmax", metric)
        run.compare("R-CNN", "R-CNN, boxes as proposed", metric)
    run.floor("R-CNN", METRIC, at_least=57.6)
    run.figure(
        "stages", draw_stages, test.images[SHOWN], proposals(test.images)[SHOWN],
        spread(proposals(test.images)[SHOWN], 9), surest(found["R-CNN"][SHOWN]), test.classes,
        caption="A test scene: what selective search proposes; some proposals as the network sees them, with a little "
        "of what is around; what is left after scores, regression and suppression.",
    )  # fmt: skip
    moved = [best_overlaps(found[name], test, 0.5) for name in ("R-CNN, boxes as proposed", "R-CNN")]
    run.figure(
        "boxes", draw_moves, *moved, scores,
        caption="Left: detections with a score from 0.5 on, before and after their boxes are moved. Right: mAP by "
        "the IoU from which on a box counts as found, of the four variants.",
    )  # fmt: skip
    run.note(
        f"A scene takes {each:.0f} ms to be searched and {network:.0f} ms to be looked at, proposal by proposal. Boxes "
        f"of detections overlap their objects by {moved[0].mean():.2f} as proposed, and by {moved[1].mean():.2f} moved."
    )
    softmax, svm = scores["R-CNN, softmax"][0], scores["R-CNN"][0]
    run.note(
        f"SVMs give a mAP of {svm:.1f} %, the network's own softmax {softmax:.1f} %. In the paper, SVMs were ahead by "
        "three points (54.2 and 50.9 on VOC 2007); it suspects that fine-tuning is too lenient about what is an object."
    )
