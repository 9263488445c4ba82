"""Drawings of comparison.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ch06_detection.drawings.boxes import outline
from ch06_detection.scoring.errors import Errors
from common import plots
from common.data.boxed import BoxedImages

if TYPE_CHECKING:
    from matplotlib.figure import Figure


COLOURS = {"localisation": plots.BLUE, "confusion": plots.ORANGE, "background": plots.GREY}


def draw_by_size(values: dict[str, list[float]], sizes: dict[str, float]) -> Figure:
    """mAP by the size of the objects. sizes: the classes of size by name, each with its least √area."""
    figure, axis = plots.panels(width=5.2, height=3.2)
    for (name, line), colour in zip(values.items(), plots.CYCLE, strict=False):
        axis.plot(list(sizes), line, "o-", color=colour, label=name)
    axis.set_xticks(range(len(sizes)), [f"{name}\nfrom {low:g} px" for name, low in sizes.items()])
    axis.set(ylabel="mAP at 0.5 (%)", ylim=(0, 100))
    axis.legend(loc="lower right", ncols=2)
    return figure


def draw_kinds(errors: dict[str, Errors]) -> Figure:
    """The errors of the highest-scoring detections, and the missed objects, in per cent of the objects."""
    figure, (left, right) = plots.panels(2, width=4.6, height=2.7, width_ratios=(2.4, 1))
    names = list(errors)
    start = np.zeros(len(names))
    for kind, colour in COLOURS.items():
        shares = np.array([errors[name].shares[kind] for name in names])
        left.barh(names, shares, left=start, color=colour, label=kind)
        start += shares
    right.barh(names, [errors[name].shares["missed"] for name in names], color=plots.RED)
    left.set(title="False among the highest-scoring", xlabel="% of the objects", xlim=(0, start.max() * 1.05))
    right.set(title="Objects missed", xlabel="% of the objects", yticklabels=[])
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for axis in (left, right):
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
    return figure


def draw_errors(part: BoxedImages, errors: dict[str, Errors], count: int = 2) -> Figure:
    """For each detector and kind of error, examples with high scores: objects in green, detections in red, named."""
    figure, axes = plots.panels(len(COLOURS) * count, len(errors), width=1.34, height=1.6, squeeze=False)
    for row, (name, found) in zip(axes, errors.items(), strict=True):
        for k, kind in enumerate(COLOURS):
            some = np.flatnonzero(found.kinds == kind)[:: max(1, (found.kinds == kind).sum() // count)][:count]
            for axis, which in zip(row[k * count : (k + 1) * count], some, strict=False):
                item = int(found.images[which])
                axis.imshow(part.images[item])
                outline(axis, part.targets[item]["boxes"], plots.GREEN, 1.2)
                box = torch.tensor(found.boxes[which : which + 1])
                outline(axis, box, plots.RED, 2)
                axis.set_title(found.name(int(which), part), fontsize=6.5, pad=2)
                axis.set(xlim=(0, part.images.shape[2]), ylim=(part.images.shape[1], 0))
        for axis in row:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, fontsize=9, fontweight="bold")
    for k, kind in enumerate(COLOURS):
        axes[0, k * count].text(
            0, 1.16, kind, transform=axes[0, k * count].transAxes, fontsize=10, fontweight="bold", va="bottom"
        )
    return figure
