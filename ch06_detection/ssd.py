"""SSD, the single-shot detector: trained here, and followed through one picture.

Question   Which boxes does a network predict from all places of three maps at once, and which of them are kept?
Method     Liu et al. 2016 (SSD), §2: maps of several sizes, matching, the multibox loss with hard negatives at 3 : 1,
           box-aware crops, non-maximum suppression at IoU 0.45.
Rival      HOG + SVM, R-CNN and Fast R-CNN: lesson `comparison` has them all on the same scenes.
Differs    0.9 million weights for 128 × 128 pixels. The trunk is residual and has learned to name objects that are cut
           out (naming.py); a finer map receives the features of the next coarser one (Lin et al. 2017, §3); Muon
           (common/muon.py) for SGD; crops take 0.6 of a scene at least. It learns from scenes with three objects and
           more, and processes a test scene at three sizes, and mirrored.
Costs      300 s on two cores, nearly all of it training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch06_detection.boxes import Boxes
from ch06_detection.drawn_boxes import outline
from ch06_detection.matching import match
from ch06_detection.scoring import METRIC, STRICT, examine
from ch06_detection.ssd_detector import SSDDetector
from ch06_detection.ssd_recipes import scenes_ssd
from common import plots
from common.data.boxed import Target
from common.data.scenes import scenes
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SURE = 0.5  # of a box that is drawn


def telling_scene(targets: tuple[Target, ...]) -> int:
    """The first scene with three or four objects, among them a small and a large one."""
    for item, target in enumerate(targets):
        sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).prod(dim=1).sqrt()
        if 3 <= len(sides) <= 4 and sides.min() < 34 and sides.max() > 56:
            return item
    return 0


def draw_frame(axis: Axes, image: UInt8[np.ndarray, "height width 3"], title: str) -> None:
    """An image under a title."""
    axis.imshow(image)
    axis.set(title=title, xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
    axis.axis("off")


def named(axis: Axes, found: Target, classes: tuple[str, ...], colour: str) -> None:
    """Boxes with the names of their classes."""
    outline(axis, found["boxes"], colour, 1.8)
    for (x, y, _, _), label in zip(found["boxes"].tolist(), found["labels"].tolist(), strict=True):
        style = {"fontsize": 6.5, "color": "white", "va": "top"}
        axis.text(x + 1, y + 1, classes[label - 1], bbox={"fc": colour, "ec": "none", "pad": 0.8}, **style)


def draw_steps(
    image: UInt8[np.ndarray, "height width 3"],
    target: Target,
    detector: SSDDetector,
    classes: tuple[str, ...],
) -> Figure:
    """One scene: objects, matched default boxes, the heads' predictions before and after suppression."""
    size = image.shape[:2]
    defaults, grids = detector.defaults(size), detector.network_.grids(size)
    boxes, scores = next(detector.said(image[None]))
    said, _ = match(target["boxes"], target["labels"], defaults)
    final = detector.chosen(boxes, scores)  # of one look; the detector takes one at each of its scales
    final = {key: values[final["scores"] > SURE] for key, values in final.items()}

    figure, axes = plots.panels(4, 2, width=2.6, height=2.85)
    draw_frame(axes[0, 0], image, "what is there")
    named(axes[0, 0], target, classes, plots.GREEN)
    draw_frame(axes[0, 1], image, f"{int((said > 0).sum())} default boxes match")
    outline(axes[0, 1], defaults[said > 0], plots.GREEN, 1)
    sure = scores[:, 1:].max(dim=1).values > SURE
    draw_frame(axes[0, 2], image, f"{int(sure.sum())} boxes surer than {SURE:g}")
    outline(axes[0, 2], boxes[sure], plots.ORANGE, 0.8)
    draw_frame(axes[0, 3], image, f"{len(final['labels'])} after suppression")
    named(axes[0, 3], final, classes, plots.BLUE)

    start = 0
    for axis, (rows, columns), shape in zip(axes[1], grids, detector.shapes, strict=False):
        number = rows * columns * len(shape)
        some = scores[start : start + number, 1:].sum(dim=1).reshape(rows, columns, len(shape)).max(dim=2).values
        axis.imshow(some.numpy(), vmin=0, vmax=1, cmap="magma", extent=(0, size[1], size[0], 0))
        axis.set(title=f"{rows}×{columns}: something is here")
        axis.axis("off")
        start += number
    moves = boxes[sure] - defaults[sure]
    draw_moves(axes[1, 3], image, defaults[sure], moves)
    return figure


