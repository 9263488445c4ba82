"""Drawings of still_camera.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch06_detection.drawings.boxes import outline
from common import plots
from common.data.boxed import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_gap(names: Sequence[str], scores: dict[tuple[str, str], float], places: tuple[str, str]) -> Figure:
    """Each method's score near and far, joined by a line."""
    figure, axis = plots.panels(1, width=5.6, height=2.6)
    for row, name in enumerate(reversed(names)):
        near, far = (scores[name, place] for place in places)
        axis.plot([far, near], [row, row], color=plots.GREY, zorder=1)
        axis.scatter(near, row, color=plots.GREEN, s=60, zorder=2, label=places[0] if row == 0 else None)
        axis.scatter(far, row, color=plots.RED, s=60, zorder=2, label=places[1] if row == 0 else None)
    axis.set_yticks(range(len(names)), list(reversed(names)))
    axis.set(xlabel="mAP@0.5 (%)", ylim=(-0.5, len(names) - 0.5))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def draw_pasted(images: UInt8[np.ndarray, "n height width 3"], targets: Sequence[Target]) -> Figure:
    """Composed frames with the boxes of the people in them."""
    figure, axes = plots.panels(3, -(-len(images) // 3), width=2.7, height=2.1, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, target in zip(axes.flat, images, targets, strict=False):
        axis.imshow(image)
        outline(axis, target["boxes"], plots.GREEN, 1.2)
        axis.set(xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
    return figure


def draw_far_frame(image: UInt8[np.ndarray, "height width 3"], target: Target, found: dict[str, Target]) -> Figure:
    """One frame with each detector's highest-scoring boxes, as many as there are people."""
    figure, axes = plots.panels(len(found), width=5.0, height=4.2)
    for axis, (name, detections) in zip(axes, found.items(), strict=True):
        axis.imshow(image)
        axis.axis("off")
        outline(axis, target["boxes"], plots.GREEN, 1.8)
        outline(axis, detections["boxes"][: len(target["boxes"])], plots.RED, 1.2)
        axis.set(title=name, xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
    return figure
