"""The classical detector: a linear template of gradients, applied at every place and at every size.

Question   A template of gradients matches a boot at one size. How does it find all boots of a picture, and how does it
           learn what is not a boot?
Method     Dalal & Triggs 2005: HOG, a linear SVM for each class, an image pyramid, windows one cell apart, hard
           negatives in two rounds; then greedy non-maximum suppression.
Differs    Ten classes, each with a template of its own shape. Cells of 4 pixels, for objects are small. Positives are
           also moved by up to half a cell. The paper searches all its negatives, once; here there are two rounds, each
           on other scenes. Neither gamma, nor a Gaussian over a block; votes go to one bin (common/features/hog.py).
Costs      60 s on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from ch06_detection.boxes import clip
from ch06_detection.drawn_boxes import outline
from ch06_detection.scoring import METRIC, examine
from common import plots
from common.data.boxed import Target
from common.data.scenes import scenes
from common.hog_detection.dense_hog import scores_everywhere
from common.hog_detection.detector import HOGDetector
from common.hog_detection.image_pyramid import level_size, resized
from common.hog_detection.recipes import scenes_detector
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = ("Trouser", "Sneaker", "Pullover", "Dress", "Ankle boot")
SURE = 0.0  # the SVM's own threshold


def cell_weights(
    template: Float32[np.ndarray, "high wide numbers"], block: int
) -> Float[np.ndarray, "rows columns bins"]:
    """What a template asks of each cell: the sum of its weights over the blocks that the cell is in. §6.6, Fig. 6."""
    high, wide, numbers = template.shape
    parts = template.reshape(high, wide, block, block, numbers // block**2)
    total = np.zeros((high + block - 1, wide + block - 1, parts.shape[-1]))
    for row, column in np.ndindex(block, block):
        total[row : row + high, column : column + wide] += parts[:, :, row, column]
    return total


def draw_strokes(axis: Axes, weights: Float[np.ndarray, "rows columns bins"]) -> None:
    """In each cell a stroke along every edge that is wanted there, the darker the more; gradients run across edges."""
    from matplotlib.collections import LineCollection

    rows, columns, bins = weights.shape
    wanted = weights.clip(min=0) / weights.max()
    edge = np.pi * (np.arange(bins) + 0.5) / bins + np.pi / 2
    way = 0.45 * np.stack([np.cos(edge), np.sin(edge)], axis=-1)
    y, x = np.mgrid[:rows, :columns] + 0.5
    middle = np.stack([x, y], axis=-1)[:, :, None]
    lines = np.stack([middle - way, middle + way], axis=3).reshape(-1, 2, 2)
    axis.add_collection(LineCollection(lines, colors=plots.INK, alpha=wanted.ravel(), linewidths=1.5))
    axis.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", xticks=[], yticks=[])
    axis.grid(visible=False)


def draw_templates(detector: HOGDetector, classes: tuple[str, ...]) -> Figure:
    """What speaks for a class, and what speaks against it."""
    labels = [k for k, name in enumerate(classes) if name in SHOWN]
    figure, axes = plots.panels(len(labels), 2, width=1.7, height=2.1)
    for column, k in zip(axes.T, labels, strict=True):
        weights = cell_weights(detector.coef_[k], detector.cells.block)
        draw_strokes(column[0], weights)
        draw_strokes(column[1], -weights)
        column[0].set_title(classes[k])
    axes[0, 0].set_ylabel("for")
    axes[1, 0].set_ylabel("against")
    return figure


def score_maps(
    detector: HOGDetector, image: UInt8[np.ndarray, "height width 3"], label: int
) -> list[tuple[UInt8[np.ndarray, "_ _ 3"], Float[np.ndarray, "_ _"]]]:
    """Every level of the pyramid, and the score of the window around each place of it."""
    k, levels = list(detector.windows_).index(label), []
    for scale in detector.scales_:
        level = resized(image[None], level_size(image.shape[:2], scale))
        scores = scores_everywhere(detector.cells.blocks(level), detector.coef_[k])[0] + detector.intercept_[k]
        levels.append((level[0], scores.astype(float)))
    return levels


def draw_pyramid(detector: HOGDetector, image: UInt8[np.ndarray, "height width 3"], label: int, name: str) -> Figure:
    """Some levels as they are, each with its window; below, the scores of the windows."""
    levels = [pair for pair in score_maps(detector, image, label) if pair[1].size][::2]
    window = detector.windows_[label]
    figure, axes = plots.panels(len(levels), 2, width=2.1, height=2.2, squeeze=False)
    most = max(1.0, *(scores.max() for _, scores in levels))
    largest = max(level.shape[1] for level, _ in levels)
    for column, (level, scores) in zip(axes.T, levels, strict=True):
        column[0].imshow(level, extent=(0, level.shape[1], level.shape[0], 0))
        row, across = np.unravel_index(scores.argmax(), scores.shape)
        best = window.boxes(np.array([row]), np.array([across]), (1.0, 1.0))
        outline(column[0], clip(torch.from_numpy(best), *level.shape[:2]), "white")
        column[0].set(xlim=(0, largest), ylim=(largest, 0), title=f"{level.shape[1]} × {level.shape[0]}")
        drawn = column[1].imshow(scores, cmap="RdBu_r", vmin=-most, vmax=most)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.grid(visible=False)
    axes[0, 0].set_ylabel("level")
    axes[1, 0].set_ylabel(f"scores, {name}")
    figure.colorbar(drawn, ax=axes[1].tolist(), shrink=0.8)
    return figure


def draw_suppressed(
    image: UInt8[np.ndarray, "height width 3"], target: Target, before: Target, after: Target, names: tuple[str, ...]
) -> Figure:
    """What is there; what is above the threshold before suppression, and after it."""
    figure, axes = plots.panels(3, width=3.0, height=3.2)
    for axis, said, title in zip(axes, (target, before, after), ("there", "windows", "left"), strict=True):
        axis.imshow(image)
        outline(axis, said["boxes"], plots.GREEN if said is target else "white", 0.6 if said is before else 1.6)
        axis.set(title=f"{title}: {len(said['boxes'])}", xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
        axis.axis("off")
        if said is not before:
            for (x, y, *_), label in zip(said["boxes"].tolist(), said["labels"].tolist(), strict=True):
                axis.text(x + 1, y + 1, names[label - 1], color="white", fontsize=7, va="top", clip_on=True)
    return figure


def above(said: Target, score: float) -> Target:
    """The detections with a higher score than that."""
    return {key: values[said["scores"] > score] for key, values in said.items()}


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    with run.method("HOG + SVM", kind="classical") as method:
        detector, evaluation = examine(method, "HOG + SVM, scenes", lambda: scenes_detector(run), sets.train, sets.test)
    run.floor("HOG + SVM", METRIC, at_least=48.3)
    run.fact("milliseconds a scene", 1000 * method.predict_seconds / len(sets.test), "ms")
    run.fact("levels of the pyramid", len(detector.scales_))
    windows = detector.windows_of(sets.test.images.shape[1:3])
    run.fact("windows of a scene, all classes", windows)
    average = 100 * evaluation.average_precision(0.5)
    for name, value in zip(sets.classes, average, strict=True):
        run.fact(f"AP of {name}", np.nan_to_num(value), "%")

    run.figure(
        "templates", draw_templates, detector, sets.classes,
        caption="Templates: edges that speak for a class (above) and against it (below), the darker the more.",
    )  # fmt: skip
    found = evaluation.detections
    item = max(range(len(found)), key=lambda i: float(above(found[i], SURE)["scores"].sum()))
    target = sets.test.targets[item]
    label = int(found[item]["labels"][0])
    run.figure(
        "pyramid", draw_pyramid, detector, sets.test.images[item], label, sets.classes[label - 1],
        caption="Above: every second level of the pyramid with its highest-scoring window. Below: the score of the "
        "window around each place, red above 0, blue below.",
    )  # fmt: skip
    before = detector.every_window(sets.test.images[item])
    run.figure(
        "suppression", draw_suppressed, sets.test.images[item], target,
        above(before, SURE), above(found[item], SURE), sets.classes,
        caption=f"Left: the objects. Middle: all windows with a score above {SURE:g}. Right: those that suppression "
        "leaves.",
    )  # fmt: skip
    order = np.argsort(np.nan_to_num(average))
    run.note(
        f"{windows} windows a scene, {1000 * method.predict_seconds / len(sets.test):.0f} ms. Best found: "
        f"{sets.classes[order[-1]]} ({average[order[-1]]:.0f} %), worst: {sets.classes[order[0]]} "
        f"({np.nan_to_num(average)[order[0]]:.0f} %); {METRIC} is {100 * evaluation.mean_average_precision(0.5):.1f} %."
    )