def draw_moves(axis: Axes, image: UInt8[np.ndarray, "height width 3"], defaults: Boxes, moves: Boxes) -> None:
    """Where the offsets move the corners of high-scoring default boxes."""
    draw_frame(axis, image, "offsets move their corners")
    for x, y in ((0, 1), (2, 3)):
        arrows = (defaults[:, x], defaults[:, y], moves[:, x], moves[:, y])
        axis.quiver(
            *(part.numpy() for part in arrows), angles="xy", scale_units="xy", scale=1, color="white", width=0.006
        )


def draw_training(losses: list[float], epochs: int) -> Figure:
    """The loss of every step and its running mean."""
    figure, axis = plots.panels(width=5.4, height=3.0)
    steps, width = np.arange(len(losses)) * epochs / len(losses), max(1, len(losses) // 50)
    mean = np.convolve(losses, np.full(width, 1 / width), mode="valid")
    axis.plot(steps, losses, color=plots.PALE, linewidth=0.8)
    axis.plot(steps[width // 2 :][: len(mean)], mean, color=plots.BLUE)
    axis.set(xlabel="epochs", ylabel="multibox loss", ylim=(0, float(np.quantile(losses, 0.99))))
    return figure


def draw_scenes(images: UInt8[np.ndarray, "n height width 3"], found: list[Target], classes: tuple[str, ...]) -> Figure:
    """Scenes with the detections that have high scores."""
    figure, axes = plots.panels(4, 2, width=2.6, height=2.6)
    for axis, image, said in zip(axes.flat, images, found, strict=False):
        draw_frame(axis, image, "")
        sure = said["scores"] > SURE
        named(axis, {key: values[sure] for key, values in said.items()}, classes, plots.BLUE)
    return figure


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    with run.method("SSD", kind="deep") as method:
        detector, evaluation = examine(method, "SSD, scenes", lambda: scenes_ssd(run), sets.train, sets.test)
        rate = len(sets.test) / method.predict_seconds
    run.floor("SSD", METRIC, at_least=74.3)
    run.fact("scenes a second, found in", rate)
    run.fact("default boxes of a scene", len(detector.defaults(sets.test.images.shape[1:3])))
    named = 100 * detector.trunk.accuracy(sets.test.images, sets.test.targets)
    run.fact("objects of test scenes that the trunk alone names right, cut out", named, "%")
    run.note(
        f"Of {len(sets.test)} test scenes the network looks at {rate:.0f} a second. Its mean average precision is "
        f"{100 * evaluation.mean_average_precision(0.5):.1f} % at an IoU of 0.5, and "
        f"{100 * evaluation.mean_average_precision():.1f} % as COCO counts it ({STRICT})."
    )
    run.note(f"Told where they are, the trunk that it started from names {named:.0f} % of the objects right.")

    item = telling_scene(sets.test.targets)
    run.figure(
        "steps",
        draw_steps,
        sets.test.images[item],
        sets.test.targets[item],
        detector,
        sets.classes,
        caption="A test scene. Above: what is there, the default boxes that would match it in training, the boxes that "
        "are sure, and what suppression leaves. Below: how sure the maps are, place by place, and how offsets move "
        "the corners of sure default boxes.",
    )
    run.figure(
        "found", draw_scenes, sets.test.images[:8], evaluation.detections[:8], sets.classes,
        caption=f"The first test scenes with every box that is surer than {SURE:g}.",
    )  # fmt: skip
    history = detector.history_
    run.figure(
        "training", draw_training, history.losses, history.epochs, caption="The multibox loss while the network learns."
    )
