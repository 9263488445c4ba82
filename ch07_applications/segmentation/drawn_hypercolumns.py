"""Pictures of hypercolumns: scores by the layers used, and a score as a sum over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.segmentation.scoring import BOUNDARY, IOU
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_layers(record: LessonRecord, names: Sequence[str]) -> Figure:
    """Two panels, one per metric: a bar per choice of layers, with its interval."""
    figure, axes = plots.panels(2, width=3.6, height=2.5, sharey=True)
    scores = {(row.method, row.metric): row for row in record.scores()}
    for axis, metric in zip(axes, (IOU, BOUNDARY), strict=True):
        rows = [scores[name, metric] for name in names]
        values = np.array([row.value for row in rows])
        errors = np.nan_to_num(np.abs(np.array([[row.low, row.high] for row in rows]).T - values))
        colours = [plots.ORANGE if name == names[-1] else plots.SKY for name in names]
        axis.barh(range(len(names)), values, xerr=errors, color=colours, ecolor=plots.INK)
        axis.set(xlabel=f"{metric} (%)")
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    return figure


def draw_sums(
    image: UInt8[np.ndarray, "height width 3"],
    name: str,
    added: Mapping[str, Float[np.ndarray, "height width"]],
) -> Figure:
    """The image, a map per layer, and their sum, on one scale around 0. Each map is shown less its own median."""
    centred = {layer: values - np.median(values) for layer, values in added.items()}
    centred["sum"] = sum(centred.values())
    reach = np.percentile(np.abs(centred["sum"]), 99)
    figure, axes = plots.panels(len(centred) + 1, width=1.55, height=1.75)
    axes[0].imshow(image)
    axes[0].set_title(name, loc="center")
    for axis, (layer, values) in zip(axes[1:], centred.items(), strict=True):
        axis.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        axis.set_title(layer, loc="center")
    for axis in axes:
        axis.axis("off")
    return figure
