"""Drawings of ssd.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch06_detection.boxes import Boxes
from ch06_detection.drawings.boxes import SURE, outline
from ch06_detection.multibox import match_boxes
from common import plots
from common.data.boxed import BoxedImages, Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ch06_detection.ssd import SSDDetector


def draw_image(axis: Axes, image: UInt8[np.ndarray, "height width 3"], title: str) -> None:
    """Draw an image under a title."""
    axis.imshow(image)
    axis.set(title=title, xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
    axis.axis("off")


def draw_named(axis: Axes, found: Target, classes: tuple[str, ...], colour: str) -> None:
    """Draw boxes with the names of their classes."""
    outline(axis, found["boxes"], colour, 1.8)
    for (x, y, _, _), label in zip(found["boxes"].tolist(), found["labels"].tolist(), strict=True):
        style = {"fontsize": 6.5, "color": "white", "va": "top"}
        axis.text(x + 1, y + 1, classes[label - 1], bbox={"fc": colour, "ec": "none", "pad": 0.8}, **style)


def draw_steps(part: BoxedImages, detector: SSDDetector) -> Figure:
    """The detector's steps for the first scene with three or four objects, a small and a large one among them.

    Objects, matched default boxes, the heads' predictions before and after suppression; at one scale only.
    """

    def is_telling(target: Target) -> bool:
        sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).prod(dim=1).sqrt()
        return 3 <= len(sides) <= 4 and bool(sides.min() < 34 and sides.max() > 56)

    item = next((k for k, target in enumerate(part.targets) if is_telling(target)), 0)
    image, target, size = part.images[item], part.targets[item], part.images.shape[1:3]
    defaults, grids = detector.defaults(size), detector.network_.grids(size)
    boxes, scores = next(detector.predict_boxes(image[None]))
    labels, _ = match_boxes(target["boxes"], target["labels"], defaults)
    final = detector.select(boxes, scores)
    final = {key: values[final["scores"] > SURE] for key, values in final.items()}

    figure, axes = plots.panels(4, 2, width=2.6, height=2.85)
    draw_image(axes[0, 0], image, "objects")
    draw_named(axes[0, 0], target, part.classes, plots.GREEN)
    draw_image(axes[0, 1], image, f"{int((labels > 0).sum())} default boxes match")
    outline(axes[0, 1], defaults[labels > 0], plots.GREEN, 1)
    high = scores[:, 1:].max(dim=1).values > SURE
    draw_image(axes[0, 2], image, f"{int(high.sum())} scores above {SURE:g}")
    outline(axes[0, 2], boxes[high], plots.ORANGE, 0.8)
    draw_image(axes[0, 3], image, f"{len(final['labels'])} after suppression")
    draw_named(axes[0, 3], final, part.classes, plots.BLUE)

    start = 0
    for axis, (rows, columns), shape in zip(axes[1], grids, detector.shapes, strict=False):
        number = rows * columns * len(shape)
        some = scores[start : start + number, 1:].sum(dim=1).reshape(rows, columns, len(shape)).max(dim=2).values
        axis.imshow(some.numpy(), vmin=0, vmax=1, cmap="magma", extent=(0, size[1], size[0], 0))
        axis.set(title=f"{rows}×{columns}: an object's probability")
        axis.axis("off")
        start += number
    moves = boxes[high] - defaults[high]
    draw_moves(axes[1, 3], image, defaults[high], moves)
    return figure


def draw_moves(axis: Axes, image: UInt8[np.ndarray, "height width 3"], defaults: Boxes, moves: Boxes) -> None:
    """Draw how the offsets move the corners of high-scoring default boxes."""
    draw_image(axis, image, "offsets move their corners")
    for x, y in ((0, 1), (2, 3)):
        arrows = (defaults[:, x], defaults[:, y], moves[:, x], moves[:, y])
        axis.quiver(
            *(part.numpy() for part in arrows), angles="xy", scale_units="xy", scale=1, color="white", width=0.006
        )


def draw_scenes(images: UInt8[np.ndarray, "n height width 3"], found: list[Target], classes: tuple[str, ...]) -> Figure:
    """Scenes with the detections that have high scores."""
    figure, axes = plots.panels(4, 2, width=2.6, height=2.6)
    for axis, image, detections in zip(axes.flat, images, found, strict=False):
        draw_image(axis, image, "")
        high = detections["scores"] > SURE
        draw_named(axis, {key: values[high] for key, values in detections.items()}, classes, plots.BLUE)
    return figure
