"""Drawings of digits drawn and completed pixel by pixel, of skewed maps, receptive fields and likelihood over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from ch07_applications.reconstruction.validation_curve import ValidationCurve
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Images = UInt8[np.ndarray, "images height width"]
CAPTIONS = {
    "samples": "The first test digits, binarised, and as many digits drawn by each model.",
    "completions": "The first test digit of each class, its upper half, and that half completed: each model draws "
    "the lower pixels given the upper ones. PixelCNN draws twice.",
    "curves": "Nats per validation digit against seconds of training. Lines across are methods without a network, "
    "fitted: lower is better.",
    "skewing": "Numbers are the order in which pixels are read. Skewed, each row begins one column later than the one "
    "above: a column is a diagonal of the map, and its states need only those of the column before. Right: the places "
    "(orange) whose features reach the framed place, in the stream from the left corner, and in that from the right "
    "corner after it was moved down by a row.",
    "fields": "Blue: pixels that the network's output at the black pixel depends on, at 28 × 28. Grey: earlier pixels "
    "that it does not see. White: later pixels.",
}


def show(axis: Axes, picture: np.ndarray, title: str = "", **how: object) -> None:
    """Show a picture without a frame; 1 is black."""
    axis.imshow(picture, **{"cmap": "Greys", "vmin": 0, "vmax": 1, "interpolation": "nearest"} | how)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    axis.spines[:].set(visible=True, color=plots.PALE)
    axis.set_title(title, fontsize=9)


def draw_rows(rows: Mapping[str, Images | np.ndarray]) -> Figure:
    """A row of pictures per name; the name is on its left."""
    columns = max(map(len, rows.values()))
    figure, axes = plots.panels(columns, len(rows), width=8.6 / columns, height=8.6 / columns + 0.02, squeeze=False)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            show(axis, picture)
        line[0].set_ylabel(name, fontsize=8.5, rotation=0, ha="right", va="center")
    return figure


def draw_curves(panels: Mapping[str, tuple[Mapping[str, ValidationCurve], Mapping[str, float]]]) -> Figure:
    """A panel per size of digits: a curve per network, a line across per rival."""
    figure, axes = plots.panels(len(panels), width=4.7, height=3.5, squeeze=False)
    for axis, (title, (curves, rivals)) in zip(axes[0], panels.items(), strict=True):
        for (name, curve), colour in zip(curves.items(), plots.CYCLE, strict=False):
            axis.plot(curve.seconds, curve.scores, "o-", color=colour, markersize=3, label=name)
        last = [score for curve in curves.values() for score in curve.scores]
        top = max(min(max(last), 1.25 * min(last)), 1.04 * min(rivals.values()))
        for name, nats in rivals.items():
            if nats <= top:
                axis.axhline(nats, color=plots.GREY, linewidth=1.2, linestyle="--")
                axis.annotate(
                    name, (1, nats), (-2, 3), ("axes fraction", "data"), "offset points", ha="right", fontsize=8
                )
        axis.set(title=title, xlabel="seconds of training", ylim=(0.985 * min(last), top * 1.01))
        axis.legend(loc="upper right", fontsize=8)
    axes[0, 0].set_ylabel("nats per validation digit")
    return figure


def draw_skewing(side: int = 5) -> Figure:
    """A map of side × side pixels, skewed; and the context of each stream at one pixel."""
    figure, axes = plots.panels(4, width=2.5, height=2.5, width_ratios=[1, 1.8, 1, 1])
    order = np.arange(side * side).reshape(side, side)
    skewed = np.full((side, 2 * side - 1), -1)
    for row in range(side):
        skewed[row, row : row + side] = order[row]
    row, column = side // 2, side // 2
    y, x = np.mgrid[:side, :side]
    streams = {"left stream": (y <= row) & (x <= column), "right stream": (y < row) & (x >= column)}
    for axis, values, title in zip(axes, (order, skewed), ("map", "skewed map"), strict=False):
        diagonal = np.add(*np.mgrid[:side, :side]) if title == "map" else np.arange(2 * side - 1)[None] + 0 * values
        show(axis, np.where(values < 0, np.nan, 0.12 + 0.3 * (diagonal % 2)), title, cmap="Blues")
        number(axis, values)
    for axis, (title, seen) in zip(axes[2:], streams.items(), strict=True):
        show(axis, np.where(seen, 0.45, 0.0), title, cmap="Oranges")
        number(axis, order)
        frame(axis, row, column)
    return figure


def number(axis: Axes, values: np.ndarray) -> None:
    """Write each number in its pixel unless it is negative."""
    for (row, column), value in np.ndenumerate(values):
        if value >= 0:
            axis.text(column, row, str(value), ha="center", va="center", fontsize=7)


def frame(axis: Axes, row: int, column: int) -> None:
    """Draw a frame around a pixel."""
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=2))


def draw_fields(
    fields: Mapping[str, Bool[np.ndarray, "height width"]],
    past: Bool[np.ndarray, "height width"],
    place: Sequence[int],
) -> Figure:
    """A panel per network: the part of the pixels before the place that it depends on."""
    figure, axes = plots.panels(len(fields), width=2.7, height=2.9, squeeze=False)
    colours = np.array([[1, 1, 1], [0.8, 0.82, 0.85], [0.35, 0.6, 0.83]])
    for axis, (name, seen) in zip(axes[0], fields.items(), strict=True):
        picture = colours[past.astype(int) + (past & seen)]
        picture[tuple(place)] = 0
        show(axis, picture, f"{name}: {100 * (seen & past).sum() / past.sum():.1f} %")
    return figure
