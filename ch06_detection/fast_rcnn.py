"""Fast R-CNN: one feature map per image serves all proposals; classes and boxes are learned with one loss.

Question   R-CNN runs its network on every proposal, and trains in three stages. What happens to accuracy and speed
           with one feature map per image and a single training?
Method     Girshick 2015. RoI pooling (§2.1, roi_pool.py); two sibling heads and a multi-task loss, Eq. (1)–(3);
           mini-batches of few images with many windows each (§2.3). fast_rcnn_detector.py.
Rival      R-CNN of the lesson before, with the same trunk and the same proposals.
Differs    A small trunk, BatchNorm and Muon. Four images with 32 windows each, not two with 64. Background
           windows may lie anywhere, not only where they overlap an object by 0.1. The square around a window is
           pooled, not the window: the trunk has learned to classify such squares (naming.py).
Costs      75 s on two cores, and R-CNN where it is not there yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from ch06_detection.drawn_boxes import outline
from ch06_detection.fast_rcnn_detector import scenes_fast_rcnn, smooth_l1
from ch06_detection.proposal_sets import shared_proposals, spaced
from ch06_detection.rcnn_detector import scenes_rcnn
from ch06_detection.scoring import METRIC, STRICT, account, examine, learn
from common import plots
from common.data.boxed import BoxedImages, Target
from common.data.scenes import scenes
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SURE = 0.5  # the score of detections that are drawn


def draw_loss(losses: Float[np.ndarray, "steps"]) -> Figure:
    """Smooth L1 beside its two parents, with their slopes; and the multi-task loss in training."""
    figure, axes = plots.panels(3, width=3.3, height=3.0)
    x = torch.linspace(-3, 3, 241, requires_grad=True)
    for loss, name, colour in (
        (smooth_l1(x), "smooth L1", plots.BLUE),
        (x**2 / 2, "½ L2", plots.ORANGE),
        (x.abs(), "L1", plots.GREY),
    ):
        (slope,) = torch.autograd.grad(loss.sum(), x)
        for axis, values in zip(axes, (loss, slope), strict=False):
            axis.plot(x.detach().numpy(), values.detach().numpy(), color=colour, label=name)
    axes[0].set(title="loss of an offset", xlabel="miss", ylim=(0, 3))
    axes[1].set(title="its slope", xlabel="miss", ylim=(-2, 2))
    axes[0].legend(loc="upper center")
    width = max(1, len(losses) // 60)
    smoothed = losses[: len(losses) // width * width].reshape(-1, width).mean(axis=1)
    axes[2].plot(width * np.arange(len(smoothed)), smoothed, color=plots.BLUE)
    axes[2].set(title="multi-task loss", xlabel="step", ylim=(0, None))
    return figure


def draw_detections(part: BoxedImages, found: dict[str, list[Target]], items: list[int]) -> Figure:
    """Some scenes with each detector's high-scoring detections: objects in green, detections in red."""
    figure, axes = plots.panels(len(items), len(found), width=2.0, height=2.2, squeeze=False)
    for row, (name, said) in zip(axes, found.items(), strict=True):
        for axis, item in zip(row, items, strict=True):
            axis.imshow(part.images[item])
            outline(axis, part.targets[item]["boxes"], plots.GREEN, 1.2)
            outline(axis, said[item]["boxes"][said[item]["scores"] >= SURE], plots.RED, 1.8)
            axis.set(xlim=(0, part.images.shape[2]), ylim=(part.images.shape[1], 0), xticks=[], yticks=[])
            axis.grid(visible=False)
        row[0].set_ylabel(name, fontweight="bold")
    return figure


def lesson(run: Run) -> None:
    sets, proposals = scenes(run.scale), shared_proposals(run)
    test, size = sets.test, sets.test.images.shape[1:3]
    run.say_step("selective search")
    proposals(sets.train.images[spaced(len(sets.train), scenes_fast_rcnn(run).searched)])
    each = run.fact("milliseconds a scene, proposals", 1000 * proposals.seconds(test.images) / len(test), "ms")

    found, taken = {}, {}
    for name, build in (("R-CNN", scenes_rcnn), ("Fast R-CNN", scenes_fast_rcnn)):
        with run.method(name, kind="deep") as method:
            detector, judged = examine(method, f"{name}, scenes", lambda build=build: build(run), sets.train, test)
            found[name] = judged.detections
            taken[name] = 1000 * method.predict_seconds / len(test) - each
    with run.method("Fast R-CNN, boxes as proposed", kind="deep") as method:
        learn(method, "Fast R-CNN, scenes", lambda: scenes_fast_rcnn(run), sets.train)
        said = detector.said(test.images, proposals(test.images))
        plain = [detector.detections(*one, size, regress=False) for one in said]
        account(method, Evaluation(plain, test.targets, len(test.classes), COCO_THRESHOLDS), test)
    for metric in (METRIC, STRICT):
        run.compare("Fast R-CNN", "R-CNN", metric)
        run.compare("Fast R-CNN", "Fast R-CNN, boxes as proposed", metric)
    run.floor("Fast R-CNN", METRIC, at_least=46.2)

    for name, milliseconds in taken.items():
        run.fact(f"milliseconds a scene, {name} without proposals", milliseconds, "ms")
    bare = run.fact("R-CNN over Fast R-CNN, without proposals", taken["R-CNN"] / taken["Fast R-CNN"], "times")
    whole = (taken["R-CNN"] + each) / (taken["Fast R-CNN"] + each)
    run.fact("R-CNN over Fast R-CNN, with proposals", whole, "times")
    run.figure(
        "loss", draw_loss, np.array(detector.history_.losses),
        caption="Smooth L1 is quadratic near zero, so gradients vanish smoothly, and linear beyond 1, so outliers "
        "cannot dominate. Left: the losses; middle: their slopes; right: the multi-task loss by training step.",
    )  # fmt: skip
    run.figure(
        "found", draw_detections, test, found, list(range(6)),
        caption=f"Test scenes. Green: what is there; red: what is said with a score from {SURE} on.",
    )  # fmt: skip
    run.note(
        f"Fast R-CNN looks at a scene in {taken['Fast R-CNN']:.1f} ms, R-CNN in {taken['R-CNN']:.0f} ms: {bare:.0f} "
        f"times as long. But both wait {each:.0f} ms for their proposals, and with these, it is {whole:.1f} times."
    )
