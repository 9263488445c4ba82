"""Pictures of boxes: overlaps, suppression, offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
