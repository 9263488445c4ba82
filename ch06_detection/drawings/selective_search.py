"""Drawings of selective_search.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ch06_detection.boxes import iou
from ch06_detection.drawings.boxes import outline
from ch06_detection.proposals.recall import ENOUGH, recall, recall_band
from common import plots
from common.results import bootstrap_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ch06_detection.selective_search import Grouping


def draw_levels(
    image: UInt8[np.ndarray, "height width 3"], levels: list[Grouping], boxes: Float[Tensor, "n 4"], truth: Tensor
) -> Figure:
    """One hierarchy at several levels: regions in their mean colours, their boxes; and each object's best proposal."""
    figure, axes = plots.panels(len(levels) + 1, 2, width=1.9, height=2.05)
    edges = (0, image.shape[1], image.shape[0], 0)
    for column, level in enumerate(levels):
        axes[0, column].imshow(level.picture, extent=edges)
        axes[0, column].set_title(f"{len(level.boxes)} regions")
        axes[1, column].imshow(image // 2 + 127, extent=edges)
        outline(axes[1, column], level.boxes, plots.BLUE, 1.1)
    best = boxes[iou(truth, boxes).argmax(dim=1)]
    axes[0, -1].imshow(image, extent=edges)
    axes[0, -1].set_title("the scene")
    axes[1, -1].imshow(image // 2 + 127, extent=edges)
    outline(axes[1, -1], truth, plots.INK, 1.1, dashed=True)
    outline(axes[1, -1], best, plots.ORANGE, 1.1)
    for axis in axes.flat:
        axis.set(xlim=(-2, edges[1] + 2), ylim=(edges[2] + 2, -2))
        axis.axis("off")
    return figure


def draw_recall(
    thresholds: Sequence[float],
    curves: dict[str, Float[np.ndarray, "objects most"]],
    grids: list[tuple[int, Float[np.ndarray, "objects"]]],
    picture: Int[np.ndarray, "objects"],
) -> Figure:
    """Recall by the number of boxes, with bands; sliding windows are dots, one per grid."""
    figure, axes = plots.panels(len(thresholds), width=4.8, height=3.5, sharey=True)
    at = np.unique(np.geomspace(1, max(best.shape[1] for best in curves.values()), 80).astype(int)) - 1
    for axis, threshold in zip(axes, thresholds, strict=True):
        for colour, (name, best) in zip(plots.CYCLE, curves.items(), strict=False):
            here = at[at < best.shape[1]]
            axis.plot(here + 1, 100 * recall(best[:, here], threshold), color=colour, label=name)
            low, high = 100 * recall_band(best[:, here], picture, threshold)
            axis.fill_between(here + 1, low, high, color=colour, alpha=0.15, linewidth=0)
        counts, bests = zip(*grids, strict=True)
        shares = [100 * recall(best, threshold) for best in bests]
        axis.plot(counts, shares, "o--", color=plots.GREY, linewidth=1, label="sliding windows")
        axis.axhline(100 * ENOUGH, color=plots.INK, linewidth=0.8, linestyle=":")
        axis.set(title=f"found with IoU ≥ {threshold}", xscale="log", xlabel="boxes a scene", ylim=(0, 102))
    axes[0].set_ylabel("objects, %")
    axes[0].legend(loc="lower right")
    return figure


def draw_variants(
    found: dict[str, Float[np.ndarray, "objects most"]],
    searches: Sequence[str],
    counts: dict[str, float],
    groups: Int[np.ndarray, "objects"],
) -> Figure:
    """The average best overlap of each proposal method, with its interval and its number of boxes per scene."""
    figure, axis = plots.panels(width=6.6, height=3.6)
    for row, name in enumerate(found):
        middle, low, high = (100 * end for end in bootstrap_interval(np.mean, found[name][:, -1], groups=groups).ends)
        colour = plots.BLUE if name in searches else plots.GREY
        axis.errorbar(middle, row, xerr=[[middle - low], [high - middle]], fmt="o", color=colour)
        axis.annotate(f"{counts[name]:.0f}", (1.02, row), xycoords=("axes fraction", "data"), va="center")
    axis.annotate("boxes", (1.02, 1.02), xycoords="axes fraction", fontweight="bold")
    axis.set_yticks(range(len(found)), list(found))
    axis.set(ylim=(len(found) - 0.5, -0.5), xlabel="average best overlap, %")
    return figure
