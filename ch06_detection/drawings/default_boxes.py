"""Drawings of default_boxes.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from ch06_detection.boxes import Boxes, iou
from ch06_detection.drawings.boxes import outline
from common import plots
from common.data.boxed import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_maps(image: UInt8[np.ndarray, "size size 3"], target: Target, maps: dict[int, Boxes], near: float) -> Figure:
    """The paper's Fig. 1: a scene's objects, and on two maps the boxes near them; their cell's other boxes are dashed.

    maps: the default boxes of each map, by its cells per side. near: the least IoU of a box with an object.
    """
    size = len(image)
    figure, axes = plots.panels(1 + len(maps), width=3.1, height=3.4)
    for axis, name in zip(axes, ("the scene", *(f"{side}×{side} map" for side in maps)), strict=True):
        axis.imshow(image, extent=(0, size, size, 0), alpha=1 if axis is axes[0] else 0.5)
        axis.set(title=name, xlim=(-14, size + 14), ylim=(size + 14, -14))
        axis.axis("off")
    for box, colour in zip(target["boxes"], plots.CYCLE, strict=False):
        outline(axes[0], box[None], colour, 2.5)
    for axis, (side, boxes) in zip(axes[1:], maps.items(), strict=True):
        lines = np.arange(side + 1) * size / side
        axis.hlines(lines, 0, size, color="white", lw=0.8)
        axis.vlines(lines, 0, size, color="white", lw=0.8)
        overlaps = iou(target["boxes"], boxes)
        cells = boxes.reshape(side**2, -1, 4)
        for best in overlaps.argmax(dim=1)[(overlaps >= near).any(dim=1)]:
            outline(axis, cells[best // cells.shape[1]], plots.INK, 1.2, dashed=True)
        for close, colour in zip(overlaps >= near, plots.CYCLE, strict=False):
            outline(axis, boxes[close], colour, 2.2)
    return figure


def draw_coverage(sides: Float[np.ndarray, "n"], overlaps: dict[str, Float[np.ndarray, "n"]], near: float) -> Figure:
    """The share of objects that have a default box near, by the side of a square of their area."""
    figure, axis = plots.panels(width=6.2, height=3.4)
    edges = np.quantile(sides, np.linspace(0, 1, 13))
    which = np.digitize(sides, edges[1:-1])
    middle = [sides[which == k].mean() for k in range(12)]
    colours = (plots.SKY, plots.BLUE, plots.PURPLE, plots.INK)
    for (name, best), colour in zip(overlaps.items(), colours, strict=True):
        share = [100 * (best[which == k] >= near).mean() for k in range(12)]
        axis.plot(middle, share, "o-", markersize=3.5, color=colour, label=name, lw=1.5 if colour != plots.INK else 2.5)
    axis.set(xlabel="√area of an object, pixels", ylabel=f"have a box with IoU ≥ {near}, %", ylim=(-3, 105))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
