"""Drawings of the lesson on 3-D convolutions: strips of films, hardwired maps, confusions, accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ch07_applications.video.films import Films
    from common.record import LessonRecord

EVERY = 2  # step between the frames of strips


def draw_strips(films: Films) -> Figure:
    """Every second frame of each film, in two columns of strips, with the class on the left."""
    rows = -(-len(films) // 2)
    figure, axes = plots.panels(2, rows, width=4.4, height=0.66, squeeze=False)
    figure.get_layout_engine().set(rect=(0.02, 0, 0.98, 1))  # names are wider than the layout's estimate
    for axis, film, label in zip(axes.T.flat, films.films, films.labels, strict=False):
        axis.imshow(np.concatenate(list(film[::EVERY]), axis=1), interpolation="nearest")
        name_row(axis, films.classes[label])
    for axis in axes.T.flat[len(films) :]:
        axis.set_axis_off()
    return figure


def name_row(axis: Axes, name: str) -> None:
    """Write the name beside a strip without axes."""
    axis.set_xticks([])
    axis.set_yticks([axis.get_ylim()[0] / 2], [name], fontsize=9)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.grid(False)


def draw_kinds(
    film: UInt8[np.ndarray, "frames side side 3"],
    maps: Float[np.ndarray, "kinds frames side side"],
    names: Sequence[str],
) -> Figure:
    """A film above its maps, each kind from dark, below zero, to bright, above."""
    figure, axes = plots.panels(1, 1 + len(maps), width=6.4, height=0.62)
    axes[0].imshow(np.concatenate(list(film), axis=1), interpolation="nearest")
    for axis, kind in zip(axes[1:], maps, strict=True):
        most = np.percentile(np.abs(kind), 99.5)
        axis.imshow(np.concatenate(list(kind), axis=1), cmap="gray", vmin=-most, vmax=most, interpolation="nearest")
    for axis, name in zip(axes, ("film", *names), strict=True):
        name_row(axis, name)
    return figure


def draw_moving(films: Films) -> list[Figure]:
    """The films side by side, a figure per frame."""
    figures = []
    for frame in range(films.films.shape[1]):
        figure, axes = plots.panels(len(films), 1, width=1.25, height=1.45, squeeze=False)
        for axis, film, label in zip(axes[0], films.films, films.labels, strict=True):
            axis.imshow(film[frame], interpolation="nearest")
            axis.set_title(films.classes[label], fontsize=9)
            axis.set_axis_off()
        figures.append(figure)
    return figures


def draw_confusions(
    labels: Int64[np.ndarray, "films"], predictions: Mapping[str, Int64[np.ndarray, "films"]], classes: Sequence[str]
) -> Figure:
    """A matrix per method: of the films of each class, the share predicted as each."""
    figure, axes = plots.panels(len(predictions), 1, width=4.6, height=4.2, squeeze=False, sharey=True)
    for axis, (name, found) in zip(axes[0], predictions.items(), strict=True):
        counts = np.zeros((len(classes), len(classes)))
        np.add.at(counts, (labels, found), 1)
        shares = 100 * counts / counts.sum(axis=1, keepdims=True).clip(min=1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.argwhere(shares >= 1):
            colour = "white" if shares[row, column] > 60 else plots.INK
            axis.text(column, row, f"{shares[row, column]:.0f}", ha="center", va="center", fontsize=7, color=colour)
        axis.set_xticks(range(len(classes)), classes, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(classes)), classes, fontsize=8)
        axis.set_title(name)
        axis.grid(False)
    return figure


def draw_bars(record: LessonRecord, names: Sequence[str]) -> Figure:
    """The accuracy of each method: the mean over seeds as a bar, with its interval."""
    rows = {row.method: row for row in record.scores() if row.metric == "accuracy"}
    figure, axis = plots.panels(width=5.8, height=0.42 * len(names) + 0.9)
    for place, name in zip(range(len(names))[::-1], names, strict=True):
        row = rows[name]
        colour = {"deep": plots.BLUE, "classical": plots.ORANGE}.get(row.kind, plots.GREY)
        axis.barh(place, row.value, color=colour, height=0.6)
        axis.plot([row.low, row.high], [place, place], color=plots.INK, linewidth=1.2)
        axis.text(max(row.value, row.high), place, f"  {row.value:.1f}", va="center", fontsize=9)
    axis.set_yticks(range(len(names))[::-1], names)
    axis.set(xlabel="accuracy, %", xlim=(0, 108))
    return figure
