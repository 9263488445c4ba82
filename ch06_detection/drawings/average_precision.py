"""Drawings of average_precision.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from ch06_detection.drawings.boxes import outline
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_matches(
    size: tuple[int, int],
    objects: Float[Tensor, "m 4"],
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, "n"],
    true: Bool[Tensor, "n"],
) -> Figure:
    """The objects, filled, and the detections with their numbers and scores; true ones are solid, false ones dashed."""
    figure, axis = plots.panels(width=5.4, height=3.7)
    for x1, y1, x2, y2 in objects.tolist():
        axis.fill([x1, x2, x2, x1], [y1, y1, y2, y2], color=plots.PALE, lw=0)
    for k, ((x1, y1, x2, y2), score) in enumerate(zip(boxes.tolist(), scores.tolist(), strict=True)):
        colour = plots.BLUE if true[k] else plots.RED
        outline(axis, boxes[k : k + 1], colour, 2, dashed=not true[k])
        above = k % 2 == 0  # so that numbers of overlapping boxes are separate
        place = {"x": x1 + 0.4, "y": y1 + 0.4, "va": "top"} if above else {"x": x2 - 0.4, "y": y2 - 0.4, "va": "bottom"}
        axis.text(s=f"{k + 1}: {score:.1f}", color=colour, ha="left" if above else "right", fontsize=9, **place)
    axis.set(xlim=(0, size[1]), ylim=(size[0], 0), aspect="equal", xticks=[], yticks=[])
    axis.grid(visible=False)
    return figure


def draw_conventions(
    precision: Float[Tensor, "n"],
    recall: Float[Tensor, "n"],
    highest: Float[Tensor, "n"],
    conventions: dict[str, int | None],
    values: dict[str, float],
) -> Figure:
    """Precision by recall, the envelope, and the heights that each convention averages."""
    figure, axes = plots.panels(len(conventions), width=3.3, height=3.0, sharey=True)
    precision, recall, highest = precision.numpy(), recall.numpy(), highest.numpy()
    for axis, (name, points) in zip(axes, conventions.items(), strict=True):
        edges, heights = np.append(0, recall), np.append(highest[:1], highest)
        axis.step(edges, heights, where="pre", color=plots.ORANGE, label="envelope")
        if points is None:
            axis.fill_between(edges, heights, step="pre", color=plots.ORANGE, alpha=0.3, lw=0)
        else:
            at = np.linspace(0, 1, points)
            height = np.append(highest, 0)[np.searchsorted(recall, at)]
            axis.vlines(at, 0, height, color=plots.ORANGE, lw=4 if points < 50 else 1, alpha=0.5)
        axis.plot(recall, precision, "o-", color=plots.INK, lw=1, label="measured")
        for k, (x, y) in enumerate(zip(recall.tolist(), precision.tolist(), strict=True)):
            axis.annotate(str(k + 1), (x, y), (5, 3), textcoords="offset points", fontsize=8)
        axis.set(title=f"{name}: {values[name]:.3f}", xlabel="recall", xlim=(-0.02, 1.02), ylim=(0, 1.08))
    axes[0].set_ylabel("precision")
    axes[-1].legend(loc="lower right")
    return figure
