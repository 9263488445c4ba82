"""Drawings of ssd300.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch06_detection.default_boxes import SSD300_GRIDS, SSD300_RATIOS, SSD300_SIZES, sizes_of_a_cell
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SIDE = 300  # pixels of the image
SLANT = 0.35 * 0.6  # the offset of a map's back to the right and above, as a share of its height


def draw_slab(axis: Axes, x: float, height: float, depth: float, colour: str) -> None:
    """A map as a box seen from the side: height for its rows, depth for its channels."""
    from matplotlib.patches import Polygon

    corners = np.array([[x, -height / 2], [x + depth, -height / 2], [x + depth, height / 2], [x, height / 2]])
    back = np.full(2, SLANT * height)
    top = np.array([corners[3], corners[2], corners[2] + back, corners[3] + back])
    side = np.array([corners[1], corners[2], corners[2] + back, corners[1] + back])
    for face, strength in [(top, 0.35), (side, 0.55), (corners, 0.18)]:
        axis.add_patch(Polygon(face, facecolor="white", edgecolor="none"))
        axis.add_patch(Polygon(face, facecolor=colour, alpha=strength, edgecolor="none"))
        axis.add_patch(Polygon(face, fill=False, edgecolor=colour, linewidth=0.9))


def draw_architecture(channels: Mapping[str, int], default_boxes: Sequence[int], total: int) -> Figure:
    """The input and the six maps, and the number of default boxes on each. channels: of each map, by its name."""
    figure, axis = plots.panels(width=9.6, height=3.9)
    sizes = [rows for rows, _ in SSD300_GRIDS]
    x, last = 0.0, None
    maps = [("image", SIDE, 3, 0), *zip(channels, sizes, channels.values(), default_boxes, strict=True)]
    for name, rows, deep, boxes in maps:
        height, depth = min(0.42 * rows**0.5, 3.6), 0.08 + deep / 900
        draw_slab(axis, x, height, depth, plots.BLUE if boxes else plots.GREY)
        end = x + depth + SLANT * height
        middle = (x + end) / 2
        axis.text(middle, 3.1, name, ha="center", weight="bold")
        axis.text(middle, 2.7, f"{rows}×{rows}×{deep}", ha="center", fontsize=8.5)
        arrow = {"arrowstyle": "->", "lw": 0.9, "color": plots.INK}
        if boxes:
            axis.annotate("", (x - 0.08, 0), (last + 0.08, 0), arrowprops=arrow)
            axis.annotate("", (middle, -2.6), (middle, -height / 2 - 0.1), arrowprops=arrow)
            axis.text(middle, -3.0, f"{boxes} × {rows}²", ha="center", fontsize=8.5)
            axis.text(middle, -3.4, f"= {boxes * rows**2}", ha="center", fontsize=8.5, color=plots.BLUE, weight="bold")
        x, last = max(end + 0.9, x + 1.9), end
    axis.text(x / 2, -4.1, f"{total} default boxes, each with scores and four offsets  →  suppression", ha="center")
    axis.set(xlim=(-0.5, x - 0.2), ylim=(-4.3, 3.5), aspect="equal")
    axis.axis("off")
    return figure


def draw_fields(names: Iterable[str], photo: UInt8[np.ndarray, "height width 3"], fields: list[int]) -> Figure:
    """The default boxes of the middle cell of every map, and the receptive field of the head there."""
    from matplotlib.patches import Rectangle

    figure, axes = plots.panels(6, width=1.75, height=2.15)
    for k, (axis, name, (rows, _)) in enumerate(zip(axes, names, SSD300_GRIDS, strict=True)):
        centre = (rows // 2 + 0.5) * SIDE / rows
        axis.imshow(photo, extent=(0, SIDE, SIDE, 0), alpha=0.25)
        side = fields[k]
        axis.add_patch(Rectangle((centre - side / 2,) * 2, side, side, color=plots.SKY, alpha=0.3, lw=0))
        for wide, high in sizes_of_a_cell(SSD300_SIZES[k], SSD300_SIZES[k + 1], SSD300_RATIOS[k]).tolist():
            place = centre - wide / 2, centre - high / 2
            axis.add_patch(Rectangle(place, wide, high, fill=False, edgecolor=plots.ORANGE, lw=1.3))
        axis.set(xlim=(0, SIDE), ylim=(SIDE, 0), xticks=[], yticks=[])
        axis.set_title(f"{name}, {rows}×{rows}\nreceptive field {side} pixels", fontsize=7.5)
    return figure
