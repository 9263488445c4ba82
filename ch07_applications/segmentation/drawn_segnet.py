"""Drawings of the lesson on SegNet: what pooling remembers, and label maps side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer

from ch07_applications.segmentation.drawn_labels import draw_strips
from ch07_applications.segmentation.label_colours import best_median_worst
from ch07_applications.segmentation.shown_items import right_by_image
from common import plots
from common.data.segmented import SegmentedImages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Map = Float[np.ndarray, "height width"]


def draw_answers(part: SegmentedImages, labels: Mapping[str, Integer[np.ndarray, "items height width"]]) -> Figure:
    """Three images, the truth and each method's label map: the best, the median and the worst of the first method."""
    scores = right_by_image(part, next(iter(labels.values())))
    places = best_median_worst(scores)
    names = [f"{name}, {100 * scores[k]:.0f} %" for name, k in zip(("best", "median", "worst"), places, strict=True)]
    columns = {"truth": part.labels[places], **{name: own[places] for name, own in labels.items()}}
    return draw_strips(part.images[places], columns, part.classes, rows=names)


def write_map(axis: Axes, values: Map, title: str, marked: Map | None = None) -> None:
    """The map's numbers in their cells: larger is darker, marked is red; lines separate 2×2 windows."""
    height, width = values.shape
    axis.imshow(values, cmap="Blues", vmin=0, vmax=55, extent=(0, width, height, 0))
    for row in range(height):
        for column in range(width):
            chosen = marked is not None and bool(marked[row, column])
            axis.text(
                column + 0.5, row + 0.5, f"{values[row, column]:g}", ha="center", va="center", fontsize=10,
                color=plots.RED if chosen else plots.INK, fontweight="bold" if chosen else "normal",
            )  # fmt: skip
    for line in range(0, max(height, width) + 1, 2 if height > 2 else 1):
        axis.axhline(min(line, height), color=plots.GREY, linewidth=0.8)
        axis.axvline(min(line, width), color=plots.GREY, linewidth=0.8)
    axis.set(xticks=[], yticks=[], xlim=(-0.02, width + 0.02), ylim=(height + 0.02, -0.02))
    axis.set_title(title, fontsize=9.5, loc="center")
    for spine in axis.spines.values():
        spine.set_visible(False)


def draw_places(encoder: Map, places: Integer[np.ndarray, "rows columns"], ways: Mapping[str, Map]) -> Figure:
    """A map of 4 × 4 with its maxima marked, the pooled map, and each upsampling of it.

    encoder: the map before pooling. places: the maxima's pixel numbers, row by row. ways: the upsampled 4 × 4 maps by
    name.
    """
    marked = np.zeros(encoder.size)
    marked[places.ravel()] = 1
    marked = marked.reshape(encoder.shape)
    pooled = encoder.ravel()[places]
    figure, axes = plots.panels(2 + len(ways), width=1.75, height=2.1)
    write_map(axes[0], encoder, "encoder's map", marked)
    write_map(axes[1], pooled, "pooled, places kept")
    for (row, column), place in np.ndenumerate(places):
        axes[1].text(column + 0.5, row + 0.78, f"place {place}", ha="center", fontsize=7.5, color=plots.RED)
    for axis, (name, values) in zip(axes[2:], ways.items(), strict=True):
        write_map(axis, np.round(values, 1), name, marked if "place" in name else None)
    return figure
