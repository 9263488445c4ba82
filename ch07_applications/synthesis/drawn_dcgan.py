"""DCGAN's pictures: samples beside rivals' and their nearest training images, walks, arithmetic, and the guidelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Grey = UInt8[np.ndarray, "_ height width"]


def draw_rows(rows: Mapping[str, Grey]) -> Figure:
    """Images side by side, dark on white, a row per name."""
    most, longest = max(len(images) for images in rows.values()), max(map(len, rows))
    figure, axes = plots.panels(1, len(rows), width=0.52 * most + max(1.9, 0.085 * longest), height=0.56, squeeze=False)
    for axis, (name, images) in zip(axes[:, 0], rows.items(), strict=True):
        show_strip(axis, images, most)
        axis.set_anchor("E")  # leaves room for names on the left
        axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=9)
    return figure


def draw_walks(images: Grey, steps: int) -> Figure:
    """A walk per row, each with `steps` steps."""
    figure, axes = plots.panels(1, len(images) // steps, width=0.6 * steps, height=0.62, squeeze=False)
    for axis, row in zip(axes[:, 0], images.reshape(-1, steps, *images.shape[1:]), strict=True):
        show_strip(axis, row, steps)
    return figure


def draw_arithmetic(means: Grey, before: Grey, after: Grey, shown: int = 12) -> Figure:
    """Pullover − T-shirt + dress = sum, for the mean noise of classes; below, single dresses before and after."""
    figure, axes = plots.panels(1, 3, width=0.6 * shown, height=0.72, squeeze=False)
    top = axes[0, 0]
    show_strip(top, means, 5)
    height, width = means.shape[1:]
    for place, sign in enumerate("−+="):
        top.text(
            (place + 1) * (width + 2) - 0.5, height / 2, sign, ha="center", va="center", color=plots.RED, fontsize=13
        )
    for axis, images, name in zip(axes[1:, 0], (before, after), ("dresses", "with sleeves"), strict=True):
        show_strip(axis, images[:shown], shown)
        axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=9)
    top.text(-0.01, 0.5, "mean noise", transform=top.transAxes, ha="right", va="center", fontsize=9)
    return figure


def show_strip(axis: Axes, images: Grey, columns: int) -> None:
    """Show images side by side at the left of `columns` columns, with a white line between them."""
    padded = np.pad(255 - images, ((0, 0), (1, 1), (1, 1)), constant_values=255)
    strip = np.concatenate(list(padded), axis=1)
    axis.imshow(strip, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_xlim(-0.5, columns * padded.shape[2] - 0.5)
    axis.set_axis_off()


def draw_changes(record: LessonRecord, changes: Sequence[str], metric: str) -> Figure:
    """The distance after each change of the recipe: the mean over seeds as a bar, every seed as a point."""
    rows = {row.method: row for row in record.scores() if row.metric == metric}
    figure, axis = plots.panels(width=5.6, height=0.42 * len(changes) + 0.9)
    places = np.arange(len(changes))[::-1]
    for place, name in zip(places, changes, strict=True):
        colour = plots.BLUE if name == changes[0] else plots.GREY
        axis.barh(place, rows[name].value, color=colour, height=0.6)
        each = [row.value for row in record.rows if (row.method, row.metric) == (name, metric)]
        plots.dots(axis, np.array(each), np.full(len(each), float(place)))
        axis.text(max(each), place, f"  {rows[name].value:.1f}", va="center", fontsize=9)
    axis.set_yticks(places, changes)
    axis.set(xlabel=f"{metric}, lower is better")
    axis.margins(x=0.12)
    return figure
