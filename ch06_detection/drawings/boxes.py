"""Pictures of boxes: overlaps, suppression, offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SURE = 0.5  # the least score of a drawn detection


def outline(
    axis: Axes, boxes: Float[Tensor, "n 4"], colour: str, width: float = 1.6, alpha: float = 1, *, dashed: bool = False
) -> None:
    """Draw the edges of boxes, xyxy."""
    from matplotlib.collections import PolyCollection

    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2).numpy()
    edges = {"edgecolors": colour, "linewidths": width, "alpha": alpha, "linestyles": "--" if dashed else "-"}
    axis.add_collection(PolyCollection(corners, facecolors="none", **edges))


def draw_overlaps(square: Float[Tensor, "1 4"], others: list[Tensor], titles: list[str]) -> Figure:
    """One box together with each of the others."""
    figure, axes = plots.panels(len(others), width=1.6, height=1.9)
    for axis, other, title in zip(axes, others, titles, strict=True):
        outline(axis, square, plots.BLUE, 2)
        outline(axis, other, plots.ORANGE, 2)
        axis.set(xlim=(-0.1, 1.6), ylim=(1.5, -0.1), aspect="equal")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    return figure


def bracket(axis: Axes, start: tuple[float, float], end: tuple[float, float], text: str, colour: str) -> None:
    """A length with a bar at either end and its text: above a level one, to the right of an upright one."""
    bar = {"arrowstyle": "|-|, widthA=0.25, widthB=0.25", "color": colour, "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops=bar)
    level = start[1] == end[1]
    place = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    align = {"ha": "center", "va": "bottom"} if level else {"ha": "left", "va": "center"}
    shift = (0, 2) if level else (4, 0)
    axis.annotate(text, place, shift, textcoords="offset points", color=colour, fontsize=9, **align)


def draw_offset(
    default: Float[Tensor, "4"], box: Float[Tensor, "4"], offsets: Float[Tensor, "4"], variances: tuple[float, float]
) -> Figure:
    """A default box and an object's box, xyxy, with what the offsets measure; beside them, the four offsets."""
    figure, (axis, beside) = plots.panels(2, width=3.9, height=3.5, gridspec_kw={"width_ratios": [1.25, 1]})
    (dx, dy), (cx, cy) = ((some[:2] + some[2:]).div(2).tolist() for some in (default, box))
    (dw, dh), (w, h) = ((some[2:] - some[:2]).tolist() for some in (default, box))
    for some, colour, dashed in ((default, plots.BLUE, True), (box, plots.ORANGE, False)):
        outline(axis, some[None], colour, 2, dashed=dashed)
    axis.plot(dx, dy, "o", color=plots.BLUE, ms=6)
    axis.plot(cx, cy, "o", color=plots.ORANGE, ms=6)
    arrow = {"arrowstyle": "-|>", "color": plots.INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 3, "mutation_scale": 11}
    for start, end in (((dx, dy), (cx, dy)), ((cx, dy), (cx, cy))):
        if start != end:
            axis.annotate("", end, start, arrowprops=arrow)
    axis.annotate(
        f"$c_x - d_x = {cx - dx:g}$\n$c_y - d_y = {cy - dy:g}$", ((dx + cx) / 2, max(dy, cy)), (0, -9),
        textcoords="offset points", ha="center", va="top", fontsize=9,
    )  # fmt: skip
    left, top, right, bottom = torch.stack([default, box]).T.tolist()
    sizes = ((f"$d_w$ = {dw:g}", f"$d_h$ = {dh:g}"), (f"$w$ = {w:g}", f"$h$ = {h:g}"))
    for k, ((wide, high), colour) in enumerate(zip(sizes, (plots.BLUE, plots.ORANGE), strict=True)):
        y, x = max(bottom) + 7 + 8 * k, max(right) + 5 + 17 * k
        bracket(axis, (left[k], y), (right[k], y), wide, colour)
        bracket(axis, (x, top[k]), (x, bottom[k]), high, colour)
    axis.text(min(left), min(top) - 5, "default box", color=plots.BLUE, fontsize=9, va="bottom")
    axis.text(max(right), min(top) - 5, "object", color=plots.ORANGE, fontsize=9, va="bottom", ha="right")
    axis.set(xlim=(min(left) - 2, max(right) + 37), ylim=(max(bottom) + 18, min(top) - 12), aspect="equal")
    lines = [
        rf"$\Delta_{{cx}} = \frac{{{cx - dx:g}}}{{{variances[0]:g} \cdot {dw:g}}} = {offsets[0]:.3g}$",
        rf"$\Delta_{{cy}} = \frac{{{cy - dy:g}}}{{{variances[0]:g} \cdot {dh:g}}} = {offsets[1]:.3g}$",
        rf"$\Delta_w = \frac{{\ln ({w:g} / {dw:g})}}{{{variances[1]:g}}} = {offsets[2]:.3f}$",
        rf"$\Delta_h = \frac{{\ln ({h:g} / {dh:g})}}{{{variances[1]:g}}} = {offsets[3]:.3f}$",
    ]
    for row, line in enumerate(lines):
        beside.text(0, 0.86 - 0.23 * row, line, fontsize=14, va="center")
    beside.set(xlim=(0, 1), ylim=(0, 1))
    for each in (axis, beside):
        each.axis("off")
    return figure


def draw_kept(image: UInt8[np.ndarray, "side side 3"], boxes: dict[str, Tensor]) -> Figure:
    """The detections, then the boxes that suppression keeps at each threshold."""
    figure, axes = plots.panels(len(boxes), width=2.1, height=2.4)
    for axis, (name, some) in zip(axes, boxes.items(), strict=True):
        axis.imshow(image)
        outline(axis, some, "white", *((0.5, 0.7) if axis is axes[0] else (1.6, 1)))
        title = f"{len(some)} boxes" if axis is axes[0] else f"{name}: {len(some)} stay"
        axis.set(title=title, xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
        axis.axis("off")
    return figure


def draw_offsets(bare: Float[Tensor, "n 4"], divided: Float[Tensor, "n 4"]) -> Figure:
    """The distributions of offsets: plain, and divided by the variances."""
    figure, axes = plots.panels(2, width=4.2, height=2.9)
    kinds = [("centre", slice(2), plots.BLUE), ("logarithm of size", slice(2, 4), plots.ORANGE)]
    for axis, offsets, title in zip(axes, (bare, divided), ("as they are", "divided by the variances"), strict=True):
        for name, columns, colour in kinds:
            part = offsets[:, columns].flatten().numpy()
            label = f"{name}: σ = {part.std():.2f}"
            axis.hist(part, bins=50, histtype="step", density=True, color=colour, lw=2, label=label)
        axis.set(title=title, yticks=[], xlabel="offset", ylim=(0, 1.45 * axis.get_ylim()[1]))
        axis.legend(loc="upper right")
    return figure


def draw_neighbours(
    overlaps: Float[np.ndarray, "n"], wrong: Float[np.ndarray, "n thresholds 2"], thresholds: tuple[float, ...]
) -> Figure:
    """Objects lost and duplicates kept, in per cent of the objects, against the overlap of two objects."""
    figure, axes = plots.panels(2, width=4.2, height=3.0)
    for axis, values, title in zip(axes, np.moveaxis(wrong, 2, 0), ("objects lost", "duplicates kept"), strict=True):
        for threshold, line, colour in zip(thresholds, values.T, plots.CYCLE, strict=False):
            axis.plot(overlaps, line, color=colour, label=f"suppressed above {threshold:g}")
        axis.set(title=title, xlabel="IoU of two neighbours", ylabel="% of the objects")
    axes[0].legend()
    return figure
